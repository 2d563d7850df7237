//! The host itself, read and changed.

use std::{io, net::IpAddr};

use tokio::runtime::Runtime;
use xvs_net::{AddressSpec, Host, LinkInfo, Prefix, Sysctl, SysctlError};

use crate::{
    Item, SetupError, Value, engine::System, link_flags, place::Place, programs::Programs,
};

/// The host in the calling thread's network namespace.
pub(crate) struct Live {
    runtime: Runtime,
    host: Host,
    pub(crate) programs: Programs,
}

impl Live {
    /// Opens the host's network; `connections` is the size of the map of waiting clients.
    pub(crate) fn open(place: &Place, connections: u32) -> Result<Self, SetupError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| SetupError::system("start a runtime", source))?;
        let host = {
            let _entered = runtime.enter();
            Host::open()?
        };
        Ok(Self {
            runtime,
            host,
            programs: Programs::new(place.pins(), place.identity.netns_cookie, connections),
        })
    }

    /// Every link.
    pub(crate) fn links(&self) -> Result<Vec<LinkInfo>, SetupError> {
        Ok(self.runtime.block_on(self.host.links())?)
    }

    /// The link named `name`.
    pub(crate) fn link(&self, name: &str) -> Result<LinkInfo, SetupError> {
        self.find_link(name)?
            .ok_or_else(|| SetupError::UnknownLink {
                link: name.to_owned(),
            })
    }

    fn find_link(&self, name: &str) -> Result<Option<LinkInfo>, SetupError> {
        Ok(self.runtime.block_on(self.host.link_by_name(name))?)
    }

    fn has_address(&self, ifindex: u32, prefix: Prefix) -> Result<bool, SetupError> {
        let addresses = self.runtime.block_on(self.host.addresses())?;
        Ok(addresses.iter().any(|found| {
            found.ifindex == ifindex
                && found.address == prefix.address
                && found.length == prefix.length
        }))
    }

    fn write_address(&self, link: &str, prefix: Prefix, wanted: bool) -> Result<(), SetupError> {
        let mut spec = AddressSpec::host(self.link(link)?.index, prefix.address);
        spec.length = prefix.length;
        self.runtime.block_on(async {
            if wanted {
                self.host.add_address(&spec).await
            } else {
                self.host.remove_address(&spec).await
            }
        })?;
        Ok(())
    }

    fn set_vip(&self, vip: IpAddr, value: &Value) -> Result<(), SetupError> {
        self.programs.set_vip(vip, *value == Value::Present)
    }
}

impl System for Live {
    fn read(&mut self, item: &Item) -> Result<Value, SetupError> {
        let there = match item {
            Item::Address { link, prefix } => match self.find_link(link)? {
                Some(link) => self.has_address(link.index, *prefix)?,
                None => false,
            },
            Item::DecapsulatedVip { vip } => self.programs.has_vip(*vip),
            Item::LinkUp { link } => self.find_link(link)?.is_some_and(|link| link.up),
            Item::PeerNames => self.programs.has_peer_names(),
            Item::Program { program, link } => self
                .find_link(link)?
                .is_some_and(|link| self.programs.is_attached(*program, link.index)),
            Item::Sysctl { sysctl, .. } => {
                return Ok(self.setting(sysctl)?.map_or(Value::Absent, Value::Text));
            }
        };
        Ok(if there { Value::Present } else { Value::Absent })
    }

    fn write(&mut self, item: &Item, value: &Value) -> Result<(), SetupError> {
        let wanted = *value == Value::Present;
        match (item, value) {
            (Item::Address { link, prefix }, _) => self.write_address(link, *prefix, wanted),
            (Item::DecapsulatedVip { vip }, _) => self.set_vip(*vip, value),
            (Item::LinkUp { link }, _) => link_flags::set_up(link, wanted),
            (Item::PeerNames, Value::Present) => self.programs.attach_peer_names(),
            (Item::PeerNames, _) => self.programs.detach_peer_names(),
            (Item::Program { program, link }, Value::Present) => {
                let ifindex = self.link(link)?.index;
                self.programs.attach(*program, link, ifindex)
            }
            (Item::Program { program, link }, _) => {
                let ifindex = self.link(link)?.index;
                self.programs.detach(*program, link, ifindex)
            }
            (Item::Sysctl { sysctl, .. }, Value::Text(text)) => {
                sysctl.set(text)?;
                Ok(())
            }
            // a setting cannot be made or unmade
            (Item::Sysctl { sysctl, .. }, _) => Err(SetupError::system(
                format!("make the setting {sysctl} come or go"),
                io::ErrorKind::Unsupported,
            )),
        }
    }

    fn setting(&mut self, sysctl: &Sysctl) -> Result<Option<String>, SetupError> {
        match sysctl.value() {
            Ok(value) => Ok(Some(value)),
            Err(SysctlError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
