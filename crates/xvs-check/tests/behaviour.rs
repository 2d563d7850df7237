//! What recordings do not show.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use support::{SECOND, World, checker, nat, real_server, sorry, virtual_server};
use xvs_check::{Action, Checks, Kind, Outcome, Release, Share};
use xvs_types::{ForwardingMethod, Op, VirtualServer, VirtualServerId};

#[test]
fn one_failed_checker_takes_the_server_out_and_all_must_succeed_to_bring_it_back() {
    let mut server = real_server(1, 1);
    server.checkers.push(checker(2, Kind::Tcp));
    let mut world = World::new(&[1, 2]);
    world.configure(vec![virtual_server(vec![server])]);
    world.pass(2 * SECOND);
    world.down(2);
    world.pass(3 * SECOND);
    assert_eq!(world.pool(), []);
    world.down(1);
    world.up(2);
    world.pass(3 * SECOND);
    assert_eq!(world.pool(), []);
    world.up(1);
    world.pass(3 * SECOND);
    assert_eq!(world.pool(), [(1, 1)]);
}

#[test]
fn an_inhibited_sorry_server_stays_with_weight_0() {
    let mut config = virtual_server(vec![real_server(1, 1)]);
    let mut inhibited = sorry(9);
    inhibited.inhibit = true;
    config.sorry_server = Some(inhibited);
    let mut world = World::new(&[]);
    world.configure(vec![config]);
    assert_eq!(world.pool(), [(1, 1), (9, 0)]);
    world.pass(2 * SECOND);
    assert_eq!(world.pool(), [(9, 1)]);
    world.up(1);
    world.pass(2 * SECOND);
    assert_eq!(world.pool(), [(9, 0), (1, 1)]);
}

#[test]
fn a_virtual_server_without_its_address_is_not_checked() {
    let mut config = virtual_server(vec![real_server(1, 1)]);
    config.ha_suspend = true;
    let mut world = World::new(&[]);
    world.configure(vec![config]);
    world.pass(10 * SECOND);
    assert!(world.runs.is_empty());
    assert_eq!(world.pool(), [(1, 1)]);
    let here = BTreeSet::from(["10.98.0.100".parse().unwrap()]);
    world
        .checks
        .handle_addresses(here, world.now, &mut |warmup| warmup);
    world.pass(3 * SECOND);
    assert_eq!(world.pool(), []);
    let runs = world.runs.len();
    world
        .checks
        .handle_addresses(BTreeSet::new(), world.now, &mut |warmup| warmup);
    world.pass(10 * SECOND);
    assert_eq!((runs, world.pool()), (world.runs.len(), vec![]));
    world.act();
    let said: Vec<&str> = world
        .logged
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        said[1..],
        ["Activating", "TCP_CHECK", "Removing", "Lost", "Suspending"]
    );
}

#[test]
fn every_rule_of_a_group_gets_the_same_changes_in_one_batch() {
    let mut config = virtual_server(vec![real_server(1, 1), real_server(2, 1)]);
    let other = VirtualServerId::tcp("10.98.0.101:81".parse().unwrap());
    config.rules.push(VirtualServer::new(other));
    let mut world = World::new(&[2]);
    world.configure(vec![config]);
    assert_eq!(world.rules.rules().len(), 2);
    world.ops.clear();
    world.pass(2 * SECOND);
    assert_eq!(world.ops.len(), 2);
    assert_eq!(world.pool(), [(2, 1), (2, 1)]);
}

#[test]
fn servers_that_direct_routing_makes_the_same_are_one_while_either_is_up() {
    let servers = [1, 2].map(|port| {
        let mut server = real_server(port, 1);
        server.server.method = ForwardingMethod::Direct;
        server
    });
    let mut world = World::new(&[1, 2]);
    world.configure(vec![virtual_server(servers.to_vec())]);
    assert_eq!(world.pool(), [(80, 1)]);
    world.down(1);
    world.pass(4 * SECOND);
    assert_eq!(world.pool(), [(80, 1)]);
    world.down(2);
    world.pass(4 * SECOND);
    assert_eq!(world.pool(), []);
}

#[test]
fn a_failed_server_that_loses_its_checkers_comes_back() {
    let mut world = World::new(&[]);
    world.configure(vec![virtual_server(vec![real_server(1, 1)])]);
    world.pass(2 * SECOND);
    assert_eq!(world.pool(), []);
    let mut server = real_server(1, 1);
    server.checkers.clear();
    world.configure(vec![virtual_server(vec![server])]);
    assert_eq!(world.pool(), [(1, 1)]);
    assert_eq!(world.notified.last().unwrap(), "VS [10.98.0.100]:tcp:80 UP");
    assert_eq!(world.checks.poll_timeout(), None);
}

#[test]
fn a_late_or_unasked_result_changes_nothing() {
    let mut checks = Checks::new(BTreeSet::new(), false);
    let now = std::time::Instant::now();
    let config = virtual_server(vec![real_server(1, 1)]);
    checks.configure(vec![config], now, &mut |_| std::time::Duration::ZERO);
    while checks.poll_action().is_some() {}
    checks.handle_timeout(now + SECOND);
    let Some(Action::Run { checker, url: 0 }) = checks.poll_action() else {
        panic!("the first check is due");
    };
    let failure = || Outcome::Failure("late".to_owned());
    checks.handle_result(checker, Outcome::Success(Share::Configured), now + SECOND);
    while checks.poll_action().is_some() {}
    checks.handle_result(checker, failure(), now + SECOND);
    assert_eq!(checks.poll_action(), None);
    checks.handle_timeout(now + 3 * SECOND);
    checks.poll_action();
    checks.configure(Vec::new(), now, &mut |warmup| warmup);
    let actions: Vec<Action> = std::iter::from_fn(|| checks.poll_action()).collect();
    assert!(actions.contains(&Action::Cancel(checker)), "{actions:?}");
    checks.handle_result(checker, failure(), now);
    assert_eq!(checks.poll_action(), None);
}

#[test]
fn the_end_leaves_what_it_is_told_to_leave() {
    for (release, count) in [
        (Release::Everything, 2),
        (Release::Rules, 1),
        (Release::Nothing, 0),
    ] {
        let mut world = World::new(&[1]);
        world.configure(vec![virtual_server(vec![real_server(1, 1)])]);
        world.ops.clear();
        world.checks.stop(release);
        world.act();
        assert_eq!(world.ops.len(), count);
        assert!(world.notified.len() == 1, "no omega, no notification");
    }
}

#[test]
fn a_file_adds_to_the_weight() {
    let mut world = World::new(&[]);
    world.answers.insert(1, Share::Add(-30));
    world.configure(vec![virtual_server(vec![real_server(1, 20)])]);
    world.pass(2 * SECOND);
    assert_eq!(world.pool(), [(1, 0)]);
    world.answers.insert(1, Share::Add(5));
    world.pass(2 * SECOND);
    let wanted = Op::EditRealServer {
        virtual_server: VirtualServerId::tcp("10.98.0.100:80".parse().unwrap()),
        real_server: nat(1, 25),
    };
    assert_eq!(world.ops.last(), Some(&wanted));
}

#[test]
fn a_failure_that_is_tried_again_is_logged_when_that_is_asked_for() {
    for asked in [false, true] {
        let mut server = real_server(1, 1);
        server.checkers[0].log_all_failures = asked;
        let mut world = World::new(&[1]);
        world.configure(vec![virtual_server(vec![server])]);
        world.pass(2 * SECOND);
        world.down(1);
        world.pass(10 * SECOND);
        let once = "TCP connection to [127.0.0.1]:tcp:1 failed. (";
        let lines = world.logged.iter().filter(|line| line.starts_with(once));
        // Not the last one, which is told anyway, and not those while it is down.
        assert_eq!(lines.count(), usize::from(asked), "{:?}", world.logged);
    }
}
