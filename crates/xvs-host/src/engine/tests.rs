use std::collections::BTreeMap;

use super::*;
use crate::record::Identity;

/// A host made of settings and of things that are there or not.
#[derive(Clone, Default, PartialEq, Debug)]
struct Simulated {
    settings: BTreeMap<String, String>,
    present: Vec<String>,
    refuses: Option<String>,
    writes: usize,
}

impl System for Simulated {
    fn read(&mut self, item: &Item) -> Result<Value, SetupError> {
        Ok(match item {
            Item::Sysctl { sysctl, .. } => Value::Text(self.settings[&sysctl.to_string()].clone()),
            other if self.present.contains(&other.to_string()) => Value::Present,
            _ => Value::Absent,
        })
    }

    fn write(&mut self, item: &Item, value: &Value) -> Result<(), SetupError> {
        self.writes += 1;
        let name = item.to_string();
        if self.refuses.as_ref() == Some(&name) {
            return Err(SetupError::UnknownLink { link: name });
        }
        match (item, value) {
            (Item::Sysctl { .. }, Value::Text(text)) => {
                // as the kernel does: the global switch sets each link's
                if name == "net.ipv4.ip_forward" {
                    self.settings
                        .insert("net.ipv4.conf.eth0.forwarding".to_owned(), text.clone());
                }
                self.settings.insert(name, text.clone());
            }
            (_, Value::Present) => self.present.push(name),
            (_, _) => self.present.retain(|other| *other != name),
        }
        Ok(())
    }

    fn setting(&mut self, sysctl: &Sysctl) -> Result<Option<String>, SetupError> {
        Ok(self.settings.get(&sysctl.to_string()).cloned())
    }
}

struct Bench {
    folder: tempfile::TempDir,
    system: Simulated,
    record: Record,
}

impl Bench {
    fn new() -> Self {
        let mut system = Simulated::default();
        for (name, value) in [
            ("net.ipv4.ip_forward", "0"),
            ("net.ipv4.conf.eth0.forwarding", "1"),
            ("net.ipv4.conf.all.arp_ignore", "2"),
        ] {
            system.settings.insert(name.to_owned(), value.to_owned());
        }
        Self {
            folder: tempfile::tempdir().unwrap(),
            system,
            record: Record::new(&Identity {
                boot: "b".to_owned(),
                netns_cookie: 1,
                netns: None,
            }),
        }
    }

    fn up(&mut self, plan: &[Item]) -> Result<(), SetupError> {
        let path = self.folder.path().join("state.json");
        up(&mut self.system, &mut self.record, &path, plan)
    }

    fn down(&mut self, vips: &[IpAddr]) {
        let path = self.folder.path().join("state.json");
        down(&mut self.system, &mut self.record, &path, vips).unwrap();
    }
}

fn vip(address: &str) -> Item {
    Item::DecapsulatedVip {
        vip: address.parse().unwrap(),
    }
}

fn plan() -> Vec<Item> {
    vec![
        vip("10.0.0.1"),
        Item::sysctl(Sysctl::ipv4_link("all", "arp_ignore").unwrap(), "1"),
        Item::Sysctl {
            sysctl: Sysctl::ip_forward(),
            value: "1".to_owned(),
            also: vec![Sysctl::ipv4_link("eth0", "forwarding").unwrap()],
        },
    ]
}

#[test]
fn down_restores_what_was_there_also_what_the_kernel_changed_along() {
    let mut bench = Bench::new();
    let before = bench.system.settings.clone();
    bench.up(&plan()).unwrap();
    assert_eq!(bench.system.settings["net.ipv4.conf.all.arp_ignore"], "1");
    assert_eq!(bench.system.present, ["decapsulation for 10.0.0.1"]);
    bench.down(&[]);
    assert_eq!(bench.system.settings, before);
    assert!(bench.system.present.is_empty());
    assert!(bench.record.changes.is_empty());
}

#[test]
fn a_second_up_keeps_the_first_record_and_writes_nothing() {
    let mut bench = Bench::new();
    bench.up(&plan()).unwrap();
    let (record, writes) = (bench.record.clone(), bench.system.writes);
    bench.up(&plan()).unwrap();
    assert_eq!(bench.record, record);
    assert_eq!(bench.system.writes, writes);
}

#[test]
fn a_second_up_mends_what_somebody_changed() {
    let mut bench = Bench::new();
    bench.up(&plan()).unwrap();
    bench.system.present.clear();
    bench.up(&plan()).unwrap();
    assert_eq!(bench.system.present, ["decapsulation for 10.0.0.1"]);
    bench.down(&[]);
    assert!(bench.system.present.is_empty());
}

#[test]
fn what_was_there_already_stays_after_down() {
    let mut bench = Bench::new();
    bench
        .system
        .present
        .push("decapsulation for 10.0.0.1".to_owned());
    bench.up(&plan()).unwrap();
    bench.down(&[]);
    assert_eq!(bench.system.present, ["decapsulation for 10.0.0.1"]);
}

#[test]
fn a_failed_up_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let before = bench.system.settings.clone();
    bench.system.refuses = Some("net.ipv4.ip_forward".to_owned());
    assert!(bench.up(&plan()).is_err());
    assert_eq!(bench.system.settings["net.ipv4.conf.all.arp_ignore"], "2");
    assert!(bench.system.present.is_empty());
    assert_eq!(bench.system.settings, before);
}

#[test]
fn down_after_a_crash_in_the_middle_of_up_restores_everything() {
    let mut bench = Bench::new();
    let before = bench.system.settings.clone();
    bench.up(&plan()).unwrap();
    // the crash: everything is recorded, but only one change was made
    bench.system.settings = before.clone();
    let path = bench.folder.path().join("state.json");
    bench.record = Record::load(&path).unwrap().unwrap();
    bench.down(&[]);
    assert_eq!(bench.system.settings, before);
    assert!(bench.system.present.is_empty());
}

#[test]
fn down_for_one_vip_leaves_the_other_and_what_both_need() {
    let mut bench = Bench::new();
    let mut both = plan();
    both.push(vip("10.0.0.2"));
    bench.up(&both).unwrap();
    bench.down(&["10.0.0.1".parse().unwrap()]);
    assert_eq!(bench.system.present, ["decapsulation for 10.0.0.2"]);
    assert_eq!(bench.system.settings["net.ipv4.ip_forward"], "1");
    bench.down(&["10.0.0.2".parse().unwrap()]);
    assert_eq!(bench.system.settings["net.ipv4.ip_forward"], "0");
    assert!(bench.record.changes.is_empty());
}

#[test]
fn status_tells_what_is_not_as_wanted() {
    let mut bench = Bench::new();
    let items = status(&mut bench.system, &plan()).unwrap();
    assert!(items.iter().all(|item| !item.as_wanted()));
    bench.up(&plan()).unwrap();
    let items = status(&mut bench.system, &plan()).unwrap();
    assert!(items.iter().all(ItemStatus::as_wanted));
}
