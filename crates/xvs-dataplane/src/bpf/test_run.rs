//! The loaded programs on a frame of a test's, by `BPF_PROG_TEST_RUN`.

use aya::{
    Ebpf,
    maps::HashMap,
    programs::{TestRun, TestRunOptions},
};

use xvs_datapath::abi::{Early, Fragment, FragmentKey, Locality, LocalityKey};

use super::{
    OpenError,
    load::{classifier, xdp},
    plain::Plain,
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
    let mut out = vec![0; LARGEST];
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    // The members of `struct xdp_md` and of `struct __sk_buff` up to the link.
    let context: Vec<u32> = match hook {
        Hook::Tcx => vec![0, 0, mark, 0, 0, 0, 0, 0, 0, ifindex, ifindex],
        Hook::Xdp | Hook::XdpGeneric => vec![0, length, 0, ifindex, 0, 0],
    };
    let context: Vec<u8> = context.into_iter().flat_map(u32::to_ne_bytes).collect();
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: Some(&context),
        ..TestRunOptions::new()
    };
    let result = match hook {
        Hook::Tcx => classifier(object, "xvs_tcx")?.test_run(options),
        Hook::Xdp | Hook::XdpGeneric => xdp(object)?.test_run(options),
    };
    let result = result.map_err(|error| OpenError::load("test run", &error))?;
    let action = match (hook, result.return_value) {
        (Hook::Tcx, code) if TCX.0.contains(&code) => Action::Pass,
        (Hook::Tcx, code) if code == TCX.1 => Action::Send,
        (Hook::Xdp | Hook::XdpGeneric, code) if code == XDP.0 => Action::Pass,
        (Hook::Xdp | Hook::XdpGeneric, code) if XDP.1.contains(&code) => Action::Send,
        _ => Action::Drop,
    };
    out.truncate(usize::try_from(result.data_size_out).unwrap_or(0));
    Ok(Ran {
        action,
        frame: out,
        again: Vec::new(),
        copies: Vec::new(),
    })
}

/// Empties the maps of what is remembered for a while: of destinations by lblc and lblcr, of fragments.
pub(super) fn forget(object: &mut Ebpf) {
    empty::<LocalityKey, Locality>(object, "LOCALITIES");
    empty::<FragmentKey, Fragment>(object, "FRAGMENTS");
    empty::<FragmentKey, Early>(object, "EARLY");
}

fn empty<K, V>(object: &mut Ebpf, name: &str)
where
    Plain<K>: aya::Pod,
    Plain<V>: aya::Pod,
{
    let Some(map) = object.map_mut(name) else {
        return;
    };
    let Ok(mut map) = HashMap::<_, Plain<K>, Plain<V>>::try_from(map) else {
        return;
    };
    let keys: Vec<Plain<K>> = map.keys().filter_map(Result::ok).collect();
    for key in keys {
        // One that was used longest ago may have gone meanwhile.
        let _gone = map.remove(&key);
    }
}
