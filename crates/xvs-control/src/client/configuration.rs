//! Calls about configuration, checks and events.

use hyper::{Method, body::Bytes};

use super::{Client, ClientError};
use crate::wire::{
    ChecksStatus, ConfigurationPlan, ConfigurationRequest, ConfigurationStatus, Event,
};

impl Client {
    /// What health checks have found.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn checks(&mut self) -> Result<ChecksStatus, ClientError> {
        self.get("/v1/checks")
    }

    /// The configuration in force.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn configuration(&mut self) -> Result<ConfigurationStatus, ClientError> {
        self.get("/v1/configuration")
    }

    /// Puts another configuration into force.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; the one before stays in force then.
    pub fn apply_configuration(
        &mut self,
        request: &ConfigurationRequest,
    ) -> Result<ConfigurationStatus, ClientError> {
        self.send(Method::POST, "/v1/configuration", request)
    }

    /// Keeps the configuration that waits for its confirmation.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; also when none waits.
    pub fn confirm_configuration(&mut self) -> Result<ConfigurationStatus, ClientError> {
        self.call(Method::POST, "/v1/configuration/confirm", Bytes::new())
    }

    /// What another configuration would change.
    ///
    /// # Errors
    ///
    /// As [`Client::version`].
    pub fn plan_configuration(
        &mut self,
        request: &ConfigurationRequest,
    ) -> Result<ConfigurationPlan, ClientError> {
        self.send(Method::POST, "/v1/configuration/plan", request)
    }

    /// Reads the file of the configuration again.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; the one before stays in force then.
    pub fn reload_configuration(&mut self) -> Result<ConfigurationStatus, ClientError> {
        self.call(Method::POST, "/v1/configuration/reload", Bytes::new())
    }

    /// Calls `visit` for each event from now on, until it answers `false` or the daemon ends. The
    /// connection to the daemon is of no use afterwards.
    ///
    /// # Errors
    ///
    /// As [`Client::version`]; also in the middle.
    pub fn events(&mut self, visit: impl FnMut(Event) -> bool) -> Result<(), ClientError> {
        self.lines("/v1/events", false, visit)
    }
}
