//! The lines of FTP that announce a data connection (RFC 959, RFC 2428), byte by byte.
//!
//! ```text
//!   from the client   PORT 198,51,100,7,156,66      EPRT |1|198.51.100.7|40002|
//!   from the server   227 ... (10,0,0,1,19,137)     229 ... (|||5001|)
//! ```
//!
//! A line is one at the begin of a segment, as for the kernel (`ip_vs_ftp_get_addrport`); it must end in
//! the same segment.

/// One of the four lines, as far as it was read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// One of [`Step`].
    step: u32,
    /// The four bytes that say which line it is, in upper case.
    name: u32,
    /// Not 0 for a line from the server.
    reply: u32,
    /// Not 0 over IPv6.
    ipv6: u32,
    /// Bytes of the name; later numbers before the one that is read.
    count: u32,
    /// What stands between the parts of the extended format.
    delimiter: u32,
    /// The number that is read.
    number: u32,
    /// The four numbers of an IPv4 address.
    address: u32,
    /// The port.
    port: u32,
    /// Where the numbers begin.
    start: u32,
    /// Where they end.
    end: u32,
    /// Zero.
    spare: u32,
}

const _: () = assert!(size_of::<Line>() == 48);

/// Where the reading of a [`Line`] is.
struct Step;

impl Step {
    /// In the name.
    const NAME: u32 = 0;
    /// Before the opening bracket or blank.
    const BEFORE: u32 = 1;
    /// Behind it.
    const OPEN: u32 = 2;
    /// In the six numbers.
    const NUMBERS: u32 = 3;
    /// At the number of the address family.
    const FAMILY: u32 = 4;
    /// Where no address stands.
    const EMPTY: u32 = 5;
    /// Behind the number of the address family.
    const FAMILY_END: u32 = 6;
    /// In the address.
    const ADDRESS: u32 = 7;
    /// In the port.
    const PORT: u32 = 8;
    /// Read.
    const FOUND: u32 = 9;
    /// None of the four.
    const OTHER: u32 = 10;
    /// One of the four by its name, and not sound.
    const FAILED: u32 = 11;
}

/// Names of the lines.
struct Name;

impl Name {
    const PORT: u32 = u32::from_be_bytes(*b"PORT");
    const EPRT: u32 = u32::from_be_bytes(*b"EPRT");
    const PASSIVE: u32 = u32::from_be_bytes(*b"227 ");
    const EXTENDED_PASSIVE: u32 = u32::from_be_bytes(*b"229 ");
}

impl Line {
    /// The begin of a segment from client or server.
    #[inline(always)]
    pub(crate) fn begin(&mut self, reply: bool, ipv6: bool) {
        *self = Self {
            reply: u32::from(reply),
            ipv6: u32::from(ipv6),
            ..Self::default()
        };
    }

    /// Looks at the byte at `at`; `true` once it is decided.
    #[inline(always)]
    pub(crate) fn step(&mut self, byte: u8, at: u32) -> bool {
        match self.step {
            Step::NAME => self.name(byte),
            Step::BEFORE => self.before(byte, at),
            Step::OPEN if u32::from(byte) == self.opening() => {}
            Step::OPEN => self.open(byte, at),
            Step::NUMBERS => self.numbers(byte, at),
            Step::FAMILY => self.family(byte),
            Step::EMPTY => self.expect(byte, Step::PORT),
            Step::FAMILY_END => self.expect(byte, Step::ADDRESS),
            Step::ADDRESS => self.address(byte),
            Step::PORT => self.port(byte, at),
            _ => {}
        }
        self.step >= Step::FOUND
    }

    /// Whether the line was read to its end.
    #[inline(always)]
    pub(crate) const fn is_found(&self) -> bool {
        self.step == Step::FOUND
    }

    /// Whether it is one of the four by its name, but not as it should be, or does not end.
    #[inline(always)]
    pub(crate) const fn is_unsound(&self) -> bool {
        self.step == Step::FAILED || self.step > Step::NAME && self.step < Step::FOUND
    }

    /// Whether it is the one that names the server's address.
    #[inline(always)]
    pub(crate) const fn is_passive(&self) -> bool {
        self.name == Name::PASSIVE
    }

    /// The port that it announces, as a number.
    #[inline(always)]
    pub(crate) const fn announced(&self) -> u32 {
        self.port
    }

    /// The IPv4 address that it names, as a number; 0 where it names none.
    #[inline(always)]
    pub(crate) const fn named(&self) -> u32 {
        self.address
    }

    /// Where its numbers begin and end.
    #[inline(always)]
    pub(crate) const fn span(&self) -> (u32, u32) {
        (self.start, self.end)
    }

    #[inline(always)]
    fn name(&mut self, byte: u8) {
        self.name = self.name << 8 | u32::from(byte.to_ascii_uppercase());
        self.count += 1;
        if self.count < 4 {
            return;
        }
        let known = match (self.reply != 0, self.name) {
            (false, Name::PORT) | (true, Name::PASSIVE) => self.ipv6 == 0,
            (false, Name::EPRT) | (true, Name::EXTENDED_PASSIVE) => true,
            _ => false,
        };
        self.count = 0;
        self.step = if known { Step::BEFORE } else { Step::OTHER };
    }

    #[inline(always)]
    const fn is_extended(&self) -> bool {
        self.name == Name::EPRT || self.name == Name::EXTENDED_PASSIVE
    }

    /// What stands before the numbers.
    #[inline(always)]
    const fn opening(&self) -> u32 {
        if self.reply != 0 { 0x28 } else { 0x20 }
    }

    #[inline(always)]
    fn before(&mut self, byte: u8, at: u32) {
        if u32::from(byte) == self.opening() {
            self.step = Step::OPEN;
        } else if byte.is_ascii_digit() && !self.is_extended() {
            // The bracket may be left out.
            self.open(byte, at);
        }
    }

    #[inline(always)]
    fn open(&mut self, byte: u8, at: u32) {
        self.start = at;
        if !self.is_extended() {
            self.step = Step::NUMBERS;
            self.numbers(byte, at);
        } else if byte.is_ascii_graphic() {
            self.delimiter = u32::from(byte);
            self.step = Step::FAMILY;
        } else {
            self.step = Step::FAILED;
        }
    }

    /// A byte of six numbers below 256 with commas between.
    #[inline(always)]
    fn numbers(&mut self, byte: u8, at: u32) {
        if byte.is_ascii_digit() {
            self.digit(byte, 255);
        } else if byte == b',' && self.count < 5 {
            self.next_number();
        } else if self.count == 5 {
            self.port = self.port << 8 | self.number;
            self.end = at;
            self.finish();
        } else {
            self.step = Step::FAILED;
        }
    }

    #[inline(always)]
    fn digit(&mut self, byte: u8, most: u32) {
        self.number = self.number * 10 + u32::from(byte & 15);
        if self.number > most {
            self.step = Step::FAILED;
        }
    }

    #[inline(always)]
    fn next_number(&mut self) {
        if self.count < 4 {
            self.address = self.address << 8 | self.number;
        } else {
            self.port = self.number;
        }
        self.number = 0;
        self.count += 1;
    }

    #[inline(always)]
    fn finish(&mut self) {
        self.step = if self.port == 0 {
            Step::FAILED
        } else {
            Step::FOUND
        };
    }

    #[inline(always)]
    fn family(&mut self, byte: u8) {
        let wanted = if self.ipv6 == 0 { b'1' } else { b'2' };
        self.step = if u32::from(byte) == self.delimiter && self.reply != 0 {
            Step::EMPTY
        } else if byte == wanted {
            Step::FAMILY_END
        } else {
            Step::FAILED
        };
    }

    /// A byte that must be the delimiter.
    #[inline(always)]
    fn expect(&mut self, byte: u8, next: u32) {
        self.step = if u32::from(byte) == self.delimiter {
            next
        } else {
            Step::FAILED
        };
    }

    /// A byte of an address; one of IPv6 is passed over.
    #[inline(always)]
    fn address(&mut self, byte: u8) {
        if u32::from(byte) == self.delimiter {
            if self.ipv6 == 0 {
                self.next_number();
            }
            self.step = if self.ipv6 != 0 || self.count == 4 {
                Step::PORT
            } else {
                Step::FAILED
            };
        } else if self.ipv6 != 0 {
            if !(byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) {
                self.step = Step::FAILED;
            }
        } else if byte.is_ascii_digit() {
            self.digit(byte, 255);
        } else if byte == b'.' && self.count < 3 {
            self.next_number();
        } else {
            self.step = Step::FAILED;
        }
    }

    #[inline(always)]
    fn port(&mut self, byte: u8, at: u32) {
        if byte.is_ascii_digit() {
            self.digit(byte, 65_535);
        } else if u32::from(byte) == self.delimiter {
            self.port = self.number;
            self.end = at + 1;
            self.finish();
        } else {
            self.step = Step::FAILED;
        }
    }
}

#[cfg(test)]
mod tests;
