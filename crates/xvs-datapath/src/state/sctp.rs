//! SCTP as seen from between client and server (kernel `net/netfilter/ipvs/ip_vs_proto_sctp.c`). Only the
//! first chunk of a packet is looked at.

use crate::{abi::index, memory::opaque_number};

/// No chunk seen.
pub const NONE: u8 = 0;
/// The client begins.
pub const INIT1: u8 = 1;
/// The client begins, and says so again.
pub const INIT: u8 = 2;
/// The server answered with a cookie.
pub const COOKIE_SENT: u8 = 3;
/// The client returned the cookie.
pub const COOKIE_REPLIED: u8 = 4;
/// The server begins.
pub const COOKIE_WAIT: u8 = 5;
/// The client answered with a cookie.
pub const COOKIE: u8 = 6;
/// The server returned the cookie.
pub const COOKIE_ECHOED: u8 = 7;
/// Open.
pub const ESTABLISHED: u8 = 8;
/// The server closes.
pub const SHUTDOWN_SENT: u8 = 9;
/// The client closes.
pub const SHUTDOWN_RECEIVED: u8 = 10;
/// The other one agreed.
pub const SHUTDOWN_ACK_SENT: u8 = 11;
/// Refused while it began.
pub const REJECTED: u8 = 12;
/// Closed or aborted.
pub const CLOSED: u8 = 13;

/// Default timeouts in seconds, by state (kernel `sctp_timeouts`).
pub const TIMEOUTS: [u32; 16] = [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61, 2, 2];

/// A chunk that opens an association.
pub const INIT_CHUNK: u8 = 1;
/// A chunk that ends one at once.
pub const ABORT_CHUNK: u8 = 9;

/// What a chunk of each type (RFC 9260 section 3.2) means here: a row of the table.
static EVENTS: [u8; 16] = [0, 1, 2, 0, 0, 0, 9, 5, 6, 8, 3, 4, 0, 0, 7, 0];

/// What a chunk of this type means: [`INIT_CHUNK`], [`ABORT_CHUNK`], or another row of the table; 0 for
/// data and for what changes nothing.
#[inline(always)]
#[must_use]
pub fn event(chunk: u8) -> u8 {
    if chunk > 14 {
        0
    } else {
        EVENTS[usize::from(chunk & 15)]
    }
}

/// Columns: states in order. Rows: data, INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, SHUTDOWN, SHUTDOWN
/// ACK, SHUTDOWN COMPLETE, ERROR, ABORT for each direction.
static TRANSITIONS: [[u8; 16]; 64] = {
    const I1: u8 = INIT1;
    const IN: u8 = INIT;
    const CS: u8 = COOKIE_SENT;
    const CR: u8 = COOKIE_REPLIED;
    const CW: u8 = COOKIE_WAIT;
    const CO: u8 = COOKIE;
    const CE: u8 = COOKIE_ECHOED;
    const ES: u8 = ESTABLISHED;
    const SS: u8 = SHUTDOWN_SENT;
    const SR: u8 = SHUTDOWN_RECEIVED;
    const SA: u8 = SHUTDOWN_ACK_SENT;
    const RJ: u8 = REJECTED;
    const CL: u8 = CLOSED;
    [
        // INPUT
        [
            ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN, CL, CL,
        ],
        [
            CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL, CL, CL,
        ],
        [
            CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL, CL, CL,
        ],
        [
            CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL,
        ],
        // events are four bits wide
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        // OUTPUT
        [
            ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW, CL, CL,
        ],
        [
            CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL, CL, CL,
        ],
        [
            CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL,
        ],
        // events are four bits wide
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        // INPUT_ONLY
        [
            ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN, CL, CL,
        ],
        [
            CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL, CL, CL,
        ],
        [
            CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL, CL, CL,
        ],
        [
            CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL, CL, CL,
        ],
        [
            CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL,
        ],
        // events are four bits wide
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        // never used: the index is six bits wide
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
        [CL; 16],
    ]
};

/// The state after a packet in `direction`, one of those of [`tcp`](super::tcp), whose first chunk means
/// `event`.
#[inline(always)]
#[must_use]
pub fn next(direction: u32, event: u8, state: u8) -> u8 {
    // The mask must stay: Linux 6.1 forgets on the way what the compiler knows of a direction.
    let row = opaque_number((direction & 3) << 4 | u32::from(event & 15)) & 63;
    TRANSITIONS[index(row)][usize::from(state & 15)]
}

/// As [`next`], for a packet that may be the `first`, whose state the connection has already: another
/// INIT would be another step.
#[inline(always)]
#[must_use]
pub fn step(direction: u32, event: u8, first: bool, state: u8) -> u8 {
    if first && event == INIT_CHUNK && state == INIT1 {
        state
    } else {
        next(direction, event, state)
    }
}

/// Whether a new connection may evict one in this state: not yet or no longer carrying data.
#[inline(always)]
#[must_use]
pub const fn is_embryonic(state: u8) -> bool {
    const CARRYING: u32 = 1 << ESTABLISHED | 1 << SHUTDOWN_SENT | 1 << SHUTDOWN_RECEIVED;
    CARRYING >> (state & 15) & 1 == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tcp::{INPUT, INPUT_ONLY, OUTPUT};

    #[test]
    fn an_association_goes_through_the_states_of_nat() {
        let mut state = NONE;
        for (direction, chunk, expected) in [
            (INPUT, 1, INIT1),
            (OUTPUT, 2, COOKIE_SENT),
            (INPUT, 10, COOKIE_REPLIED),
            (OUTPUT, 11, ESTABLISHED),
            (INPUT, 0, ESTABLISHED),
            (INPUT, 7, SHUTDOWN_RECEIVED),
            (OUTPUT, 8, SHUTDOWN_ACK_SENT),
            (INPUT, 14, CLOSED),
        ] {
            state = next(direction, event(chunk), state);
            assert_eq!(state, expected, "chunk {chunk}");
        }
    }

    #[test]
    fn without_replies_a_cookie_establishes() {
        assert_eq!(next(INPUT_ONLY, event(10), INIT1), ESTABLISHED);
    }

    #[test]
    fn an_unknown_chunk_is_as_data() {
        assert_eq!(event(0xbf), 0);
        assert_eq!(next(INPUT, event(0xbf), COOKIE_SENT), COOKIE_SENT);
    }
}
