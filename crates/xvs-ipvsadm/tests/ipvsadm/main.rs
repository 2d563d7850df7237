//! ipvsadm from the outside: argv and standard input in; both streams, status and rules out.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see outside of `#[test]`"
)]

mod live;
mod ours;
mod robustness;
mod support;
mod transcripts;
