//! Text of packets, and what is remembered of it.

use super::index;
use crate::{ftp, sip};

/// Bytes of a packet's text that are read.
pub const TEXT: u32 = 2048;
/// Bytes of the longest Call-ID and the end of its line (kernel `IP_VS_PEDATA_MAXLEN`, 255).
pub const CALL_ID: u32 = 256;
/// Bytes of the room for what is written in place of text.
pub const ANSWER: u32 = 32;
/// Bytes of the room for text.
const ROOM: usize = index(TEXT + CALL_ID);

/// Room of a CPU for the text of its packet. What goes through it stands here too: of what is in a map
/// the verifier knows nothing, so that one look at a loop's round does for all.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// How many bytes were read.
    pub length: u32,
    /// The next byte to look at.
    pub at: u32,
    /// The search for a Call-ID.
    pub search: sip::Search,
    /// The line of FTP.
    pub line: ftp::Line,
    /// What is written in place of text.
    pub answer: [u8; index(ANSWER)],
    /// The bytes, with room behind them so that a Call-ID at the very end is as long as any.
    pub bytes: [u8; ROOM],
}

const _: () = assert!(size_of::<Text>() == 112 + ROOM);

impl Default for Text {
    fn default() -> Self {
        Self {
            length: 0,
            at: 0,
            search: sip::Search::default(),
            line: ftp::Line::default(),
            answer: [0; index(ANSWER)],
            bytes: [0; ROOM],
        }
    }
}

/// A Call-ID up to the end of its line, and what stood behind that.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId {
    /// The bytes.
    pub bytes: [u8; index(CALL_ID)],
}

impl CallId {
    /// The Call-ID alone.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let end = self
            .bytes
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'));
        self.bytes
            .get(..end.unwrap_or(index(CALL_ID)))
            .unwrap_or_default()
    }
}
