//! What ICMP errors alone say of a connection: those that open one (`schedule_icmp`).

use super::{
    Case, Outcome, Step,
    related::{Ends, KINDS4, KINDS6, NAT4, NAT6, from_client, nat},
};
use crate::{abi::setting_flag, native::World};

pub(super) fn cases() -> Vec<Case> {
    [(NAT4, KINDS4[0]), (NAT6, KINDS6[0])]
        .into_iter()
        .flat_map(|(ends, kind)| {
            [
                Case {
                    description: "an error about an unknown connection opens one where that is asked for",
                    world: scheduling(ends),
                    steps: vec![from_client(ends, kind, 40), from_client(ends, kind, 3)],
                },
                Case {
                    description: "an error about an unknown connection passes otherwise",
                    world: nat(ends),
                    steps: vec![passed(from_client(ends, kind, 40))],
                },
            ]
        })
        .collect()
}

fn scheduling(ends: Ends) -> World {
    let mut world = nat(ends);
    world.settings.flags |= setting_flag::SCHEDULE_ICMP;
    world
}

/// The same frame, left to the kernel.
fn passed(step: Step) -> Step {
    match step {
        Step::Packet(frame, _) => Step::Packet(frame, Outcome::Pass),
        other => other,
    }
}
