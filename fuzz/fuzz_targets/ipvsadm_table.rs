//! A rule base behind ipvsadm's grammar, for the targets that fuzz it.

use xvs_ipvsadm::{Backend, BackendError, Face, NumericNames, Streams, run};
use xvs_types::{
    ConnectionListing, Counters, EffectiveMethod, Op, OpError, Rates, RealServerListing, Rule,
    Rules, SyncDaemon, Timeouts, VirtualServerId, VirtualServerListing,
};

/// The rule base.
#[derive(Default)]
pub struct Table(pub Rules);

/// What a program did.
pub struct Answer {
    /// Its exit status.
    pub status: u8,
    /// What it printed.
    pub stdout: Vec<u8>,
}

impl Table {
    /// Runs a program on the table.
    pub fn run(&mut self, face: Face, argv: &[String], mut stdin: &[u8]) -> Answer {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut streams = Streams {
            stdin: &mut stdin,
            stdout: &mut stdout,
            stderr: &mut stderr,
        };
        let status = run(face, argv, self, &NumericNames, &mut streams);
        // ipvsadm's own, and 255 for what the kernel refuses.
        assert!(matches!(status, 0 | 1 | 2 | 255), "status {status}");
        Answer { status, stdout }
    }

    /// Asserts that what is saved restores to the same rules.
    pub fn survives_save_and_restore(&mut self) {
        let words = |list: &[&str]| {
            list.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let save = words(&["ipvsadm-save", "-n", "--full-save"]);
        let saved = self.run(Face::Save, &save, b"");
        assert_eq!(saved.status, 0);
        let mut other = Self::default();
        let restored = other.run(Face::Restore, &words(&["ipvsadm-restore"]), &saved.stdout);
        let text = String::from_utf8_lossy(&saved.stdout);
        assert_eq!(restored.status, 0, "{text}");
        assert_eq!(other.run(Face::Save, &save, b"").stdout, saved.stdout);
    }
}

impl Backend for Table {
    fn open(&mut self, _instance: Option<&str>) -> Result<(), BackendError> {
        Ok(())
    }

    fn apply_each(&mut self, ops: &[Op]) -> Result<Vec<Result<(), OpError>>, BackendError> {
        Ok(ops.iter().map(|op| self.0.apply(op)).collect())
    }

    fn apply_all(&mut self, ops: &[Op]) -> Result<Result<(), (usize, OpError)>, BackendError> {
        Ok(self.0.apply_all(ops))
    }

    fn virtual_servers(
        &mut self,
        _counters: bool,
    ) -> Result<Vec<VirtualServerListing>, BackendError> {
        Ok(self.0.rules().iter().map(idle).collect())
    }

    fn virtual_server(
        &mut self,
        id: &VirtualServerId,
    ) -> Result<Option<VirtualServerListing>, BackendError> {
        Ok(self.0.rule(id).map(idle))
    }

    fn connections(
        &mut self,
        _visit: &mut dyn FnMut(ConnectionListing) -> bool,
    ) -> Result<(), BackendError> {
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        Ok(self.0.timeouts())
    }

    fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, BackendError> {
        Ok(self.0.sync_daemons().to_vec())
    }
}

/// A virtual server that no packet has met.
fn idle((config, real_servers): &Rule) -> VirtualServerListing {
    VirtualServerListing {
        config: config.clone(),
        counters: Counters::default(),
        rates: Rates::default(),
        real_servers: real_servers
            .iter()
            .rev()
            .map(|real_server| RealServerListing {
                config: *real_server,
                effective: EffectiveMethod::Configured(real_server.method),
                active: 0,
                inactive: 0,
                persistent: 0,
                counters: Counters::default(),
                rates: Rates::default(),
            })
            .collect(),
    }
}
