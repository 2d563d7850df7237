//! What whole files mean, and what is said about broken ones, as snapshots.
//!
//! `INSTA_UPDATE=always cargo test -p xvs-conf` rewrites them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fmt::Write, fs, path::Path};

use xvs_conf::{MemoryFiles, Outcome, ScriptFact, Stance, StaticHost, parse};

fn folder(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "conf")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn check(name: &str, text: &str, stance: Stance) -> Outcome {
    let mut host = StaticHost::default().with_interfaces(&["eth0", "eth1"]);
    // What a shell knows by itself is no program.
    host.scripts.insert("[[".to_owned(), ScriptFact::NotFound);
    parse(name, &MemoryFiles::new().with(name, text), &host, stance)
}

/// Rules as `ipvsadm -Sn` would have them, and instances in one line each.
fn summary(outcome: &Outcome) -> String {
    let mut out = String::new();
    writeln!(
        out,
        "keepalived -t {}, start {}",
        outcome.keepalived_status, outcome.start_status
    )
    .unwrap();
    if let Some(config) = &outcome.config {
        for instance in &config.instances {
            let addresses: Vec<String> = instance
                .addresses
                .iter()
                .map(|address| format!("{}/{}", address.address, address.prefix_length))
                .collect();
            let trackers: Vec<&str> = instance
                .track_scripts
                .iter()
                .map(|tracked| tracked.name.as_str())
                .collect();
            writeln!(
                out,
                "{} v{} vrid {} {:?} priority {} every {:?} on {:?}: {} tracking {trackers:?}",
                instance.name,
                instance.version,
                instance.virtual_router_id,
                instance.state,
                instance.priority,
                instance.advert_interval,
                instance.interface.as_deref().unwrap_or("none"),
                addresses.join(" "),
            )
            .unwrap();
        }
        for (server, real_servers) in config.virtual_server_rules() {
            writeln!(
                out,
                "{} {} persistence {:?}",
                server.id,
                server.scheduler,
                server.persistence.map(|persistence| persistence.timeout)
            )
            .unwrap();
            for real_server in real_servers {
                writeln!(
                    out,
                    "  -> {} {:?} weight {}",
                    real_server.endpoint,
                    real_server.method,
                    real_server.weight.get()
                )
                .unwrap();
            }
        }
    }
    out
}

#[test]
fn seeds_start_and_mean_what_they_meant() {
    for (name, text) in folder("seeds") {
        let outcome = check(&name, &text, Stance::Compatible);
        assert!(
            outcome.config.is_some(),
            "{name}\n{}",
            outcome.render_text(false)
        );
        insta::assert_snapshot!(
            format!("seed-{name}"),
            format!("{}\n{}", summary(&outcome), outcome.render_text(false))
        );
    }
}

#[test]
fn valid_files_are_valid_in_both_stances() {
    for (name, text) in folder("valid") {
        let strict = check(&name, &text, Stance::Strict);
        assert!(
            strict.config.is_some(),
            "{name}\n{}",
            strict.render_text(false)
        );
        let outcome = check(&name, &text, Stance::Compatible);
        assert_eq!(outcome.config, strict.config);
        assert_eq!(outcome.keepalived_status, 0);
        insta::assert_snapshot!(format!("valid-{name}"), summary(&outcome));
        let json = serde_json::to_string_pretty(&outcome.config).unwrap();
        insta::assert_snapshot!(format!("valid-{name}-config"), json);
    }
}

#[test]
fn invalid_files_are_explained() {
    for (name, text) in folder("invalid") {
        let strict = check(&name, &text, Stance::Strict);
        assert!(strict.config.is_none(), "{name}");
        let outcome = check(&name, &text, Stance::Compatible);
        insta::assert_snapshot!(
            format!("invalid-{name}"),
            format!("{}\n{}", summary(&outcome), outcome.render_text(false))
        );
        insta::assert_snapshot!(format!("strict-{name}"), strict.render_text(false));
    }
}

#[test]
fn json_has_codes_and_positions() {
    let outcome = check(
        "a.conf",
        "vrrp_instance VI_1 {\n\tpriorty 100\n}\n",
        Stance::Compatible,
    );
    let json: serde_json::Value = serde_json::from_str(&outcome.render_json()).unwrap();
    let slip = json
        .as_array()
        .unwrap()
        .iter()
        .find(|diagnostic| diagnostic["code"] == "conf::unknown-keyword")
        .unwrap();
    assert_eq!(slip["file"], "a.conf");
    assert_eq!(slip["line"], 2);
    assert_eq!(slip["column"], 2);
    assert_eq!(slip["end_column"], 9);
    assert_eq!(slip["severity"], "warning");
    assert_eq!(slip["hint"], "did you mean `priority`? the line is ignored");
}
