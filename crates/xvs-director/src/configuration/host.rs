//! This host, as the configuration sees it: its files, interfaces, users and scripts.
//!
//! Interfaces come from the C library and an ioctl and not from `/sys`, which may show another network
//! namespace than the one that this process is in.

use std::{
    collections::BTreeMap,
    env, fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{IpAddr, ToSocketAddrs},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    net::if_::InterfaceFlags,
    unistd::{Gid, Group, Uid, User},
};
use xvs_conf::{FileError, Files, HostFacts, Interface, ScriptFact};

/// Where a program without a `/` is looked for when PATH is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The files of this host.
#[derive(Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let metadata = fs::metadata(path).map_err(|error| file_error(&error))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 != 0 {
            return Err(FileError::NotRegular);
        }
        fs::read(path).map_err(|error| file_error(&error))
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, FileError> {
        let directory = if directory.is_empty() { "." } else { directory };
        let entries = fs::read_dir(directory).map_err(|error| file_error(&error))?;
        // A name that is no UTF-8 cannot be written in a configuration either.
        Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect())
    }
}

fn file_error(error: &io::Error) -> FileError {
    if error.kind() == io::ErrorKind::NotFound {
        FileError::NotFound
    } else {
        FileError::Unreadable(error.to_string())
    }
}

/// This host at one moment.
#[derive(Debug)]
pub struct ThisHost {
    config_id: Option<String>,
    interfaces: BTreeMap<String, Interface>,
}

impl ThisHost {
    /// This host; `config_id` is what `-i` says, if anything.
    ///
    /// # Errors
    ///
    /// The interfaces cannot be listed.
    pub fn new(config_id: Option<String>) -> io::Result<Self> {
        Ok(Self {
            config_id,
            interfaces: interfaces()?,
        })
    }
}

impl HostFacts for ThisHost {
    fn config_id(&self) -> String {
        self.config_id.clone().unwrap_or_else(|| {
            let name = self.host_name();
            name.split('.').next().unwrap_or_default().to_owned()
        })
    }

    fn host_name(&self) -> String {
        let name = nix::unistd::gethostname().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn instance(&self) -> Option<String> {
        None
    }

    fn environment(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn random(&self) -> u32 {
        // The standard library seeds its hashers from the system's randomness.
        let bytes = RandomState::new().build_hasher().finish().to_ne_bytes();
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn interface(&self, name: &str) -> Option<Interface> {
        self.interfaces.get(name).copied()
    }

    fn has_user(&self, name: &str) -> bool {
        user(name).is_some()
    }

    fn has_group(&self, name: &str) -> bool {
        name.parse::<u32>().is_ok() || Group::from_name(name).is_ok_and(|group| group.is_some())
    }

    fn script(&self, path: &str, name: &str) -> ScriptFact {
        let Some(path) = program(path) else {
            return ScriptFact::NotFound;
        };
        let Ok(metadata) = fs::metadata(&path) else {
            return ScriptFact::NotFound;
        };
        let user = user(name);
        if !metadata.is_file() || !may_execute(&metadata, user.as_ref()) {
            return ScriptFact::NotExecutable;
        }
        let by_root = user.is_none_or(|user| user.uid.is_root());
        if by_root && path.ancestors().any(others_may_write) {
            return ScriptFact::Insecure;
        }
        ScriptFact::Runs
    }

    fn resolve(&self, name: &str) -> Option<IpAddr> {
        let mut addresses = (name, 0).to_socket_addrs().ok()?;
        addresses.next().map(|address| address.ip())
    }
}

fn interfaces() -> io::Result<BTreeMap<String, Interface>> {
    let socket = mtu_socket()?;
    let mut interfaces = BTreeMap::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let flags = entry.flags;
        let name = entry.interface_name;
        let mtu = mtu(&socket, &name).unwrap_or_else(|| Interface::default().mtu);
        interfaces.insert(
            name,
            Interface {
                loopback: flags.contains(InterfaceFlags::IFF_LOOPBACK),
                multicast: flags.contains(InterfaceFlags::IFF_MULTICAST),
                mtu,
            },
        );
    }
    Ok(interfaces)
}

fn mtu_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes three numbers and no memory.
    let raw = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `raw` is a descriptor that was just opened and that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// The MTU; none when the interface went meanwhile.
fn mtu(socket: &OwnedFd, name: &str) -> Option<u32> {
    // SAFETY: all zero bytes are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    // SAFETY: `request` is a whole `ifreq` with a name that ends in a zero byte and outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) };
    if result != 0 {
        return None;
    }
    // SAFETY: SIOCGIFMTU succeeded, so the kernel wrote this member of the union.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).ok()
}

/// A user by name, else by number.
fn user(name: &str) -> Option<User> {
    if let Ok(Some(user)) = User::from_name(name) {
        return Some(user);
    }
    let number = name.parse().ok()?;
    User::from_uid(Uid::from_raw(number)).ok().flatten()
}

/// The file behind a program's name, links followed.
fn program(path: &str) -> Option<PathBuf> {
    if path.contains('/') {
        return Path::new(path).canonicalize().ok();
    }
    let folders = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&folders).find_map(|folder| {
        let found = folder.join(path).canonicalize().ok()?;
        found.is_file().then_some(found)
    })
}

fn may_execute(metadata: &fs::Metadata, user: Option<&User>) -> bool {
    let mode = metadata.mode();
    match user {
        Some(user) if user.uid.is_root() => mode & 0o111 != 0,
        Some(user) if user.uid.as_raw() == metadata.uid() => mode & 0o100 != 0,
        Some(user) if in_group(user, Gid::from_raw(metadata.gid())) => mode & 0o010 != 0,
        Some(_) => mode & 0o001 != 0,
        None => mode & 0o111 != 0,
    }
}

fn in_group(user: &User, gid: Gid) -> bool {
    user.gid == gid
        || Group::from_gid(gid)
            .ok()
            .flatten()
            .is_some_and(|group| group.mem.contains(&user.name))
}

/// Whether someone other than root can change `path`. In a sticky folder nobody can replace what is
/// root's.
fn others_may_write(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| {
        let mode = metadata.mode();
        let sticky = metadata.is_dir() && mode & 0o1000 != 0;
        let by_group = mode & 0o020 != 0 && metadata.gid() != 0;
        metadata.uid() != 0 || (!sticky && (by_group || mode & 0o002 != 0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_with_its_mtu() {
        let host = ThisHost::new(None).unwrap();
        let lo = host.interface("lo").unwrap();
        assert!(lo.loopback && lo.mtu > 1500, "{lo:?}");
        assert_eq!(host.interface("no-such-link"), None);
    }

    #[test]
    fn directories_and_executables_are_no_configuration() {
        assert_eq!(Disk.read("/"), Err(FileError::NotRegular));
        assert_eq!(Disk.read("/bin/sh"), Err(FileError::NotRegular));
        assert_eq!(Disk.read("/no/such"), Err(FileError::NotFound));
    }

    #[test]
    fn scripts_are_judged_by_who_may_change_and_run_them() {
        let host = ThisHost::new(Some("x".to_owned())).unwrap();
        assert_eq!(host.config_id(), "x");
        assert_eq!(host.script("/bin/sh", "root"), ScriptFact::Runs);
        assert_eq!(host.script("sh", "root"), ScriptFact::Runs);
        assert_eq!(host.script("/no/such", "root"), ScriptFact::NotFound);
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("check");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        let name = script.to_str().unwrap();
        assert_eq!(host.script(name, "root"), ScriptFact::NotExecutable);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(host.script(name, "root"), ScriptFact::Insecure);
        assert_eq!(host.script(name, "nobody"), ScriptFact::Runs);
    }
}
