//! `bpf_fib_lookup` for both hooks.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_fib_lookup;
use xvs_datapath::{Fib, FibAnswer, abi::Address, memory::opaque};

use crate::maps;

/// `struct bpf_fib_lookup` of `include/uapi/linux/bpf.h`, without its unions.
#[repr(C)]
struct Parameters {
    family: u8,
    protocol: u8,
    source_port: u16,
    destination_port: u16,
    length_or_mtu: u16,
    ifindex: u32,
    class: u32,
    source: Address,
    destination: Address,
    vlan: u32,
    macs: [u8; 12],
}

const _: () = assert!(size_of::<Parameters>() == 64);

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// What the datapath makes of an error of the helper: no route.
const FAILED: u32 = 2;

/// Asks the kernel's routing table, as for a packet that came in by link `ingress`.
#[inline(always)]
pub fn lookup(context: *mut c_void, ingress: u32, query: &mut Fib) -> FibAnswer {
    let Some(room) = maps::QUESTION.get_ptr_mut(0) else {
        return FibAnswer {
            code: FAILED,
            ..FibAnswer::default()
        };
    };
    // SAFETY: the room is this CPU's, of the size of the parameters, and any bytes are valid ones.
    let parameters = unsafe { &mut *opaque(room).cast::<Parameters>() };
    parameters.family = if query.family == 6 { AF_INET6 } else { AF_INET };
    parameters.protocol = query.protocol;
    parameters.source_port = 0;
    parameters.destination_port = 0;
    // With a length, which every link can carry, the kernel says the way's MTU.
    parameters.length_or_mtu = 1;
    parameters.ifindex = ingress;
    parameters.class = 0;
    parameters.source = query.source;
    parameters.destination = query.destination;
    parameters.vlan = 0;
    // SAFETY: the context is the program's.
    let code = unsafe {
        bpf_fib_lookup(
            context,
            (&raw mut *parameters).cast(),
            size_of::<Parameters>() as i32,
            0,
        )
    };
    query.destination = parameters.destination;
    query.family = if parameters.family == AF_INET6 { 6 } else { 4 };
    if query.family == 4 {
        query.destination = [parameters.destination[0], 0, 0, 0];
    }
    // The kernel has source then destination; a frame has them the other way round.
    let [s0, s1, s2, s3, s4, s5, d0, d1, d2, d3, d4, d5] = parameters.macs;
    FibAnswer {
        code: if code < 0 { FAILED } else { code as u32 },
        ifindex: parameters.ifindex,
        mac0: u64::from_ne_bytes([d0, d1, d2, d3, d4, d5, s0, s1]),
        mac1: u32::from_ne_bytes([s2, s3, s4, s5]),
        mtu: if code == i64::from(FibAnswer::KNOWN) {
            u32::from(parameters.length_or_mtu)
        } else {
            0
        },
    }
}
