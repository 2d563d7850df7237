//! Firewall marks: the kernel marks packets after the hooks, so it is made to bring them back.
//!
//! While there is a virtual server of a mark, routing rules bring marked packets, and those to the
//! addresses of the other virtual servers, to a link that carries the dataplane: a mark outweighs an
//! address, and only behind the firewall both are known. How they are brought is `xvs-net`'s.

use tracing::info;
use xvs_dataplane::{Attachment, Hook};
use xvs_net::{BROUGHT_BY, BROUGHT_MAC, Brought, Sysctl};
use xvs_types::Family;

use super::{Placed, feed::Feed, view::mac};
use crate::worker::Ended;

impl Feed {
    /// Brings what the rules need to be brought, or nothing more; answers whether the link for it came
    /// or went.
    pub(super) async fn bring(&mut self) -> Result<bool, Ended> {
        let wanted = self.wanted();
        let is_settled = match (&wanted, &self.brought) {
            (None, None) => !self.view.brings,
            (Some(wanted), Some((_, there))) => self.view.brings && wanted == there,
            _ => false,
        };
        if is_settled {
            return Ok(false);
        }
        let link = self.brought.as_ref().map(|(link, _)| *link);
        let Some(wanted) = wanted else {
            // First new connections are opened where they come in again.
            self.brought = None;
            self.tell_of_the_link().await?;
            let gone = self.host.bring_no_more().await;
            self.view.brings = gone.is_err();
            self.note("marks", gone.err().map(|error| error.to_string()));
            self.restore_setting(&Sysctl::early_demux()).await?;
            info!(link = BROUGHT_BY, "marked packets are not brought any more");
            return Ok(true);
        };
        // A packet that the kernel has given to a socket before it asks for a route is not routed to us.
        let otherwise = "connections to services of this host on VIPs may stall";
        self.change_setting(Sysctl::early_demux(), 0, otherwise)
            .await?;
        match self.host.bring(&wanted).await {
            Ok(found) => {
                self.note_all("marks", blocked(&wanted));
                self.brought = Some((found, wanted));
                self.view.brings = true;
            }
            Err(error) => self.note(
                "marks",
                Some(format!(
                    "packets with firewall marks are not balanced: {error}"
                )),
            ),
        }
        Ok(self.brought.as_ref().map(|(found, _)| *found) != link)
    }

    /// What must be brought; nothing while there is no virtual server of a mark.
    fn wanted(&self) -> Option<Brought> {
        let marks = self.footprint.marks();
        (!marks.is_empty()).then(|| Brought {
            marks: marks.clone(),
            local: self.view.local_prefixes.clone(),
            addresses: self.footprint.vips().into_iter().collect(),
        })
    }

    /// The link that brings packets, as one that carries the dataplane.
    pub(super) fn placed_link(&self) -> Option<Placed> {
        let (ifindex, _) = self.brought.as_ref()?;
        Some(Placed {
            attachment: Attachment {
                ifindex: *ifindex,
                name: BROUGHT_BY.to_owned(),
                macs: vec![mac(BROUGHT_MAC)],
                hook: Hook::Tcx,
                answers: false,
            },
            reason: "it brings what the firewall has marked".to_owned(),
        })
    }

    /// Tells the dataplane by which link packets are brought, once that one carries it.
    pub(super) async fn tell_of_the_link(&self) -> Result<(), Ended> {
        let link = self.brought.as_ref().map(|(link, _)| *link);
        let carries = |link: &u32| {
            let mut placed = self.placed.iter();
            placed.any(|one| one.attachment.ifindex == *link)
        };
        let link = link.filter(carries);
        self.worker
            .call(move |keeper| keeper.dataplane().set_brought_by(link))
            .await
    }
}

/// Why packets cannot be brought, a line for each reason: the host must forward.
fn blocked(wanted: &Brought) -> Vec<String> {
    let families = [
        (Family::V4, Sysctl::ip_forward()),
        (Family::V6, Sysctl::ipv6_forwarding()),
    ];
    let off = families.into_iter().filter(|(family, forwarding)| {
        let marked = wanted.marks.iter().any(|(of, _)| of == family);
        marked && forwarding.number().is_ok_and(|value| value == 0)
    });
    off.map(|(_, forwarding)| {
        format!("packets with firewall marks reach no real server while `{forwarding}` is 0; set it to 1")
    })
    .collect()
}
