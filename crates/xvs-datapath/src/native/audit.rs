//! What must hold of the flow tables when no program runs.

use std::collections::HashMap;

use crate::{
    abi::{Entry4, Entry6, Method, NONE, OverflowKey, Slot, Tag, Tuple, index},
    native::Tables,
    state,
    table::{Family, V4, V6},
};

/// An entry of either family, wherever it is.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Its index; `None` in the overflow hash.
    place: Option<u32>,
    tag: Tag,
    tuple: Tuple,
    recipe: Tuple,
    peer: u32,
    real_server: u32,
    ipv6: bool,
}

type Identity = (bool, u64, [u32; 4], [u32; 4], u32);

impl Row {
    fn identity(&self, tuple: &Tuple) -> Identity {
        let names = self.tag.0 & (Tag::IDENTITY & 0xffff_ffff);
        (
            self.ipv6,
            names,
            tuple.source,
            tuple.destination,
            tuple.ports,
        )
    }

    /// The key of the entry of packets the other way.
    fn answer(&self) -> Identity {
        self.identity(&self.recipe.swapped())
    }
}

/// Looks for slots left claimed, duplicates, entries without their other direction, and counts of
/// real servers that are not those of the entries. Answers what it found, in words.
#[must_use]
pub fn audit(tables: &Tables) -> Vec<String> {
    let mut found = Vec::new();
    let rows = rows(tables, &mut found);
    let mut by_key: HashMap<Identity, Row> = HashMap::new();
    for row in &rows {
        if let Some(other) = by_key.insert(row.identity(&row.tuple), *row) {
            found.push(format!("one flow, two entries: {row:?} and {other:?}"));
        }
    }
    for row in &rows {
        if row.tag.template() || !Method::two_way(row.tag.method()) {
            continue;
        }
        let partner = by_key.get(&row.answer());
        if partner.is_none_or(|partner| partner.tag.reverse() == row.tag.reverse()) {
            found.push(format!("no other direction of {row:?}"));
        }
        let unnamed = |partner: &Row| partner.place != Some(row.peer);
        if row.peer != NONE && partner.is_none_or(unnamed) {
            found.push(format!("the wrong peer is named by {row:?}: {partner:?}"));
        }
    }
    count(tables, &rows, &mut found);
    found
}

fn count(tables: &Tables, rows: &[Row], found: &mut Vec<String>) {
    let servers = tables.real_servers.to_vec();
    let mut counts = vec![(0_u32, 0_u32, 0_u32); servers.len()];
    for row in rows.iter().filter(|row| !row.tag.reverse()) {
        let Some(count) = counts.get_mut(index(row.real_server)) else {
            found.push(format!("no such real server: {row:?}"));
            continue;
        };
        match (row.tag.template(), state::is_active(row.tag)) {
            (true, _) => count.2 += 1,
            (false, true) => count.0 += 1,
            (false, false) => count.1 += 1,
        }
    }
    for (number, (server, count)) in servers.iter().zip(counts).enumerate() {
        let has = (server.active, server.inactive, server.persistent);
        if has != count {
            found.push(format!(
                "real server {number} counts {has:?} active, inactive and persistent; there are {count:?}"
            ));
        }
    }
}

fn rows(tables: &Tables, found: &mut Vec<String>) -> Vec<Row> {
    let mut rows = Vec::new();
    let sets4 = tables.flows4.to_vec();
    for (place, entry) in (0..).zip(sets4.iter().flatten()) {
        rows.extend(row::<V4>(Some(place), *entry, false, found));
    }
    let sets6 = tables.flows6.to_vec();
    for (place, entry) in (0..).zip(sets6.iter().flatten()) {
        rows.extend(row::<V6>(Some(place), *entry, true, found));
    }
    let over4: Vec<(OverflowKey, Entry4)> = tables.overflow4.entries();
    let over6: Vec<(OverflowKey, Entry6)> = tables.overflow6.entries();
    for (_, entry) in over4 {
        rows.extend(row::<V4>(None, entry, false, found));
    }
    for (_, entry) in over6 {
        rows.extend(row::<V6>(None, entry, true, found));
    }
    rows
}

fn row<F: Family>(
    place: Option<u32>,
    mut entry: F::Entry,
    ipv6: bool,
    found: &mut Vec<String>,
) -> Option<Row> {
    // SAFETY: the entry is a copy on this stack.
    unsafe {
        let fields = F::fields(&raw mut entry);
        let tag = Tag(*fields.tag);
        if tag.slot() == Slot::BUSY {
            found.push(format!("a slot was left claimed: {place:?}"));
        }
        (tag.slot() >= Slot::LIVE).then(|| Row {
            place,
            tag,
            tuple: F::tuple(&raw const entry),
            recipe: F::recipe(&raw const entry),
            peer: *fields.peer,
            real_server: *fields.real_server,
            ipv6,
        })
    }
}
