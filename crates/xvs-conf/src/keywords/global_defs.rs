//! `global_defs`.

mod kept;
mod lvs;
mod mail;
mod scripts;
mod table;
mod vrrp;

pub(crate) use kept::KEPT;
pub(crate) use table::KEYWORDS;
