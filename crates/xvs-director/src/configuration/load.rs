//! From a file on this host to a configuration that a daemon can start with.

use std::{io, sync::Arc};

use xvs_conf::{Config, Outcome, Severity, Stance};

use super::{Disk, ThisHost};

/// Where a configuration comes from and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path of the root file.
    pub file: String,
    /// What `@ID` lines are compared with; none for the short host name.
    pub config_id: Option<String>,
    /// How doubt is taken.
    pub stance: Stance,
    /// What of it counts.
    pub parts: Parts,
}

/// Which parts of a configuration a daemon runs; default all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Virtual servers and their checks.
    pub checks: bool,
    /// Virtual routers.
    pub vrrp: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            checks: true,
            vrrp: true,
        }
    }
}

/// A configuration that can be put into force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Where it came from.
    pub source: Source,
    /// What it means.
    pub config: Arc<Config>,
    /// The findings, with lines, carets and hints; empty without any.
    pub findings: String,
    /// How many there are: `2 warnings`.
    pub counted: String,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The host cannot be looked at.
    #[error("cannot list the network interfaces: {0}")]
    Host(#[from] io::Error),
    /// No daemon starts with the file.
    #[error("no daemon starts with `{file}`: {counted}\n{findings}")]
    Refused {
        /// The file.
        file: String,
        /// How many findings there are.
        counted: String,
        /// The findings, with lines, carets and hints.
        findings: String,
        /// What keepalived 2.2.7 would exit with in place of starting.
        start_status: u8,
    },
}

impl Source {
    /// Reads the file on this host and says all that is to be said of it.
    ///
    /// # Errors
    ///
    /// The interfaces cannot be listed; what is wrong with the file is in the [`Outcome`].
    pub fn read(&self) -> io::Result<Outcome> {
        let host = ThisHost::new(self.config_id.clone())?;
        Ok(xvs_conf::parse(&self.file, &Disk, &host, self.stance))
    }

    /// Reads the file as the configuration of a daemon.
    ///
    /// # Errors
    ///
    /// [`LoadError`]; nothing has changed then.
    pub fn load(self) -> Result<Loaded, LoadError> {
        let outcome = self.read()?;
        let counted = counted(&outcome);
        let findings = outcome.render_text(false);
        match outcome.config {
            Some(config) => Ok(Loaded {
                config: Arc::new(self.parts.of(config)),
                source: self,
                findings,
                counted,
            }),
            None => Err(LoadError::Refused {
                file: self.file,
                counted,
                findings,
                start_status: outcome.start_status,
            }),
        }
    }
}

impl Parts {
    /// `config` without what does not count.
    fn of(self, mut config: Config) -> Config {
        if !self.checks {
            config.virtual_servers.clear();
        }
        if !self.vrrp {
            config.instances.clear();
            config.sync_groups.clear();
        }
        config
    }
}

/// How many findings there are: `2 errors and 1 warning`.
#[must_use]
pub fn counted(outcome: &Outcome) -> String {
    let errors = outcome
        .diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    let warnings = outcome.diagnostics.len() - errors;
    let named = |count: usize, name: &str| match count {
        1 => format!("1 {name}"),
        _ => format!("{count} {name}s"),
    };
    match (errors, warnings) {
        (0, 0) => "nothing to report".to_owned(),
        (0, _) => named(warnings, "warning"),
        (_, 0) => named(errors, "error"),
        _ => format!(
            "{} and {}",
            named(errors, "error"),
            named(warnings, "warning")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(text: &str, stance: Stance) -> Result<Loaded, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keepalived.conf");
        fs::write(&file, text).unwrap();
        Source {
            file: file.to_str().unwrap().to_owned(),
            config_id: None,
            stance,
            parts: Parts::default(),
        }
        .load()
    }

    const DOUBTFUL: &str = "virtual_server 192.0.2.1 80 {\n lb_kind dr\n protocol TCP\n real_server 10.0.0.1 80 { }\n}\n";

    #[test]
    fn a_doubt_is_told_and_only_the_strict_stance_refuses_it() {
        let loaded = load(DOUBTFUL, Stance::Compatible).unwrap();
        assert_eq!(loaded.config.virtual_servers.len(), 1);
        assert!(loaded.findings.contains("keepalived.conf:2:"), "{loaded:?}");
        let refused = load(DOUBTFUL, Stance::Strict).unwrap_err().to_string();
        assert!(refused.contains("no daemon starts with"), "{refused}");
        assert!(refused.contains("keepalived.conf:2:"), "{refused}");
    }

    #[test]
    fn a_missing_file_has_the_status_of_keepalived() {
        let source = Source {
            file: "/no/such/keepalived.conf".to_owned(),
            config_id: None,
            stance: Stance::Compatible,
            parts: Parts::default(),
        };
        match source.load() {
            Err(LoadError::Refused { start_status, .. }) => assert_eq!(start_status, 6),
            other => panic!("{other:?}"),
        }
    }
}
