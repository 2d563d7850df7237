//! `--hook auto`: where on a link the datapath should run, and why.
//!
//! Native XDP is the fast path on physical NICs. tcx keeps segmentation offload and partial
//! checksums, so it is the better choice on virtual links, where native XDP would turn both off.

use crate::LinkInfo;

/// Drivers of physical NICs that run XDP programs natively, in alphabetical order. A driver that is
/// missing here gets tcx, which every link can do.
const NATIVE_XDP: [&str; 22] = [
    "atlantic",
    "bnxt_en",
    "dpaa2-eth",
    "ena",
    "fec",
    "fsl_dpa",
    "gve",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mana",
    "mlx4_en",
    "mlx5_core",
    "mvneta",
    "mvpp2",
    "nfp",
    "qede",
    "sfc",
    "thunder-nicvf",
];

/// A hook that `--hook auto` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoHook {
    /// tcx ingress.
    Tcx,
    /// XDP in the driver.
    Xdp,
}

/// The chosen hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookChoice {
    /// The hook.
    pub hook: AutoHook,
    /// Why, as a clause: "its driver `ice` runs XDP natively".
    pub reason: String,
}

/// Chooses the hook for a link whose driver ethtool calls `driver`.
///
/// See [`driver`](crate::driver) for the name; none when the link has no driver to ask.
#[must_use]
pub fn choose_hook(link: &LinkInfo, driver: Option<&str>) -> HookChoice {
    let tcx = |reason| HookChoice {
        hook: AutoHook::Tcx,
        reason,
    };
    match (link.kind.as_deref(), driver) {
        // A kind means that software made the link.
        (Some(kind), _) => tcx(format!(
            "it is virtual ({kind}), where tcx keeps segmentation offload"
        )),
        (None, Some("virtio_net")) => {
            tcx("its driver `virtio_net` would have to give up offloads for XDP".to_owned())
        }
        (None, Some(driver)) if NATIVE_XDP.binary_search(&driver).is_ok() => HookChoice {
            hook: AutoHook::Xdp,
            reason: format!("its driver `{driver}` runs XDP natively"),
        },
        (None, Some(driver)) => tcx(format!(
            "its driver `{driver}` is not known to run XDP natively"
        )),
        (None, None) => tcx("its driver does not tell its name".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: Option<&str>) -> LinkInfo {
        LinkInfo {
            index: 2,
            name: "eth0".to_owned(),
            mac: None,
            mtu: 1500,
            mtu_v6: 1500,
            up: true,
            carrier: true,
            loopback: false,
            ethernet: true,
            kind: kind.map(str::to_owned),
            master: None,
            lower: None,
        }
    }

    #[test]
    fn physical_nics_with_native_xdp_get_it() {
        for driver in [
            "mlx5_core",
            "ixgbe",
            "i40e",
            "ice",
            "igb",
            "igc",
            "bnxt_en",
            "ena",
        ] {
            let choice = choose_hook(&link(None), Some(driver));
            assert_eq!(choice.hook, AutoHook::Xdp, "{driver}");
            assert!(choice.reason.contains(driver));
        }
    }

    #[test]
    fn virtual_and_unknown_links_get_tcx() {
        let cases = [
            (Some("veth"), Some("veth"), "veth"),
            (Some("bridge"), Some("bridge"), "bridge"),
            (Some("tun"), Some("tun"), "tun"),
            // A bond of fast ports is still a link made by software.
            (Some("bond"), Some("bonding"), "bond"),
            (None, Some("virtio_net"), "virtio_net"),
            (None, Some("e1000"), "e1000"),
            (None, None, "does not tell"),
        ];
        for (kind, driver, word) in cases {
            let choice = choose_hook(&link(kind), driver);
            assert_eq!(choice.hook, AutoHook::Tcx, "{word}");
            assert!(choice.reason.contains(word), "{}", choice.reason);
        }
    }

    #[test]
    fn the_table_is_sorted_for_its_search() {
        assert!(NATIVE_XDP.is_sorted());
    }
}
