//! What a daemon refuses to take up, and what it says then.

use std::{fs, net::SocketAddr};

use crate::{
    bed::{Bed, can_run},
    kills::{configure, targets},
    traffic::{Steady, connect, exchange, serve},
};

#[test]
fn root_what_cannot_be_adopted_is_refused_and_goes_on_forwarding() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("adopt", false);
    bed.webs.iter().for_each(serve);
    let daemon = bed.daemon(&["--connections", "1024"]);
    configure(&bed);
    let steady = Steady::start(&bed.client, &targets(), 1);

    let said = bed.refused(&[], &[]);
    assert!(said.contains("another daemon"), "{said}");

    daemon.kill();
    let said = bed.refused(&["unshare", "-m"], &[]);
    assert!(said.contains("mount namespace"), "{said}");

    let other = bed.folder().join("bpf/v999");
    fs::create_dir(&other).unwrap();
    let said = bed.refused(&[], &[]);
    assert!(said.contains("v999"), "{said}");
    fs::remove_dir(&other).unwrap();

    // A map of another shape under the name of one of ours.
    let folder = layout(&bed);
    let (kept, pin) = (folder.join("kept"), folder.join("real"));
    fs::rename(&pin, &kept).unwrap();
    fs::hard_link(folder.join("virtual"), &pin).unwrap();
    let said = bed.refused(&[], &[]);
    assert!(
        said.contains("the pinned map `REAL` under") && said.contains("give up its connections"),
        "{said}"
    );
    fs::remove_file(&pin).unwrap();
    fs::rename(&kept, &pin).unwrap();

    // All the while nothing was touched; the right daemon takes it up, with its sizes.
    assert_forwards(&bed);
    let _daemon = bed.daemon(&["--connections", "4096"]);
    assert_eq!(bed.status()["table_v4"]["capacity"], 4096);
    assert_forwards(&bed);
    let lived = steady.finish();
    assert_eq!(lived.lost, 0, "packets were lost: {lived:?}");
}

#[test]
fn root_a_first_start_that_was_killed_is_begun_anew() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("first", false);
    bed.webs.iter().for_each(serve);
    bed.daemon(&["--connections", "1024"]).kill();
    // As if it had died after its first pin: the rest is not there.
    let folder = layout(&bed);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("flows4") {
            fs::remove_file(path).unwrap();
        }
    }
    let _daemon = bed.daemon(&["--connections", "4096"]);
    configure(&bed);
    assert_forwards(&bed);
    assert_eq!(bed.status()["table_v4"]["capacity"], 16384);
}

#[test]
fn root_links_of_a_namespace_that_is_gone_are_not_taken_for_those_of_its_successor() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("again", false);
    bed.webs.iter().for_each(serve);
    let daemon = bed.daemon(&["--connections", "1024"]);
    configure(&bed);
    assert_forwards(&bed);
    daemon.kill();
    // The link goes and one with its index comes, as when a namespace is made again.
    let output = bed.director.run("ip", &["-o", "link", "show", "eth0"]);
    let line = String::from_utf8(output.unwrap().stdout).unwrap();
    let number = line.split(':').next().unwrap().to_owned();
    bed.director.ip(&["link", "del", "eth0"]).unwrap();
    bed.director
        .ip(&[
            "link",
            "add",
            "eth0",
            "index",
            &number,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            bed.client.namespace().name(),
        ])
        .unwrap();
    for (host, address) in [(&bed.director, "10.1.0.1/24"), (&bed.client, "10.1.0.2/24")] {
        host.address("eth0", address).unwrap();
        host.ip(&["link", "set", "eth0", "up"]).unwrap();
    }
    bed.director.address("eth0", "10.1.0.10/32").unwrap();
    let _daemon = bed.daemon(&[]);
    assert_forwards(&bed);
}

fn layout(bed: &Bed) -> std::path::PathBuf {
    fs::read_dir(bed.folder().join("bpf"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap()
}

fn assert_forwards(bed: &Bed) {
    for target in targets() {
        let target: SocketAddr = target;
        let mut stream = connect(&bed.client, target).unwrap();
        exchange(&mut stream, 1).unwrap();
    }
}
