//! The virtual routers in the three forms of keepalived 2.2.7: JSON, statistics, data.
//!
//! Names, order and units are keepalived's, for programs read them. What it shows of routes and rules in
//! its own words is in those of the configuration.

mod counted;
mod json;

use std::fmt::Write;

use serde_json::Value;
use xvs_conf::config::{Config, VrrpInstance};
use xvs_control::wire::{VirtualRouterStatus, VrrpStatus};

use super::words;

/// Each virtual router as it is configured and as it is.
pub(super) struct Routers<'a> {
    config: Option<&'a Config>,
    routers: Vec<(&'a VrrpInstance, &'a VirtualRouterStatus)>,
}

impl<'a> Routers<'a> {
    /// Those of a configuration that have a status.
    pub(super) fn new(config: Option<&'a Config>, status: &'a VrrpStatus) -> Self {
        let instances = config.map_or(&[][..], |config| &config.instances);
        let with_status = |instance: &'a VrrpInstance| {
            let mut routers = status.routers.iter();
            let router = routers.find(|router| router.name == instance.name)?;
            Some((instance, router))
        };
        Self {
            config,
            routers: instances.iter().filter_map(with_status).collect(),
        }
    }

    /// What keepalived writes for its JSON signal: an array with an object for each.
    pub(super) fn json(&self) -> Value {
        let routers = self.routers.iter().map(|(instance, status)| {
            serde_json::json!({
                "data": json::data(instance, status, self.config),
                "stats": counted::json(&status.counters),
            })
        });
        routers.collect()
    }

    /// What keepalived writes for SIGUSR2.
    pub(super) fn statistics(&self) -> String {
        let mut text = String::new();
        for (instance, status) in &self.routers {
            // Writing to a string does not fail.
            let _written = writeln!(text, "VRRP Instance: {}", instance.name);
            text.push_str(&counted::lines(&status.counters));
        }
        text
    }

    /// Of what keepalived writes for SIGUSR1, what is known here.
    pub(super) fn topology(&self) -> String {
        let mut text = String::new();
        if !self.routers.is_empty() {
            text.push_str("------< VRRP Topology >------\n");
        }
        for (instance, status) in &self.routers {
            topology(&mut text, instance, status);
        }
        text
    }
}

fn topology(text: &mut String, instance: &VrrpInstance, status: &VirtualRouterStatus) {
    let enabled = |is: bool| if is { "enabled" } else { "disabled" };
    let _written = writeln!(text, " VRRP Instance = {}", instance.name);
    let mut line = |name: &str, value: &str| {
        let _written = writeln!(text, "   {name} = {value}");
    };
    line("VRRP Version", &instance.version.to_string());
    if let Some(group) = &status.group {
        line("Sync group", group);
    }
    line("State", &status.state);
    line("Reason", &status.reason);
    line("Interface", instance.interface.as_deref().unwrap_or("none"));
    if let Some(source) = status.source {
        line("Using src_ip", &source.to_string());
    }
    line("Virtual Router ID", &instance.virtual_router_id.to_string());
    line("Priority", &instance.priority.to_string());
    line("Effective priority", &status.priority.to_string());
    line("Advert interval", &interval(instance));
    line("Accept", enabled(instance.accept));
    line("Preempt", enabled(!instance.nopreempt));
    let is_set = status.state == "MASTER";
    for (title, list) in [
        ("Virtual IP", &instance.addresses),
        ("Virtual IP Excluded", &instance.excluded_addresses),
    ] {
        if list.is_empty() {
            continue;
        }
        let _written = writeln!(text, "   {title} ({}):", list.len());
        for address in list {
            let address = words::address(address, instance, is_set);
            let _written = writeln!(text, "     {address}");
        }
    }
}

fn interval(instance: &VrrpInstance) -> String {
    let interval = instance.advert_interval;
    match instance.version {
        2 => format!("{} sec", interval.as_secs()),
        _ => format!("{} milli-sec", interval.as_millis()),
    }
}

#[cfg(test)]
mod tests;
