//! TCP as seen from between client and server (kernel `net/netfilter/ipvs/ip_vs_proto_tcp.c`).

use xvs_wire::tcp::{ACK, FIN, RST, SYN};

use crate::{abi::index, memory::opaque_number};

/// No segment seen.
pub const NONE: u8 = 0;
/// Open.
pub const ESTABLISHED: u8 = 1;
/// The server opens.
pub const SYN_SENT: u8 = 2;
/// The client opens.
pub const SYN_RECV: u8 = 3;
/// The server closes; without sight of its replies: the client closes.
pub const FIN_WAIT: u8 = 4;
/// Both closed.
pub const TIME_WAIT: u8 = 5;
/// Reset.
pub const CLOSE: u8 = 6;
/// The client closes.
pub const CLOSE_WAIT: u8 = 7;
/// Waits for the last acknowledgement.
pub const LAST_ACK: u8 = 8;
/// Waits for a data connection.
pub const LISTEN: u8 = 9;
/// The director answers for the server.
pub const SYNACK: u8 = 10;

/// Default timeouts in seconds, by state (kernel `tcp_timeouts`).
pub const TIMEOUTS: [u32; 16] = [
    2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120, 2, 2, 2, 2, 2,
];

/// From the client, with replies seen.
pub const INPUT: u32 = 0;
/// From the server.
pub const OUTPUT: u32 = 1;
/// From the client, replies never seen (DR, TUN).
pub const INPUT_ONLY: u32 = 2;
/// Added to a direction: by the table of `secure_tcp` (kernel `tcp_states_dos`).
pub const SECURE: u32 = 4;

/// Columns: states in order. Rows: SYN, FIN, ACK, RST for each direction, without and with
/// `secure_tcp`.
static TRANSITIONS: [[u8; 16]; 32] = {
    const NO: u8 = NONE;
    const ES: u8 = ESTABLISHED;
    const SS: u8 = SYN_SENT;
    const SR: u8 = SYN_RECV;
    const FW: u8 = FIN_WAIT;
    const TW: u8 = TIME_WAIT;
    const CL: u8 = CLOSE;
    const CW: u8 = CLOSE_WAIT;
    const LA: u8 = LAST_ACK;
    const LI: u8 = LISTEN;
    const SA: u8 = SYNACK;
    [
        // INPUT
        [
            SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR, CL, CL, CL, CL, CL,
        ],
        [
            CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR, CL, CL, CL, CL, CL,
        ],
        // OUTPUT
        [
            SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR, CL, CL, CL, CL, CL,
        ],
        [
            TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL,
        ],
        // INPUT_ONLY
        [
            SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR, CL, CL, CL, CL, CL,
        ],
        [
            CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL, CL, CL, CL, CL, CL,
        ],
        // never used: the index is five bits wide
        [NO; 16],
        [NO; 16],
        [NO; 16],
        [NO; 16],
        // INPUT, secure_tcp
        [
            SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA, CL, CL, CL, CL, CL,
        ],
        [
            CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL, CL, CL, CL, CL, CL,
        ],
        // OUTPUT, secure_tcp
        [
            SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA, CL, CL, CL, CL, CL,
        ],
        [
            TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL,
        ],
        // INPUT_ONLY, secure_tcp
        [
            SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA, CL, CL, CL, CL, CL,
        ],
        [
            CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW, CL, CL, CL, CL, CL,
        ],
        [
            ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES, CL, CL, CL, CL, CL,
        ],
        [
            CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL, CL, CL, CL, CL, CL,
        ],
        // never used
        [NO; 16],
        [NO; 16],
        [NO; 16],
        [NO; 16],
    ]
};

/// The state after a segment with `flags` in `direction`; RST outweighs SYN, FIN and ACK, in this
/// order. A segment with none of them closes, as in the kernel's `set_tcp_state`.
#[inline(always)]
#[must_use]
pub fn next(direction: u32, flags: u8, state: u8) -> u8 {
    let event = if flags & RST != 0 {
        3
    } else if flags & SYN != 0 {
        0
    } else if flags & FIN != 0 {
        1
    } else if flags & ACK != 0 {
        2
    } else {
        return CLOSE;
    };
    // The mask must stay: Linux 6.1 forgets on the way what the compiler knows of a direction.
    let row = opaque_number(direction * 4 + event) & 31;
    TRANSITIONS[index(row)][usize::from(state & 15)]
}

/// Whether the state counts as active.
#[inline(always)]
#[must_use]
pub const fn is_active(state: u8) -> bool {
    const ACTIVE: u32 = 1 << ESTABLISHED | 1 << SYN_SENT | 1 << SYN_RECV | 1 << SYNACK;
    ACTIVE >> (state & 15) & 1 != 0
}

/// Whether a new connection may evict one in this state: not yet or no longer carrying data.
#[inline(always)]
#[must_use]
pub const fn is_embryonic(state: u8) -> bool {
    const EMBRYONIC: u32 = 1 << NONE
        | 1 << SYN_SENT
        | 1 << SYN_RECV
        | 1 << TIME_WAIT
        | 1 << CLOSE
        | 1 << LAST_ACK
        | 1 << LISTEN
        | 1 << SYNACK;
    EMBRYONIC >> (state & 15) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_and_a_close_from_the_client_go_through_the_states_of_nat() {
        let mut state = NONE;
        for (direction, flags, expected) in [
            (INPUT, SYN, SYN_RECV),
            (OUTPUT, SYN | ACK, SYN_RECV),
            (INPUT, ACK, ESTABLISHED),
            (INPUT, FIN | ACK, CLOSE_WAIT),
            (OUTPUT, FIN | ACK, TIME_WAIT),
            (INPUT, ACK, TIME_WAIT),
        ] {
            state = next(direction, flags, state);
            assert_eq!(state, expected);
        }
    }

    #[test]
    fn without_replies_a_fin_leads_to_fin_wait() {
        assert_eq!(next(INPUT_ONLY, FIN | ACK, ESTABLISHED), FIN_WAIT);
        assert_eq!(next(INPUT_ONLY, ACK, SYN_RECV), ESTABLISHED);
    }

    #[test]
    fn a_reset_outweighs_everything() {
        assert_eq!(next(INPUT, RST | SYN | FIN | ACK, ESTABLISHED), CLOSE);
        assert_eq!(next(INPUT, RST, SYN_RECV), SYN_RECV);
    }

    #[test]
    fn a_segment_without_flags_closes() {
        assert_eq!(next(INPUT, 0, ESTABLISHED), CLOSE);
    }

    #[test]
    fn established_and_half_closed_connections_are_never_evictable() {
        for state in [ESTABLISHED, FIN_WAIT, CLOSE_WAIT] {
            assert!(!is_embryonic(state));
        }
    }
}
