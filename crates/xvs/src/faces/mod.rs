//! The old faces: `ipvsadm` and the scripts around it, `keepalived` and `genhash`, by name or as a sub-command.
//!
//! What ipvsadm says and does is `xvs-ipvsadm`'s; here it gets a daemon to talk to, the names of hosts
//! and services, and the streams of this process.

mod collector;
mod daemon;
mod genhash;
mod keepalived;
mod names;

use std::{
    ffi::{OsStr, OsString},
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::bail;
use clap::Args;
use xvs_ipvsadm::{Face, Streams};
use xvs_types::Op;

use self::{collector::Collector, daemon::Daemon, names::SystemNames};

/// Everything after the name of a face.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Arguments of the old program
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    arguments: Vec<OsString>,
}

impl Arguments {
    /// Runs the face.
    pub(crate) fn run(self, face: Face) -> ExitCode {
        run(face, OsStr::new(name_of(face)), self.arguments)
    }

    /// Runs the genhash face.
    pub(crate) fn run_genhash(self) -> ExitCode {
        genhash(OsStr::new("genhash"), self.arguments)
    }

    /// Runs the keepalived face.
    pub(crate) fn run_keepalived(self) -> ExitCode {
        keepalived(self.arguments)
    }
}

/// The face that a program of this name has.
pub(crate) fn by_name(name: &OsStr) -> Option<Face> {
    let base = Path::new(name).file_name()?;
    [Face::Ipvsadm, Face::Restore, Face::Save]
        .into_iter()
        .find(|face| base == name_of(*face))
}

/// Whether a program of this name is keepalived.
pub(crate) fn is_keepalived(name: &OsStr) -> bool {
    Path::new(name)
        .file_name()
        .is_some_and(|base| base == "keepalived")
}

/// Runs the keepalived face, which has another in it (`-T`).
pub(crate) fn keepalived(mut arguments: Vec<OsString>) -> ExitCode {
    let first = arguments.first().and_then(|first| first.to_str());
    if matches!(first, Some("-T" | "--genhash")) {
        return genhash::run("keepalived --genhash", arguments.split_off(1));
    }
    keepalived::run(arguments)
}

/// Runs the genhash face under `name`, which its help repeats.
pub(crate) fn genhash(name: &OsStr, arguments: Vec<OsString>) -> ExitCode {
    genhash::run(&name.to_string_lossy(), arguments)
}

/// Whether a program of this name is genhash.
pub(crate) fn is_genhash(name: &OsStr) -> bool {
    Path::new(name)
        .file_name()
        .is_some_and(|base| base == "genhash")
}

/// Runs a face under `name`, which its messages repeat.
pub(crate) fn run(face: Face, name: &OsStr, arguments: Vec<OsString>) -> ExitCode {
    // What is no UTF-8 is no address, name or number either, and gets the message for those.
    let argv: Vec<String> = std::iter::once(name.to_owned())
        .chain(arguments)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let status = xvs_ipvsadm::run(
        face,
        &argv,
        &mut Daemon::default(),
        &SystemNames::default(),
        &mut Streams {
            stdin: &mut io::stdin().lock(),
            stdout: &mut stdout,
            stderr: &mut io::stderr().lock(),
        },
    );
    // A listing that cannot be written is a failure, unless the command has its own already.
    let written = stdout.flush();
    ExitCode::from(if status == 0 && written.is_err() {
        1
    } else {
        status
    })
}

/// The ops that `ipvsadm-restore` would apply for these lines, without the clearing before.
pub(crate) fn ops_of(lines: &mut dyn BufRead) -> anyhow::Result<Vec<Op>> {
    let mut collector = Collector::default();
    let mut messages = Vec::new();
    let argv = [name_of(Face::Restore).to_owned()];
    let status = xvs_ipvsadm::run(
        Face::Restore,
        &argv,
        &mut collector,
        &SystemNames::default(),
        &mut Streams {
            stdin: lines,
            stdout: &mut io::sink(),
            stderr: &mut messages,
        },
    );
    if status != 0 || !messages.is_empty() {
        bail!("{}", String::from_utf8_lossy(&messages).trim());
    }
    Ok(collector.into_ops())
}

fn name_of(face: Face) -> &'static str {
    match face {
        Face::Ipvsadm => "ipvsadm",
        Face::Restore => "ipvsadm-restore",
        Face::Save => "ipvsadm-save",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_name_decides() {
        assert_eq!(by_name(OsStr::new("/sbin/ipvsadm")), Some(Face::Ipvsadm));
        assert_eq!(by_name(OsStr::new("ipvsadm-save")), Some(Face::Save));
        assert_eq!(by_name(OsStr::new("xvs")), None);
        assert_eq!(by_name(OsStr::new("/usr/bin/ipvsadm/xvs")), None);
    }

    #[test]
    fn saved_rules_become_ops_and_faults_become_errors() {
        let mut saved =
            "-A -t 192.0.2.1:80 -s rr\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1\n".as_bytes();
        let ops = ops_of(&mut saved).unwrap();
        assert_eq!(ops.len(), 2);
        assert!(matches!(ops[0], Op::AddVirtualServer { .. }));
        assert!(matches!(ops[1], Op::AddRealServer { .. }));
        let mut faulty = "-a -t 192.0.2.1:80 -r 10.0.0.1:80\n".as_bytes();
        assert!(ops_of(&mut faulty).is_err());
    }
}
