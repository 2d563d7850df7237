//! What an operator does: hands over, sets a priority, stops, starts again.

use std::time::Duration;

use xvs_vrrp::{Action, CommandError, Config, Link, NotifyKind, Reason, Resume, State};

use crate::bench::{BELOW, Bench, UP, config, kinds, ms, name, priority};

const VI: &str = "VI";

#[test]
fn failover_hands_over_and_does_not_take_back_from_a_live_master() {
    let settings = config(VI, 51);
    let mut bench = Bench::master(settings.clone());
    bench.vrrp.failover(bench.now, VI).unwrap();
    bench.drain();
    assert_eq!(bench.adverts().last().unwrap().1, 0);
    for _ in 0..20 {
        bench.pass(ms(100));
        bench.advert(&settings, BELOW, 50);
    }
    assert_eq!(bench.state(), State::Backup);
    assert!(bench.status().yielded);
    assert_eq!(
        bench.vrrp.failover(bench.now, VI),
        Err(CommandError::NotMaster {
            router: name(VI),
            state: State::Backup
        })
    );
    bench.vrrp.set_priority(bench.now, VI, None).unwrap();
    for _ in 0..5 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_set_priority_takes_part_in_the_election_until_it_is_taken_back() {
    let settings = config(VI, 51);
    let mut bench = Bench::new(settings.clone());
    bench
        .vrrp
        .set_priority(bench.now, VI, Some(priority(200)))
        .unwrap();
    for _ in 0..5 {
        bench.advert(&settings, BELOW, 150);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Master);
    bench.vrrp.set_priority(bench.now, VI, None).unwrap();
    bench.drain();
    bench.advert(&settings, BELOW, 150);
    assert_eq!(bench.state(), State::Backup);
    assert!(bench.vrrp.set_priority(bench.now, "VI_9", None).is_err());
}

#[test]
fn a_graceful_stop_releases_once_and_notifies() {
    let mut bench = Bench::master(config(VI, 51));
    bench.vrrp.stop(false);
    bench.drain();
    assert_eq!(
        bench.adverts().iter().map(|(_, p)| *p).collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(kinds(&bench), [NotifyKind::Stop]);
    assert_eq!(bench.vrrp.poll_timeout(), None);
    bench.vrrp.stop(false);
    bench.link(Link { up: false, ..UP });
    assert_eq!(kinds(&bench), [NotifyKind::Stop], "it stays stopped");
}

#[test]
fn a_stop_that_keeps_the_addresses_says_nothing_on_the_link() {
    let mut bench = Bench::master(config(VI, 51));
    bench.vrrp.stop(true);
    bench.drain();
    assert!(bench.adverts().is_empty());
    assert!(
        !bench
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::ReleaseAddresses { .. }))
    );
}

fn restarted(age: Duration) -> Bench {
    let configuration = Config::new(vec![config(VI, 51)], vec![]).unwrap();
    let mut bench = Bench::silent(&configuration);
    let resume = Resume {
        router: name(VI),
        sequence: 0,
    };
    bench.vrrp.resume_master(bench.now, &[(resume, age)]);
    bench.pass(ms(50));
    bench.link(UP);
    bench
}

#[test]
fn a_restarted_master_goes_on_within_the_missed_adverts() {
    let bench = restarted(ms(200));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(bench.status().reason, Reason::Resumed);
    assert!(
        !bench
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::ReleaseAddresses { .. }))
    );
}

#[test]
fn a_master_restarted_too_late_releases_and_listens() {
    let bench = restarted(ms(250));
    assert_eq!(bench.state(), State::Backup);
    assert!(
        bench
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::ReleaseAddresses { .. }))
    );
}
