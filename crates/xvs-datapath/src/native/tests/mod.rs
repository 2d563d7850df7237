//! The datapath in this process.

mod connections;
mod director;
mod gue;
mod limits;
mod packets;
mod rewriting;
mod scheduling;
mod stress;
mod table;
