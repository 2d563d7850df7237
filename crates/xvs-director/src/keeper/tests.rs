//! The order of file and dataplane, with a simulated dataplane.

use std::{fs, path::PathBuf};

use xvs_dataplane::Simulated;
use xvs_types::{
    Endpoint, ForwardingMethod, RealServer, Timeouts, VirtualServer, VirtualServerId, Weight,
};

use super::*;

struct Setting {
    simulated: Simulated,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            simulated: Simulated::new(),
            path: folder.path().join("state.json"),
            _folder: folder,
        }
    }

    fn file(&self) -> StateFile {
        StateFile::new(self.path.clone())
    }

    fn keeper(&self) -> Keeper {
        let (keeper, refusals) =
            Keeper::open(Box::new(self.simulated.clone()), self.file()).unwrap();
        assert_eq!(refusals, Vec::<String>::new());
        keeper
    }

    fn rules_on_disk(&self) -> Rules {
        self.file().load().unwrap().unwrap().rules
    }

    fn rules_in_dataplane(&self) -> Rules {
        self.simulated.state().rules.clone()
    }
}

fn id(port: u16) -> VirtualServerId {
    VirtualServerId::tcp(Endpoint::new("192.0.2.1".parse().unwrap(), port))
}

fn add(port: u16) -> Op {
    Op::AddVirtualServer {
        virtual_server: VirtualServer::new(id(port)),
    }
}

fn add_real_server(port: u16, last: u8) -> Op {
    let address = std::net::Ipv4Addr::new(10, 0, 0, last).into();
    Op::AddRealServer {
        virtual_server: id(port),
        real_server: RealServer {
            method: ForwardingMethod::Nat,
            ..RealServer::new(Endpoint::new(address, 80))
        },
    }
}

#[test]
fn a_batch_is_in_the_file_and_in_the_dataplane() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    let results = keeper.apply(&[add(80), add_real_server(80, 1)], Atomicity::AllOrNothing);
    assert_eq!(results, [Ok(()), Ok(())]);
    assert_eq!(setting.rules_on_disk(), setting.rules_in_dataplane());
    assert_eq!(setting.rules_on_disk().rules().len(), 1);
}

#[test]
fn an_atomic_batch_with_a_refused_op_changes_nothing() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    let results = keeper.apply(&[add(80), add(80), add(81)], Atomicity::AllOrNothing);
    assert_eq!(
        results,
        [Ok(()), Err(OpError::VirtualServerExists { id: id(80) })]
    );
    assert_eq!(setting.rules_in_dataplane(), Rules::new());
    assert_eq!(setting.rules_on_disk(), Rules::new());
}

#[test]
fn one_by_one_the_others_are_applied() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    let results = keeper.apply(&[add(80), add(80), add(81)], Atomicity::OneByOne);
    assert!(results[0].is_ok() && results[1].is_err() && results[2].is_ok());
    assert_eq!(setting.rules_in_dataplane().rules().len(), 2);
    assert_eq!(setting.rules_on_disk(), setting.rules_in_dataplane());
}

#[test]
fn what_cannot_be_written_does_not_reach_the_dataplane() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    // Folders in the way of both files, as a full disk would be.
    fs::create_dir(setting.path.with_extension("journal-1")).unwrap();
    fs::create_dir(setting.path.with_extension("json.new")).unwrap();
    let results = keeper.apply(&[add(80)], Atomicity::AllOrNothing);
    assert!(matches!(results[..], [Err(OpError::System { .. })]));
    let results = keeper.apply(&[add(80), add(81)], Atomicity::OneByOne);
    assert!(results.len() == 2 && results.iter().all(Result::is_err));
    assert_eq!(setting.rules_in_dataplane(), Rules::new());
    assert_eq!(keeper.state().rules, Rules::new());
    fs::remove_dir(setting.path.with_extension("json.new")).unwrap();
    assert_eq!(keeper.apply(&[add(80)], Atomicity::OneByOne), [Ok(())]);
    assert_eq!(setting.rules_on_disk(), setting.rules_in_dataplane());
}

#[test]
fn who_follows_the_rules_hears_of_those_that_changed() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    keeper.apply(&[add(80), add(81)], Atomicity::AllOrNothing);
    let RuleChanges::All(rules) = keeper.take_changes() else {
        panic!("everything is new at first")
    };
    assert_eq!(rules.len(), 2);
    assert_eq!(keeper.take_changes(), RuleChanges::Some(Vec::new()));
    keeper.apply(
        &[Op::DeleteVirtualServer { id: id(80) }],
        Atomicity::AllOrNothing,
    );
    assert_eq!(
        keeper.take_changes(),
        RuleChanges::Some(vec![(id(80), None)])
    );
    keeper.apply(&[add_real_server(81, 1)], Atomicity::AllOrNothing);
    let RuleChanges::Some(changes) = keeper.take_changes() else {
        panic!("one virtual server changed")
    };
    assert_eq!(changes[0].0, id(81));
    assert_eq!(changes[0].1.as_ref().unwrap().1.len(), 1);
    keeper.apply(&[Op::Flush], Atomicity::AllOrNothing);
    assert_eq!(keeper.take_changes(), RuleChanges::All(Vec::new()));
}

#[test]
fn what_the_dataplane_refuses_leaves_the_file_again() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    keeper.apply(&[add(80)], Atomicity::AllOrNothing);
    let full = OpError::Full {
        what: "virtual server".to_owned(),
        limit: 1,
    };
    setting.simulated.state().failing = Some(full.clone());
    for atomicity in [Atomicity::AllOrNothing, Atomicity::OneByOne] {
        assert_eq!(keeper.apply(&[add(81)], atomicity), [Err(full.clone())]);
        assert_eq!(setting.rules_on_disk(), setting.rules_in_dataplane());
        assert_eq!(keeper.state().rules.rules().len(), 1);
    }
}

#[test]
fn a_new_daemon_finishes_what_was_written_and_not_yet_done() {
    let setting = Setting::new();
    drop(setting.keeper());
    // The last daemon wrote the file and was killed before it changed the maps.
    let mut state = State::default();
    let timeouts = Timeouts {
        tcp: std::time::Duration::from_secs(60),
        ..Timeouts::default()
    };
    let ops = [
        Op::SetTimeouts { timeouts },
        Op::SetSetting {
            setting: xvs_types::Setting::DropEntry,
            value: 3,
        },
        add(80),
        add_real_server(80, 1),
        add_real_server(80, 2),
    ];
    state.rules.apply_all(&ops).unwrap();
    setting.file().store(&state).unwrap();
    // In the maps there is an older rule that the file has no more.
    let older = Op::SetSetting {
        setting: xvs_types::Setting::SloppyTcp,
        value: 1,
    };
    let held = [add(443), older];
    setting.simulated.state().rules.apply_all(&held).unwrap();
    drop(setting.keeper());
    assert_eq!(setting.rules_in_dataplane(), state.rules);
}

#[test]
fn without_a_file_the_rules_of_the_dataplane_are_kept() {
    let setting = Setting::new();
    setting
        .simulated
        .state()
        .rules
        .apply_all(&[add(80), add_real_server(80, 1)])
        .unwrap();
    let keeper = setting.keeper();
    assert_eq!(keeper.state().rules, setting.rules_in_dataplane());
    assert_eq!(setting.rules_on_disk(), setting.rules_in_dataplane());
}

#[test]
fn zeroing_writes_nothing() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    keeper.apply(&[add(80)], Atomicity::AllOrNothing);
    fs::remove_file(&setting.path).unwrap();
    let zero = Op::Zero { id: Some(id(80)) };
    assert_eq!(keeper.apply(&[zero], Atomicity::AllOrNothing), [Ok(())]);
    assert!(!setting.path.exists());
}

#[test]
fn an_edit_survives_a_restart() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    let Op::AddRealServer {
        virtual_server,
        real_server,
    } = add_real_server(80, 1)
    else {
        panic!()
    };
    let quiesced = RealServer {
        weight: Weight::QUIESCED,
        ..real_server
    };
    let edit = Op::EditRealServer {
        virtual_server,
        real_server: quiesced,
    };
    let ops = [add(80), add_real_server(80, 1), edit];
    assert!(
        keeper
            .apply(&ops, Atomicity::AllOrNothing)
            .iter()
            .all(Result::is_ok)
    );
    drop(keeper);
    let keeper = setting.keeper();
    assert_eq!(keeper.state().rules.rules()[0].1, [quiesced]);
}

#[test]
fn a_sync_daemon_needs_an_interface_that_is_there() {
    let setting = Setting::new();
    let mut keeper = setting.keeper();
    let start = |interface: &str| Op::StartSyncDaemon {
        daemon: xvs_types::SyncDaemon {
            role: SyncRole::Master,
            interface: interface.to_owned(),
            sync_id: 0,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        },
    };
    let missing = OpError::InterfaceMissing {
        interface: "no-such-link".to_owned(),
    };
    assert_eq!(
        keeper.apply(&[start("no-such-link")], Atomicity::OneByOne),
        [Err(missing)]
    );
    assert_eq!(keeper.apply(&[start("lo")], Atomicity::OneByOne), [Ok(())]);
}
