//! The flow table: sets of four entries, each set probed at once.
//!
//! Protocols, in short; each file says why.
//!
//! - A *reader* (`probe`) compares tag and key, copies the recipe, and reads the tag again.
//! - An *inserter* ([`insert`]) claims a slot by compare-exchange on its tag ([`claim`]), looks for
//!   a duplicate ([`conflict`]), fills the entry and publishes its tag last.
//! - The *sweeper* in user space marks LIVE entries DYING, waits until every CPU has left the
//!   program, and frees what did not move meanwhile. A packet that meets a DYING entry revives it.
//!
//! A connection of NAT or FULLNAT has two entries that name each other by index; the truth about its
//! state is in the forward one.

mod claim;
mod conflict;
mod end;
mod family;
mod insert;
mod overflow;
mod probe;
mod retire;

pub use claim::claim;
pub use conflict::{CONFLICT_NONE, conflict};
pub use end::end;
pub(crate) use family::deltas;
pub use family::{Family, Fields, V4, V6};
pub(crate) use insert::OVERFLOWED;
pub use insert::{Draft, INSERT_COLLISION, INSERT_DUPLICATE, INSERT_FULL, Scratch, insert};
pub(crate) use overflow::is_used as is_overflown;
pub use probe::{FOUND_OVERFLOW, at, find};
pub(crate) use probe::{alternate, entry_at, find_flow, locate, overflow_entry, place};
pub use retire::{Account, account, evictable, expired, partner, relieve, retire};
pub(crate) use retire::{available, burden};

/// Which draft of the [`Scratch`] a call means: the direction from the client.
pub const FORWARD: u32 = 0;
/// Which draft of the [`Scratch`] a call means: the direction to the client.
pub const REVERSE: u32 = 1;
