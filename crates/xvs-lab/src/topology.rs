//! Hosts, links between them, and their end.
//!
//! A [`Topology`] owns network namespaces and everything that runs in them. It writes down what it
//! is about to make, undoes it when it is dropped, and a topology whose maker was killed is undone
//! by the next one that is made.
//!
//! ```no_run
//! use xvs_lab::Topology;
//!
//! # fn main() -> Result<(), xvs_lab::LabError> {
//! let topology = Topology::new("ping")?;
//! let client = topology.host("client")?;
//! let server = topology.host("server")?;
//! topology.link((&client, "eth0"), (&server, "eth0"))?;
//! client.address("eth0", "192.0.2.1/24")?;
//! server.address("eth0", "192.0.2.2/24")?;
//! client.run("curl", &["--version"])?;
//! # Ok(())
//! # }
//! ```

use std::{
    collections::BTreeSet,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    End, Host, LabError, Namespace, Port, Wiring,
    ledger::{Ledger, Undo},
    namespace::ip,
};

/// A set of hosts that comes and goes as one.
#[derive(Debug)]
pub struct Topology {
    shared: Arc<Shared>,
    ended: bool,
}

/// What hosts share with their topology.
#[derive(Debug)]
pub(crate) struct Shared {
    ledger: Mutex<Ledger>,
    /// Both ends of every wire, with their namespaces.
    wires: Mutex<Vec<[(Port, Namespace); 2]>>,
    /// Ports of switches.
    switched: Mutex<BTreeSet<Port>>,
}

impl Topology {
    /// An empty topology for a test, named `NAME-PID`; its namespaces are `xvs-NAME-PID-HOST`.
    ///
    /// Topologies of tests that were killed are taken down first.
    ///
    /// # Errors
    ///
    /// Not root, or a topology of this name exists in this process.
    pub fn new(name: &str) -> Result<Self, LabError> {
        Self::named(&format!("{name}-{}", std::process::id()))
    }

    /// An empty topology with exactly this name; its namespaces are `xvs-NAME-HOST`. Topologies whose
    /// makers were killed, an earlier one of this name among them, are taken down first.
    pub(crate) fn named(name: &str) -> Result<Self, LabError> {
        require_root()?;
        sweep()?;
        let ledger = Mutex::new(Ledger::create(name)?);
        Ok(Self {
            shared: Arc::new(Shared {
                ledger,
                wires: Mutex::default(),
                switched: Mutex::default(),
            }),
            ended: false,
        })
    }

    /// Adds a host: a network namespace in which only the loopback link is there.
    ///
    /// # Errors
    ///
    /// The name is taken or longer than a file name may be, or the kernel refuses.
    pub fn host(&self, name: &str) -> Result<Host, LabError> {
        let topology = self.name();
        let namespace = format!("xvs-{topology}-{name}");
        self.note(|ledger| ledger.namespaces.push(namespace.clone()))?;
        Host::create(name, &namespace, &topology, Arc::clone(&self.shared))
    }

    /// Joins two hosts by a wire (a veth pair), both ends up. Each end is a host and the name its link
    /// shall have there, at most 15 characters.
    ///
    /// # Errors
    ///
    /// A link name is taken or too long.
    pub fn link(&self, one: (&Host, &str), other: (&Host, &str)) -> Result<(), LabError> {
        #[rustfmt::skip]
        ip(&[
            "link", "add", "name", one.1, "netns", one.0.namespace().name(),
            "type", "veth", "peer", "name", other.1, "netns", other.0.namespace().name(),
        ])?;
        one.0.ip(&["link", "set", one.1, "up"])?;
        other.0.ip(&["link", "set", other.1, "up"])?;
        let ends = [one, other].map(|(host, link)| (host.port(link), host.namespace().clone()));
        lock(&self.shared.wires).push(ends);
        Ok(())
    }

    /// Takes the folder of a daemon's instance, `RUNTIME/INSTANCE`, away with the topology: also what a
    /// daemon that was killed left mounted there. To be called before the daemon is started.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written.
    pub fn instance(&self, folder: PathBuf) -> Result<(), LabError> {
        self.note(|ledger| ledger.instances.push(folder))
    }

    /// Runs `program` with `arguments` and more `environment` when the topology goes down, before its
    /// hosts go. To be called before what it undoes is done.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written.
    pub fn undo(
        &self,
        program: PathBuf,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Result<(), LabError> {
        let undo = Undo {
            program,
            arguments,
            environment,
        };
        self.note(|ledger| ledger.undo.push(undo))
    }

    /// Every wire that was made, with the MAC addresses that its ends have now.
    ///
    /// # Errors
    ///
    /// A host does not say which links it has.
    pub fn wiring(&self) -> Result<Wiring, LabError> {
        let mut wiring = Wiring::default();
        for wire in lock(&self.shared.wires).iter() {
            let [one, other] = wire;
            for (near, far) in [(one, other), (other, one)] {
                let (port, namespace) = near;
                let end = End {
                    mac: namespace.mac(&port.link)?,
                    far: far.0.clone(),
                    switched: lock(&self.shared.switched).contains(port),
                };
                wiring.add(port.clone(), end);
            }
        }
        Ok(wiring)
    }

    /// Takes everything down.
    ///
    /// # Errors
    ///
    /// Something could not be undone; the rest is.
    pub fn down(mut self) -> Result<(), LabError> {
        self.ended = true;
        self.shared.ledger().settle()
    }

    /// Leaves everything as it is: only `xvs lab down` takes it down then.
    ///
    /// # Errors
    ///
    /// The ledger cannot be written.
    pub fn keep(mut self) -> Result<(), LabError> {
        self.ended = true;
        self.note(|ledger| ledger.swept = false)
    }

    /// Its name, with the process id that [`Topology::new`] appends.
    #[must_use]
    pub fn name(&self) -> String {
        self.shared.ledger().name.clone()
    }

    /// Writes down what is about to be made.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Ledger)) -> Result<(), LabError> {
        self.shared.ledger().note(change)
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Err(error) = self.shared.ledger().settle() {
            // There is nobody to answer to; what is left is still in the ledger.
            let name = self.name();
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!("topology `{name}` was not taken down: {error}\n"),
            );
        }
    }
}

impl Shared {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Remembers that a link is the port of a switch.
    pub(crate) fn switch(&self, port: Port) {
        lock(&self.switched).insert(port);
    }
}

/// What a lock guards is whole after every statement: a panic of another thread does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes down the topologies whose maker is gone without having kept them.
fn sweep() -> Result<(), LabError> {
    for ledger in Ledger::all()? {
        if ledger.swept && !ledger.owner.is_alive() {
            ledger.settle()?;
        }
    }
    Ok(())
}

/// Answers an error unless this process has the rights of root.
pub(crate) fn require_root() -> Result<(), LabError> {
    let status = fs::read_to_string("/proc/self/status")
        .map_err(LabError::file("read", "/proc/self/status"))?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().nth(1));
    match effective {
        Some("0") => Ok(()),
        _ => Err(LabError::NotRoot),
    }
}
