//! From arguments to a [`Command`], with ipvsadm's faults in ipvsadm's order.
//!
//! The order is: values in the order of the command line, then what popt finds wrong, then the three
//! values of `--set`, a word too many, the scheduler's flags, the options of the command, and last
//! how the settings fit together.

mod address;
mod check;
mod draft;
mod finish;
mod flags;
mod number;

use crate::{
    command::{Columns, Command, List, Listed, Style},
    lexer::{Lexer, Token},
    names::Names,
    options::{Switch, Word},
};

use draft::Draft;

/// Exit status of a wrong command line.
pub(crate) const USAGE: u8 = 2;
/// Exit status of what the kernel or popt refused: -1, as `exit` cuts it.
pub(crate) const REFUSED: u8 = 255;

/// Why there is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// For standard error, without the last newline.
    pub(crate) message: String,
    pub(crate) status: u8,
    /// Whether it ends `-R`, rather than only its line.
    pub(crate) stops: bool,
}

impl Refusal {
    fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            status: USAGE,
            stops: true,
        }
    }

    pub(crate) fn try_help(program: &str) -> Self {
        Self {
            message: format!("Try `{program} -h' or '{program} --help' for more information."),
            status: REFUSED,
            stops: true,
        }
    }
}

/// The value of `--instance`, wherever it stands; the last one counts.
pub(crate) fn instance(arguments: &[String]) -> Option<&str> {
    let mut lexer = Lexer::new(arguments);
    let mut instance = None;
    while let Ok(Some((switch, value))) = lexer.next() {
        if switch == Switch::Instance {
            instance = value;
        }
    }
    instance
}

/// The command that `arguments` (without the program's name) give.
///
/// `restoring` says that they are a line of `-R`, which may hold neither `-R` nor `--instance`.
pub(crate) fn parse(
    program: &str,
    arguments: &[String],
    names: &dyn Names,
    restoring: bool,
) -> Result<Command, Refusal> {
    let mut lexer = Lexer::new(arguments);
    let mut past_instance = false;
    let (switch, value) = loop {
        match lexer.next() {
            Ok(Some((Switch::Instance, _))) if !restoring => past_instance = true,
            Ok(Some(token)) => break token,
            // `--instance NAME` alone lists, as no argument at all does.
            Ok(None) if past_instance && lexer.words().is_empty() => return Ok(list_all()),
            Ok(None) | Err(_) => return Err(Refusal::try_help(program)),
        }
    };
    let word = match switch {
        Switch::Help => return Ok(Command::Help),
        Switch::Version => return Ok(Command::Version),
        switch => command_word(switch).ok_or_else(|| Refusal::try_help(program))?,
    };
    let mut draft = Draft::new(word);
    draft.role(value)?;
    loop {
        match lexer.next() {
            Ok(None) => break,
            Ok(Some((Switch::Instance, _))) if restoring => {
                return Err(Refusal::usage(
                    "`--instance' cannot stand in a restored line",
                ));
            }
            Ok(Some((Switch::Instance, _))) => {}
            Ok(Some(token)) => take(&mut draft, token, &lexer, names)?,
            Err(error) => {
                return Err(Refusal {
                    message: format!("{}: {error}", lexer.blamed()),
                    status: REFUSED,
                    stops: false,
                });
            }
        }
    }
    finish::finish(draft, lexer.words())
}

/// What no argument at all means.
pub(crate) fn list_all() -> Command {
    Command::List(List {
        what: Listed::All,
        style: Style {
            columns: Columns::Plain,
            ..Style::default()
        },
    })
}

fn take(
    draft: &mut Draft,
    (switch, value): Token<'_>,
    lexer: &Lexer<'_>,
    names: &dyn Names,
) -> Result<(), Refusal> {
    let is_command = command_word(switch).is_some();
    if is_command || matches!(switch, Switch::Help | Switch::Version) {
        return Err(Refusal::usage(format!(
            "invalid option `{}'",
            lexer.blamed()
        )));
    }
    draft.take(switch, value, names)
}

fn command_word(switch: Switch) -> Option<Word> {
    Some(match switch {
        Switch::AddService => Word::AddService,
        Switch::EditService => Word::EditService,
        Switch::DeleteService => Word::DeleteService,
        Switch::Clear => Word::Flush,
        Switch::List => Word::List,
        Switch::AddServer => Word::AddServer,
        Switch::DeleteServer => Word::DeleteServer,
        Switch::EditServer => Word::EditServer,
        Switch::Set => Word::Set,
        Switch::StartDaemon => Word::StartDaemon,
        Switch::StopDaemon => Word::StopDaemon,
        Switch::Restore => Word::Restore,
        Switch::Save => Word::Save,
        Switch::Zero => Word::Zero,
        _ => return None,
    })
}
