//! The datapath in this process.

mod connections;
mod cutting;
mod director;
mod fragments;
mod gue;
mod limits;
mod marks;
mod one_packet;
mod packets;
mod properties;
mod rewriting;
mod riding;
mod scheduling;
mod sctp;
mod settings;
mod stress;
mod table;
