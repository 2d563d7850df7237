//! ipvsadm 1.31, to the byte: argument grammar, listings, save and restore, messages, exit statuses.
//!
//! Text becomes a command, a command becomes an [`Op`](xvs_types::Op) or a listing; what is behind
//! them comes from the caller: [`Backend`] is the dataplane (or its daemon), [`Names`] the host and
//! service names. The crate opens no socket or file and reads no environment.
//!
//! | File | Owns |
//! | --- | --- |
//! | `lexer` | how popt cuts arguments into switches |
//! | `options` | the table of switches, and which option goes with which command |
//! | `parse` | switches to a command: values, limits, the order in which faults are reported |
//! | `execute` | a command to ops, queries and an exit status |
//! | `restore` | `-R` and its rule of what stops it |
//! | `listing` | one file for each table |
//! | `face` | `ipvsadm`, `ipvsadm-save`, `ipvsadm-restore` |
//!
//! Beyond ipvsadm: `--instance NAME`, `--json` on every listing, `--fullnat`, `--laddr ADDRESS`,
//! `--anywhere`, `--full-save` and `--atomic`.

mod backend;
mod command;
mod execute;
mod face;
mod help;
mod lexer;
mod listing;
mod message;
mod names;
mod options;
mod parse;
mod restore;

pub use backend::{Backend, BackendError};
pub use face::{Face, Streams, run};
pub use names::{Names, NumericNames};
