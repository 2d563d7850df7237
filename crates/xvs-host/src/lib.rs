//! What the hosts around the datapath need, set up in one command and restored exactly.
//!
//! `xvs realserver` prepares a host that an unmodified server runs on; `xvs director` prepares the
//! director's own host. Both work on [`Item`]s: settings, addresses and programs, each read, brought
//! to what is wanted, and put back. What was there is recorded before the first change.
//!
//! ```text
//!   arguments --plan--> items --engine--> host (settings, netlink, BPF)
//!                                  |
//!                                record
//! ```
//!
//! Nothing here forwards packets or knows virtual servers.

mod args;
mod cgroup;
mod clsact;
mod command;
mod director;
mod engine;
mod error;
mod item;
mod link_flags;
mod live;
mod netns;
mod place;
mod programs;
mod realserver;
mod record;
mod report;
#[cfg(test)]
mod testing;
mod vip;

pub use args::{
    Common, Decapsulation, DirectorCommand, DirectorMethod, DirectorStatus, DirectorUp, Down,
    RealserverCommand, RealserverMethod, RealserverStatus, RealserverUp,
};
pub use director::director;
pub use error::{BpfError, SetupError};
pub use item::{Ingress, Item, Value};
pub use realserver::realserver;
pub use report::{Counts, ItemStatus, Report};
pub use vip::{ParseVipError, VipPrefix};

use record::Record;
