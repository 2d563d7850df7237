//! Map keys and values: what the programs and the daemon must agree on to the bit.
//!
//! Addresses and ports stand as they do in packets (network byte order, loaded as they lie in
//! memory); everything else is in the host's order. Every type is `repr(C)`, has no hidden padding,
//! no `bool`, `enum` or `Option`, and its size is asserted. A change of any layout raises
//! [`VERSION`].

mod address;
mod convert;
mod counter;
mod flow;
mod fragment;
mod locality;
mod next_hop;
mod rate;
mod sequence;
mod server;
mod settings;
mod text;

pub use address::{
    Address, AddressFilter, FILTER_WORDS, LINKS, LinkMac, ServiceKey, link_mac_flag,
};
pub use convert::{high32, index, join, low8, low16, low32, upper16, wide};
pub use counter::{Counter, DROPS};
pub use flow::{
    Cold, Direction, Entry4, Entry6, Key4, Key6, Method, NONE, OverflowKey, Slot, Tag, Tuple, WAYS,
};
pub(crate) use flow::{halves, whole};
pub use fragment::{Early, Fragment, FragmentKey, HELD, Held, HeldKey};
pub use locality::{Locality, LocalityKey, PLACES};
pub use next_hop::{HopKey, HopKind, NextHop};
pub use rate::{RATE_OF_VIRTUAL, Rate};
pub use sequence::Sequence;
pub use server::{
    BLOCK, Block, LocalAddress, RealServer, VirtualServer, real_server_flag, virtual_server_flag,
};
pub use settings::{Seed, Settings, setting_flag};
pub use text::{ANSWER, CALL_ID, CallId, TEXT, Text};

/// Version of every layout in this module; pinned maps of another version are not adopted.
pub const VERSION: u32 = 5;
