//! Persistence by the Call-ID of SIP over UDP (`ipvsadm --pe sip`; kernel `ip_vs_pe_sip.c`).
//!
//! The calls of a client are told apart by their Call-IDs: a template is of a client *and* a call. In
//! place of the VIP its key has a digest of the Call-ID, and its recipe, which a template does not
//! need, says what was in the key's place. What is no SIP message is dropped.

use xvs_wire::ipv4;

use crate::{
    Env, Flow, Packet,
    abi::{CALL_ID, TEXT, Text, index, wide},
    memory::opaque,
    text::{self, Reader},
    unusual,
};

/// The search for a Call-ID, byte by byte.
///
/// A header is found as by the kernel's `ct_sip_get_header`: at the begin of a line that does not
/// continue the one before, by its name in any case or by its compact name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// One of [`Step`].
    step: u32,
    /// Bytes of the name that matched; later those of the Call-ID.
    count: u32,
    /// Where the Call-ID begins.
    start: u32,
    /// Index of the virtual server, which is part of the digest.
    virtual_server: u32,
    /// Digest of the Call-ID and of the virtual server.
    digest: u64,
}

/// Where a [`Search`] is.
struct Step;

impl Step {
    /// In a line that has no name.
    const REST: u32 = 0;
    /// Behind a carriage return.
    const RETURN: u32 = 1;
    /// At the begin of a line.
    const BEGIN: u32 = 2;
    /// In a name that may be `Call-ID`.
    const NAME: u32 = 3;
    /// Behind a letter that may be the compact name.
    const COMPACT: u32 = 4;
    /// Behind the name.
    const COLON: u32 = 5;
    /// Behind the colon.
    const VALUE: u32 = 6;
    /// In the Call-ID, before an `@`.
    const WORD: u32 = 7;
    /// Right behind the `@`.
    const AT: u32 = 8;
    /// In the Call-ID, behind an `@`.
    const HOST: u32 = 9;
    /// Found.
    const FOUND: u32 = 10;
    /// There is none, or none that is sound.
    const FAILED: u32 = 11;
}

/// The header's name in lower case.
const NAME: [u8; 8] = *b"call-id\0";
const NAME_LENGTH: u32 = 7;

impl Search {
    /// A search in the text of a packet for this virtual server.
    #[inline(always)]
    pub(crate) fn begin(&mut self, virtual_server: u32) {
        self.step = Step::REST;
        self.count = 0;
        self.start = 0;
        self.virtual_server = virtual_server;
        self.digest = 0;
    }

    /// Looks at the byte at `at`; `true` once it is decided. `multiplier` is odd and secret.
    #[inline(always)]
    pub(crate) fn step(&mut self, byte: u8, at: u32, multiplier: u64) -> bool {
        match self.step {
            Step::RETURN if byte == b'\n' => self.step = Step::BEGIN,
            Step::RETURN | Step::BEGIN => self.begin_line(byte),
            Step::NAME => self.name(byte),
            Step::COMPACT if byte.is_ascii_alphabetic() => self.step = Step::REST,
            Step::COMPACT | Step::COLON => self.colon(byte),
            Step::VALUE if is_blank(byte) => {}
            Step::VALUE => {
                self.start = at;
                self.count = 0;
                self.digest = wide(self.virtual_server) + 1;
                self.step = Step::WORD;
                self.value(byte, multiplier);
            }
            Step::WORD | Step::AT | Step::HOST => self.value(byte, multiplier),
            _ => self.rest(byte),
        }
        self.step >= Step::FOUND
    }

    #[inline(always)]
    fn rest(&mut self, byte: u8) {
        self.step = match byte {
            b'\r' => Step::RETURN,
            b'\n' => Step::BEGIN,
            _ => Step::REST,
        };
    }

    /// The first byte of a line: it ends none, as in the kernel.
    #[inline(always)]
    fn begin_line(&mut self, byte: u8) {
        self.count = 1;
        self.step = match byte {
            b'c' | b'C' => Step::NAME,
            b'i' | b'I' => Step::COMPACT,
            _ => Step::REST,
        };
    }

    #[inline(always)]
    fn name(&mut self, byte: u8) {
        if byte.to_ascii_lowercase() != NAME[index(self.count & 7)] {
            self.rest(byte);
            return;
        }
        self.count += 1;
        if self.count == NAME_LENGTH {
            self.step = Step::COLON;
        }
    }

    #[inline(always)]
    fn colon(&mut self, byte: u8) {
        self.step = if byte == b':' {
            Step::VALUE
        } else if is_blank(byte) {
            Step::COLON
        } else {
            Step::FAILED
        };
    }

    /// A byte of the Call-ID or behind it: `word`, or `word@word`.
    #[inline(always)]
    fn value(&mut self, byte: u8, multiplier: u64) {
        if is_word(byte) || byte == b'@' && self.step == Step::WORD && self.count != 0 {
            self.count += 1;
            // A Call-ID is told from another by an almost universal hash with a secret key.
            let mixed = (self.digest ^ u64::from(byte)).wrapping_mul(multiplier);
            self.digest = mixed ^ mixed >> 32;
            if byte == b'@' {
                self.step = Step::AT;
            } else if self.step == Step::AT {
                self.step = Step::HOST;
            }
        } else if self.count == 0 && matches!(byte, b'\r' | b'\n') {
            self.step = Step::FAILED;
        } else if self.count == 0 || self.step == Step::AT {
            // The kernel looks for another such header.
            self.rest(byte);
        } else if self.count < CALL_ID && matches!(byte, b'\r' | b'\n') {
            self.step = Step::FOUND;
        } else {
            self.step = Step::FAILED;
        }
    }

    /// Where the Call-ID begins, once it is found.
    #[inline(always)]
    pub(crate) fn found(&self) -> Option<u32> {
        if self.step == Step::FOUND {
            Some(self.start)
        } else {
            None
        }
    }

    /// The digest of what was found.
    #[inline(always)]
    pub(crate) const fn digest(&self) -> u64 {
        self.digest
    }
}

#[inline(always)]
const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether a byte is one of a word (RFC 3261 section 25.1; kernel `iswordc`).
#[inline(always)]
const fn is_word(byte: u8) -> bool {
    // One bit a byte: a comparison with each kind would cost the verifier a branch.
    const WORDS: [u64; 2] = {
        let kinds = b"!\"%()*+:<>?[\\]_`{}~-./'";
        let mut words = [0_u64; 2];
        let mut at = 0;
        while at < kinds.len() {
            words[if kinds[at] < 64 { 0 } else { 1 }] |= 1 << (kinds[at] & 63);
            at += 1;
        }
        let mut byte = 0_u8;
        while byte < 128 {
            if byte.is_ascii_alphanumeric() {
                words[if byte < 64 { 0 } else { 1 }] |= 1 << (byte & 63);
            }
            byte += 1;
        }
        words
    };
    let word = if byte & 64 == 0 { WORDS[0] } else { WORDS[1] };
    byte < 128 && word >> (byte & 63) & 1 != 0
}

/// Reads the Call-ID of a packet into this CPU's room; `false` where there is none.
#[inline(always)]
pub(crate) fn read<P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    flow: &Flow,
    virtual_server: u32,
) -> bool {
    let room = env.text();
    let payload = flow.l4 + flow.l4_header;
    let is_message = flow.fragment == unusual::MESSAGE;
    let is_sip = flow.protocol == ipv4::PROTOCOL_UDP && !is_message && flow.length > payload;
    if !is_sip || room.is_null() {
        return false;
    }
    let room = opaque(room);
    // SAFETY: the room is this CPU's alone while the program runs.
    unsafe { (*room).search.begin(virtual_server) };
    let length = flow.length.wrapping_sub(payload);
    text::read::<Search, P, E>(packet, env, ETHERNET + payload, length, TEXT)
        // SAFETY: as above.
        && unsafe { (*room).search.found().is_some() }
}

/// Bytes of the Ethernet header.
const ETHERNET: u32 = 14;

impl Reader for Search {
    #[inline(always)]
    fn look(room: &mut Text, byte: u8, at: u32, secret: u64) -> bool {
        room.search.step(byte, at, secret)
    }
}

#[cfg(test)]
mod tests;
