//! The datapath in this process.

mod connections;
mod director;
mod limits;
mod packets;
mod rewriting;
mod scheduling;
mod settings;
mod stress;
mod table;
