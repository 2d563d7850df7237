//! Rewriting packets by a recipe: one file a kind.
//!
//! Each function gets a packet whose headers are directly readable, and answers whether it could do
//! its work. TTL and hop limit are the caller's to check; they are decremented here.

mod direct;
mod link;
mod nat;
mod related;
pub(crate) mod sctp;
mod shim;
pub(crate) mod toa;
mod tunnel;

pub(crate) use direct::{age, age_delta, forward, renew};
pub(crate) use link::{address, frame};
pub(crate) use nat::{Place, translate};
pub(crate) use related::relate;
pub(crate) use shim::Shim;
pub(crate) use tunnel::{Outer, encapsulate, overhead};
