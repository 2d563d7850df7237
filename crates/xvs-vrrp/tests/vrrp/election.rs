//! One virtual router among hand-made peers: when it takes over, yields, waits and tells.

use std::time::Duration;

use xvs_vrrp::{
    Action, AdverInterval, Initial, Link, NotifyKind, Preempt, Priority, Reason, Reject, State,
    Version, VirtualAddresses,
};

use crate::bench::{ABOVE, BELOW, Bench, UP, config, kinds, ms, name};

const VI: &str = "VI";

#[test]
fn a_lone_router_listens_for_a_master_down_interval_and_takes_over() {
    let mut bench = Bench::new(config(VI, 51));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(Duration::from_micros(360_937));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(bench.status().reason, Reason::Nobody);
    assert_eq!(kinds(&bench), [NotifyKind::Backup, NotifyKind::Master]);
}

#[test]
fn a_takeover_advertises_takes_announces_and_notifies_in_this_order() {
    let mut bench = Bench::new(config(VI, 51));
    bench.actions.clear();
    bench.pass(ms(361));
    let order: Vec<&str> = bench
        .actions
        .iter()
        .map(|(_, action)| match action {
            Action::Advertise { .. } => "advertise",
            Action::TakeAddresses { accept: true, .. } => "take",
            Action::Announce { rounds: 5, .. } => "announce",
            Action::Notify(_) => "notify",
            Action::Log { .. } => "log",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["advertise", "take", "announce", "log", "notify"]);
}

#[test]
fn version_2_waits_three_seconds_and_its_skew() {
    let mut settings = config(VI, 51);
    settings.version = Version::V2;
    settings.interval = AdverInterval::DEFAULT;
    let mut bench = Bench::new(settings);
    bench.pass(Duration::from_micros(3_609_374));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn the_owner_is_master_at_once_unless_told_to_begin_as_backup() {
    let mut settings = config(VI, 51);
    settings.priority = Priority::OWNER;
    let bench = Bench::new(settings.clone());
    assert_eq!(bench.state(), State::Master);
    assert_eq!(bench.status().reason, Reason::Owner);
    assert_eq!(kinds(&bench), [NotifyKind::Master]);
    settings.initial = Initial::Backup;
    assert_eq!(Bench::new(settings).state(), State::Backup);
}

#[test]
fn the_state_master_of_others_is_only_a_hint() {
    let mut settings = config(VI, 51);
    settings.initial = Initial::Master;
    let mut bench = Bench::new(settings);
    bench.pass(ms(360));
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn adverts_keep_their_rhythm_whatever_the_wake_ups() {
    let mut bench = Bench::master(config(VI, 51));
    bench.pass(ms(1000));
    let adverts = bench.adverts();
    assert_eq!(adverts.len(), 10);
    for pair in adverts.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, ms(100));
    }
    bench.actions.clear();
    bench.sleep(ms(130)); // one advert, late by about 70 ms
    let late = bench.status().counters.greatest_lateness;
    assert!(late > ms(50) && late < ms(100), "{late:?}");
    assert_eq!(bench.status().counters.late_adverts, 1);
    bench.pass(ms(100));
    assert_eq!(bench.adverts().len(), 2);
    assert!(bench.adverts()[1].0 - bench.adverts()[0].0 < ms(100));
}

#[test]
fn a_backup_follows_a_higher_priority_and_takes_over_when_it_is_silent() {
    let settings = config(VI, 51);
    let mut bench = Bench::new(settings.clone());
    for _ in 0..20 {
        bench.advert(&settings, BELOW, 150);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.status().master, Some(BELOW.into()));
    bench.pass(ms(270));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(
        bench.status().reason,
        Reason::MasterSilent {
            address: BELOW.into()
        }
    );
}

#[test]
fn a_release_shortens_the_wait_to_the_skew() {
    let settings = config(VI, 51);
    let mut bench = Bench::new(settings.clone());
    bench.advert(&settings, BELOW, 150);
    bench.advert(&settings, BELOW, 0);
    bench.pass(Duration::from_micros(60_937));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(Duration::from_micros(1));
    assert_eq!(
        bench.status().reason,
        Reason::MasterReleased {
            address: BELOW.into()
        }
    );
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn at_ten_milliseconds_a_dead_master_is_replaced_within_forty() {
    let mut settings = config(VI, 51);
    settings.interval = AdverInterval::from_centiseconds(1).unwrap();
    let mut bench = Bench::new(settings.clone());
    bench.advert(&settings, BELOW, 150);
    bench.pass(ms(35));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(ms(2));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn a_lower_priority_master_is_preempted_though_it_advertises() {
    let settings = config(VI, 51);
    let mut bench = Bench::new(settings.clone());
    for _ in 0..4 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Master);
    assert_eq!(
        bench.status().reason,
        Reason::Preempts {
            address: BELOW.into(),
            priority: 50
        }
    );
    let ignored = "received lower priority (50) advert from 10.99.0.1 - discarding";
    assert_eq!(
        bench.log().iter().filter(|line| *line == ignored).count(),
        1
    );
}

#[test]
fn lower_priority_advert_is_followed_without_preempt() {
    let mut settings = config(VI, 51);
    settings.preempt = Preempt::Never;
    let mut bench = Bench::new(settings.clone());
    for _ in 0..20 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Backup);
    bench.pass(ms(400));
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn the_owner_preempts_even_without_preempt() {
    let mut settings = config(VI, 51);
    settings.preempt = Preempt::Never;
    settings.priority = Priority::OWNER;
    settings.initial = Initial::Backup;
    let mut bench = Bench::new(settings.clone());
    for _ in 0..5 {
        bench.advert(&settings, BELOW, 254);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn preemption_waits_for_its_delay_but_a_silent_master_does_not() {
    let mut settings = config(VI, 51);
    settings.preempt = Preempt::After(Duration::from_secs(2));
    let mut bench = Bench::new(settings.clone());
    for _ in 0..20 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Backup);
    for _ in 0..5 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Master);

    let mut bench = Bench::new(settings.clone());
    bench.advert(&settings, BELOW, 50);
    bench.pass(ms(370));
    assert_eq!(bench.state(), State::Master);

    let mut bench = Bench::new(settings.clone());
    bench.advert(&settings, BELOW, 50);
    bench.advert(&settings, BELOW, 200);
    assert!(bench.log().contains(&"stop preempt delay".to_owned()));
}

#[test]
fn a_master_yields_to_a_higher_priority_without_a_release() {
    let settings = config(VI, 51);
    let mut bench = Bench::master(settings.clone());
    bench.advert(&settings, BELOW, 101);
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(kinds(&bench), [NotifyKind::Backup]);
    assert!(bench.adverts().is_empty());
    let released =
        |(_, action): &(Duration, Action)| *action == Action::ReleaseAddresses { router: name(VI) };
    assert_eq!(bench.actions.iter().filter(|a| released(a)).count(), 1);
}

#[test]
fn between_equal_priorities_the_higher_address_stays_master() {
    let settings = config(VI, 51);
    let mut bench = Bench::master(settings.clone());
    bench.advert(&settings, BELOW, 100);
    assert_eq!(bench.state(), State::Master);
    bench.advert(&settings, ABOVE, 100);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn a_release_makes_a_master_advertise_at_once() {
    let settings = config(VI, 51);
    let mut bench = Bench::master(settings.clone());
    bench.advert(&settings, ABOVE, 0);
    assert_eq!(bench.adverts().len(), 1);
    assert_eq!(bench.state(), State::Master);
}

#[test]
fn the_winner_of_a_conflict_announces_again_and_notifies_once() {
    let settings = config(VI, 51);
    let mut bench = Bench::master(settings.clone());
    for _ in 0..5 {
        bench.advert(&settings, BELOW, 50);
        bench.pass(ms(50));
    }
    assert_eq!(kinds(&bench), [NotifyKind::MasterRxLowerPriority]);
    let reason = Reason::Conflict {
        address: BELOW.into(),
        priority: 50,
    };
    assert!(bench.actions.iter().any(|(_, action)| matches!(
        action,
        Action::Notify(notification) if notification.reason == reason
    )));
    assert_eq!(bench.announcements().len(), 1, "once a second at most");
    assert_eq!(bench.adverts().len(), 5, "each was answered");
    bench.pass(Duration::from_secs(6));
    assert_eq!(
        bench.announcements().len(),
        2,
        "and once more after the delay"
    );
    bench.advert(&settings, BELOW, 50);
    assert_eq!(kinds(&bench).len(), 2, "a new conflict");
}

#[test]
fn addresses_are_announced_at_once_later_and_slowly_for_ever() {
    let mut bench = Bench::new(config(VI, 51));
    bench.pass(Duration::from_secs(190));
    let times: Vec<(u64, u8)> = bench
        .announcements()
        .iter()
        .map(|(at, rounds)| (at.as_secs(), *rounds))
        .collect();
    assert_eq!(times, [(0, 5), (5, 5), (60, 1), (120, 1), (180, 1)]);
}

#[test]
fn version_3_waits_by_the_interval_of_its_master() {
    let settings = config(VI, 51);
    let mut slow = settings.clone();
    slow.interval = AdverInterval::from_centiseconds(100).unwrap();
    let mut bench = Bench::new(settings);
    bench.advert(&slow, BELOW, 150);
    bench.pass(ms(3600));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(ms(10));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(bench.status().master_interval.duration(), ms(100));
}

#[test]
fn a_fault_releases_twice_and_recovery_listens_again() {
    let mut bench = Bench::master(config(VI, 51));
    bench.link(Link { up: false, ..UP });
    assert_eq!(bench.state(), State::Fault);
    assert_eq!(
        bench.adverts().iter().map(|(_, p)| *p).collect::<Vec<_>>(),
        [0, 0]
    );
    bench.pass(ms(5000));
    bench.link(UP);
    assert_eq!(bench.state(), State::Backup);
    bench.pass(ms(360));
    assert_eq!(bench.state(), State::Backup);
    bench.pass(ms(1));
    assert_eq!(bench.state(), State::Master);
    assert_eq!(
        kinds(&bench),
        [NotifyKind::Fault, NotifyKind::Backup, NotifyKind::Master]
    );
}

#[test]
fn who_was_not_run_looks_for_unread_adverts_before_it_takes_over() {
    let settings = config(VI, 51);
    let mut bench = Bench::new(settings.clone());
    bench.advert(&settings, BELOW, 150);
    bench.sleep(ms(800));
    assert_eq!(bench.state(), State::Backup);
    bench.advert(&settings, BELOW, 150); // it had been waiting in the socket
    bench.pass(ms(100));
    assert_eq!(bench.state(), State::Backup);
    bench.sleep(ms(800));
    bench.pass(ms(61));
    assert_eq!(
        bench.state(),
        State::Master,
        "nothing was waiting this time"
    );
}

#[test]
fn another_address_list_is_accepted_and_reported_once() {
    let settings = config(VI, 51);
    let mut other = settings.clone();
    other.addresses = VirtualAddresses::v4(["10.99.0.100".parse().unwrap()]);
    let mut bench = Bench::new(settings);
    for _ in 0..10 {
        bench.advert(&other, BELOW, 150);
        bench.pass(ms(100));
    }
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.status().counters.addresses_differ, 10);
    assert_eq!(bench.status().counters.rejected.total(), 0);
    let line = "expected 2 VIPs but received 1 from 10.99.0.1";
    assert_eq!(bench.log().iter().filter(|text| *text == line).count(), 1);
}

#[test]
fn unknown_identifiers_are_counted_in_silence() {
    let mut bench = Bench::new(config(VI, 51));
    bench.actions.clear();
    bench.advert(&config(VI, 52), BELOW, 150);
    assert_eq!(bench.vrrp.stray().get(Reject::Vrid), 1);
    assert!(bench.actions.is_empty());
}

#[test]
fn early_wake_ups_do_nothing() {
    let mut bench = Bench::new(config(VI, 51));
    bench.actions.clear();
    for _ in 0..100 {
        bench.vrrp.handle_timeout(bench.now);
    }
    bench.drain();
    assert!(bench.actions.is_empty());
}
