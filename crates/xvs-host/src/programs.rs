//! The real server's programs: loaded, attached and pinned, so that they outlive the command.
//!
//! Programs that share maps form a [`Set`]. A set is loaded once for each network namespace and
//! pinned in a folder of its own; the folder appears by rename, whole or not at all. Each
//! attachment is a pinned link beside its program, and ends when the pin is removed. Where the
//! kernel has no tcx, a program is a clsact filter instead, which needs no pin to live; an
//! empty file then says that it is there.

use std::{
    fs::{self, File},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{HashMap, Map, MapData, PerCpuArray},
    programs::{
        CgroupAttachMode, CgroupSockAddr, SchedClassifier, TcAttachType,
        cgroup_sock_addr::CgroupSockAddrAttachType,
        links::{FdLink, LinkError, LinkOrder},
        tc::TcAttachOptions,
    },
};
use xvs_objects::REALSERVER;

use crate::{BpfError, Counts, Ingress, SetupError, cgroup, clsact};

/// Maps of the object that user space reads or writes.
const VIPS: &str = "VIPS";
const COUNTERS: &str = "COUNTERS";
const CLIENTS: &str = "CLIENTS";

/// Programs that share maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Fullnat,
    Tunnel,
}

impl Set {
    const ALL: [Self; 2] = [Self::Fullnat, Self::Tunnel];

    fn folder(self) -> &'static str {
        match self {
            Self::Fullnat => "fullnat",
            Self::Tunnel => "tunnel",
        }
    }
}

impl Ingress {
    fn set(self) -> Set {
        match self {
            Self::Client => Set::Fullnat,
            Self::Decapsulation => Set::Tunnel,
        }
    }

    /// Its name in the object, in the kernel and as a pin.
    fn name(self) -> &'static str {
        match self {
            Self::Client => "xvs_client",
            Self::Decapsulation => "xvs_decap",
        }
    }
}

/// The hooks that tell servers their clients.
const PEER_HOOKS: [(&str, CgroupSockAddrAttachType); 2] = [
    ("xvs_peer4", CgroupSockAddrAttachType::GetPeerName4),
    ("xvs_peer6", CgroupSockAddrAttachType::GetPeerName6),
];

/// The programs of one network namespace.
pub(crate) struct Programs {
    pins: PathBuf,
    netns_cookie: u64,
    connections: u32,
}

impl Programs {
    /// The programs pinned below `pins`, a bpffs once something is loaded.
    ///
    /// `connections` is how many clients are remembered until their servers ask.
    pub(crate) fn new(pins: PathBuf, netns_cookie: u64, connections: u32) -> Self {
        Self {
            pins,
            netns_cookie,
            connections,
        }
    }

    /// Attaches `program` to the ingress of a link of this namespace.
    pub(crate) fn attach(
        &self,
        program: Ingress,
        link: &str,
        ifindex: u32,
    ) -> Result<(), SetupError> {
        self.ensure(program.set())?;
        let failed = |source: BpfError| {
            SetupError::bpf(format!("attach the {program} program to {link}"), source)
        };
        let pin = self.folder(program.set()).join(program.name());
        let mut classifier =
            SchedClassifier::from_pin(pin).map_err(|error| failed(error.into()))?;
        if clsact::kernel_has_tcx() {
            let id = classifier
                .attach_with_options(
                    link,
                    TcAttachType::Ingress,
                    TcAttachOptions::TcxOrder(LinkOrder::default()),
                )
                .map_err(|error| failed(error.into()))?;
            let attached: FdLink = classifier
                .take_link(id)
                .map_err(|error| failed(error.into()))?
                .try_into()
                .map_err(|error: LinkError| failed(error.into()))?;
            attached
                .pin(self.link_pin(program, ifindex))
                .map_err(|error| failed(error.into()))?;
            return Ok(());
        }
        clsact::attach(&mut classifier, program.name(), link)?;
        let marker = self.filter_marker(program, ifindex);
        File::create(&marker).map_err(|source| SetupError::file("make", &marker, source))?;
        Ok(())
    }

    /// Ends what [`Self::attach`] began.
    pub(crate) fn detach(
        &self,
        program: Ingress,
        link: &str,
        ifindex: u32,
    ) -> Result<(), SetupError> {
        let marker = self.filter_marker(program, ifindex);
        if marker.exists() {
            clsact::detach(program.name(), link)?;
            remove_file(&marker)?;
        }
        remove_file(&self.link_pin(program, ifindex))
    }

    /// Whether `program` is attached to a link.
    pub(crate) fn is_attached(&self, program: Ingress, ifindex: u32) -> bool {
        self.link_pin(program, ifindex).exists() || self.filter_marker(program, ifindex).exists()
    }

    /// Has the kernel ask for the clients' addresses on behalf of every server of the host;
    /// the programs answer for this network namespace alone.
    pub(crate) fn attach_peer_names(&self) -> Result<(), SetupError> {
        self.ensure(Set::Fullnat)?;
        let root = cgroup::root()?;
        let folder = self.folder(Set::Fullnat);
        for (name, attach_type) in PEER_HOOKS {
            let failed = |source: BpfError| {
                SetupError::bpf(
                    format!("attach `{name}` to the cgroup {}", root.display()),
                    source,
                )
            };
            let pin = self.peer_pin(name);
            if pin.exists() {
                continue;
            }
            let cgroup =
                File::open(&root).map_err(|source| SetupError::file("open", &root, source))?;
            let mut hook = CgroupSockAddr::from_pin(folder.join(name), attach_type)
                .map_err(|error| failed(error.into()))?;
            // a link of a cgroup always stands beside others; the mode speaks of older attachments
            let id = hook
                .attach(cgroup, CgroupAttachMode::Single)
                .map_err(|error| failed(error.into()))?;
            let attached: FdLink = hook
                .take_link(id)
                .map_err(|error| failed(error.into()))?
                .try_into()
                .map_err(|error: LinkError| failed(error.into()))?;
            attached.pin(pin).map_err(|error| failed(error.into()))?;
        }
        Ok(())
    }

    /// Ends what [`Self::attach_peer_names`] began.
    pub(crate) fn detach_peer_names(&self) -> Result<(), SetupError> {
        PEER_HOOKS
            .iter()
            .try_for_each(|(name, _)| remove_file(&self.peer_pin(name)))
    }

    /// Whether servers are told their clients.
    pub(crate) fn has_peer_names(&self) -> bool {
        PEER_HOOKS
            .iter()
            .all(|(name, _)| self.peer_pin(name).exists())
    }

    /// Has packets for `vip` taken out of their tunnels, or no longer.
    pub(crate) fn set_vip(&self, vip: IpAddr, wanted: bool) -> Result<(), SetupError> {
        if wanted {
            self.ensure(Set::Tunnel)?;
        } else if !self.is_loaded(Set::Tunnel) {
            return Ok(());
        }
        let action = format!("write {vip} to the map of VIPs");
        let mut vips = self
            .vips()
            .map_err(|source| SetupError::bpf(&action, source))?;
        let key = key(vip);
        let written = if wanted {
            vips.insert(key, 1, 0)
        } else {
            vips.remove(&key)
        };
        written.map_err(|error| SetupError::bpf(action, error))
    }

    /// Whether packets for `vip` are taken out of their tunnels.
    pub(crate) fn has_vip(&self, vip: IpAddr) -> bool {
        self.vips().is_ok_and(|vips| vips.get(&key(vip), 0).is_ok())
    }

    /// What the programs counted, over all sets; none when none is loaded.
    pub(crate) fn counts(&self) -> Result<Option<Counts>, SetupError> {
        let mut sum: Option<Counts> = None;
        for set in Set::ALL {
            if !self.is_loaded(set) {
                continue;
            }
            let counted = self.counts_of(set).map_err(|error| {
                SetupError::bpf(format!("read the counters of {}", set.folder()), error)
            })?;
            let total = sum.get_or_insert_default();
            total.decapsulated += counted.decapsulated;
            total.dropped_congestion += counted.dropped_congestion;
            total.dropped_unable += counted.dropped_unable;
            total.clients += counted.clients;
        }
        Ok(sum)
    }

    /// Loads and pins a set unless it is there.
    fn ensure(&self, set: Set) -> Result<(), SetupError> {
        if self.is_loaded(set) {
            return Ok(());
        }
        let unfinished = self.pins.join(format!("{}_unfinished", set.folder()));
        // the rest of a command that died here
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(SetupError::file("remove", &unfinished, error));
            }
            _ => {}
        }
        fs::create_dir(&unfinished)
            .map_err(|source| SetupError::file("make", &unfinished, source))?;
        self.load(set, &unfinished).map_err(|source| {
            SetupError::bpf(format!("load the {} programs", set.folder()), source)
        })?;
        let folder = self.folder(set);
        fs::rename(&unfinished, &folder)
            .map_err(|source| SetupError::file("rename the pins to", &folder, source))
    }

    /// Loads a set and pins it in `folder`.
    fn load(&self, set: Set, folder: &Path) -> Result<(), BpfError> {
        let connections = match set {
            Set::Fullnat => self.connections,
            // the map of the other set costs memory by its size
            Set::Tunnel => 1,
        };
        let mut object = EbpfLoader::new()
            .override_global("NETNS_COOKIE", &self.netns_cookie, true)
            .map_max_entries(CLIENTS, connections)
            .load(REALSERVER)?;
        match set {
            Set::Fullnat => {
                load_classifier(&mut object, Ingress::Client, folder)?;
                for (name, _) in PEER_HOOKS {
                    load_peer_hook(&mut object, name, folder)?;
                }
            }
            Set::Tunnel => {
                load_classifier(&mut object, Ingress::Decapsulation, folder)?;
                pin_map(&object, VIPS, folder)?;
            }
        }
        pin_map(&object, COUNTERS, folder)
    }

    fn vips(&self) -> Result<HashMap<MapData, Key, u8>, BpfError> {
        let data = MapData::from_pin(self.folder(Set::Tunnel).join(VIPS))?;
        Ok(HashMap::try_from(Map::HashMap(data))?)
    }

    fn counts_of(&self, set: Set) -> Result<Counts, BpfError> {
        let data = MapData::from_pin(self.folder(set).join(COUNTERS))?;
        let counters: PerCpuArray<_, u64> = PerCpuArray::try_from(Map::PerCpuArray(data))?;
        let sum = |index| -> Result<u64, BpfError> { Ok(counters.get(&index, 0)?.iter().sum()) };
        // the numbers are those of `Counter` in the object
        Ok(Counts {
            decapsulated: sum(0)?,
            dropped_congestion: sum(1)?,
            dropped_unable: sum(2)?,
            clients: sum(3)?,
        })
    }

    fn is_loaded(&self, set: Set) -> bool {
        self.folder(set).is_dir()
    }

    fn folder(&self, set: Set) -> PathBuf {
        self.pins.join(set.folder())
    }

    fn link_pin(&self, program: Ingress, ifindex: u32) -> PathBuf {
        let name = format!("{}_link_{ifindex}", program.name());
        self.folder(program.set()).join(name)
    }

    fn peer_pin(&self, name: &str) -> PathBuf {
        self.folder(Set::Fullnat).join(format!("{name}_link"))
    }

    /// On an ordinary file system: a bpffs holds nothing but pins.
    fn filter_marker(&self, program: Ingress, ifindex: u32) -> PathBuf {
        let name = format!("{}_filter_{ifindex}", program.name());
        self.pins.with_file_name(name)
    }
}

/// An address in its IPv6 form, as the maps hold it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Key([u8; 16]);

// SAFETY: bytes alone, without padding, and every pattern is valid.
unsafe impl Pod for Key {}

fn key(address: IpAddr) -> Key {
    Key(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    })
}

fn load_classifier(object: &mut Ebpf, program: Ingress, folder: &Path) -> Result<(), BpfError> {
    let name = program.name();
    let classifier: &mut SchedClassifier = object
        .program_mut(name)
        .ok_or(BpfError::Missing { name })?
        .try_into()?;
    classifier.load()?;
    Ok(classifier.pin(folder.join(name))?)
}

fn load_peer_hook(object: &mut Ebpf, name: &'static str, folder: &Path) -> Result<(), BpfError> {
    let hook: &mut CgroupSockAddr = object
        .program_mut(name)
        .ok_or(BpfError::Missing { name })?
        .try_into()?;
    hook.load()?;
    Ok(hook.pin(folder.join(name))?)
}

fn pin_map(object: &Ebpf, name: &'static str, folder: &Path) -> Result<(), BpfError> {
    let map = object.map(name).ok_or(BpfError::Missing { name })?;
    Ok(map.pin(folder.join(name))?)
}

fn remove_file(path: &Path) -> Result<(), SetupError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SetupError::file("remove", path, error))
        }
        _ => Ok(()),
    }
}
