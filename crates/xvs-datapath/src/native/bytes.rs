//! The bytes of a packet with room before and behind them.

use std::cell::UnsafeCell;

/// What new room is filled with: whoever forgets to write it is found out.
const POISON: u8 = 0xa5;

/// Bytes that the datapath reads and writes through addresses.
#[derive(Debug)]
pub(super) struct Bytes {
    cells: Box<[UnsafeCell<u8>]>,
    start: usize,
    end: usize,
}

impl Bytes {
    /// `bytes` with `headroom` bytes before and `tailroom` bytes behind them.
    pub(super) fn new(bytes: &[u8], headroom: usize, tailroom: usize) -> Self {
        let mut cells = vec![POISON; headroom];
        cells.extend_from_slice(bytes);
        cells.resize(headroom + bytes.len() + tailroom, POISON);
        let cells = Box::into_raw(cells.into_boxed_slice()) as *mut [UnsafeCell<u8>];
        Self {
            // SAFETY: the pointer is that of a box; a cell has the layout of what it holds.
            cells: unsafe { Box::from_raw(cells) },
            start: headroom,
            end: headroom + bytes.len(),
        }
    }

    /// Address of the first byte.
    pub(super) fn address(&self) -> usize {
        self.cells.as_ptr().expose_provenance() + self.start
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// How far the first byte is from the begin of the room.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// A copy of the bytes.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let cells = &raw const self.cells[self.start..self.end];
        // SAFETY: nobody writes meanwhile: the packet belongs to one thread; a cell has the layout of
        // what it holds.
        unsafe { &*(cells as *const [u8]) }.to_vec()
    }

    /// Writes `bytes` at `offset`.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        for (cell, byte) in self.cells[self.start + offset..self.end]
            .iter_mut()
            .zip(bytes)
        {
            *cell.get_mut() = *byte;
        }
    }

    /// Moves the begin forward by `length` bytes, which then hold nothing useful.
    pub(super) fn push(&mut self, length: usize) -> bool {
        if length > self.start {
            return false;
        }
        self.start -= length;
        for cell in &mut self.cells[self.start..self.start + length] {
            *cell.get_mut() = POISON;
        }
        true
    }

    /// Moves the begin back by `length` bytes.
    pub(super) fn pop(&mut self, length: usize) -> bool {
        if length > self.len() {
            return false;
        }
        self.start += length;
        true
    }

    /// Makes it `length` bytes long; new bytes are zero, as in the kernel.
    pub(super) fn resize(&mut self, length: usize) -> bool {
        if self.start + length > self.cells.len() {
            return false;
        }
        let end = self.start + length;
        for cell in self.cells.iter_mut().take(end).skip(self.end) {
            *cell.get_mut() = 0;
        }
        self.end = end;
        true
    }
}
