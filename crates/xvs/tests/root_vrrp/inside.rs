//! A daemon with virtual routers on the link `client` of a place; frames come out of `server`.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::{Daemon, Place, wait_until};

/// The address of a virtual router.
pub(crate) const VIP: &str = "10.99.0.100";

/// A place whose link `client` has 10.99.0.1, and a configuration in it.
pub(crate) struct Inside {
    pub(crate) place: Place,
    pub(crate) folder: tempfile::TempDir,
}

impl Inside {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        place.ip("addr add 10.99.0.1/24 dev client");
        Self {
            place,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts the daemon with a configuration.
    pub(crate) fn daemon(&self, configuration: &str) -> Daemon {
        self.place.daemon(&["-f", &self.write(configuration)])
    }

    /// The same for one whose log nobody keeps: it may be long.
    pub(crate) fn daemon_in_silence(&self, configuration: &str) -> Daemon {
        let mut command = self.place.tool(env!("CARGO_BIN_EXE_xvs"));
        command.args(["run", "--simulate", "-f", &self.write(configuration)]);
        let daemon = Daemon::spawn_in_silence(&mut command);
        wait_until("the daemon", || {
            self.place.xvs(&["hook", "show"]).status.success()
        });
        daemon
    }

    fn write(&self, configuration: &str) -> String {
        let path = self.folder.path().join("keepalived.conf");
        fs::write(&path, configuration).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The first virtual router as `xvs vrrp status` has it.
    pub(crate) fn router(&self) -> Value {
        let text = self.place.done(&["vrrp", "status", "--json"]);
        let mut status: Value = serde_json::from_str(&text).unwrap();
        status["routers"][0].take()
    }

    pub(crate) fn wait_for_state(&self, state: &str) {
        wait_until(state, || self.router()["state"] == state);
    }

    pub(crate) fn has_vip(&self) -> bool {
        self.place.ip("-o addr show").contains(VIP)
    }

    /// Sends a frame out of `server`, so that it comes in by `client`.
    pub(crate) fn send(&self, frame: &[u8]) {
        let frame: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        let program = "import socket,sys; s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); \
                       s.bind(('server',0)); s.send(bytes.fromhex(sys.argv[1]))";
        let mut command: Command = self.place.tool("python3");
        let output = command.args(["-c", program, &frame]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// A version 3 virtual router at 0.1 s with these lines.
pub(crate) fn fast(priority: u8, lines: &str) -> String {
    format!(
        "vrrp_instance VI {{\n state BACKUP\n interface client\n virtual_router_id 51\n version 3\n \
         advert_int 0.1\n priority {priority}\n {lines}\n virtual_ipaddress {{\n {VIP}/24\n }}\n}}\n"
    )
}
