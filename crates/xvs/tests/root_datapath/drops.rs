//! Every drop has a reason with a counter.

use std::io;

use crate::{
    clients::{Session, no_session, udp},
    net::{Net, VIP, WEBS},
    servers::Server,
};

#[test]
fn root_drops_are_counted_by_their_reason() {
    let Some(mut net) = Net::new("drops") else {
        return;
    };
    net.without_offloads().replies_by_director();
    let _server = Server::tcp(&net.webs[0], WEBS[0], 80);
    net.on_director("ip route add prohibit 10.9.9.9");
    net.daemon(&[]).line(&format!("vs add {VIP}:80"));
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        let counted = |reason: &str, provoke: &mut dyn FnMut()| {
            let before = net.counter(reason);
            provoke();
            assert!(net.counter(reason) > before, "{reason} on {hook}");
        };
        counted("no_real_server", &mut || {
            assert_eq!(
                no_session(&net.client, VIP, 80),
                io::ErrorKind::ConnectionRefused
            );
        });
        net.line(&format!("rs add {VIP}:80 {} -m nat", WEBS[0]));
        let mut session = Session::open(&net.client, VIP, 80).unwrap();
        session.echo().unwrap();
        net.line(&format!("rs del {VIP}:80 {}", WEBS[0]));
        counted("real_server_gone", &mut || {
            session.echo().unwrap_err();
        });
        net.line(&format!("rs add {VIP}:80 10.9.9.9 -m nat"));
        counted("no_route", &mut || {
            no_session(&net.client, VIP, 80);
        });
        net.line(&format!("rs del {VIP}:80 10.9.9.9"));
        net.line(&format!("rs add {VIP}:80 10.2.0.99 -m nat"));
        no_session(&net.client, VIP, 80);
        net.line(&format!("rs del {VIP}:80 10.2.0.99"));
    }
    let text = net.done(&["status"]);
    for reason in ["no_real_server", "real_server_gone", "no_route"] {
        assert!(text.contains(&format!("\n{reason} ")), "{text}");
    }
    assert!(!text.contains("\ntable_full"), "{text}");
}

#[test]
fn root_a_full_table_drops_new_connections_and_keeps_the_old() {
    let Some(mut net) = Net::new("full") else {
        return;
    };
    net.replies_by_director();
    let _server = Server::tcp(&net.webs[0], WEBS[0], 80);
    net.daemon(&["--connections", "1024"])
        .line(&format!("vs add {VIP}:80"))
        .line(&format!("rs add {VIP}:80 {} -m nat", WEBS[0]))
        .line(&format!("vs add udp/{VIP}:53"))
        .line(&format!("rs add udp/{VIP}:53 {} -m nat", WEBS[0]));
    let mut session = Session::open(&net.client, VIP, 80).unwrap();
    // A second datagram makes a flow more than a beginning, which nothing evicts.
    for _ in 0..6_000 {
        let socket = udp(&net.client, VIP, 53);
        for _ in 0..2 {
            // Nobody answers, and the kernel of the real server says so.
            let _refused = socket.send(b"hello");
        }
    }
    assert!(net.counter("table_full") > 0, "{}", net.done(&["status"]));
    assert!(net.counter("overflowed") > 0);
    session.echo().unwrap();
}
