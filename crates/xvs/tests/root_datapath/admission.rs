//! Which packets may open a connection.

use xvs_lab::Host;

use crate::{
    clients::{Session, no_session, server_of},
    net::{Net, VIP, WEBS, output_of, wait_until},
    servers::Server,
};

const HOOKS: [&str; 2] = ["tcx", "xdp"];

fn web_servers(net: &Net) -> Vec<Server> {
    net.webs
        .iter()
        .zip(WEBS)
        .map(|(web, address)| Server::tcp(web, address, 80))
        .collect()
}

fn mac(host: &Host, link: &str) -> String {
    host.namespace().mac(link).unwrap().to_string()
}

#[test]
fn root_a_flooded_frame_opens_no_connection() {
    let Some(mut net) = Net::new("flood") else {
        return;
    };
    net.without_offloads().replies_by_director();
    let _servers = web_servers(&net);
    net.daemon(&[])
        .line(&format!("vs add {VIP}:80 -s rr"))
        .line(&format!("rs add {VIP}:80 {} -m nat", WEBS[0]));
    net.on_director("ip link set eth0 promisc on");
    for hook in HOOKS {
        net.line(&format!("hook set {hook}"));
        let (opened, refused) = (net.counter("opened"), net.counter("not_our_mac"));
        // The switch knows nobody by this address, so it sends the frame to everybody.
        let foreign = "02:00:00:00:00:99";
        output_of(
            &net.router,
            &format!("ip neigh replace {VIP} lladdr {foreign} dev eth1"),
        );
        no_session(&net.client, VIP, 80);
        assert!(net.counter("not_our_mac") > refused, "{hook}");
        assert_eq!(net.counter("opened"), opened, "{hook}");
        let ours = mac(&net.director, "eth0");
        output_of(
            &net.router,
            &format!("ip neigh replace {VIP} lladdr {ours} dev eth1"),
        );
        assert_eq!(server_of(&net.client, VIP, 80), "web1", "{hook}");
    }
}

#[test]
fn root_transit_to_a_vip_of_another_host_passes_untouched_unless_taken_from_anywhere() {
    let Some(mut net) = Net::new("transit") else {
        return;
    };
    net.without_offloads().replies_by_director();
    let _servers = web_servers(&net);
    // A VIP on a host of its own, to which the director is the way.
    let elsewhere = "203.0.113.5";
    let owner = &net.webs[1];
    owner.address("lo", &format!("{elsewhere}/32")).unwrap();
    let _owners = Server::tcp(owner, elsewhere, 80);
    net.router.route(elsewhere, "10.2.0.10").unwrap();
    net.director.route(elsewhere, WEBS[1]).unwrap();
    net.daemon(&[])
        .line(&format!("vs add {elsewhere}:80 -s rr"))
        .line(&format!("rs add {elsewhere}:80 {} -m nat", WEBS[0]));
    for hook in HOOKS {
        net.line(&format!("hook set {hook}"));
        let (opened, transit) = (net.counter("opened"), net.counter("not_local"));
        let mut session = Session::open(&net.client, elsewhere, 80).unwrap();
        assert_eq!(session.server, "web2", "{hook}");
        session.echo().unwrap();
        assert_eq!(net.counter("opened"), opened, "{hook}");
        assert!(net.counter("not_local") > transit, "{hook}");
        net.line(&format!("vs edit {elsewhere}:80 --anywhere"));
        assert_eq!(server_of(&net.client, elsewhere, 80), "web1", "{hook}");
        assert_eq!(net.counter("opened"), opened + 1, "{hook}");
        // What began as transit stays transit.
        session.echo().unwrap();
        net.line(&format!("vs edit {elsewhere}:80 --anywhere false"));
        assert_eq!(server_of(&net.client, elsewhere, 80), "web2", "{hook}");
    }
}

#[test]
fn root_a_vip_works_from_when_it_is_added_and_old_connections_outlive_it() {
    let Some(mut net) = Net::new("vip") else {
        return;
    };
    net.replies_by_director();
    let _servers = web_servers(&net);
    let late = "10.2.0.101";
    net.daemon(&[])
        .line(&format!("vs add {late}:80 -s rr"))
        .line(&format!("rs add {late}:80 {} -m nat", WEBS[0]));
    let ours = mac(&net.director, "eth0");
    // Also while nobody answers for it by ARP.
    output_of(
        &net.router,
        &format!("ip neigh replace {late} lladdr {ours} dev eth1"),
    );
    no_session(&net.client, late, 80);
    assert_eq!(net.counter("opened"), 0);
    net.director.address("eth0", &format!("{late}/32")).unwrap();
    let mut session = None;
    wait_until("the VIP", || {
        session = Session::open(&net.client, late, 80).ok();
        session.is_some()
    });
    let mut session = session.unwrap();
    session.echo().unwrap();
    net.on_director(&format!("ip address del {late}/32 dev eth0"));
    wait_until("its end", || Session::open(&net.client, late, 80).is_err());
    let opened = net.counter("opened");
    no_session(&net.client, late, 80);
    assert_eq!(net.counter("opened"), opened);
    session.echo().unwrap();
}
