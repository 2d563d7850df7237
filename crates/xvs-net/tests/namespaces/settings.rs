//! Namespaces and sysctls: entering moves one thread, and a setting goes back to what it was.

use std::fs;

use xvs_net::{NetnsError, Restored, Sysctl, enter_netns, local_port_range, netns_exists};

use crate::support::Namespace;

#[test]
fn root_entering_moves_this_thread_and_keeps_its_mounts() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    assert!(netns_exists(namespace.name()));
    let identity = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let mounts = || fs::read_link("/proc/thread-self/ns/mnt").unwrap();
    let (outside, mounts_outside) = (identity(), mounts());
    namespace.inside(|| {
        assert_ne!(identity(), outside);
        assert_eq!(mounts(), mounts_outside);
    });
    assert_eq!(identity(), outside);
}

#[test]
fn root_a_file_that_is_no_namespace_is_named() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let name = format!("{}-file", namespace.name());
    let path = format!("/run/netns/{name}");
    fs::write(&path, "").unwrap();
    let entered = enter_netns(&name);
    fs::remove_file(&path).unwrap();
    assert!(matches!(entered, Err(NetnsError::NotNamespace { .. })));
}

#[test]
fn root_a_setting_goes_back_to_what_it_was() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0.7 type veth peer name v1");
    namespace.inside(|| {
        let announce = Sysctl::ipv4_link("v0.7", "arp_announce").unwrap();
        announce.set(1).unwrap();
        let record = announce.set(2).unwrap();
        assert_eq!((record.before.as_str(), record.after.as_str()), ("1", "2"));
        assert_eq!(announce.number().unwrap(), 2);
        assert_eq!(record.restore().unwrap(), Restored::Back);
        assert_eq!(announce.number().unwrap(), 1);
        // Once more is no harm.
        assert_eq!(record.restore().unwrap(), Restored::Back);

        // Somebody else's value is theirs.
        let record = announce.set(2).unwrap();
        announce.set(0).unwrap();
        let kept = Restored::Kept {
            found: "0".to_owned(),
        };
        assert_eq!(record.restore().unwrap(), kept);
        assert_eq!(announce.number().unwrap(), 0);

        let error = Sysctl::ip_forward().set("many").unwrap_err();
        assert!(error.to_string().contains("net.ipv4.ip_forward"), "{error}");
        let record = announce.set(1).unwrap();
        namespace.ip("link del v0.7");
        assert_eq!(record.restore().unwrap(), Restored::Gone);
    });
}

#[test]
fn root_the_port_range_is_the_namespaces_own() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.inside(|| {
        let range = Sysctl::new("ipv4/ip_local_port_range").unwrap();
        range.set("20000\t30000").unwrap();
        assert_eq!(local_port_range().unwrap(), 20_000..=30_000);
    });
}
