//! Sync groups: all members move together, and the group is notified after them.

use xvs_vrrp::{
    Config, GroupConfig, Link, NotifyKind, Reason, Resume, RouterConfig, State, Track, TrackWeight,
    TrackerStatus,
};

use crate::bench::{BELOW, Bench, UP, config, ms, name};

fn members() -> [RouterConfig; 2] {
    [config("VI_1", 61), config("VI_2", 62)]
}

fn group(tracks: Vec<Track>) -> Config {
    let group = GroupConfig {
        name: "SG".into(),
        members: vec!["VI_1".into(), "VI_2".into()],
        tracks,
        tracking_weight: false,
    };
    Config::new(members().to_vec(), vec![group]).unwrap()
}

fn states(bench: &Bench) -> Vec<State> {
    bench.vrrp.status().map(|status| status.state).collect()
}

fn told(bench: &Bench) -> Vec<(String, NotifyKind)> {
    bench.notifications()
}

fn all(kind: NotifyKind) -> Vec<(String, NotifyKind)> {
    ["VI_1", "VI_2", "group SG"]
        .iter()
        .map(|subject| ((*subject).to_owned(), kind))
        .collect()
}

fn masters() -> Bench {
    let mut bench = Bench::with(&group(vec![]));
    assert_eq!(told(&bench), all(NotifyKind::Backup));
    bench.actions.clear();
    bench.pass(ms(400));
    bench
}

#[test]
fn a_group_takes_over_when_every_member_wants_to() {
    let [first, _] = members();
    let mut bench = Bench::with(&group(vec![]));
    bench.actions.clear();
    for _ in 0..10 {
        bench.advert(&first, BELOW, 150);
        bench.pass(ms(100));
    }
    assert_eq!(states(&bench), [State::Backup, State::Backup]);
    let waiting: Vec<bool> = bench
        .vrrp
        .status()
        .map(|status| status.waits_for_group)
        .collect();
    assert_eq!(waiting, [false, true]);
    bench.pass(ms(300));
    assert_eq!(states(&bench), [State::Master, State::Master]);
    assert_eq!(told(&bench), all(NotifyKind::Master));
}

#[test]
fn one_member_that_yields_takes_the_others_along() {
    let [_, second] = members();
    let mut bench = masters();
    assert_eq!(told(&bench).last(), all(NotifyKind::Master).last());
    bench.actions.clear();
    bench.advert(&second, BELOW, 150);
    assert_eq!(states(&bench), [State::Backup, State::Backup]);
    let reasons: Vec<Reason> = bench.vrrp.status().map(|status| status.reason).collect();
    assert_eq!(
        reasons,
        [
            Reason::Group {
                member: name("VI_2")
            },
            Reason::HigherPriority {
                address: BELOW.into(),
                priority: 150
            }
        ]
    );
    assert_eq!(told(&bench).len(), 3);
}

#[test]
fn one_fault_is_the_fault_of_all_and_so_is_recovery() {
    let mut bench = masters();
    bench.actions.clear();
    bench.link(Link { up: false, ..UP });
    assert_eq!(told(&bench), all(NotifyKind::Fault));
    assert_eq!(bench.adverts().len(), 4, "two releases of each");
    bench.actions.clear();
    bench.link(UP);
    assert_eq!(told(&bench), all(NotifyKind::Backup));
    bench.pass(ms(400));
    assert_eq!(states(&bench), [State::Master, State::Master]);
}

#[test]
fn a_tracker_of_the_group_concerns_every_member() {
    let track = Track {
        tracker: "chk".into(),
        weight: TrackWeight::FAULT,
        reverse: false,
    };
    let mut bench = Bench::with(&group(vec![track]));
    assert_eq!(states(&bench), [State::Init, State::Init]);
    bench
        .vrrp
        .handle_tracker(bench.now, "chk", TrackerStatus::Down);
    bench.drain();
    assert_eq!(told(&bench), all(NotifyKind::Fault));
}

#[test]
fn a_failover_hands_over_the_whole_group() {
    let mut bench = masters();
    bench.actions.clear();
    bench.vrrp.failover(bench.now, "VI_2").unwrap();
    bench.drain();
    assert_eq!(states(&bench), [State::Backup, State::Backup]);
    assert_eq!(
        bench.adverts().iter().map(|(_, p)| *p).collect::<Vec<_>>(),
        [0, 0]
    );
    assert_eq!(told(&bench).len(), 3);
}

#[test]
fn the_winner_of_a_conflict_announces_for_its_group_too() {
    let [first, _] = members();
    let mut bench = masters();
    bench.actions.clear();
    bench.advert(&first, BELOW, 50);
    assert_eq!(bench.announcements().len(), 2);
}

#[test]
fn a_group_resumes_whole_or_not_at_all() {
    let resume = |router: &str| {
        let resume = Resume {
            router: router.into(),
            sequence: 0,
        };
        (resume, ms(100))
    };
    for (noted, state) in [
        (vec![resume("VI_1"), resume("VI_2")], State::Master),
        (vec![resume("VI_1")], State::Backup),
    ] {
        let mut bench = Bench::silent(&group(vec![]));
        bench.vrrp.resume_master(bench.now, &noted);
        bench.link(UP);
        assert_eq!(states(&bench), [state, state]);
    }
}

#[test]
fn a_stop_notifies_every_member_and_the_group() {
    let mut bench = masters();
    bench.actions.clear();
    bench.vrrp.stop(false);
    bench.drain();
    assert_eq!(told(&bench), all(NotifyKind::Stop));
}
