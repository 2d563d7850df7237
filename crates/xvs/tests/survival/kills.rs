//! kill -9 at any moment, `--keep`, and the clean end.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use crate::{
    bed::{Bed, DR, NAT, WEBS, can_run, setting},
    traffic::{Churn, ECHO, Steady, connect, exchange, serve},
};

/// NAT and DR on the echo port, both real servers each.
pub(crate) fn configure(bed: &Bed) {
    for (vip, method) in [(NAT, "-m"), (DR, "-g")] {
        for protocol in ["-t", "-u"] {
            bed.done(&format!("ipvsadm -A {protocol} {vip}:{ECHO} -s rr"));
            for web in WEBS {
                bed.done(&format!(
                    "ipvsadm -a {protocol} {vip}:{ECHO} -r {web}:{ECHO} {method} -w 1"
                ));
            }
        }
    }
}

pub(crate) fn targets() -> [SocketAddr; 2] {
    [NAT, DR].map(|vip| SocketAddr::new(vip.parse().unwrap(), ECHO))
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Rules of the ports 8000 to 8007 of the NAT address: weights of real servers.
type Model = BTreeMap<u64, BTreeMap<&'static str, u64>>;

/// A random change of the model, with the command that makes it.
fn change(model: &mut Model, random: &mut Random) -> String {
    let port = 8000 + random.below(8);
    let service = format!("-t {NAT}:{port}");
    let Some(servers) = model.get_mut(&port) else {
        model.insert(port, BTreeMap::new());
        return format!("ipvsadm -A {service} -s wlc");
    };
    if random.below(8) == 0 {
        model.remove(&port);
        return format!("ipvsadm -D {service}");
    }
    let web = WEBS[usize::try_from(random.below(2)).unwrap()];
    let weight = 1 + random.below(9);
    let server = format!("{service} -r {web}:{ECHO}");
    match servers.get(web) {
        None => {
            servers.insert(web, weight);
            format!("ipvsadm -a {server} -m -w {weight}")
        }
        Some(_) if random.below(2) == 0 => {
            servers.remove(web);
            format!("ipvsadm -d {server}")
        }
        Some(_) => {
            servers.insert(web, weight);
            format!("ipvsadm -e {server} -m -w {weight}")
        }
    }
}

fn lines_of(model: &Model, fixed: &[String]) -> Vec<String> {
    let mut lines = fixed.to_vec();
    for (port, servers) in model {
        lines.push(format!("-A -t {NAT}:{port} -s wlc"));
        for (web, weight) in servers {
            lines.push(format!("-a -t {NAT}:{port} -r {web}:{ECHO} -m -w {weight}"));
        }
    }
    lines.sort();
    lines
}

/// Asserts that the datapath does what the rules say: each virtual server with a real server answers.
fn assert_forwards(bed: &Bed, model: &Model) {
    for (port, servers) in model {
        if servers.is_empty() {
            continue;
        }
        let target = SocketAddr::new(NAT.parse().unwrap(), u16::try_from(*port).unwrap());
        for _server in 0..2 {
            let mut stream = connect(&bed.client, target)
                .unwrap_or_else(|error| panic!("{target}: {error}: {servers:?}"));
            exchange(&mut stream, *port).unwrap();
        }
    }
}

#[test]
fn root_killed_at_any_moment_no_rule_and_no_connection_is_lost() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("kill", false);
    bed.webs.iter().for_each(serve);
    let arguments = ["--connections", "1024"];
    let mut daemon = bed.daemon(&arguments);
    configure(&bed);
    let fixed = bed.saved();
    let steady = Steady::start(&bed.client, &targets(), 4);
    // What comes and goes meanwhile gives the daemon entries to end when it dies.
    let churn = Churn::start(&bed.client, &targets(), Duration::from_millis(5));
    let mut model = Model::new();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let rounds = setting("XVS_SURVIVAL_ROUNDS", 6);
    let (mut acknowledged, mut torn) = (0_u64, 0_u64);
    for round in 0..rounds {
        let pid = daemon.pid();
        let delay = Duration::from_millis(200 + random.below(300));
        let killer = thread::spawn(move || {
            thread::sleep(delay);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        });
        // Ops until the daemon is gone: the last one is the one that was not acknowledged.
        let before = loop {
            let before = model.clone();
            let command = change(&mut model, &mut random);
            let words: Vec<&str> = command.split(' ').collect();
            let output = bed.xvs(&words);
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(killer.is_finished(), "round {round}: {command}: {text}");
                break before;
            }
            acknowledged += 1;
        };
        killer.join().unwrap();
        drop(daemon);
        daemon = bed.daemon(&arguments);
        let found = bed.saved();
        if found == lines_of(&before, &fixed) {
            model = before;
        } else {
            assert_eq!(found, lines_of(&model, &fixed), "round {round}");
            torn += 1;
        }
        assert_forwards(&bed, &model);
    }
    let opened = churn.finish();
    thread::sleep(Duration::from_millis(200));
    bed.assert_counts_agree("after the kills");
    let lived = steady.finish();
    eprintln!(
        "{rounds} kills, {acknowledged} acknowledged ops, {torn} ops done and not acknowledged; \
         {opened} short connections, none failed; 8 long ones: {} exchanges, the longest {:?}, \
         {} segments sent again",
        lived.exchanges, lived.longest, lived.lost
    );
    assert_eq!(lived.lost, 0, "packets were lost: {lived:?}");
    assert_eq!(
        stages(&bed),
        2,
        "one array for each hook, of the last daemon"
    );
}

/// How many arrays of stages are pinned.
fn stages(bed: &Bed) -> usize {
    let list = bed.director.run(
        "find",
        &[bed.folder().to_str().unwrap(), "-name", "stages_*"],
    );
    String::from_utf8(list.unwrap().stdout)
        .unwrap()
        .lines()
        .count()
}

#[test]
fn root_a_kept_datapath_forwards_and_a_clean_end_leaves_nothing() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("keep", false);
    bed.webs.iter().for_each(serve);
    let settings = |bed: &Bed| {
        let list = "find /proc/sys/net/ipv4/neigh /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/neigh \
                    -type f | sort | xargs grep -H . 2>/dev/null";
        let output = bed.director.run("sh", &["-c", list]);
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let addresses = |bed: &Bed| {
        let output = bed.director.run("ip", &["-br", "address"]).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (settings_before, addresses_before) = (settings(&bed), addresses(&bed));
    let daemon = bed.daemon(&["--keep", "--connections", "1024"]);
    configure(&bed);
    let saved = bed.saved();
    let steady = Steady::start(&bed.client, &targets(), 2);
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    // While nobody is there, old connections go on and new ones are opened.
    let begun = Instant::now();
    for target in targets() {
        let mut stream = connect(&bed.client, target).unwrap();
        exchange(&mut stream, 1).unwrap();
    }
    thread::sleep(Duration::from_secs(3).saturating_sub(begun.elapsed()));
    let daemon = bed.daemon(&[]);
    assert_eq!(bed.saved(), saved);
    assert_eq!(bed.counts().0, 4);
    let lived = steady.finish();
    assert_eq!(lived.lost, 0, "packets were lost: {lived:?}");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    assert!(!log.contains("not undone"), "{log}");
    assert_eq!(settings(&bed), settings_before);
    assert_eq!(addresses(&bed), addresses_before);
    let pins: Vec<_> = fs::read_dir(bed.folder().join("bpf"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().ends_with(".debug"))
        .collect();
    assert!(pins.is_empty(), "{pins:?}");
    let links = bed.director.run("ip", &["-d", "link"]).unwrap();
    assert!(!String::from_utf8(links.stdout).unwrap().contains("xdp"));
    assert!(!bed.folder().join("control.sock").exists());
    // Nothing is balanced any more: the director itself has nobody on the port.
    assert!(connect(&bed.client, targets()[0]).is_err());
}
