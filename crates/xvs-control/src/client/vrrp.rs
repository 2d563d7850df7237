//! Calls about virtual routers.

use hyper::Method;

use super::{Client, ClientError};
use crate::wire::{VrrpFailover, VrrpPriority, VrrpStatus};

impl Client {
    /// The virtual routers as they are now.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn vrrp(&mut self) -> Result<VrrpStatus, ClientError> {
        self.get("/v1/vrrp")
    }

    /// Makes a master hand over.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; also when there is no such virtual router or it is not master.
    pub fn vrrp_failover(&mut self, request: &VrrpFailover) -> Result<(), ClientError> {
        self.send(Method::POST, "/v1/vrrp/failover", request)
    }

    /// Sets a priority in place of the configured one, or takes it back.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; also when there is no such virtual router.
    pub fn vrrp_priority(&mut self, request: &VrrpPriority) -> Result<(), ClientError> {
        self.send(Method::POST, "/v1/vrrp/priority", request)
    }
}
