//! When something is taken out of the host's nftables: by whom, and what, the caller sees for itself.

use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::subscription::{Subscription, Told, WatchError, messages};

/// `NFNLGRP_NFTABLES` of `linux/netfilter/nfnetlink.h`.
const GROUP: u32 = 7;
/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message's type.
const SUBSYSTEM: u16 = 10;
/// `NFT_MSG_DELTABLE`, `NFT_MSG_DELCHAIN` and `NFT_MSG_DELRULE` of `linux/netfilter/nf_tables.h`.
const REMOVALS: [u16; 3] = [2, 5, 8];
/// Bytes of the receive buffer: what does not fit counts as a removal.
const RECEIVE_BUFFER: usize = 256 << 10;

/// Tells that tables, chains or rules were removed in the network namespace in which it was opened.
#[derive(Debug)]
pub struct RulesetWatcher(Subscription);

impl RulesetWatcher {
    /// Subscribes in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// The socket cannot be had; it takes CAP_NET_ADMIN.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn open() -> Result<Self, WatchError> {
        Subscription::open(NETLINK_NETFILTER, &[GROUP], RECEIVE_BUFFER).map(Self)
    }

    /// Waits until something was removed, or may have been. Cancel safe.
    ///
    /// # Errors
    ///
    /// The socket fails in another way than by losing messages.
    pub async fn removal(&mut self) -> Result<(), WatchError> {
        loop {
            match self.0.next().await? {
                Told::Datagram(datagram) if !has_removal(datagram) => {}
                Told::Datagram(_) | Told::Lost => return Ok(()),
            }
        }
    }
}

fn has_removal(datagram: &[u8]) -> bool {
    messages(datagram).any(|message| match message {
        Some((kind, _payload)) => kind >> 8 == SUBSYSTEM && REMOVALS.contains(&(kind & 0xff)),
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message without a payload.
    fn message(kind: u16) -> Vec<u8> {
        let mut bytes = 16_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes
    }

    #[test]
    fn removals_are_told_from_what_comes_and_from_other_subsystems() {
        let (new_table, del_table, of_conntrack) = (0x0a00, 0x0a02, 0x0102);
        assert!(!has_removal(&message(new_table)));
        assert!(!has_removal(&message(of_conntrack)));
        assert!(has_removal(
            &[message(new_table), message(del_table)].concat()
        ));
        assert!(has_removal(&[1, 2, 3]), "what cannot be read may be one");
    }
}
