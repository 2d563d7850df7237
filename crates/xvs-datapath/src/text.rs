//! Reading the text of a packet, byte by byte and no further than needed.

use core::marker::PhantomData;

use crate::{
    Env, Packet, Rounds,
    abi::{TEXT, Text, index},
    memory::opaque,
};

/// What reads text, and keeps its state in the room.
pub(crate) trait Reader {
    /// Looks at the byte at `at`; `true` once it has seen enough. `secret` is the hash's multiplier.
    fn look(room: &mut Text, byte: u8, at: u32, secret: u64) -> bool;
}

/// Shows a reader the `length` bytes at `offset`, at most `most` of them, which must not be more than
/// [`TEXT`]; `false` where there is nothing to be read.
#[inline(always)]
pub(crate) fn read<R: Reader, P: Packet, E: Env>(
    packet: &mut P,
    env: &E,
    offset: u32,
    length: u32,
    most: u32,
) -> bool {
    let room = env.text();
    if room.is_null() {
        return false;
    }
    let room = opaque(room);
    let length = if length < most { length } else { most };
    // SAFETY: the room is this CPU's alone while the program runs.
    let found = unsafe {
        (*room).length = length;
        (*room).at = 0;
        packet.read(offset, room, length)
    };
    if !found {
        return false;
    }
    let mut scan = Scan::<R> {
        room,
        secret: env.seed().multiplier1,
        reader: PhantomData,
    };
    env.repeat(most, &mut scan);
    true
}

/// A look at the text, one byte a round.
struct Scan<R> {
    /// The environment's room.
    room: *mut Text,
    secret: u64,
    reader: PhantomData<R>,
}

impl<R: Reader> Rounds for Scan<R> {
    #[inline(always)]
    fn round(&mut self) -> bool {
        // SAFETY: the room is this CPU's alone while the program runs.
        let room = unsafe { &mut *self.room };
        let at = room.at;
        if at >= room.length {
            return true;
        }
        room.at = at + 1;
        let byte = room.bytes[index(at & (TEXT - 1))];
        R::look(room, byte, at, self.secret)
    }
}
