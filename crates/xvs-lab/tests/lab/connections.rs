//! `xvs conn` against connections that are open.

use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;
use xvs_lab::{Host, WebFiles};

use crate::xvs::Xvs;

const VIP: &str = "192.168.1.241:80";
const WEB1: &str = "192.168.2.250:80";
const WEB2: &str = "192.168.2.249:80";
const OPEN: usize = 4;

#[test]
fn root_connections_are_listed_counted_and_killed() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    xvs.report("nat --requests 2 --keep");
    let client = Host::of("lab-nat", "client").unwrap();
    let mut streams: Vec<_> = (0..OPEN).map(|_| half_a_request(&client)).collect();
    let count = |filter: &str| xvs.ask(&format!("conn count {filter}")).trim().to_owned();
    assert_eq!(count("--state established"), "4");
    assert_eq!(count("--state time_wait"), "2");
    assert_eq!(count(&format!("--rs {WEB1} --state established")), "2");
    assert_eq!(count("--client 192.168.1.110 --vip 192.168.1.241"), "6");
    assert_eq!(count("--client 192.168.1.111"), "0");
    assert_eq!(count("--proto udp"), "0");
    assert_eq!(active(&xvs), [(WEB1, 2), (WEB2, 2)]);

    let doomed = clients(&xvs, WEB1);
    let kept = clients(&xvs, WEB2);
    assert_eq!((doomed.len(), kept.len()), (2, 2));
    let killed = xvs.ask(&format!("conn kill --rs {WEB1} --state established"));
    assert_eq!(killed, "2\n");
    assert_eq!(count("--state established"), "2");
    assert_eq!(active(&xvs), [(WEB1, 0), (WEB2, 2)]);

    for stream in &mut streams {
        let port = stream.local_addr().unwrap().port();
        // The rest of the request; an error shows when the answer is read.
        let _ = stream.write_all(b"\r\n");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        if kept.contains(&port) {
            assert_eq!(read.unwrap(), answer.len());
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        } else {
            assert!(doomed.contains(&port), "{port}");
            // The director's own TCP knows nothing of the connection either.
            let error = read.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    let web1 = WebFiles::of(&Host::of("lab-nat", "web1").unwrap());
    let seen: Vec<u16> = web1
        .clients()
        .unwrap()
        .iter()
        .map(SocketAddr::port)
        .collect();
    assert!(doomed.iter().all(|port| !seen.contains(port)), "{seen:?}");

    let rest = count("--proto tcp");
    assert_eq!(xvs.ask("conn kill --all"), format!("{rest}\n"));
    assert_eq!(count("--proto tcp"), "0");
    xvs.down();
}

/// A connection from `client` whose request lacks its last line.
fn half_a_request(client: &Host) -> TcpStream {
    let vip: SocketAddr = VIP.parse().unwrap();
    let connect = || TcpStream::connect_timeout(&vip, Duration::from_secs(10));
    let mut stream = client.namespace().enter(connect).unwrap().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n")
        .unwrap();
    stream
}

/// The clients' ports of the established connections of a real server, as `conn list` has them.
fn clients(xvs: &Xvs, real_server: &str) -> Vec<u16> {
    let lines = xvs.ask(&format!(
        "conn list --json --state established --rs {real_server}"
    ));
    let ports = lines.lines().map(|line| {
        let connection: Value = serde_json::from_str(line).unwrap();
        let endpoint = |name: &str| {
            let endpoint = &connection[name];
            let address: IpAddr = endpoint["address"].as_str().unwrap().parse().unwrap();
            let port = endpoint["port"].as_u64().unwrap();
            SocketAddr::new(address, u16::try_from(port).unwrap())
        };
        assert_eq!(endpoint("virtual_endpoint").to_string(), VIP);
        assert_eq!(endpoint("real_endpoint").to_string(), real_server);
        let client = endpoint("client");
        assert_eq!(client.ip().to_string(), "192.168.1.110");
        client.port()
    });
    ports.collect()
}

/// ActiveConn of the real servers in `ipvsadm -Ln`.
fn active(xvs: &Xvs) -> [(&'static str, u32); 2] {
    let table = xvs.ask("ipvsadm -Ln");
    [WEB1, WEB2].map(|server| {
        let line = table.lines().find(|line| line.contains(server)).unwrap();
        let cell = line.split_whitespace().nth(4).unwrap();
        (server, cell.parse().unwrap())
    })
}
