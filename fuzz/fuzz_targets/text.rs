//! Any bytes are the text of a packet of SIP or FTP: what the datapath reads byte by byte is what stands
//! there, as `xvs_datapath::native::exercise_text` has it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| xvs_datapath::native::exercise_text(text));
