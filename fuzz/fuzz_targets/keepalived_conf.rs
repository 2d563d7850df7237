//! Any file is read without a panic, and what is read of it is printed as a file that means the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xvs_conf::{MemoryFiles, Outcome, Stance, StaticHost, parse};

/// A printed line that is longer may be cut where it is read again: keepalived's lines have 1024 bytes.
const LONGEST: usize = 900;

fuzz_target!(|text: &[u8]| {
    let outcome = read(text);
    let errors = outcome.render_text(false);
    assert_eq!(outcome.config.is_none(), errors.contains("error["));
    let printed = outcome.document.to_string();
    if printed.lines().any(|line| line.len() > LONGEST) {
        return;
    }
    let again = read(printed.as_bytes());
    assert_eq!(again.document, outcome.document, "{printed}");
    assert_eq!(again.config, outcome.config, "{printed}");
    assert_eq!(again.document.to_string(), printed);
});

fn read(text: &[u8]) -> Outcome {
    let files = MemoryFiles::new()
        .with("k.conf", text)
        .with("b.conf", "virtual_router_id 9\n");
    parse("k.conf", &files, &StaticHost::default(), Stance::Compatible)
}
