//! Labs that are up: taking them down, and opening a shell in their hosts.

use std::{env, os::unix::process::CommandExt, process::Command};

use crate::{LabError, Method, Namespace, ha, ledger::Ledger, topology::require_root};

/// Takes down every lab that is up or was killed, and answers their names.
///
/// One that could not be taken down does not keep the others up; the first failure is the answer.
pub(crate) fn down() -> Result<Vec<String>, LabError> {
    require_root()?;
    let mut names = Vec::new();
    let mut failure = Ok(());
    for ledger in labs()? {
        match ledger.settle() {
            Ok(()) => names.push(ledger.name),
            Err(error) => failure = failure.and(Err(error)),
        }
    }
    failure.map(|()| names)
}

/// Becomes a shell in a host of a lab that is up; answers only if it cannot.
pub(crate) fn shell(host: &str) -> Result<(), LabError> {
    require_root()?;
    let mut hosts = Vec::new();
    for ledger in labs()? {
        let prefix = format!("xvs-{}-", ledger.name);
        for namespace in &ledger.namespaces {
            let short = namespace.strip_prefix(&prefix).unwrap_or(namespace);
            let lab = ledger.name.trim_start_matches("lab-");
            hosts.push((
                short.to_owned(),
                format!("{lab}-{short}"),
                namespace.clone(),
                ledger.name.clone(),
            ));
        }
    }
    let mut found = hosts.iter().filter(|(short, long, namespace, _)| {
        [short, long, namespace].iter().any(|name| *name == host)
    });
    let (Some((_, long, namespace, instance)), None) = (found.next(), found.next()) else {
        let known: Vec<_> = hosts.iter().map(|known| known.1.as_str()).collect();
        return Err(LabError::NoSuchHost {
            host: host.to_owned(),
            hosts: match known.as_slice() {
                [] => "none (`xvs lab nat --keep` leaves a lab up)".to_owned(),
                known => known.join(" "),
            },
        });
    };
    let program = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut command = Command::new(&program);
    command
        .env("XVS_INSTANCE", instance)
        .env("PS1", format!("{long}# "));
    let error = Namespace::open(namespace)?.place(&mut command).exec();
    Err(LabError::Command {
        command: program.to_string_lossy().into_owned(),
        source: error,
    })
}

/// The ledgers of labs; topologies of tests have others.
fn labs() -> Result<Vec<Ledger>, LabError> {
    let names = Method::ALL.map(Method::lab);
    Ok(Ledger::all()?
        .into_iter()
        .filter(|ledger| names.contains(&ledger.name) || ledger.name == ha::LAB)
        .collect())
}
