//! Which links carry the datapath, and by what.
//!
//! Links of the kernel (XDP, tcx) are pinned, so that they outlive the daemon; a new daemon swaps
//! its programs in through them. Kernels before 6.6 have no tcx: there the entry is a clsact filter,
//! which stays by itself.

use std::{collections::BTreeMap, fs, io};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, TcAttachType, XdpMode,
        links::{FdLink, PinnedLink},
        tc::{NlOptions, TcAttachOptions, qdisc_add_clsact},
        xdp::XdpLink,
    },
    util::KernelVersion,
};
use xvs_datapath::abi::{LinkMac, link_mac_flag};

use super::{
    OpenError, kernel_link,
    macs::Macs,
    pins::Pins,
    programs::{classifier, xdp},
};
use crate::{Attachment, AttachmentStatus, Hook};

const TCX: &str = "tcx";
const EGRESS: &str = "egress";
const XDP: &str = "xdp";
const XDP_GENERIC: &str = "xdpgeneric";
/// The loopback link's index in every network namespace (kernel `LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// The entry for what leaves.
const LEAVE: &str = "xvs_leave";
/// Priority and handle of our clsact filter: ours to replace, unlikely to be anybody else's.
const FILTER: (u16, u32) = (0x7876, 0x7873);

/// The links that carry the datapath.
pub(super) struct Links {
    macs: Macs,
    attached: BTreeMap<u32, Attachment>,
    tcx: bool,
}

impl Links {
    pub(super) fn new(macs: Macs) -> Self {
        Self {
            macs,
            attached: BTreeMap::new(),
            tcx: KernelVersion::current()
                .is_ok_and(|version| version >= KernelVersion::new(6, 6, 0)),
        }
    }

    /// Swaps the programs of `object` into the links that a daemon before pinned. Answers a line for
    /// each that could not be taken up. It is let go: the interface that it was made for is gone, even
    /// where another has its index now, and whatever shall be attached there is attached anew.
    pub(super) fn adopt(&mut self, object: &mut Ebpf, pins: &Pins) -> Vec<String> {
        let links = match pins.links() {
            Ok(links) => links,
            Err(error) => return vec![format!("cannot read the pinned links: {error}")],
        };
        let mut failures = Vec::new();
        for (ifindex, kind) in links {
            if let Err(error) = swap(object, pins, ifindex, &kind) {
                failures.push(format!(
                    "cannot take up the pinned {kind} link of interface {ifindex}: {error}"
                ));
                release(pins, ifindex, &kind);
            }
        }
        failures
    }

    /// Makes `wanted` the links that carry the datapath.
    pub(super) fn set(
        &mut self,
        object: &mut Ebpf,
        pins: &Pins,
        wanted: &[Attachment],
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let gone: Vec<Attachment> = self
            .attached
            .values()
            .filter(|old| !wanted.iter().any(|new| new.ifindex == old.ifindex))
            .cloned()
            .collect();
        for old in gone {
            self.detach(pins, &old);
        }
        self.drop_strangers(pins, wanted);
        for new in wanted {
            if self
                .attached
                .get(&new.ifindex)
                .is_some_and(|old| old == new)
            {
                continue;
            }
            // Addresses first: the first frame must already find them.
            self.set_macs(new);
            let carried =
                self.attached.contains_key(&new.ifindex) || pins.link(new.ifindex, TCX).exists();
            match self.attach(object, pins, new) {
                Ok(()) => {
                    self.attached.insert(new.ifindex, new.clone());
                }
                Err(error) => {
                    failures.push(format!(
                        "cannot attach to `{}` by {}: {error}",
                        new.name, new.hook
                    ));
                    self.make_do(pins, new, carried);
                }
            }
        }
        failures
    }

    /// What carries the datapath.
    pub(super) fn status(&self) -> Vec<AttachmentStatus> {
        self.attached
            .values()
            .map(|attachment| AttachmentStatus {
                ifindex: attachment.ifindex,
                name: attachment.name.clone(),
                hook: attachment.hook,
                attached_by: self.means(attachment.hook),
            })
            .collect()
    }

    /// Detaches everything.
    pub(super) fn clear(&mut self, pins: &Pins) {
        for old in std::mem::take(&mut self.attached).into_values() {
            self.detach(pins, &old);
        }
        self.drop_strangers(pins, &[]);
    }

    fn means(&self, hook: Hook) -> String {
        let companion = if self.tcx { "tcx" } else { "clsact" };
        match hook {
            Hook::Tcx => companion.to_owned(),
            Hook::Xdp => format!("xdp (driver) and {companion}"),
            Hook::XdpGeneric => format!("xdp (generic) and {companion}"),
        }
    }

    fn attach(
        &mut self,
        object: &mut Ebpf,
        pins: &Pins,
        new: &Attachment,
    ) -> Result<(), AttachError> {
        let (xdp_kind, other_kind) = match new.hook {
            Hook::Tcx => (None, vec![XDP, XDP_GENERIC]),
            Hook::Xdp => (Some((XDP, XdpMode::Driver)), vec![XDP_GENERIC]),
            Hook::XdpGeneric => (Some((XDP_GENERIC, XdpMode::Skb)), vec![XDP]),
        };
        // First what takes over whatever XDP leaves: while XDP changes, that is everything.
        let entry = entry_of(new.ifindex);
        self.attach_entry(object, pins, new, (entry, TcAttachType::Ingress, TCX))?;
        if new.answers {
            self.attach_entry(object, pins, new, (LEAVE, TcAttachType::Egress, EGRESS))?;
        } else {
            self.detach_entry(pins, new, (LEAVE, TcAttachType::Egress, EGRESS));
        }
        for kind in other_kind {
            release(pins, new.ifindex, kind);
        }
        if let Some((kind, mode)) = xdp_kind
            && !pins.link(new.ifindex, kind).exists()
        {
            let program = xdp(object)?;
            let id = program.attach_to_if_index(new.ifindex, mode)?;
            let link: FdLink = program.take_link(id)?.try_into()?;
            link.pin(pins.link(new.ifindex, kind))?;
        }
        Ok(())
    }

    /// After a failure, keeps of a link that carried the datapath what still does, the entry at tcx;
    /// of another link nothing.
    fn make_do(&mut self, pins: &Pins, new: &Attachment, carried: bool) {
        if carried {
            let left = Attachment {
                hook: Hook::Tcx,
                ..new.clone()
            };
            self.attached.insert(left.ifindex, left);
        } else {
            self.detach(pins, new);
        }
    }

    /// Attaches an entry, by its name, at one side of tcx, under the kind of its pin.
    fn attach_entry(
        &self,
        object: &mut Ebpf,
        pins: &Pins,
        new: &Attachment,
        (entry, side, kind): (&str, TcAttachType, &str),
    ) -> Result<(), AttachError> {
        let program = classifier(object, entry)?;
        if !self.tcx {
            if let Err(error) = qdisc_add_clsact(&new.name) {
                // There may be one already; then attaching works all the same.
                tracing::debug!(link = %new.name, %error, "clsact");
            }
            let (priority, handle) = FILTER;
            let id = program.attach_with_options(
                &new.name,
                side,
                TcAttachOptions::Netlink(NlOptions {
                    priority,
                    handle: handle.into(),
                    ..NlOptions::default()
                }),
            )?;
            // The filter stays when its handle is forgotten, also when this process ends.
            std::mem::forget(program.take_link(id)?);
            return Ok(());
        }
        if pins.link(new.ifindex, kind).exists() {
            return Ok(());
        }
        let id = program.attach_with_options(
            &new.name,
            side,
            TcAttachOptions::TcxOrder(LinkOrder::first()),
        )?;
        let link: FdLink = program.take_link(id)?.try_into()?;
        link.pin(pins.link(new.ifindex, kind))?;
        Ok(())
    }

    /// Detaches what [`Links::attach_entry`] attached, if it did.
    fn detach_entry(
        &self,
        pins: &Pins,
        old: &Attachment,
        (entry, side, kind): (&str, TcAttachType, &str),
    ) {
        release(pins, old.ifindex, kind);
        if !self.tcx {
            remove_filter(&old.name, side, entry);
        }
    }

    fn detach(&mut self, pins: &Pins, old: &Attachment) {
        for kind in [XDP, XDP_GENERIC] {
            release(pins, old.ifindex, kind);
        }
        let entry = entry_of(old.ifindex);
        self.detach_entry(pins, old, (entry, TcAttachType::Ingress, TCX));
        self.detach_entry(pins, old, (LEAVE, TcAttachType::Egress, EGRESS));
        self.macs.forget(old.ifindex);
        self.attached.remove(&old.ifindex);
    }

    /// Lets go of pinned links of interfaces that are not wanted: left by a daemon before, or of
    /// interfaces that are gone.
    fn drop_strangers(&mut self, pins: &Pins, wanted: &[Attachment]) {
        let Ok(links) = pins.links() else { return };
        for (ifindex, kind) in links {
            if !wanted.iter().any(|new| new.ifindex == ifindex) {
                release(pins, ifindex, &kind);
                self.macs.forget(ifindex);
            }
        }
    }

    pub(super) fn set_macs(&mut self, new: &Attachment) {
        let keys: Vec<LinkMac> = new
            .macs
            .iter()
            .map(|mac| LinkMac {
                ifindex: new.ifindex,
                mac: mac.0,
                zero: 0,
            })
            .collect();
        let flags = match new.hook {
            Hook::XdpGeneric => link_mac_flag::OURS | link_mac_flag::ALONE,
            Hook::Tcx | Hook::Xdp => link_mac_flag::OURS,
        };
        for error in self.macs.set(new.ifindex, &keys, flags) {
            tracing::warn!(link = %new.name, %error, "cannot note an address of a link");
        }
    }
}

/// Whether pinned links of a kind are at XDP.
pub(super) fn is_xdp(kind: &str) -> bool {
    [XDP, XDP_GENERIC].contains(&kind)
}

/// Why a link does not carry the datapath.
#[derive(Debug, thiserror::Error)]
enum AttachError {
    #[error("{0}")]
    Link(#[from] aya::programs::links::LinkError),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("cannot pin the link: {0}")]
    Pin(#[from] aya::pin::PinError),
    #[error("{}", chain(.0))]
    Program(#[from] aya::programs::ProgramError),
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// The entry for what comes in by a link.
const fn entry_of(ifindex: u32) -> &'static str {
    if ifindex == LOOPBACK {
        "xvs_loopback"
    } else {
        "xvs_tcx"
    }
}

fn swap(object: &mut Ebpf, pins: &Pins, ifindex: u32, kind: &str) -> Result<(), AttachError> {
    let path = pins.link(ifindex, kind);
    let pinned = PinnedLink::from_pin(&path)?;
    let link = FdLink::from(pinned);
    if kind == TCX || kind == EGRESS {
        let entry = if kind == TCX {
            entry_of(ifindex)
        } else {
            LEAVE
        };
        let program = classifier(object, entry)?;
        let id = program.attach_to_link(link.try_into()?)?;
        // The pin holds the kernel's link; ours may close.
        drop(program.take_link(id)?);
    } else {
        let program = xdp(object)?;
        let id = program.attach_to_link(XdpLink::try_from(link)?)?;
        drop(program.take_link(id)?);
    }
    Ok(())
}

/// Detaches and unpins a link, if there is one.
fn release(pins: &Pins, ifindex: u32, kind: &str) {
    let path = pins.link(ifindex, kind);
    if path.exists()
        && let Err(error) = kernel_link::detach(&path)
    {
        // Without its pin it goes by itself, if later.
        tracing::warn!(ifindex, kind, %error, "cannot detach a link at once");
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(ifindex, kind, %error, "cannot unpin a link");
        }
        _ => {}
    }
}

fn remove_filter(name: &str, side: TcAttachType, entry: &str) {
    // By the name of our entry: whatever else is there stays.
    if let Err(error) = aya::programs::tc::qdisc_detach_program(name, side, entry) {
        tracing::debug!(link = name, %error, "no filter of ours");
    }
}
