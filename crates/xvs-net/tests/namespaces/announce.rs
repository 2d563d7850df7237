//! An announced address is believed by a real neighbour.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use xvs_net::{Announcement, Announcer, Host, Mac};

use crate::support::Namespace;

#[test]
fn root_a_neighbour_learns_where_an_announced_address_is() {
    let (Some(director), Some(client)) = (Namespace::new(), Namespace::new()) else {
        return;
    };
    director.ip(&format!(
        "link add d0 address 02:00:00:00:00:01 type veth peer name c0 netns {}",
        client.name()
    ));
    director.ip("link set d0 up");
    client.ip("link set c0 up");
    client.ip("addr add 10.0.0.9/24 dev c0");
    client.ip("addr add fd00::9/64 dev c0 nodad");
    // The client knows another holder of each VIP.
    let vips = ["10.0.0.100", "fd00::100"];
    for vip in vips {
        client.ip(&format!(
            "neigh add {vip} lladdr 02:00:00:00:00:77 dev c0 nud stale"
        ));
    }
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let ifindex = std::sync::OnceLock::new();
    director.block_on(|| async {
        let link = Host::open().unwrap().link_by_name("d0").await.unwrap();
        ifindex.set(link.unwrap().index).unwrap();
    });
    director.inside(|| {
        let announcer = Announcer::open().unwrap();
        for vip in vips {
            let announcement = Announcement {
                address: vip.parse().unwrap(),
                mac,
                router: false,
            };
            announcer
                .send(*ifindex.get().unwrap(), &announcement)
                .unwrap();
            let error = announcer.send(999, &announcement).unwrap_err();
            assert!(error.to_string().contains(vip), "{error}");
        }
    });
    client.block_on(|| async {
        let host = Host::open().unwrap();
        let link = host.link_by_name("c0").await.unwrap().unwrap().index;
        let end = Instant::now() + Duration::from_secs(5);
        for vip in vips {
            loop {
                let found = host.neighbour(link, vip.parse().unwrap()).await.unwrap();
                if found.and_then(|found| found.usable_mac()) == Some(mac) {
                    break;
                }
                assert!(Instant::now() < end, "{found:?}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
}
