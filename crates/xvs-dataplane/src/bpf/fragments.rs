//! What the programs remember of packets in fragments, given up.

use aya::{Ebpf, maps::HashMap};
use xvs_datapath::abi::{Early, Fragment, FragmentKey};

use super::plain::Plain;

/// Empties the maps of first fragments' ports and of what waits for them.
pub(super) fn forget(object: &mut Ebpf) {
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
