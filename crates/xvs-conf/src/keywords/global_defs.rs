//! `global_defs`.

mod kept;
mod lvs;
mod mail;
mod own;
mod scripts;
mod table;
mod vrrp;

pub(crate) use kept::KEPT;
pub(crate) use own::OWN;
pub(crate) use table::KEYWORDS;
