//! Whatever is typed after `ipvsadm`, `ipvsadm-save` or `ipvsadm-restore` ends with one of their exit
//! statuses, on an empty table and on one with rules; and the table it leaves can be saved and restored.
//!
//! An input is text: its first byte chooses the program, and each line is a command, its words apart
//! by tabs, so that a word may hold anything else.

#![no_main]

#[path = "ipvsadm_table.rs"]
mod table;

use libfuzzer_sys::fuzz_target;
use table::Table;
use xvs_ipvsadm::Face;

fuzz_target!(|input: &[u8]| {
    let Some((which, text)) = input.split_first() else {
        return;
    };
    let (face, name) = match which % 8 {
        0 => (Face::Restore, "ipvsadm-restore"),
        1 => (Face::Save, "ipvsadm-save"),
        _ => (Face::Ipvsadm, "ipvsadm"),
    };
    let mut table = Table::default();
    for line in String::from_utf8_lossy(text).split('\n').take(16) {
        let words = line.split('\t').map(str::to_owned);
        let argv: Vec<String> = std::iter::once(name.to_owned()).chain(words).collect();
        table.run(face, &argv, b"-A -t 192.0.2.1:80 -s rr\n");
    }
    table.survives_save_and_restore();
});
