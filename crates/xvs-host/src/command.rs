//! The three verbs, the same for every role: enter the namespace, take the lock, run the engine.

use std::net::IpAddr;

use xvs_net::LinkInfo;

use crate::{
    Common, Item, Record, Report, SetupError, engine,
    live::Live,
    netns,
    place::{self, Place},
};

/// Whose host, and where.
pub(crate) struct Command<'a> {
    /// Names the record's folder.
    pub(crate) role: &'a str,
    /// Where to work.
    pub(crate) common: &'a Common,
    /// Size of the map of waiting clients, should it be made.
    pub(crate) connections: u32,
}

impl Command<'_> {
    /// Brings the host to `plan`, which sees its links.
    pub(crate) fn up(
        &self,
        plan: impl FnOnce(&[LinkInfo]) -> Result<Vec<Item>, SetupError> + Send,
    ) -> Result<Report, SetupError> {
        self.within(|place, live| {
            let plan = plan(&live.links()?)?;
            place.make()?;
            let mut record = load(place)?;
            let path = place.record_path();
            let fresh = record.changes.is_empty();
            // from here on the folder is ours to clear, also when this process dies
            record.save(&path)?;
            let outcome = if plan.iter().any(needs_pins) {
                place.mount_pins()
            } else {
                Ok(())
            }
            .and_then(|()| engine::up(live, &mut record, &path, &plan));
            if fresh && record.changes.is_empty() {
                place.remove()?;
            }
            outcome?;
            report(live, &plan)
        })
    }

    /// Restores everything, or what exists for `vips` alone.
    pub(crate) fn down(&self, vips: &[IpAddr]) -> Result<Report, SetupError> {
        self.within(|place, live| {
            let Some(mut record) = place.record()? else {
                return report(live, &[]);
            };
            engine::down(live, &mut record, &place.record_path(), vips)?;
            if record.changes.is_empty() {
                place.remove()?;
            }
            report(live, &items(&record))
        })
    }

    /// The state of the items of `plan`, which sees the host's links.
    pub(crate) fn status(
        &self,
        plan: impl FnOnce(&[LinkInfo]) -> Result<Vec<Item>, SetupError> + Send,
    ) -> Result<Report, SetupError> {
        self.within(|_place, live| {
            let plan = plan(&live.links()?)?;
            report(live, &plan)
        })
    }

    /// The state of what `up` recorded.
    pub(crate) fn recorded_status(&self) -> Result<Report, SetupError> {
        self.within(|place, live| {
            let record = place.record()?.ok_or(SetupError::NothingRecorded)?;
            report(live, &items(&record))
        })
    }

    fn within(
        &self,
        work: impl FnOnce(&Place, &mut Live) -> Result<Report, SetupError> + Send,
    ) -> Result<Report, SetupError> {
        let runtime = self
            .common
            .runtime_directory
            .clone()
            .unwrap_or_else(place::runtime_directory);
        let netns = self.common.netns.as_deref();
        netns::within(netns, || {
            let place = Place::open(&runtime, self.role, netns)?;
            let mut live = Live::open(&place, self.connections)?;
            work(&place, &mut live)
        })
    }
}

fn load(place: &Place) -> Result<Record, SetupError> {
    Ok(place
        .record()?
        .unwrap_or_else(|| Record::new(&place.identity)))
}

fn items(record: &Record) -> Vec<Item> {
    let changes = record.changes.iter();
    changes.map(|change| change.item.clone()).collect()
}

fn needs_pins(item: &Item) -> bool {
    matches!(
        item,
        Item::DecapsulatedVip { .. } | Item::PeerNames | Item::Program { .. }
    )
}

fn report(live: &mut Live, items: &[Item]) -> Result<Report, SetupError> {
    Ok(Report {
        items: engine::status(live, items)?,
        counts: live.programs.counts()?,
    })
}
