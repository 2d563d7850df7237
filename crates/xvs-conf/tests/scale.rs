//! Large files and bombs: time and memory stay bounded.
//!
//! Bounds are for debug builds on a busy machine; `examples/check.rs` times release builds.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use xvs_conf::{MemoryFiles, Outcome, Stance, StaticHost, codes, parse};

fn read(text: String) -> Outcome {
    let files = MemoryFiles::new().with("a.conf", text);
    parse("a.conf", &files, &StaticHost::default(), Stance::Compatible)
}

#[test]
fn three_thousand_virtual_servers_with_forty_thousand_real_servers() {
    let mut text = String::new();
    let mut left = 40_000;
    for index in 0..3_000_u32 {
        let here = left / (3_000 - index);
        left -= here;
        let (high, low) = (index / 250, index % 250 + 1);
        writeln!(
            text,
            "virtual_server 10.{high}.0.{low} 80 {{\n  delay_loop 6\n  lb_algo wrr\n  lb_kind NAT\n  protocol TCP"
        )
        .unwrap();
        for server in 0..here {
            writeln!(
                text,
                "  real_server 172.16.{server}.{low} 8080 {{\n    weight 1\n    TCP_CHECK {{\n      connect_timeout 3\n      retry 2\n    }}\n  }}"
            )
            .unwrap();
        }
        writeln!(text, "}}").unwrap();
    }
    let start = Instant::now();
    let outcome = read(text);
    let took = start.elapsed();
    assert_eq!(outcome.keepalived_status, 0);
    let config = outcome.config.unwrap();
    let servers: usize = config
        .virtual_server_rules()
        .iter()
        .map(|(_, servers)| servers.len())
        .sum();
    assert_eq!((config.virtual_servers.len(), servers), (3_000, 40_000));
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn bombs_are_errors() {
    let bombs = [
        "~SEQ(A, 1, 2000000000) x ${A}\n",
        "~SEQ(A, 1, 2000) ~SEQ(B, 1, 2000) x ${A} ${B}\n",
        "$A=$A\nx $A\n",
        "$A=$B\n$B=$A\nx $A\n",
        "virtual_server_group g {\n 10.0.0.0/8 80\n}\n",
    ];
    for bomb in bombs {
        let start = Instant::now();
        let outcome = read(bomb.to_owned());
        assert!(outcome.config.is_none(), "{bomb}");
        assert!(
            outcome
                .diagnostics
                .iter()
                .any(|diagnostic| diagnostic.code == codes::EXPANSION_LIMIT),
            "{bomb}"
        );
        assert!(start.elapsed() < Duration::from_secs(60), "{bomb}");
    }
}

#[test]
fn a_file_that_includes_itself_twice_ends() {
    let outcome = read("include a.conf\ninclude a.conf\nfoo\n".to_owned());
    assert!(outcome.config.is_none());
}

#[test]
fn deep_nesting_of_braces_ends() {
    let outcome = read("virtual_server 10.0.0.1 80 {".repeat(100_000));
    assert_eq!(outcome.keepalived_status, 5);
}
