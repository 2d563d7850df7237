//! Filters in the kernel (classic BPF) that choose advertisements by their virtual router identifier.
//!
//! A filter sees an IPv4 packet from its IP header on, an IPv6 one from the message on; an
//! authentication header before the message is stepped over by its own length field.

use libc::{BPF_ABS, BPF_ADD, BPF_ALU, BPF_B, BPF_IND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_LDX};
use libc::{BPF_LSH, BPF_MISC, BPF_MSH, BPF_RET, BPF_TAX, BPF_X};
use socket2::SockFilter;
use xvs_types::Family;
use xvs_vrrp::Vrid;
use xvs_wire::vrrp::ah;

/// Where an IPv4 header has its protocol, and an advertisement its identifier.
const PROTOCOL_AT: u32 = 9;
const VRID_AT: u32 = 1;
/// Where an authentication header has its length in words of 32 bits, less 2 (RFC 4302 2.2).
const LENGTH_AT: u32 = 1;

/// What becomes of an identifier that is not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Dropped,
    Taken,
}

/// Lets through what carries one of `vrids` and drops the others, or the other way round.
pub(super) fn by_vrid(family: Family, vrids: &[Vrid], others: Others) -> Vec<SockFilter> {
    let (named, rest) = match others {
        Others::Dropped => (u32::MAX, 0),
        Others::Taken => (0, u32::MAX),
    };
    let mut program = match family {
        Family::V4 => vec![
            // X := bytes of the IP header.
            step(BPF_LDX | BPF_B | BPF_MSH, 0),
            step(BPF_LD | BPF_B | BPF_ABS, PROTOCOL_AT),
            // Without an authentication header the next five are skipped.
            jump_if_equal(u32::from(ah::PROTOCOL), 0, 5),
            step(BPF_LD | BPF_B | BPF_IND, LENGTH_AT),
            step(BPF_ALU | BPF_ADD | BPF_K, 2),
            step(BPF_ALU | BPF_LSH | BPF_K, 2),
            step(BPF_ALU | BPF_ADD | BPF_X, 0),
            step(BPF_MISC | BPF_TAX, 0),
            step(BPF_LD | BPF_B | BPF_IND, VRID_AT),
        ],
        Family::V6 => vec![step(BPF_LD | BPF_B | BPF_ABS, VRID_AT)],
    };
    for vrid in vrids {
        program.push(jump_if_equal(u32::from(vrid.get()), 0, 1));
        program.push(take(named));
    }
    program.push(take(rest));
    program
}

fn take(bytes: u32) -> SockFilter {
    step(BPF_RET | BPF_K, bytes)
}

fn step(code: u32, operand: u32) -> SockFilter {
    instruction(code, 0, 0, operand)
}

fn jump_if_equal(operand: u32, then: u8, otherwise: u8) -> SockFilter {
    instruction(BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, operand)
}

fn instruction(code: u32, then: u8, otherwise: u8, operand: u32) -> SockFilter {
    // Every code of classic BPF fits: they are bits of its lowest byte.
    let code = u16::try_from(code).unwrap_or(u16::MAX);
    SockFilter::new(code, then, otherwise, operand)
}
