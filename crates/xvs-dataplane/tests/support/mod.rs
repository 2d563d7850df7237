//! What the daemon around a dataplane would tell it: links, the VIP, a way to every real server.

use xvs_datapath::native::World;
use xvs_dataplane::{Attachment, Bpf, Dataplane, Hook, Mac, Prefix, Route};

/// Tells it all. The links are those of [`World`]; every real server is behind one of them.
pub(crate) fn tell(bpf: &mut Bpf, vip: &str) {
    let links = [
        (World::CLIENTS, World::CLIENTS_MAC),
        (World::SERVERS, World::SERVERS_MAC),
    ];
    let links = links.map(|(ifindex, mac)| Attachment {
        ifindex,
        name: format!("link{ifindex}"),
        macs: vec![Mac(mac)],
        hook: Hook::Tcx,
        answers: false,
    });
    bpf.know_links(&links);
    bpf.set_local_prefixes(&[vip.parse::<Prefix>().unwrap()]);
    for destination in bpf.destinations() {
        let route = Route {
            ifindex: World::SERVERS,
            gateway: None,
            source: None,
            mtu: 1500,
            local: false,
        };
        bpf.set_route(destination, Some(route));
    }
    for neighbour in bpf.neighbours() {
        let macs = (Mac(World::SERVERS_MAC), Mac(World::server_mac(0)));
        bpf.set_neighbour(neighbour, Some(macs));
    }
}
