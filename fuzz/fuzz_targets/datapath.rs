//! Any bytes are traffic to a director with every kind of virtual server: the datapath keeps its
//! promises, which `xvs_datapath::native::exercise` lists.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|traffic: &[u8]| xvs_datapath::native::exercise(traffic));
