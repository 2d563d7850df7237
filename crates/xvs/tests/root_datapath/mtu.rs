//! Packets that do not fit, and those that a device cuts.

use std::io;

use nix::sys::socket::{setsockopt, sockopt};

use crate::{
    clients::{Session, ask, udp, warm_up},
    net::{Net, VIP, VIP6, WEBS, WEBS6, output_of},
    servers::Server,
};

/// Sends datagrams that are too long for the way behind the director, and looks at what the client
/// learns. `mtu` is that of the way to the real servers, `fits` what remains for the client's packets.
fn path_mtu_is_learned(method: &str, mtu: u32, fits: [u32; 2]) {
    let Some(mut net) = Net::new(&format!("mtu-{method}")) else {
        return;
    };
    net.without_offloads()
        .real_servers(if method == "ipip" { "tun" } else { method });
    if mtu != 1500 {
        for (flag, address) in [("-4", WEBS[0]), ("-6", WEBS6[0])] {
            let mtu = mtu.to_string();
            net.director
                .ip(&[flag, "route", "add", address, "dev", "eth0", "mtu", &mtu])
                .unwrap();
        }
    }
    net.daemon(&[]);
    let mut servers = Vec::new();
    for (vip, name, address) in [
        (VIP, format!("udp/{VIP}:53"), WEBS[0]),
        (VIP6, format!("udp/[{VIP6}]:53"), WEBS6[0]),
    ] {
        net.line(&format!("vs add {name}"))
            .line(&format!("rs add {name} {address} -m {method}"));
        servers.push(Server::udp(&net.webs[0], vip, 53));
    }
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        for (vip, header, fits) in [(VIP, 28, fits[0]), (VIP6, 48, fits[1])] {
            let what = format!("{method} on {hook} to {vip}");
            let flag = if vip.contains(':') { "-6" } else { "-4" };
            net.client.ip(&[flag, "route", "flush", "cache"]).unwrap();
            let before = net.counter("too_big");
            let socket = udp(&net.client, vip, 53);
            if flag == "-6" {
                setsockopt(&socket, sockopt::Ipv6RecvErr, &true).unwrap();
            }
            let room = |mtu: u32| usize::try_from(mtu).unwrap() - header;
            warm_up(&socket);
            // What fits passes.
            let answer = ask(&socket, room(fits)).unwrap_or_else(|error| {
                panic!("{what}: {error}\n{}", net.done(&["status"]));
            });
            assert_eq!(answer.server, "web1", "{what}");
            assert_eq!(net.counter("too_big"), before, "{what}");
            // One byte more does not, and the client is told.
            let error = ask(&socket, room(fits) + 1).unwrap_err();
            assert_eq!(
                error.raw_os_error(),
                Some(libc::EMSGSIZE),
                "{what}: {error}"
            );
            assert_eq!(net.counter("too_big"), before + 1, "{what}");
            let route = output_of(&net.client, &format!("ip {flag} route get {vip}"));
            assert!(route.contains(&format!(" mtu {fits} ")), "{what}: {route}");
        }
    }
}

#[test]
fn root_the_client_learns_what_fits_into_a_tunnel() {
    path_mtu_is_learned("ipip", 1500, [1480, 1460]);
}

#[test]
fn root_the_client_learns_what_fits_by_direct_routing() {
    path_mtu_is_learned("dr", 1400, [1400, 1400]);
}

#[test]
fn root_bulk_tcp_passes_a_tunnel_with_default_offloads() -> io::Result<()> {
    let Some(mut net) = Net::new("gso") else {
        return Ok(());
    };
    net.real_servers("tun");
    net.daemon(&[]);
    for (vip, name, address) in [
        (VIP, format!("{VIP}:80"), WEBS[0]),
        (VIP6, format!("[{VIP6}]:80"), WEBS6[0]),
    ] {
        net.line(&format!("vs add {name}"))
            .line(&format!("rs add {name} {address} -m ipip"));
        let _server = Server::tcp(&net.webs[0], vip, 80);
        let mut session = Session::open(&net.client, vip, 80)?;
        assert_eq!(session.server, "web1");
        session.echo_bulk(4_000_000)?;
    }
    Ok(())
}
