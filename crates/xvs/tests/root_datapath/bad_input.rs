//! What cannot be is refused in one clear line, and nothing of it is done.

use std::os::unix::process::CommandExt;

use crate::net::{Net, VIP, WEBS};

#[test]
fn root_a_daemon_that_cannot_be_says_why_in_a_line_and_leaves_nothing() {
    let Some(net) = Net::new("refused") else {
        return;
    };
    net.on_director("ip tuntap add tun0 mode tun");
    net.on_director("ip link set tun0 up");
    net.on_director("ip link add bridge0 type bridge");
    net.on_director("ip link set bridge0 up");
    for (arguments, words) in [
        (&["--interface", "eth7"][..], "no interface `eth7`"),
        (
            &["--hook", "xdp", "--interface", "lo"],
            "`lo` cannot carry the datapath: it is the loopback device",
        ),
        (
            &["--hook", "xdp", "--interface", "tun0"],
            "`tun0` cannot carry the datapath: its frames have no Ethernet header",
        ),
        (
            &["--hook", "xdp", "--interface", "bridge0"],
            "cannot attach to `bridge0` by xdp",
        ),
    ] {
        let message = net.refused_daemon(arguments);
        assert!(message.contains(words), "{arguments:?}: {message}");
        let last = message.lines().last().unwrap();
        assert!(last.starts_with("xvs: "), "{message}");
        assert!(last.contains(words), "{message}");
        assert!(!net.runtime().join("default/control.sock").exists());
        assert!(!net.runtime().join("default/state.json").exists());
        assert_eq!(net.pinned_links(), Vec::<String>::new());
        let links = net.on_director("ip link show");
        assert!(!links.contains("xdp"), "{arguments:?}: {links}");
    }
}

#[test]
fn root_a_hook_that_a_device_cannot_do_leaves_everything_as_it_was() {
    let Some(mut net) = Net::new("hookless") else {
        return;
    };
    net.without_offloads();
    net.on_director("ip link add bridge0 type bridge");
    net.on_director("ip address add 198.51.100.1/24 dev bridge0");
    net.on_director("ip link set bridge0 up");
    net.daemon(&["--interface", "eth0", "--hook", "xdp"])
        .line(&format!("vs add {VIP}:80"));
    let before = (net.links(), net.pinned_links());
    assert_eq!(before.1, ["eth0-tcx", "eth0-xdp"]);
    let message = net.refused("interface add bridge0");
    assert!(
        message.contains("cannot attach to `bridge0` by xdp"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");
    assert_eq!((net.links(), net.pinned_links()), before);
    assert_eq!(net.done(&["interface", "list"]), "eth0\n");
    net.line("hook set tcx").line("interface add bridge0");
    assert_eq!(net.pinned_links(), ["bridge0-tcx", "eth0-tcx"]);
    net.refused("hook set xdp");
    assert_eq!(net.pinned_links(), ["bridge0-tcx", "eth0-tcx"]);
    assert_eq!(net.done(&["hook", "show"]), "tcx\n");
    // What it can do instead.
    net.line("hook set xdp-generic");
    net.refused("hook set xdp");
    let pins = [
        "bridge0-tcx",
        "bridge0-xdpgeneric",
        "eth0-tcx",
        "eth0-xdpgeneric",
    ];
    assert_eq!(net.pinned_links(), pins);
    assert!(net.status()["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn root_rules_that_cannot_be_are_refused_whole() {
    let Some(mut net) = Net::new("rules") else {
        return;
    };
    net.daemon(&[]);
    let first = net.daemon_pid();
    let second = net.refused_daemon(&[]);
    assert!(
        second.contains(&format!("is run by another daemon, process {first}")),
        "{second}"
    );
    assert_eq!(second.lines().count(), 1, "{second}");
    net.line(&format!("vs add {VIP}:80"));
    let before = net.done(&["ipvsadm-save", "-n"]);
    for line in [
        // The wrong family.
        format!("rs add {VIP}:80 fd00:2::11 -m nat"),
        format!("rs add {VIP}:80 fd00:2::11 -m dr"),
        format!("vs edit {VIP}:80 --laddr fd00:2::200"),
        format!("vs add {VIP}:80"),
        format!("rs del {VIP}:80 {}", WEBS[0]),
    ] {
        let message = net.refused(&line);
        assert_eq!(message.lines().count(), 1, "{line}: {message}");
        assert_eq!(net.done(&["ipvsadm-save", "-n"]), before, "{line}");
    }
    // What the grammar knows to be wrong.
    for line in [
        "hook set sideways",
        "interface",
        "vs add nowhere",
        "ipvsadm -a -t 10.2.0.100:80 -r [fd00:2::11]:80 -m",
    ] {
        let output = net.xvs(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(2), "{line}: {output:?}");
        assert_eq!(net.done(&["ipvsadm-save", "-n"]), before, "{line}");
    }
}

#[test]
fn root_somebody_else_than_root_is_told_so() {
    let Some(net) = Net::new("nobody") else {
        return;
    };
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xvs"));
    command.arg("run").uid(65_534).gid(65_534);
    let output = match command.output() {
        Ok(output) => output,
        // The build lies in a folder that only root may enter.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: nobody may run {}", env!("CARGO_BIN_EXE_xvs"));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "xvs: the daemon must be started by root\n"
    );
    drop(net);
}
