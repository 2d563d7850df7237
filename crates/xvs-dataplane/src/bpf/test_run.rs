//! The loaded programs on a frame of a test's, by `BPF_PROG_TEST_RUN`.

use aya::{
    Ebpf,
    programs::{ProgramError, TestRun, TestRunOptions, TestRunResult},
};

use super::{
    OpenError,
    programs::{classifier, xdp},
};
use crate::{
    Hook,
    testing::{Action, Ran},
};

/// More than a frame becomes.
const LARGEST: usize = 9216;
/// Actions of XDP (`enum xdp_action`): the one for passing, and those that send.
const XDP: (u32, [u32; 2]) = (2, [3, 4]);
/// Actions of classifiers (`TC_ACT_*`, `TCX_NEXT`).
const TCX: ([u32; 2], u32) = ([0, u32::MAX], 7);

/// Runs the programs of a hook on a frame that came in by a link of this namespace.
pub(super) fn run(
    object: &mut Ebpf,
    hook: Hook,
    ifindex: u32,
    mark: u32,
    frame: &[u8],
) -> Result<Ran, OpenError> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    // The members of `struct xdp_md` and of `struct __sk_buff` up to the link.
    let (code, frame) = match hook {
        Hook::Tcx => on_skb(object, "xvs_tcx", mark, [ifindex, ifindex], frame)?,
        Hook::Xdp | Hook::XdpGeneric => {
            let program = xdp(object)?;
            let context = [0, length, 0, ifindex, 0, 0];
            test_run(|options| program.test_run(options), &context, frame)?
        }
    };
    let action = match (hook, code) {
        (Hook::Tcx, code) if TCX.0.contains(&code) => Action::Pass,
        (Hook::Tcx, code) if code == TCX.1 => Action::Send,
        (Hook::Xdp | Hook::XdpGeneric, code) if code == XDP.0 => Action::Pass,
        (Hook::Xdp | Hook::XdpGeneric, code) if XDP.1.contains(&code) => Action::Send,
        _ => Action::Drop,
    };
    Ok(Ran {
        action,
        frame,
        again: Vec::new(),
        copies: Vec::new(),
    })
}

/// Runs the program for what the host sends on a frame that leaves by a link.
pub(super) fn leave(object: &mut Ebpf, ifindex: u32, frame: &[u8]) -> Result<Ran, OpenError> {
    // It came in by no link.
    let (code, frame) = on_skb(object, "xvs_leave", 0, [0, ifindex], frame)?;
    let action = if TCX.0.contains(&code) {
        Action::Pass
    } else {
        Action::Drop
    };
    Ok(Ran {
        action,
        frame,
        again: Vec::new(),
        copies: Vec::new(),
    })
}

/// Runs a classifier on a packet with a mark: the link that it came in by and the one it is on are what
/// `struct __sk_buff` has.
fn on_skb(
    object: &mut Ebpf,
    name: &'static str,
    mark: u32,
    [from, link]: [u32; 2],
    frame: &[u8],
) -> Result<(u32, Vec<u8>), OpenError> {
    let program = classifier(object, name)?;
    let context = [0, 0, mark, 0, 0, 0, 0, 0, 0, from, link];
    test_run(|options| program.test_run(options), &context, frame)
}

/// Runs a program with a context of these words; answers its code and the frame's bytes after it.
fn test_run(
    run: impl FnOnce(TestRunOptions<'_>) -> Result<TestRunResult, ProgramError>,
    context: &[u32],
    frame: &[u8],
) -> Result<(u32, Vec<u8>), OpenError> {
    let mut out = vec![0; LARGEST];
    let context: Vec<u8> = context.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: Some(&context),
        ..TestRunOptions::new()
    };
    let result = run(options).map_err(|error| OpenError::load("test run", &error))?;
    out.truncate(usize::try_from(result.data_size_out).unwrap_or(0));
    Ok((result.return_value, out))
}
