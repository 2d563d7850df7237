//! UDP has one state in IPVS. Here a flow of a single packet is told apart, or a flood could not be
//! evicted; and one with replies, for the first reply assures the flow's template.

/// One packet seen: a new flow may evict it.
pub const ONE_WAY: u8 = 0;
/// More packets seen, none of them a reply.
pub const ASSURED: u8 = 1;
/// A reply seen.
pub const REPLIED: u8 = 2;
/// No packet seen, but an ICMP error that quotes one (`schedule_icmp`).
pub const QUOTED: u8 = 3;

/// Default timeout in seconds of all (kernel `udp_timeouts`).
pub const TIMEOUT: u32 = 300;
/// Timeout in seconds of [`QUOTED`] (kernel `ip_vs_conn_new`: until a packet says better).
pub const QUOTED_TIMEOUT: u32 = 3;

/// The state after another packet, a `reply` or one from the client, which may be the `first`.
#[inline(always)]
#[must_use]
pub const fn next(reply: bool, first: bool, state: u8) -> u8 {
    if reply {
        REPLIED
    } else if state == QUOTED {
        ONE_WAY
    } else if first || state == REPLIED {
        state
    } else {
        ASSURED
    }
}

/// Whether a packet of either direction leaves the state as it is.
#[inline(always)]
#[must_use]
pub const fn is_settled(reply: bool, state: u8) -> bool {
    if reply {
        state == REPLIED
    } else {
        state != ONE_WAY && state != QUOTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_state_stays() {
        for state in [ONE_WAY, ASSURED, REPLIED, QUOTED] {
            for reply in [false, true] {
                if is_settled(reply, state) {
                    assert_eq!(next(reply, false, state), state);
                }
            }
        }
    }

    #[test]
    fn a_second_packet_assures_and_a_reply_is_remembered() {
        assert_eq!(next(false, true, ONE_WAY), ONE_WAY);
        assert_eq!(next(false, false, ONE_WAY), ASSURED);
        assert_eq!(next(false, false, QUOTED), ONE_WAY);
        assert_eq!(next(true, false, ASSURED), REPLIED);
        assert_eq!(next(false, false, REPLIED), REPLIED);
    }
}
