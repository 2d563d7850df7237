//! From a command to ops, queries and an exit status.

use std::io;

use xvs_types::{Op, OpError, Timeouts, VirtualServerId};

use crate::{
    backend::{Backend, BackendError},
    command::{Command, List, Listed},
    face::Streams,
    help, listing,
    message::{self, NAME_UNKNOWN, NO_SUCH_SERVICE},
    names::Names,
    parse::{REFUSED, USAGE},
    restore,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    /// Whether it ends `-R`, rather than only its line.
    pub(crate) stops: bool,
}

impl Outcome {
    /// Done; what comes next may come.
    pub(crate) const DONE: Self = Self {
        status: 0,
        stops: false,
    };
    /// The kernel refused; what comes next may come.
    pub(crate) const REFUSED: Self = Self {
        status: REFUSED,
        stops: false,
    };

    /// The end of the program.
    pub(crate) fn exit(status: u8) -> Self {
        Self {
            status,
            stops: true,
        }
    }
}

/// Why a command gave nothing: written to standard error where the command ends.
enum Trouble {
    Backend(BackendError),
    Stream(io::Error),
}

impl From<BackendError> for Trouble {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

/// Executes commands, one after the other.
pub(crate) struct Session<'a> {
    pub(crate) program: &'a str,
    pub(crate) names: &'a dyn Names,
    backend: &'a mut dyn Backend,
    /// Why the backend could not be reached.
    closed: Option<BackendError>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        program: &'a str,
        backend: &'a mut dyn Backend,
        names: &'a dyn Names,
        closed: Option<BackendError>,
    ) -> Self {
        Self {
            program,
            names,
            backend,
            closed,
        }
    }

    /// Runs one command.
    pub(crate) fn run(
        &mut self,
        command: Command,
        streams: &mut Streams<'_>,
    ) -> io::Result<Outcome> {
        let result = match command {
            Command::Help => {
                write!(
                    streams.stdout,
                    "{}{}",
                    help::VERSION,
                    help::usage(self.program)
                )?;
                return Ok(Outcome::exit(0));
            }
            Command::Version => {
                streams.stdout.write_all(help::VERSION.as_bytes())?;
                return Ok(Outcome::exit(0));
            }
            Command::Restore { atomic: true } => {
                return restore::atomic(self, None, restore::keep_all, streams);
            }
            Command::Restore { atomic: false } => {
                return restore::line_by_line(self, restore::keep_all, streams);
            }
            Command::Apply(op) => self.apply(&[op], streams),
            Command::List(list) => self.list(list, streams),
            Command::NameUnknown { id, edit } => self.name_unknown(id, edit, streams),
            Command::Save { numeric, full } => self.save(numeric, full, streams),
            Command::SetTimeouts { tcp, tcp_fin, udp } => {
                self.timeouts().map_err(Trouble::from).and_then(|now| {
                    let timeouts = Timeouts {
                        tcp: tcp.unwrap_or(now.tcp),
                        tcp_fin: tcp_fin.unwrap_or(now.tcp_fin),
                        udp: udp.unwrap_or(now.udp),
                    };
                    self.apply(&[Op::SetTimeouts { timeouts }], streams)
                })
            }
        };
        end(result, streams)
    }

    /// Applies ops one by one and says which were refused; the outcome is the last one's.
    pub(crate) fn apply_each(
        &mut self,
        ops: &[Op],
        streams: &mut Streams<'_>,
    ) -> io::Result<Outcome> {
        let result = self.apply(ops, streams);
        end(result, streams)
    }

    /// Applies all ops or none.
    pub(crate) fn apply_all(
        &mut self,
        ops: &[Op],
    ) -> Result<Result<(), (usize, OpError)>, BackendError> {
        self.backend()?.apply_all(ops)
    }

    /// The timeouts in force.
    pub(crate) fn timeouts(&mut self) -> Result<Timeouts, BackendError> {
        self.backend()?.timeouts()
    }

    fn apply(&mut self, ops: &[Op], streams: &mut Streams<'_>) -> Result<Outcome, Trouble> {
        let results = self.backend()?.apply_each(ops)?;
        let mut outcome = Outcome::DONE;
        for (op, result) in ops.iter().zip(&results) {
            outcome = match result {
                Ok(()) => Outcome::DONE,
                Err(error) => {
                    writeln!(streams.stderr, "{}", message::refusal(op, error))?;
                    Outcome::REFUSED
                }
            };
        }
        Ok(outcome)
    }

    fn name_unknown(
        &mut self,
        id: VirtualServerId,
        edit: bool,
        streams: &mut Streams<'_>,
    ) -> Result<Outcome, Trouble> {
        let exists = self.backend()?.virtual_server(&id)?.is_some();
        let text = match (edit, exists) {
            (true, false) => NO_SUCH_SERVICE,
            (false, true) => "Service already exists",
            _ => NAME_UNKNOWN,
        };
        writeln!(streams.stderr, "{text}")?;
        Ok(Outcome::REFUSED)
    }

    fn save(
        &mut self,
        numeric: bool,
        full: bool,
        streams: &mut Streams<'_>,
    ) -> Result<Outcome, Trouble> {
        let virtual_servers = self.backend()?.virtual_servers(false)?;
        let text = listing::save(virtual_servers, numeric, full, self.names);
        streams.stdout.write_all(text.as_bytes())?;
        Ok(Outcome::DONE)
    }

    fn list(&mut self, list: List, streams: &mut Streams<'_>) -> Result<Outcome, Trouble> {
        let style = list.style;
        let names = self.names;
        let backend = self.backend()?;
        let text = match list.what {
            Listed::All => listing::all(
                backend.virtual_servers(style.needs_counters())?,
                style,
                names,
            ),
            Listed::One(id) => {
                let Some(found) = backend.virtual_server(&id)? else {
                    writeln!(streams.stderr, "{NO_SUCH_SERVICE}")?;
                    return Ok(Outcome::exit(1));
                };
                listing::one(found, style, names)
            }
            Listed::Timeouts => listing::timeouts(backend.timeouts()?, style),
            Listed::Daemons => listing::daemons(&backend.sync_daemons()?, style),
            Listed::Connections => {
                listing::connections(backend, style, names, streams.stdout)??;
                return Ok(Outcome::DONE);
            }
        };
        streams.stdout.write_all(text?.as_bytes())?;
        Ok(Outcome::DONE)
    }

    fn backend(&mut self) -> Result<&mut dyn Backend, BackendError> {
        match &self.closed {
            Some(error) => Err(error.clone()),
            None => Ok(self.backend),
        }
    }
}

fn end(result: Result<Outcome, Trouble>, streams: &mut Streams<'_>) -> io::Result<Outcome> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(Trouble::Stream(error)) => Err(error),
        Err(Trouble::Backend(error)) => out_of_reach(&error, streams),
    }
}

/// Says that the dataplane could not be asked; nothing more can be done.
pub(crate) fn out_of_reach(error: &BackendError, streams: &mut Streams<'_>) -> io::Result<Outcome> {
    writeln!(streams.stderr, "{error}")?;
    Ok(Outcome::exit(USAGE))
}
