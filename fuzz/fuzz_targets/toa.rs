//! Options of a SYN from anybody, as a real server reads them: who is found is whom a plain walk over the
//! options finds, and what a director writes is found behind anything that is well formed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xvs_wire::toa::{self, Client, mapped};

/// Kinds and lengths (module documentation of `toa`).
const V4: (u8, usize) = (254, 8);
const V6: (u8, usize) = (253, 20);

fuzz_target!(|bytes: &[u8]| {
    let options = bytes.get(..toa::OPTIONS_MAX).unwrap_or(bytes);
    assert_eq!(toa::find(options), walk(options).1);
    let Some((port, address)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let number = u16::from_be_bytes(*port);
    if let Some(v4) = address.first_chunk::<4>() {
        let client = Client {
            address: mapped(*v4),
            port: *port,
        };
        assert_eq!(behind(options, &toa::option_v4(*v4, number)), Some(client));
    }
    if let Some(v6) = address.first_chunk::<16>() {
        let client = Client {
            address: *v6,
            port: *port,
        };
        assert_eq!(behind(options, &toa::option_v6(*v6, number)), Some(client));
    }
});

/// Who is found in `option` behind those of `options` that come before anything that ends a walk.
fn behind(options: &[u8], option: &[u8]) -> Option<Client> {
    let room = toa::OPTIONS_MAX - option.len();
    let (end, _) = walk(&options[..options.len().min(room)]);
    toa::find(&[&options[..end], option].concat()[..])
}

/// Where the well-formed options without a client end, and the client there.
fn walk(options: &[u8]) -> (usize, Option<Client>) {
    let mut at = 0;
    loop {
        let option = match options[at..] {
            [1, ..] => &options[at..=at],
            [0, ..] | [] | [_] => return (at, None),
            [_, length, ..] => match options.get(at..at + usize::from(length)) {
                Some(option) if length >= 2 => option,
                _ => return (at, None),
            },
        };
        match (option[0], option.len()) {
            V4 => {
                let address = mapped([option[4], option[5], option[6], option[7]]);
                let port = [option[2], option[3]];
                return (at, Some(Client { address, port }));
            }
            V6 | (254, 20) => {
                let mut address = [0; 16];
                address.copy_from_slice(&option[4..]);
                let port = [option[2], option[3]];
                return (at, Some(Client { address, port }));
            }
            _ => at += option.len(),
        }
    }
}
