//! Whatever is typed, no panic; and what was saved comes back.

use proptest::{collection::vec, prelude::*, sample::select};
use xvs_ipvsadm::NumericNames;
use xvs_types::{Rule, Rules};

use crate::support::{Files, Host, call};

/// Words that mean something somewhere.
const WORDS: &[&str] = &[
    "-A",
    "-E",
    "-D",
    "-C",
    "-L",
    "-l",
    "-Z",
    "-a",
    "-e",
    "-d",
    "-R",
    "-S",
    "-h",
    "-v",
    "-t",
    "-u",
    "-f",
    "-6",
    "-s",
    "-p",
    "-M",
    "-r",
    "-g",
    "-i",
    "-m",
    "-w",
    "-x",
    "-y",
    "-c",
    "-n",
    "-o",
    "-b",
    "-X",
    "-Lnc",
    "-At",
    "--set",
    "--start-daemon",
    "--stop-daemon",
    "--sctp-service",
    "--pe",
    "--tun-type",
    "--tun-port",
    "--tun-csum",
    "--stats",
    "--rate",
    "--exact",
    "--nosort",
    "--json",
    "--laddr",
    "--fullnat",
    "--instance",
    "--atomic",
    "--full-save",
    "--mcast-interface",
    "--mcast-group",
    "--syncid",
    "--",
    "-",
    "",
    "10.9.0.1:80",
    "10.9.0.1",
    "[2001:db8::1]:80",
    "[",
    "]",
    "[]:",
    "vip:http",
    "rs1",
    "7",
    "-1",
    "4294967296",
    "99999999999999999999",
    "rr",
    "sh",
    "sip",
    "gue",
    "master",
    "lo",
    "255.255.0.0",
    "sh-port,flag-1,,",
    "224.0.0.81",
    "ff02::1",
    "=",
    "-p=",
    "-t=",
    "--timeout",
    "--daemon",
    "é",
    "\u{0}",
    "\t",
    "%s%n",
];

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(WORDS).prop_map(str::to_owned),
        1 => ".{0,40}",
        1 => "-{0,3}[a-zA-Z6=]{1,6}",
        1 => "[0-9a-fx.:\\[\\]]{0,24}",
    ]
}

/// Command lines that may be accepted, for addresses few enough to meet again.
fn any_rule() -> impl Strategy<Value = String> {
    let service = select(&[
        "-t 10.9.0.1:80",
        "-t 10.9.0.2:0",
        "-u 10.9.0.1:53",
        "--sctp-service 10.9.0.1:132",
        "-f 1",
        "-f 4000000000",
        "-f 1 -6",
        "-t [2001:db8::1]:443",
    ]);
    let settings = (
        select(&["", "-s rr", "-s sh", "-s mh", "-s twos"]),
        select(&["", "-p", "-p 77", "-p 60 -M 255.255.255.0", "-p 60 -M 64"]),
        select(&["", "-o", "--pe sip"]),
        select(&[
            "",
            "-b flag-1",
            "-b flag-2,flag-3",
            "-b sh-port",
            "-b flag-3",
        ]),
        select(&["", "--laddr 10.9.0.7", "--laddr 2001:db8::7 --anywhere"]),
    );
    let server = select(&[
        "10.9.1.1",
        "10.9.1.1:8080",
        "10.9.1.2:0",
        "[2001:db8::2]:80",
        "2001:db8::3",
    ]);
    let server_settings = (
        select(&[
            "",
            "-g",
            "-m",
            "--fullnat",
            "-i",
            "-i --tun-type gre --tun-csum",
            "-i --tun-type gue --tun-port 6080 --tun-remcsum",
        ]),
        select(&["", "-w 0", "-w 2147483647"]),
        select(&["", "-x 10", "-x 10 -y 4"]),
    );
    let add = (service.clone(), settings, select(&["-A", "-E"])).prop_map(
        |(service, (scheduler, persistence, udp, flags, ours), word)| {
            format!("{word} {service} {scheduler} {persistence} {udp} {flags} {ours}")
        },
    );
    let add_server = (
        service,
        server,
        server_settings,
        select(&["-a", "-e", "-d"]),
    )
        .prop_map(|(service, server, (method, weight, thresholds), word)| {
            format!("{word} {service} -r {server} {method} {weight} {thresholds}")
        });
    prop_oneof![add, add_server]
}

/// The rules with the order of adding taken out.
fn sorted(rules: &Rules) -> Vec<Rule> {
    let mut all = rules.rules().to_vec();
    all.sort_by_key(|rule| rule.0.id);
    for (_, servers) in &mut all {
        servers.sort_by_key(|server| server.endpoint);
    }
    all
}

fn host_of(lines: &[String]) -> Host {
    let mut host = Host::new();
    for line in lines {
        let argv: Vec<&str> = ["ipvsadm"]
            .into_iter()
            .chain(line.split_whitespace())
            .collect();
        // What is refused is part of the game.
        call(&mut host, &Files::new(), &argv, "");
    }
    host
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_arguments_give_a_status_and_a_reason(words in vec(any_word(), 0..12)) {
        let mut host = Host::new();
        let mut argv = vec!["ipvsadm"];
        argv.extend(words.iter().map(String::as_str));
        let answer = call(&mut host, &Files::new(), &argv, "-A -t 10.9.0.1:80\n");
        prop_assert!([0, 1, 2, 255].contains(&answer.status));
        prop_assert_eq!(answer.status == 0, answer.stderr.is_empty(), "{:?}", answer);
    }

    #[test]
    fn any_text_can_be_fed_to_a_restore(
        lines in vec(vec(any_word(), 0..8), 0..8),
        noise in ".{0,80}",
        atomic in any::<bool>(),
    ) {
        let mut text = noise;
        for line in &lines {
            text.push('\n');
            text.push_str(&line.join(" "));
        }
        let mut host = Host::new();
        let argv: &[&str] = if atomic { &["ipvsadm", "-R", "--atomic"] } else { &["ipvsadm", "-R"] };
        let answer = call(&mut host, &Files::new(), argv, &text);
        prop_assert!([0, 1, 2, 255].contains(&answer.status));
        if atomic && answer.status != 0 {
            prop_assert_eq!(host.rules.rules(), []);
        }
    }

    #[test]
    fn what_a_full_save_prints_gives_the_same_rules(
        lines in vec(any_rule(), 0..40),
        numeric in any::<bool>(),
    ) {
        let mut host = host_of(&lines);
        let word = if numeric { "-Sn" } else { "-S" };
        let saved = call(&mut host, &Files::new(), &["ipvsadm", word, "--full-save"], "").stdout;
        let mut other = Host::new();
        let answer = call(&mut other, &Files::new(), &["ipvsadm", "-R"], &saved);
        prop_assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{}", saved);
        prop_assert_eq!(sorted(&other.rules), sorted(&host.rules));
        // Saved again it is the same text.
        let again = call(&mut other, &Files::new(), &["ipvsadm", word, "--full-save"], "").stdout;
        prop_assert_eq!(again, saved);
    }

    #[test]
    fn what_a_plain_save_prints_gives_the_same_rules_but_for_what_ipvsadm_loses(
        lines in vec(
            any_rule().prop_filter("ipvsadm would lose it", |line| {
                !["flag-3", " -x ", "4000000000"].iter().any(|lost| line.contains(lost))
            }),
            0..40,
        ),
    ) {
        let mut host = host_of(&lines);
        let saved = call(&mut host, &NumericNames, &["ipvsadm", "-Sn"], "").stdout;
        let mut other = Host::new();
        call(&mut other, &NumericNames, &["ipvsadm-restore"], &saved);
        prop_assert_eq!(sorted(&other.rules), sorted(&host.rules));
    }
}
