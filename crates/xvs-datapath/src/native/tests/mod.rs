//! The datapath in this process.

mod packets;
