//! Names of hosts and services, as the C library knows them.

use std::{
    cell::OnceCell,
    ffi::CStr,
    fs,
    net::{IpAddr, Ipv4Addr, ToSocketAddrs},
};

use xvs_ipvsadm::Names;
use xvs_types::Protocol;

/// The resolver of the system for hosts, and `/etc/services` for services.
#[derive(Debug, Default)]
pub(super) struct SystemNames {
    services: OnceCell<Vec<Service>>,
}

#[derive(Debug)]
struct Service {
    /// The name, then its aliases.
    names: Vec<String>,
    port: u16,
    protocol: String,
}

impl SystemNames {
    fn services(&self) -> &[Service] {
        self.services.get_or_init(|| {
            // A host without the file knows no service, as the C library has it.
            let text = fs::read_to_string("/etc/services").unwrap_or_default();
            text.lines().filter_map(service).collect()
        })
    }
}

impl Names for SystemNames {
    fn host_address(&self, name: &str) -> Option<Ipv4Addr> {
        let addresses = (name, 0).to_socket_addrs().ok()?;
        addresses
            .filter_map(|address| match address.ip() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .next()
    }

    fn host_name(&self, address: Ipv4Addr) -> Option<String> {
        name_of(address)
    }

    fn service_port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let protocol = protocol.to_string().to_lowercase();
        self.services()
            .iter()
            .find(|one| one.protocol == protocol && one.names.iter().any(|known| known == name))
            .map(|one| one.port)
    }

    fn service_name(&self, port: u16, protocol: Protocol) -> Option<String> {
        let protocol = protocol.to_string().to_lowercase();
        self.services()
            .iter()
            .find(|one| one.protocol == protocol && one.port == port)
            .and_then(|one| one.names.first().cloned())
    }
}

/// A line of `/etc/services`: `name port/protocol alias...  # comment`.
fn service(line: &str) -> Option<Service> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    Some(Service {
        names: std::iter::once(name)
            .chain(words)
            .map(str::to_owned)
            .collect(),
        port: port.parse().ok()?,
        protocol: protocol.to_owned(),
    })
}

fn name_of(address: Ipv4Addr) -> Option<String> {
    let address = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).ok()?,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.octets()),
        },
        sin_zero: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_in>()).ok()?;
    let mut name = [0_u8; 1025]; // NI_MAXHOST of netdb.h
    let room = libc::socklen_t::try_from(name.len()).ok()?;
    // SAFETY: `address` is a whole `sockaddr_in` of `length` bytes, `name` has `room` bytes, and no
    // service is asked for; all outlive the call, which writes only to `name`.
    let result = unsafe {
        libc::getnameinfo(
            (&raw const address).cast(),
            length,
            name.as_mut_ptr().cast(),
            room,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if result != 0 {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&name).ok()?;
    Some(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_services_are_read_with_their_aliases() {
        let found = service("http\t\t80/tcp\t\twww www-http # WorldWideWeb HTTP").unwrap();
        assert_eq!(found.names, ["http", "www", "www-http"]);
        assert_eq!((found.port, found.protocol.as_str()), (80, "tcp"));
        for line in ["", "# nothing", "http", "http 80", "http x/tcp"] {
            assert!(service(line).is_none(), "{line}");
        }
    }
}
