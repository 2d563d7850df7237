//! Brings items to what is wanted, and back to what they were.
//!
//! The engine decides what to write and in which order; a [`System`] does it. Everything that
//! will change is recorded before the first change, and only once: what is recorded is what was
//! there before xvs came, however often `up` is repeated.

use std::{net::IpAddr, path::Path};

use tracing::warn;
use xvs_net::Sysctl;

use crate::{
    Item, ItemStatus, SetupError, Value,
    record::{Change, Record},
};

/// What reads and changes a host.
pub(crate) trait System {
    /// What the item is now.
    fn read(&mut self, item: &Item) -> Result<Value, SetupError>;

    /// Makes the item be `value`; what is gone already counts as absent.
    fn write(&mut self, item: &Item, value: &Value) -> Result<(), SetupError>;

    /// The value of a setting; none when it does not exist (any more).
    fn setting(&mut self, sysctl: &Sysctl) -> Result<Option<String>, SetupError>;
}

/// Brings every item of `plan` to what is wanted.
///
/// When a change fails, what this call had newly recorded is restored before the error returns.
pub(crate) fn up(
    system: &mut impl System,
    record: &mut Record,
    path: &Path,
    plan: &[Item],
) -> Result<(), SetupError> {
    let before = record.clone();
    let mut writes = Vec::new();
    for item in plan {
        let current = system.read(item)?;
        let differs = current != item.wanted();
        if let Some(change) = record.change_mut(item) {
            change.item = item.clone();
        } else {
            let also = if differs {
                along(system, item)?
            } else {
                Vec::new()
            };
            record.changes.push(Change {
                item: item.clone(),
                previous: current,
                also,
            });
        }
        if differs {
            writes.push(item);
        }
    }
    record.save(path)?;

    for item in writes {
        if let Err(error) = system.write(item, &item.wanted()) {
            let fresh = record.changes.get(before.changes.len()..).unwrap_or(&[]);
            match undo(system, fresh) {
                Ok(()) => {
                    *record = before;
                    record.save(path)?;
                }
                // the record keeps what `down` has to try again
                Err(again) => warn!(error = %again, "could not take back a failed change"),
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Restores what is recorded, newest change first: everything, or what exists for `vips` alone.
///
/// With `vips` given, what serves every VIP goes too when no VIP is left.
pub(crate) fn down(
    system: &mut impl System,
    record: &mut Record,
    path: &Path,
    vips: &[IpAddr],
) -> Result<(), SetupError> {
    let (go, stay): (Vec<_>, Vec<_>) = record.changes.iter().cloned().partition(|change| {
        vips.is_empty() || change.item.vip().is_some_and(|vip| vips.contains(&vip))
    });
    let vip_is_left = stay.iter().any(|change| change.item.vip().is_some());
    if !vips.is_empty() && vip_is_left {
        undo(system, &go)?;
        record.changes = stay;
    } else {
        undo(system, &record.changes)?;
        record.changes.clear();
    }
    record.save(path)
}

/// What each item is, beside what is wanted.
pub(crate) fn status(
    system: &mut impl System,
    plan: &[Item],
) -> Result<Vec<ItemStatus>, SetupError> {
    plan.iter()
        .map(|item| {
            Ok(ItemStatus {
                name: item.to_string(),
                wanted: item.wanted().to_string(),
                found: system.read(item)?.to_string(),
            })
        })
        .collect()
}

/// The settings that will change along with `item`.
fn along(system: &mut impl System, item: &Item) -> Result<Vec<(Sysctl, String)>, SetupError> {
    let Item::Sysctl { also, .. } = item else {
        return Ok(Vec::new());
    };
    let mut values = Vec::new();
    for sysctl in also {
        if let Some(value) = system.setting(sysctl)? {
            values.push((sysctl.clone(), value));
        }
    }
    Ok(values)
}

/// Restores changes, newest first. Every one is attempted; the first error is returned.
fn undo(system: &mut impl System, changes: &[Change]) -> Result<(), SetupError> {
    let mut outcome = Ok(());
    for change in changes.iter().rev() {
        let restored = restore(system, &change.item, &change.previous);
        outcome = outcome.and(restored);
        for (sysctl, value) in &change.also {
            let item = Item::sysctl(sysctl.clone(), value.clone());
            let restored = restore(system, &item, &item.wanted());
            outcome = outcome.and(restored);
        }
    }
    outcome
}

/// Writes only what differs, so that what was never changed is not touched.
fn restore(system: &mut impl System, item: &Item, value: &Value) -> Result<(), SetupError> {
    let current = system.read(item)?;
    // a link that went took its settings, addresses and programs with it
    if current == *value || current == Value::Absent {
        return Ok(());
    }
    system.write(item, value)
}

#[cfg(test)]
mod tests;
