//! Another configuration for a running election.

use xvs_vrrp::{
    Action, AdverInterval, Config, GroupConfig, NotifyKind, RouterConfig, State, VirtualAddresses,
    Vrid,
};

use crate::bench::{BELOW, Bench, config, ms};

fn reload(bench: &mut Bench, routers: Vec<RouterConfig>) {
    let config = Config::new(routers, vec![]).unwrap();
    bench.vrrp.reload(bench.now, &config);
    bench.drain();
}

fn takes(bench: &Bench) -> usize {
    bench
        .actions
        .iter()
        .filter(|(_, action)| matches!(action, Action::TakeAddresses { .. }))
        .count()
}

#[test]
fn the_same_configuration_moves_nothing() {
    let settings = config("VI", 51);
    let mut bench = Bench::master(settings.clone());
    bench.pass(ms(30));
    let next = bench.vrrp.poll_timeout();
    reload(&mut bench, vec![settings]);
    assert_eq!(bench.vrrp.poll_timeout(), next);
    assert_eq!(bench.state(), State::Master);
    assert!(bench.notifications().is_empty());
    assert!(bench.announcements().is_empty());
    assert_eq!(takes(&bench), 1, "the caller may have more to change");
}

#[test]
fn a_new_address_is_taken_and_announced_without_an_election() {
    let mut settings = config("VI", 51);
    let mut bench = Bench::master(settings.clone());
    settings.addresses = VirtualAddresses::v4(["10.99.0.102".parse().unwrap()]);
    reload(&mut bench, vec![settings]);
    assert_eq!(bench.state(), State::Master);
    assert_eq!(takes(&bench), 1);
    assert_eq!(bench.announcements().len(), 1);
    assert!(bench.notifications().is_empty());
}

#[test]
fn another_priority_counts_at_once() {
    let mut settings = config("VI", 51);
    let mut bench = Bench::master(settings.clone());
    settings.priority = xvs_vrrp::Priority::new(50).unwrap();
    reload(&mut bench, vec![settings.clone()]);
    bench.advert(&settings, BELOW, 60);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn another_interval_changes_the_rhythm() {
    let mut settings = config("VI", 51);
    let mut bench = Bench::master(settings.clone());
    settings.interval = AdverInterval::from_centiseconds(1).unwrap();
    reload(&mut bench, vec![settings]);
    bench.actions.clear();
    bench.pass(ms(100));
    assert_eq!(bench.adverts().len(), 10);
}

#[test]
fn a_router_that_leaves_releases_and_is_notified_as_deleted() {
    let mut bench = Bench::master(config("VI", 51));
    reload(&mut bench, vec![config("VI_2", 52)]);
    assert_eq!(bench.adverts()[0].1, 0);
    assert_eq!(
        bench.notifications(),
        [
            ("VI".to_owned(), NotifyKind::Deleted),
            ("VI_2".to_owned(), NotifyKind::Backup)
        ]
    );
    bench.pass(ms(400));
    assert_eq!(bench.status().name.as_str(), "VI_2");
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_router_that_moves_to_another_identifier_begins_anew() {
    let mut settings = config("VI", 51);
    let mut bench = Bench::master(settings.clone());
    settings.vrid = Vrid::new(99).unwrap();
    reload(&mut bench, vec![settings.clone()]);
    assert_eq!(bench.adverts()[0].1, 0, "released under the old one");
    assert_eq!(bench.state(), State::Backup);
    bench.advert(&settings, BELOW, 150);
    assert_eq!(bench.status().counters.received, 1);
    reload(&mut bench, vec![config("VI", 51)]);
    let kinds: Vec<NotifyKind> = bench.notifications().into_iter().map(|(_, k)| k).collect();
    assert_eq!(
        kinds,
        [NotifyKind::Backup],
        "a backup that moves is still one"
    );
}

#[test]
fn the_order_of_routers_does_not_matter() {
    let (first, second) = (config("VI_1", 51), config("VI_2", 52));
    let mut bench = Bench::with(&Config::new(vec![first.clone(), second.clone()], vec![]).unwrap());
    bench.pass(ms(400));
    bench.actions.clear();
    reload(&mut bench, vec![second.clone(), config("VI_0", 50), first]);
    let states: Vec<State> = bench.vrrp.status().map(|status| status.state).collect();
    assert_eq!(states, [State::Master, State::Backup, State::Master]);
    bench.advert(&second, BELOW, 150);
    assert_eq!(bench.state(), State::Backup, "packets find their router");
}

#[test]
fn groups_come_and_go() {
    let routers = vec![config("VI_1", 51), config("VI_2", 52)];
    let mut bench = Bench::with(&Config::new(routers.clone(), vec![]).unwrap());
    bench.pass(ms(400));
    bench.actions.clear();
    let group = GroupConfig {
        name: "SG".into(),
        members: vec!["VI_1".into(), "VI_2".into()],
        tracks: vec![],
        tracking_weight: false,
    };
    let grouped = Config::new(routers.clone(), vec![group]).unwrap();
    bench.vrrp.reload(bench.now, &grouped);
    bench.drain();
    bench.advert(&routers[0], BELOW, 150);
    let states: Vec<State> = bench.vrrp.status().map(|status| status.state).collect();
    assert_eq!(states, [State::Backup, State::Backup]);
    reload(&mut bench, routers);
    let groups: Vec<(String, NotifyKind)> = bench
        .notifications()
        .into_iter()
        .filter(|(subject, _)| subject == "group SG")
        .collect();
    assert_eq!(
        groups,
        [
            ("group SG".to_owned(), NotifyKind::Master),
            ("group SG".to_owned(), NotifyKind::Backup),
            ("group SG".to_owned(), NotifyKind::Deleted)
        ]
    );
}
