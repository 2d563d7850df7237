//! The watcher sees what `ip` does, and reports what it missed.

use std::time::Duration;

use tokio::time::timeout;
use xvs_net::{Changes, Host, NeighbourKey, Watcher};

use crate::support::Namespace;

const PATIENCE: Duration = Duration::from_secs(5);

/// The next summary, within some seconds.
async fn next(watcher: &mut Watcher) -> Changes {
    timeout(PATIENCE, watcher.next()).await.unwrap().unwrap()
}

/// Waits until nothing changed for a while, and adds up what did.
async fn settle(watcher: &mut Watcher) {
    while timeout(Duration::from_millis(200), watcher.next())
        .await
        .is_ok()
    {}
}

#[test]
fn root_each_kind_of_change_is_seen() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0 type veth peer name v1");
    // No link-local addresses, whose duplicate detection would report itself in between.
    namespace.ip("link set v0 addrgenmode none");
    namespace.ip("link set v1 addrgenmode none");
    namespace.ip("link set v0 up");
    namespace.ip("link set v1 up");
    namespace.block_on(|| async {
        let host = Host::open().unwrap();
        let ifindex = host.link_by_name("v0").await.unwrap().unwrap().index;
        let mut watcher = Watcher::open().unwrap();
        assert_eq!(next(&mut watcher).await, Changes::everything());
        settle(&mut watcher).await;

        namespace.ip("link set v0 mtu 1400");
        let changes = next(&mut watcher).await;
        assert!(changes.links && !changes.everything, "{changes:?}");
        settle(&mut watcher).await;

        for (address, route) in [
            ("10.0.0.1/24", "10.2.0.0/16 via 10.0.0.2"),
            ("fd00::1/64", "fd02::/16 via fd00::2"),
        ] {
            namespace.ip(&format!("addr add {address} dev v0 nodad"));
            let changes = next(&mut watcher).await;
            assert!(
                changes.addresses && changes.routes,
                "{address}: {changes:?}"
            );
            assert!(!changes.links && !changes.rules, "{address}: {changes:?}");
            settle(&mut watcher).await;

            namespace.ip(&format!("route add {route}"));
            let changes = next(&mut watcher).await;
            assert!(changes.routes && !changes.addresses, "{route}: {changes:?}");
            settle(&mut watcher).await;
        }
        for family in ["-4", "-6"] {
            namespace.ip(&format!("{family} rule add fwmark 7 table 100"));
            let changes = next(&mut watcher).await;
            assert!(changes.rules && !changes.links, "{family}: {changes:?}");
            settle(&mut watcher).await;
        }
        for address in ["10.0.0.2", "fd00::2"] {
            namespace.ip(&format!(
                "neigh add {address} lladdr 02:00:00:00:00:07 dev v0"
            ));
            let changes = next(&mut watcher).await;
            let key = NeighbourKey {
                ifindex,
                address: address.parse().unwrap(),
            };
            assert!(changes.neighbours.contains(&key), "{changes:?}");
            assert!(!changes.affect_routing(), "{changes:?}");
            settle(&mut watcher).await;
        }
        namespace.ip("nexthop add id 5 via 10.0.0.2 dev v0");
        assert!(next(&mut watcher).await.routes);
    });
}

#[test]
fn root_a_burst_is_one_summary() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.block_on(|| async {
        let mut watcher = Watcher::open().unwrap();
        next(&mut watcher).await;
        settle(&mut watcher).await;
        // Nobody reads meanwhile: what was queued is merged.
        namespace.ip("link add v0 type veth peer name v1");
        namespace.ip("link set v0 up");
        namespace.ip("addr add 10.0.0.1/24 dev v0");
        let changes = next(&mut watcher).await;
        assert!(
            changes.links && changes.addresses && changes.routes,
            "{changes:?}"
        );
        assert!(!changes.everything, "{changes:?}");
    });
}

#[test]
fn root_lost_notifications_mean_everything() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    namespace.ip("link add v0 type veth peer name v1");
    namespace.block_on(|| async {
        let mut watcher = Watcher::with_receive_buffer(8 << 10).unwrap();
        next(&mut watcher).await;
        settle(&mut watcher).await;
        for mtu in 1300..1320 {
            namespace.ip(&format!("link set v0 mtu {mtu}"));
        }
        assert_eq!(next(&mut watcher).await, Changes::everything());
        // It goes on from there.
        settle(&mut watcher).await;
        namespace.ip("link set v0 mtu 1400");
        let changes = next(&mut watcher).await;
        assert!(changes.links && !changes.everything, "{changes:?}");
    });
}
