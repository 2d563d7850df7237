//! How the two ends of a connection count differently.

/// How many bytes more than the server sent the client gets, or less; under the tuple of packets from
/// the server. Kernel `struct nf_ct_seqadj`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Sequence number of the latest segment that was made longer or shorter, as the server counts.
    pub position: u32,
    /// What is added up to there, modulo 2^32.
    pub before: u32,
    /// What is added behind it.
    pub after: u32,
    /// Zero.
    pub spare: u32,
}

const _: () = assert!(size_of::<Sequence>() == 16);

impl Sequence {
    /// Notes that the segment at `sequence` grew by `growth` bytes. One that is sent again changes
    /// nothing.
    #[inline(always)]
    pub fn grow(&mut self, sequence: u32, growth: u32) {
        if self.before == self.after || is_after(sequence, self.position) {
            self.position = sequence;
            self.before = self.after;
            self.after = self.after.wrapping_add(growth);
        }
    }

    /// The sequence number of the server's as the client counts.
    #[inline(always)]
    #[must_use]
    pub const fn to_client(&self, sequence: u32) -> u32 {
        let growth = if is_after(sequence, self.position) {
            self.after
        } else {
            self.before
        };
        sequence.wrapping_add(growth)
    }

    /// The acknowledgement of the client's as the server counts.
    #[inline(always)]
    #[must_use]
    pub const fn to_server(&self, acknowledgement: u32) -> u32 {
        let growth = if is_after(acknowledgement.wrapping_sub(self.before), self.position) {
            self.after
        } else {
            self.before
        };
        acknowledgement.wrapping_sub(growth)
    }
}

/// Whether a sequence number comes after another (RFC 9293 section 3.4).
#[inline(always)]
const fn is_after(one: u32, other: u32) -> bool {
    other.wrapping_sub(one) >> 31 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_the_inverse_at_the_ends_of_segments() {
        let mut sequence = Sequence::default();
        // A segment of 47 bytes becomes one of 48, the next one of 40 becomes one of 37.
        sequence.grow(0xffff_fff0, 1);
        assert_eq!(sequence.to_client(0xffff_fff0), 0xffff_fff0);
        let behind = 0xffff_fff0_u32.wrapping_add(47);
        assert_eq!(sequence.to_client(behind), behind.wrapping_add(1));
        assert_eq!(sequence.to_server(behind.wrapping_add(1)), behind);
        assert_eq!(sequence.to_server(0xffff_fff0), 0xffff_fff0);
        sequence.grow(behind, 3_u32.wrapping_neg());
        assert_eq!(sequence.to_client(behind), behind.wrapping_add(1));
        let last = behind.wrapping_add(40);
        assert_eq!(sequence.to_client(last), last.wrapping_sub(2));
        assert_eq!(sequence.to_server(last.wrapping_sub(2)), last);
        assert_eq!(sequence.to_server(behind.wrapping_add(1)), behind);
    }

    #[test]
    fn a_segment_that_is_sent_again_grows_once() {
        let mut sequence = Sequence::default();
        sequence.grow(100, 5);
        let once = sequence;
        sequence.grow(100, 5);
        assert_eq!(sequence, once);
    }
}
