//! The local addresses of FULLNAT virtual servers, with the ports that they may use.

use std::{collections::HashMap, net::IpAddr};

use xvs_datapath::abi::{Address, LocalAddress};
use xvs_types::OpError;

use super::{
    super::{address::to_abi, memory::Mapped, slots::Slots},
    words::full,
};

/// First port of FULLNAT connections.
const FIRST_PORT: u16 = 5000;

/// The array of local addresses and which are in use.
pub(super) struct Locals {
    array: Mapped<LocalAddress>,
    slots: Slots,
    /// Runs that programs may still be reading.
    old: Vec<(u32, u32)>,
    /// Ports that the host keeps for itself, by address.
    kept: HashMap<IpAddr, (u16, u16)>,
}

impl Locals {
    pub(super) fn new(array: Mapped<LocalAddress>) -> Self {
        Self {
            slots: Slots::new(array.len()),
            array,
            old: Vec::new(),
            kept: HashMap::new(),
        }
    }

    /// Notes that a run is in use, as found on adoption.
    pub(super) fn mark(&mut self, first: u32, count: u32) {
        for slot in first..first.saturating_add(count) {
            self.slots.mark(slot);
        }
    }

    /// The addresses of a run.
    pub(super) fn addresses(&self, first: u32, count: u32) -> Vec<Address> {
        self.read(first, count)
            .iter()
            .map(|local| local.address)
            .collect()
    }

    /// Writes the run of a virtual server in the place of the one at `old`; the same addresses keep
    /// their run and their rotors.
    pub(super) fn write(
        &mut self,
        old: (u32, u32),
        addresses: &[IpAddr],
    ) -> Result<(u32, u32), OpError> {
        let wanted: Vec<LocalAddress> = addresses
            .iter()
            .map(|address| self.new_one(*address))
            .collect();
        let have = self.read(old.0, old.1);
        let same = have.len() == wanted.len()
            && have
                .iter()
                .zip(&wanted)
                .all(|(a, b)| a.address == b.address && a.family == b.family);
        if same {
            return Ok(old);
        }
        let count = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        if count == 0 {
            self.release(old);
            return Ok((0, 0));
        }
        let first = self
            .slots
            .take_run(count)
            .ok_or_else(|| full("local address", self.slots.limit()))?;
        self.release(old);
        for (place, local) in (0..).zip(wanted) {
            self.array.write(first + place, local);
        }
        Ok((first, count))
    }

    /// Lets a run go; it comes back with [`Locals::recycle`].
    pub(super) fn release(&mut self, run: (u32, u32)) {
        if run.1 > 0 {
            self.old.push(run);
        }
    }

    /// Says which ports of an address the host keeps for itself.
    pub(super) fn keep(&mut self, address: IpAddr, ports: Option<(u16, u16)>) {
        match ports {
            Some(range) => self.kept.insert(address, range),
            None => self.kept.remove(&address),
        };
        let wanted = to_abi(address);
        let family = if address.is_ipv6() { 6 } else { 4 };
        for slot in 0..self.slots.reached() {
            if let Some(mut local) = self.array.read(slot)
                && local.family == family
                && local.address == wanted
            {
                (local.kept_first, local.kept_last) = kept_within(ports);
                self.array.write(slot, local);
            }
        }
    }

    /// Whether [`Locals::recycle`] has anything to do.
    pub(super) fn has_waste(&self) -> bool {
        !self.old.is_empty()
    }

    /// Gives back what programs no longer read.
    pub(super) fn recycle(&mut self) {
        for (first, count) in std::mem::take(&mut self.old) {
            self.slots.give(first, count);
        }
    }

    fn read(&self, first: u32, count: u32) -> Vec<LocalAddress> {
        (first..first.saturating_add(count))
            .filter_map(|slot| self.array.read(slot))
            .collect()
    }

    fn new_one(&self, address: IpAddr) -> LocalAddress {
        let (kept_first, kept_last) = kept_within(self.kept.get(&address).copied());
        LocalAddress {
            address: to_abi(address),
            first: FIRST_PORT,
            last: u16::MAX,
            kept_first,
            kept_last,
            cursor: 0,
            family: if address.is_ipv6() { 6 } else { 4 },
        }
    }
}

/// The kept range as far as it lies in ours; (0, 0) for none.
fn kept_within(kept: Option<(u16, u16)>) -> (u16, u16) {
    match kept {
        Some((first, last)) if last >= FIRST_PORT && first <= last => (first.max(FIRST_PORT), last),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_ports_below_the_range_do_not_matter() {
        assert_eq!(kept_within(Some((32_768, 60_999))), (32_768, 60_999));
        assert_eq!(kept_within(Some((1024, 4999))), (0, 0));
        assert_eq!(kept_within(Some((1024, 6000))), (5000, 6000));
    }
}
