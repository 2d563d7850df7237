//! What moves a priority or stops a virtual router: links, trackers, addresses that somebody removes.

use xvs_vrrp::{Action, Link, NotifyKind, Reason, State, Track, TrackWeight, TrackerStatus};

use crate::bench::{BELOW, Bench, OURS, UP, config, kinds, ms, name, priority};

const VI: &str = "VI";

#[test]
fn without_an_address_to_send_from_it_is_in_fault() {
    let mut bench = Bench::new(config(VI, 51));
    bench.link(Link { v4: None, ..UP });
    assert_eq!(
        bench.status().reason,
        Reason::NoSourceAddress {
            interface: name("eth0")
        }
    );
    bench.link(UP);
    assert_eq!(bench.state(), State::Backup);
    assert_eq!(bench.status().source, Some(OURS.into()));
}

fn tracked(weight: i16, reverse: bool) -> Track {
    Track {
        tracker: name("chk"),
        weight: TrackWeight::new(weight).unwrap(),
        reverse,
    }
}

#[test]
fn it_waits_in_silence_for_the_first_report_of_a_tracker() {
    let mut settings = config(VI, 51);
    settings.tracks = vec![tracked(0, false)];
    let mut bench = Bench::new(settings);
    bench.pass(ms(5000));
    assert_eq!(bench.state(), State::Init);
    assert!(bench.actions.is_empty());
    bench
        .vrrp
        .handle_tracker(bench.now, "chk", TrackerStatus::Up);
    bench.drain();
    assert_eq!(bench.state(), State::Backup);
    bench
        .vrrp
        .handle_tracker(bench.now, "chk", TrackerStatus::Down);
    bench.drain();
    assert_eq!(
        bench.status().reason,
        Reason::TrackerDown {
            tracker: name("chk")
        }
    );
    assert_eq!(kinds(&bench), [NotifyKind::Backup, NotifyKind::Fault]);
}

#[test]
fn a_weight_moves_the_priority_and_the_running_wait_by_the_skew() {
    let mut settings = config(VI, 51);
    settings.tracks = vec![tracked(-50, false)];
    settings.notify_priority_changes = true;
    let mut bench = Bench::new(settings);
    let before = bench.vrrp.poll_timeout().unwrap();
    bench
        .vrrp
        .handle_tracker(bench.now, "chk", TrackerStatus::Down);
    bench.drain();
    assert_eq!(bench.status().priority, priority(50));
    let moved = bench.vrrp.poll_timeout().unwrap() - before;
    assert_eq!(moved, ms(100) * 206 / 256 - ms(100) * 156 / 256);
    assert!(
        bench
            .log()
            .contains(&"Changing effective priority from 100 to 50".to_owned())
    );
    assert_eq!(
        kinds(&bench),
        [NotifyKind::Backup, NotifyKind::BackupPriority]
    );
}

#[test]
fn a_master_whose_priority_falls_is_preempted_by_its_backup() {
    let mut settings = config(VI, 51);
    settings.tracks = vec![tracked(-60, false)];
    let mut bench = Bench::master(settings.clone());
    bench
        .vrrp
        .handle_tracker(bench.now, "chk", TrackerStatus::Down);
    bench.drain();
    bench.pass(ms(100));
    assert_eq!(bench.adverts().last().unwrap().1, 40);
    bench.advert(&settings, BELOW, 90);
    assert_eq!(bench.state(), State::Backup);
}

#[test]
fn lost_addresses_are_put_back_without_an_election_once_a_second() {
    let mut bench = Bench::master(config(VI, 51));
    let taken = |bench: &Bench| {
        bench
            .actions
            .iter()
            .filter(|(_, action)| matches!(action, Action::TakeAddresses { .. }))
            .count()
    };
    for _ in 0..10 {
        bench.vrrp.handle_addresses_lost(bench.now, VI);
        bench.drain();
    }
    assert_eq!(taken(&bench), 1);
    bench.pass(ms(1000));
    assert_eq!(taken(&bench), 2);
    assert_eq!(bench.state(), State::Master);
    assert!(kinds(&bench).is_empty());
}
