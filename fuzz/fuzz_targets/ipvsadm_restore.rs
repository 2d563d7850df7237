//! Whatever is handed to `ipvsadm -R` and `ipvsadm-restore` is taken or refused, whole with
//! `--atomic`; and the table it leaves can be saved and restored.

#![no_main]

#[path = "ipvsadm_table.rs"]
mod table;

use libfuzzer_sys::fuzz_target;
use table::Table;
use xvs_ipvsadm::Face;

fuzz_target!(|text: &[u8]| {
    let words = |list: &[&str]| {
        list.iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let mut table = Table::default();
    table.run(Face::Ipvsadm, &words(&["ipvsadm", "-R"]), text);
    table.survives_save_and_restore();

    let before = table.0.clone();
    let argv = words(&["ipvsadm-restore", "--atomic"]);
    let answer = table.run(Face::Restore, &argv, text);
    if answer.status != 0 {
        assert_eq!(table.0, before);
    }
    table.survives_save_and_restore();
});
