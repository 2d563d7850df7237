//! The BFD control packet (RFC 5880 4.1) without its authentication section, and where it goes.
//!
//! This module owns what makes a packet valid by itself (RFC 5880 6.8.6, up to the discriminators); which
//! session it belongs to and what it does there is its caller's.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! ```

use core::fmt;

/// UDP port of a single hop (RFC 5881 4).
pub const PORT: u16 = 3784;
/// UDP port of several hops (RFC 5883 5).
pub const PORT_MULTIHOP: u16 = 4784;
/// The first source port (RFC 5881 4); the last is 65535.
pub const SOURCE_PORT_FIRST: u16 = 49_152;
/// Bytes of a packet without authentication.
pub const LENGTH: usize = 24;

const VERSION: u8 = 1;
const LENGTH_FIELD: u8 = 24;

mod flag {
    pub(super) const POLL: u8 = 0x20;
    pub(super) const FINAL: u8 = 0x10;
    pub(super) const AUTHENTICATED: u8 = 0x04;
    pub(super) const DEMAND: u8 = 0x02;
    pub(super) const MULTIPOINT: u8 = 0x01;
}

/// State of a session, in the order of RFC 5880 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Held down by its operator.
    AdminDown,
    /// Nothing is heard.
    Down,
    /// The other is heard.
    Init,
    /// Both hear each other.
    Up,
}

/// Why a session went down last (RFC 5880 4.1); those that this project tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnostic {
    /// It did not.
    None,
    /// Nothing came for the detection time.
    DetectionTimeExpired,
    /// The neighbour said that it is down.
    NeighbourDown,
    /// The operator took it down.
    AdministrativelyDown,
    /// Another reason, by its number.
    Other(u8),
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// Why the sender's session went down last.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// It wants an answer with `answers_poll`.
    pub poll: bool,
    /// It answers a poll (the Final bit).
    pub answers_poll: bool,
    /// The sender wants no further packets while both are up.
    pub demand: bool,
    /// Detection time multiplier, never 0.
    pub multiplier: u8,
    /// The sender's number for the session, never 0.
    pub mine: u32,
    /// The receiver's number, 0 while the sender does not know it.
    pub yours: u32,
    /// Least interval between packets that the sender would like to send, in microseconds.
    pub desired_min_tx_us: u32,
    /// Least interval that it can take, in microseconds; 0 for none at all.
    pub required_min_rx_us: u32,
    /// Least interval of echo packets that it can take, in microseconds; 0 for none at all.
    pub required_min_echo_rx_us: u32,
}

/// Why bytes are no BFD packet for us (RFC 5880 6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// It is authenticated, and no session of ours is.
    Authenticated,
    /// The length field is below 24 or above the bytes that came.
    Length,
    /// The multiplier is 0.
    Multiplier,
    /// The multipoint bit is set.
    Multipoint,
    /// The sender's discriminator is 0.
    NoDiscriminator,
    /// The receiver's discriminator is 0 though the sender says that it hears us.
    NoReceiver,
    /// Another version than 1.
    Version(u8),
}

impl Repr {
    /// Reads a packet.
    ///
    /// # Errors
    /// It has to be discarded, and why.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let bytes_of = bytes.first_chunk::<LENGTH>().ok_or(PacketError::Length)?;
        let [first, second, multiplier, length, ..] = *bytes_of;
        if first >> 5 != VERSION {
            return Err(PacketError::Version(first >> 5));
        }
        if usize::from(length) < LENGTH || usize::from(length) > bytes.len() {
            return Err(PacketError::Length);
        }
        if multiplier == 0 {
            return Err(PacketError::Multiplier);
        }
        if second & flag::MULTIPOINT != 0 {
            return Err(PacketError::Multipoint);
        }
        if second & flag::AUTHENTICATED != 0 {
            return Err(PacketError::Authenticated);
        }
        let state = State::from_bits(second >> 6);
        let (mine, yours) = (word(bytes_of, 4), word(bytes_of, 8));
        if mine == 0 {
            return Err(PacketError::NoDiscriminator);
        }
        if yours == 0 && matches!(state, State::Init | State::Up) {
            return Err(PacketError::NoReceiver);
        }
        Ok(Self {
            diagnostic: Diagnostic::from_number(first & 0x1f),
            state,
            poll: second & flag::POLL != 0,
            answers_poll: second & flag::FINAL != 0,
            demand: second & flag::DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx_us: word(bytes_of, 12),
            required_min_rx_us: word(bytes_of, 16),
            required_min_echo_rx_us: word(bytes_of, 20),
        })
    }

    /// Writes the packet.
    #[must_use]
    pub fn emit(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut flags = self.state.bits() << 6;
        for (set, bit) in [
            (self.poll, flag::POLL),
            (self.answers_poll, flag::FINAL),
            (self.demand, flag::DEMAND),
        ] {
            if set {
                flags |= bit;
            }
        }
        bytes[0] = VERSION << 5 | self.diagnostic.number();
        bytes[1] = flags;
        bytes[2] = self.multiplier;
        bytes[3] = LENGTH_FIELD;
        for (at, value) in [
            (4, self.mine),
            (8, self.yours),
            (12, self.desired_min_tx_us),
            (16, self.required_min_rx_us),
            (20, self.required_min_echo_rx_us),
        ] {
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }
}

fn word(bytes: &[u8; LENGTH], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

impl Diagnostic {
    fn from_number(number: u8) -> Self {
        match number & 0x1f {
            0 => Self::None,
            1 => Self::DetectionTimeExpired,
            3 => Self::NeighbourDown,
            7 => Self::AdministrativelyDown,
            other => Self::Other(other),
        }
    }

    /// 0 to 31.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::DetectionTimeExpired => 1,
            Self::NeighbourDown => 3,
            Self::AdministrativelyDown => 7,
            Self::Other(number) => number & 0x1f,
        }
    }
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated => f.write_str("authenticated, but no authentication is set up"),
            Self::Length => f.write_str("its length is wrong"),
            Self::Multiplier => f.write_str("its detection time multiplier is 0"),
            Self::Multipoint => f.write_str("its multipoint bit is set"),
            Self::NoDiscriminator => f.write_str("its sender's discriminator is 0"),
            Self::NoReceiver => f.write_str("it says it hears us but names no session"),
            Self::Version(version) => write!(f, "its version is {version}, not 1"),
        }
    }
}

impl core::error::Error for PacketError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What keepalived 2.2.7 sends before it has heard anything.
    const FIRST: [u8; LENGTH] = [
        0x20, 0x40, 0x05, 0x18, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0x00, 0x0f, 0x42, 0x40, 0x00,
        0x00, 0x27, 0x10, 0, 0, 0, 0,
    ];

    fn first() -> Repr {
        Repr {
            diagnostic: Diagnostic::None,
            state: State::Down,
            poll: false,
            answers_poll: false,
            demand: false,
            multiplier: 5,
            mine: 0x1234_5678,
            yours: 0,
            desired_min_tx_us: 1_000_000,
            required_min_rx_us: 10_000,
            required_min_echo_rx_us: 0,
        }
    }

    #[test]
    fn a_packet_is_read_and_written() {
        assert_eq!(Repr::parse(&FIRST), Ok(first()));
        assert_eq!(first().emit(), FIRST);
    }

    #[test]
    fn what_must_be_discarded_is() {
        let with = |at: usize, value: u8| {
            let mut bytes = FIRST;
            bytes[at] = value;
            Repr::parse(&bytes)
        };
        assert_eq!(with(0, 0x00), Err(PacketError::Version(0)));
        assert_eq!(with(1, 0x44), Err(PacketError::Authenticated));
        assert_eq!(with(1, 0x41), Err(PacketError::Multipoint));
        assert_eq!(with(1, 0xc0), Err(PacketError::NoReceiver));
        assert_eq!(with(2, 0), Err(PacketError::Multiplier));
        assert_eq!(with(3, 23), Err(PacketError::Length));
        assert_eq!(with(3, 25), Err(PacketError::Length));
        assert_eq!(Repr::parse(&FIRST[..23]), Err(PacketError::Length));
        let mut bytes = FIRST;
        bytes[4..8].fill(0);
        assert_eq!(Repr::parse(&bytes), Err(PacketError::NoDiscriminator));
    }

    #[test]
    fn flags_and_diagnostics_keep_their_places() {
        let repr = Repr {
            diagnostic: Diagnostic::Other(31),
            state: State::Up,
            poll: true,
            demand: true,
            yours: 9,
            ..first()
        };
        let bytes = repr.emit();
        assert_eq!(bytes[..2], [0x3f, 0xe2]);
        assert_eq!(Repr::parse(&bytes), Ok(repr));
    }
}
