//! What parses as an endpoint is written as a text that parses as the same endpoint.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xvs_types::Endpoint;

fuzz_target!(|text: &str| {
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
});
