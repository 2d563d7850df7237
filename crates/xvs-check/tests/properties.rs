//! What holds for any course of events: the rules stay consistent, the pool never lies, and the quorum
//! does not flap within its hysteresis.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use support::{SECOND, World, misc, real_server, sorry, virtual_server};
use xvs_check::{Quorum, Release, Share, VirtualServerConfig};

const PORTS: [u16; 4] = [9001, 9002, 9003, 9004];

#[derive(Clone, Debug)]
enum Step {
    Down(u16),
    Pass(u64),
    Reload(Setup),
    Up(u16),
    Weigh(u16, u32),
}

#[derive(Clone, Debug)]
struct Setup {
    servers: Vec<(u16, u32, bool)>,
    quorum: u64,
    hysteresis: u64,
    sorry: Option<bool>,
    alpha: bool,
}

fn config(setup: &Setup) -> VirtualServerConfig<u16> {
    let servers = setup.servers.iter().map(|(port, weight, inhibit)| {
        let mut server = real_server(*port, *weight);
        server.inhibit_on_failure = *inhibit;
        if port % 2 == 0 {
            server.checkers.push(misc(*port));
        }
        for checker in &mut server.checkers {
            checker.alpha = setup.alpha;
        }
        server
    });
    let mut config = virtual_server(servers.collect());
    config.alpha = setup.alpha;
    config.quorum = Quorum {
        weight: setup.quorum,
        hysteresis: setup.hysteresis.min(setup.quorum - 1),
    };
    config.sorry_server = setup.sorry.map(|inhibit| {
        let mut sorry = sorry(9099);
        sorry.inhibit = inhibit;
        sorry
    });
    config
}

fn setups() -> impl Strategy<Value = Setup> {
    let servers = prop::sample::subsequence(PORTS.to_vec(), 1..=4).prop_flat_map(|ports| {
        let settings = vec((0_u32..20, any::<bool>()), ports.len());
        settings.prop_map(move |settings| {
            let both = ports.iter().zip(settings);
            both.map(|(port, (weight, inhibit))| (*port, weight, inhibit))
                .collect()
        })
    });
    (
        servers,
        1_u64..40,
        0_u64..20,
        prop::option::of(any::<bool>()),
        any::<bool>(),
    )
        .prop_map(|(servers, quorum, hysteresis, sorry, alpha)| Setup {
            servers,
            quorum,
            hysteresis,
            sorry,
            alpha,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = prop::sample::select(PORTS.to_vec());
    let step = prop_oneof![
        3 => port.clone().prop_map(Step::Down),
        6 => (1_u64..4000).prop_map(Step::Pass),
        1 => setups().prop_map(Step::Reload),
        3 => port.clone().prop_map(Step::Up),
        2 => (port, 0_u32..30).prop_map(|(port, weight)| Step::Weigh(port, weight)),
    ];
    vec(step, 1..40)
}

/// What must be true of the world at any time.
fn check(world: &World) {
    let status = world.checks.status();
    let [service] = status.as_slice() else {
        panic!("{status:?}");
    };
    let serving: Vec<u16> = world
        .pool()
        .into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(port, _)| port)
        .collect();
    let alive: Vec<u16> = service
        .real_servers
        .iter()
        .filter(|server| server.alive && server.weight > 0)
        .map(|server| server.name.rsplit(':').next().unwrap().parse().unwrap())
        .collect();
    let mut wanted = if service.sorry { vec![9099] } else { alive };
    let mut serving_now = serving;
    wanted.sort_unstable();
    serving_now.sort_unstable();
    assert_eq!(serving_now, wanted);
    // Outside of the band the quorum is what the sum says.
    let (sum, quorum) = (service.alive_weight, service.quorum);
    if sum >= quorum.gained_at() {
        assert!(service.has_quorum, "{service:?}");
    }
    if sum == 0 || sum < quorum.lost_below() {
        assert!(!service.has_quorum, "{service:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_pool_is_what_the_states_say_and_ends_empty(setup in setups(), steps in steps()) {
        let mut world = World::new(&PORTS);
        world.configure(vec![config(&setup)]);
        check(&world);
        for step in steps {
            match step {
                Step::Down(port) => world.down(port),
                Step::Pass(ms) => world.pass(Duration::from_millis(ms)),
                Step::Reload(setup) => world.configure(vec![config(&setup)]),
                Step::Up(port) => world.up(port),
                Step::Weigh(port, weight) => {
                    world.answers.insert(port, Share::Set(weight));
                }
            }
            check(&world);
        }
        // No notification tells twice in a row what is known already.
        for subject in ["VS ", "9001 ", "9002 ", "9003 ", "9004 "] {
            let states: Vec<&str> = world.notified.iter()
                .filter(|line| if subject == "VS " { line.starts_with("VS") } else { line.contains(subject) })
                .map(|line| line.rsplit(' ').next().unwrap())
                .collect();
            for pair in states.windows(2) {
                // A server that a reload brings back is new, and silent while it is up.
                prop_assert!(pair[0] != pair[1] || (pair[0] == "DOWN" && subject != "VS "), "{:?}", world.notified);
            }
        }
        world.checks.stop(Release::Everything);
        world.act();
        prop_assert!(world.rules.rules().is_empty());
        prop_assert_eq!(world.checks.poll_timeout(), None);
    }

    #[test]
    fn within_the_hysteresis_nothing_is_lost_or_gained(weights in vec(15_u32..25, 1..30)) {
        let mut config = virtual_server(vec![real_server(9001, 20)]);
        config.quorum = Quorum { weight: 20, hysteresis: 5 };
        config.real_servers[0].checkers = vec![misc(9001)];
        let mut world = World::new(&[]);
        world.answers.insert(9001, Share::Set(25));
        config.real_servers[0].server = support::nat(9001, 25);
        world.configure(vec![config]);
        world.pass(2 * SECOND);
        prop_assert_eq!(&world.notified, &["VS [10.98.0.100]:tcp:80 UP"]);
        for weight in weights {
            world.answers.insert(9001, Share::Set(weight));
            world.pass(SECOND);
        }
        prop_assert_eq!(world.notified.len(), 1);
        world.answers.insert(9001, Share::Set(14));
        world.pass(SECOND);
        prop_assert_eq!(world.notified.len(), 2);
        for weight in [15, 20, 24] {
            world.answers.insert(9001, Share::Set(weight));
            world.pass(SECOND);
        }
        prop_assert_eq!(world.notified.len(), 2);
    }
}
