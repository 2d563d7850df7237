//! Links: the datapath goes where placement says, and the log and the status say why.

use std::collections::BTreeSet;

use tracing::info;
use xvs_control::wire::{Code, HookChoice, Problem};
use xvs_dataplane::{Attachment, Hook};
use xvs_net::{Changes, Sysctl};

use super::{
    Placed, Placement,
    feed::Feed,
    placement::{check, place, place_on_trial},
};
use crate::worker::Ended;

impl Feed {
    /// Moves the datapath to where `placement` says, or answers why not and leaves it where it was.
    pub(super) async fn place(
        &mut self,
        placement: Placement,
    ) -> Result<Result<(), Problem>, Ended> {
        if check(&self.view, &placement).is_err() {
            // The kernel's word of a link that was made a moment ago may still be on its way.
            let read = self.read(&Changes::everything()).await;
            self.note("network", read.err().map(|error| error.to_string()));
        }
        if let Err(problem) = check(&self.view, &placement) {
            return Ok(Err(problem));
        }
        if self.footprint.is_empty() {
            let failures = self.try_out(&placement).await?;
            if !failures.is_empty() {
                return Ok(Err(Problem::new(
                    Code::HookUnsupported,
                    failures.join("; "),
                )));
            }
        }
        let before = std::mem::replace(&mut self.placement, placement);
        self.without_xdp.clear();
        self.attach().await?;
        let failures = self.warnings.get("links").cloned().unwrap_or_default();
        if failures.is_empty() {
            return Ok(Ok(()));
        }
        self.placement = before;
        self.attach().await?;
        Ok(Err(Problem::new(
            Code::HookUnsupported,
            failures.join("; "),
        )
        .with_hint("the datapath stays where it was")))
    }

    /// While nothing is attached, for want of virtual servers, attaches for a moment what was asked
    /// for: whether a device can do it must be said now, not when the first virtual server comes.
    async fn try_out(&self, placement: &Placement) -> Result<Vec<String>, Ended> {
        let placed = place_on_trial(&self.view, placement);
        if placed.is_empty() {
            return Ok(Vec::new());
        }
        let failures = self.try_to_attach(&placed).await?;
        self.try_to_attach(&[]).await?;
        Ok(failures)
    }

    /// Attaches and detaches until the links are those of the placement.
    pub(super) async fn attach(&mut self) -> Result<(), Ended> {
        let mut placed = self.place_now();
        let settled = self.warnings.get("links").is_none_or(Vec::is_empty);
        if placed == self.placed && settled {
            return Ok(());
        }
        self.accept_replies_to_this_host(&placed).await?;
        let mut failures = self.try_to_attach(&placed).await?;
        if !failures.is_empty() && self.placement.hook == HookChoice::Auto {
            // The choice was ours, so it may be another one: what tcx cannot do, nothing can.
            let attached = self.attached().await?;
            let failed = placed.iter().map(|one| &one.attachment);
            self.without_xdp.extend(
                failed
                    .filter(|one| one.hook != Hook::Tcx && !attached.contains(&one.ifindex))
                    .map(|one| one.ifindex),
            );
            placed = self.place_now();
            failures = self.try_to_attach(&placed).await?;
        }
        self.log_moves(&placed);
        self.placed = placed;
        self.note_all("links", failures);
        Ok(())
    }

    /// Lets the kernel take replies to connections of this host: they come from a VIP, which is here too,
    /// and it takes such packets by no link without being told. The datapath hands them in by the
    /// loopback link, on which nobody else can send.
    async fn accept_replies_to_this_host(&mut self, placed: &[Placed]) -> Result<(), Ended> {
        let links = placed.iter().map(|one| &one.attachment);
        let carries = |name: &str| links.clone().any(|link| link.name == name);
        let Some(loopback) = self.view.links.iter().find(|link| link.loopback) else {
            return Ok(());
        };
        if !carries(&loopback.name) {
            return Ok(());
        }
        match Sysctl::ipv4_link(&loopback.name, "accept_local") {
            Some(sysctl) => {
                self.change_setting(
                    sysctl,
                    1,
                    "connections of this host to IPv4 VIPs get no replies",
                )
                .await
            }
            None => Ok(()),
        }
    }

    /// Logs where the datapath comes and where it goes.
    fn log_moves(&self, placed: &[Placed]) {
        let runs = |list: &[Placed], one: &Placed| {
            let (ifindex, hook) = (one.attachment.ifindex, one.attachment.hook);
            list.iter()
                .any(|other| (other.attachment.ifindex, other.attachment.hook) == (ifindex, hook))
        };
        for one in self.placed.iter().filter(|one| !runs(placed, one)) {
            let Attachment { name, hook, .. } = &one.attachment;
            info!(link = %name, %hook, "the datapath leaves");
        }
        for one in placed.iter().filter(|one| !runs(&self.placed, one)) {
            let Attachment { name, hook, .. } = &one.attachment;
            info!(link = %name, %hook, reason = %one.reason, "the datapath runs");
        }
    }

    fn place_now(&self) -> Vec<Placed> {
        let mut placed = place(&self.view, &self.footprint, &self.placement, &self.drivers);
        for one in &mut placed {
            if self.without_xdp.contains(&one.attachment.ifindex) {
                one.reason = format!("{}; but {} failed, so tcx", one.reason, one.attachment.hook);
                one.attachment.hook = Hook::Tcx;
            }
        }
        placed.extend(self.placed_link());
        placed
    }

    async fn try_to_attach(&self, placed: &[Placed]) -> Result<Vec<String>, Ended> {
        let wanted: Vec<Attachment> = placed.iter().map(|one| one.attachment.clone()).collect();
        self.worker
            .call(move |keeper| keeper.dataplane().attach(&wanted))
            .await
    }

    async fn attached(&self) -> Result<BTreeSet<u32>, Ended> {
        let status = self
            .worker
            .call(|keeper| keeper.dataplane().status())
            .await?;
        Ok(status.attachments.iter().map(|one| one.ifindex).collect())
    }
}
