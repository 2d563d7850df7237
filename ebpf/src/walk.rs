//! Walks of many steps, each a call back: the verifier looks at one of them for all.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;
use xvs_datapath::{
    Rounds, Visitor,
    abi::{high32, index, low32},
    memory::opaque,
};

use crate::maps;

/// Servers that one callback of `bpf_loop` looks at, an aligned group of the list within one block: a
/// callback costs as much as several servers, and a longer plain loop costs the verifier.
const STEP: u32 = 16;

/// Bytes of the room for a [`Walk`].
pub const WALK_ROOM: usize = 128;

/// A walk in progress. It stands in a map, not on the stack: of what was in a map the verifier knows
/// nothing, so that one look at the callback does for all states that could lead there.
#[repr(C)]
struct Walk<V> {
    first: u32,
    total: u32,
    start: u32,
    groups: u32,
    visitor: V,
}

/// Shows the visitor the servers of a list, round about from position `start`.
#[inline(always)]
pub(crate) fn servers<V: Visitor>(members: u64, start: u32, visitor: &mut V) {
    const { assert!(size_of::<Walk<V>>() <= WALK_ROOM && align_of::<V>() <= 8) };
    let Some(room) = maps::WALK.get_ptr_mut(0) else {
        return;
    };
    let room = opaque(room).cast::<Walk<V>>();
    // SAFETY: the room is this CPU's, large enough and aligned; a visitor is plain integers, and the copy
    // in the room is the only one in use until it is moved back.
    unsafe {
        room.write(Walk {
            first: low32(members),
            total: high32(members),
            start,
            groups: high32(members).div_ceil(STEP),
            visitor: core::ptr::read(visitor),
        });
        let mut context = room;
        bpf_loop(
            // The group of the start comes by twice: first what is behind the start, then the rest.
            high32(members).div_ceil(STEP) + 1,
            step::<V> as *const () as *mut c_void,
            (&raw mut context).cast(),
            0,
        );
        core::ptr::write(visitor, (&raw const (*room).visitor).read());
    }
}

/// Goes `count` rounds, or as many as there shall be.
#[inline(always)]
pub(crate) fn repeat<R: Rounds>(count: u32, rounds: &mut R) {
    // SAFETY: the callback gets the rounds, which outlive the loop.
    unsafe {
        bpf_loop(
            count,
            round::<R> as *const () as *mut c_void,
            (rounds as *mut R).cast(),
            0,
        )
    };
}

unsafe extern "C" fn round<R: Rounds>(_number: u32, rounds: *mut c_void) -> i64 {
    // SAFETY: `rounds` is what was handed to the loop.
    i64::from(unsafe { &mut *rounds.cast::<R>() }.round())
}

unsafe extern "C" fn step<V: Visitor>(round: u32, context: *mut c_void) -> i64 {
    // SAFETY: the context holds the address of the walk.
    let walk = unsafe { &mut **context.cast::<*mut Walk<V>>() };
    let mut group = walk.start / STEP + round;
    if group >= walk.groups {
        group -= walk.groups;
    }
    let from = group * STEP;
    let low = if round == 0 { walk.start } else { 0 };
    let high = if round == walk.groups {
        walk.start
    } else {
        walk.total
    };
    let Some(block) = maps::BLOCKS.get_ptr(walk.first.wrapping_add(from >> 6)) else {
        return 1;
    };
    let block = opaque(block.cast_mut());
    // Registers hold a copy better than a place that every call might change.
    // SAFETY: a visitor is plain integers, and the copy is the only one in use until it is moved back.
    let mut visitor = unsafe { core::ptr::read(&raw const walk.visitor) };
    // SAFETY: the block is a valid map value; a group's index is masked to its begins.
    let group = opaque(unsafe {
        (&raw mut (*block).members)
            .cast::<u32>()
            .add(index(from & 0x30))
    });
    let ended = if low <= from && from + STEP <= high {
        whole(group, from, &mut visitor)
    } else {
        part(group, from, low, high, &mut visitor)
    };
    // SAFETY: the walk is this CPU's, as above.
    unsafe { core::ptr::write(&raw mut walk.visitor, visitor) };
    ended
}

/// Looks at the servers of a whole group, of which `from` is the first. Written out: in a loop, what it counts
/// and where it ends take the registers that the visitor needs, and each server costs half as much again.
#[inline(always)]
fn whole<V: Visitor>(group: *mut u32, from: u32, visitor: &mut V) -> i64 {
    macro_rules! look {
        ($($inner:literal)*) => {
            $(if look(group, $inner, from + $inner, visitor) {
                return 1;
            })*
        };
    }
    const { assert!(STEP == 16) };
    look!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    0
}

/// Looks at the servers of a group from position `low` up to `high`.
#[inline(always)]
fn part<V: Visitor>(group: *mut u32, from: u32, low: u32, high: u32, visitor: &mut V) -> i64 {
    let mut inner = 0;
    while inner < STEP {
        let position = from + inner;
        if position >= high {
            return 0;
        }
        // No `continue`: the compiler then lays the loop out so that an instruction which is no jump
        // leads back to its head, which Linux 6.1 refuses as a back-edge.
        if position >= low && look(group, inner, position, visitor) {
            return 1;
        }
        inner += 1;
    }
    0
}

/// Looks at the server at `position`, `inner` of its group; `true` ends the walk.
#[inline(always)]
fn look<V: Visitor>(group: *mut u32, inner: u32, position: u32, visitor: &mut V) -> bool {
    // SAFETY: the group has as many members.
    let member = unsafe { *group.add(index(inner & (STEP - 1))) };
    let Some(server) = maps::REAL.get_ptr(member) else {
        return true;
    };
    // SAFETY: the server is a valid map value.
    visitor.visit(position, member, unsafe { &*opaque(server.cast_mut()) })
}
