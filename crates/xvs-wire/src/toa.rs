//! The TCP option that carries a client's true address to a real server.
//!
//! FULLNAT hides the client: the real server sees an address of the director. The director therefore
//! puts the client's address and port into an option of the SYN ("TCP option address", TOA), which
//! every TCP ignores that does not know it. The numbers are those of Alibaba's LVS and its `toa`
//! module; no RFC gives them.
//!
//! ```text
//!   0       1       2       3
//!  +-------+-------+-------+-------+
//!  | kind  |length |     port      |   kind 254, length 8:  IPv4 client
//!  +-------+-------+-------+-------+   kind 253, length 20: IPv6 client
//!  |  address, 4 or 16 bytes ...   |
//!  +-------------------------------+
//! ```
//!
//! DPVS sends kind 254 for IPv6 clients too, told apart by the length; that is understood as well.

use crate::tcp::{
    HEADER, HEADER_MAX, OPTION_END, OPTION_NOP, OPTION_TOA_V4, OPTION_TOA_V6, TOA_V4_LENGTH,
    TOA_V6_LENGTH,
};

/// Bytes that TCP options can take at most.
pub const OPTIONS_MAX: usize = HEADER_MAX - HEADER;

/// The client that an option names.
///
/// It is also a value of a BPF map, hence the layout without hidden padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address, an IPv4 one as `::ffff:a.b.c.d`.
    pub address: [u8; 16],
    /// The port, in network order.
    pub port: [u8; 2],
}

/// An IPv4 address as the IPv6 address `::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2.
#[inline(always)]
#[must_use]
pub const fn mapped(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// The IPv4 address in `::ffff:a.b.c.d`; none for any other IPv6 address.
#[inline(always)]
#[must_use]
pub const fn unmapped(address: [u8; 16]) -> Option<[u8; 4]> {
    match address {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Some([a, b, c, d]),
        _ => None,
    }
}

/// The options of a TCP header, wherever they are.
pub trait Options {
    /// How many bytes they take, at most [`OPTIONS_MAX`].
    fn length(&self) -> usize;

    /// The `N` bytes at `at`, which lie within the length; none when they cannot be read.
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    /// `at` itself. In BPF the verifier should lose sight of its value here: else it looks at every
    /// way to come to every place, which are hundreds of thousands of instructions.
    fn conceal(&self, at: usize) -> usize {
        at
    }
}

impl Options for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk().copied()
    }
}

/// The client named by the first such option.
///
/// Options that are cut off, or malformed, end the search: nothing behind them can be trusted.
#[inline(always)]
#[must_use]
pub fn find(options: &(impl Options + ?Sized)) -> Option<Client> {
    let length = options.length();
    let mut at = 0;
    // each round consumes a byte or more, and the verifier wants to see the bound
    for _ in 0..OPTIONS_MAX {
        at = options.conceal(at);
        if at >= length {
            return None;
        }
        let [kind] = options.read(at)?;
        if kind == OPTION_END {
            return None;
        }
        if kind == OPTION_NOP {
            at += 1;
            continue;
        }
        if at + 1 >= length {
            return None;
        }
        let [size] = options.read(at + 1)?;
        if size < 2 || at + usize::from(size) > length {
            return None;
        }
        if size == TOA_V4_LENGTH && kind == OPTION_TOA_V4 {
            let [p, q, a, b, c, d] = options.read(at + 2)?;
            return Some(Client {
                address: mapped([a, b, c, d]),
                port: [p, q],
            });
        }
        if size == TOA_V6_LENGTH && (kind == OPTION_TOA_V6 || kind == OPTION_TOA_V4) {
            return Some(Client {
                port: options.read(at + 2)?,
                address: options.read(at + 4)?,
            });
        }
        at += usize::from(size);
    }
    None
}

/// The option for an IPv4 client; `port` in host order.
#[inline(always)]
#[must_use]
pub const fn option_v4(address: [u8; 4], port: u16) -> [u8; 8] {
    let [a, b, c, d] = address;
    let [p, q] = port.to_be_bytes();
    [OPTION_TOA_V4, TOA_V4_LENGTH, p, q, a, b, c, d]
}

/// The option for an IPv6 client; `port` in host order.
#[inline(always)]
#[must_use]
pub fn option_v6(address: [u8; 16], port: u16) -> [u8; 20] {
    let mut option = [0; 20];
    let [p, q] = port.to_be_bytes();
    option[..4].copy_from_slice(&[OPTION_TOA_V6, TOA_V6_LENGTH, p, q]);
    option[4..].copy_from_slice(&address);
    option
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client {
        address: mapped([202, 100, 1, 2]),
        port: [0x0d, 0x96],
    };

    #[test]
    fn an_ipv4_client_is_found_first_and_behind_other_options() {
        let option = option_v4([202, 100, 1, 2], 3478);
        assert_eq!(option, [254, 8, 0x0d, 0x96, 202, 100, 1, 2]);
        assert_eq!(find(option.as_slice()), Some(CLIENT));
        let mut behind = vec![2, 4, 5, 0xb4, 1, 1, 4, 2];
        behind.extend(option);
        assert_eq!(find(behind.as_slice()), Some(CLIENT));
    }

    #[test]
    fn an_ipv6_client_is_found_under_both_kinds() {
        let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77];
        let client = Client {
            address,
            port: [0x1f, 0x90],
        };
        let mut option = option_v6(address, 8080);
        assert_eq!(find(option.as_slice()), Some(client));
        option[0] = OPTION_TOA_V4;
        assert_eq!(find(option.as_slice()), Some(client));
    }

    #[test]
    fn options_of_an_ordinary_syn_name_no_client() {
        // Linux 6.18: MSS, SACK permitted, timestamps, NOP, window scale
        let syn = [
            2, 4, 5, 0xb4, 4, 2, 8, 10, 0x7a, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7,
        ];
        assert_eq!(find(syn.as_slice()), None);
        assert_eq!(find([].as_slice()), None);
    }

    #[test]
    fn an_option_behind_the_end_of_the_list_is_ignored() {
        let mut bytes = vec![0];
        bytes.extend(option_v4([1, 2, 3, 4], 5));
        assert_eq!(find(bytes.as_slice()), None);
    }

    #[test]
    fn wrong_and_cut_off_lengths_name_no_client() {
        let option = option_v4([1, 2, 3, 4], 5);
        for cut in 0..option.len() {
            assert_eq!(find(&option[..cut]), None);
        }
        for length in [0, 1, 7, 9, 21, 255] {
            let mut wrong = option;
            wrong[1] = length;
            assert_eq!(find(wrong.as_slice()), None, "length {length}");
        }
    }

    #[test]
    fn every_pair_of_bytes_ends_the_search_within_the_header() {
        for pair in 0..=u16::MAX {
            let bytes = pair.to_be_bytes();
            let mut options = [0; OPTIONS_MAX];
            for chunk in options.chunks_mut(2) {
                chunk.copy_from_slice(&bytes);
            }
            if let Some(client) = find(options.as_slice()) {
                assert_eq!(client.port, bytes, "the filling is one pair all over");
            }
        }
    }

    #[test]
    fn mapped_addresses_are_told_from_others() {
        assert_eq!(unmapped(mapped([10, 0, 0, 1])), Some([10, 0, 0, 1]));
        assert_eq!(unmapped([0; 16]), None);
    }
}
