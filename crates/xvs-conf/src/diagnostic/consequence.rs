//! What keepalived 2.2.7 makes of a finding, and the exit statuses that follow.

use serde::Serialize;

/// What keepalived 2.2.7 does where a diagnostic stands, from the lightest to the heaviest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Says nothing that counts, and goes on.
    Silent,
    /// Reports it and goes on: `keepalived -t` exits 5, the daemon runs.
    Reported,
    /// Reports a script without script security: `keepalived -t` exits 6, the daemon runs.
    Insecure,
    /// Reports what it calls fatal: `keepalived -t` exits 4 if nothing else is reported, the daemon
    /// runs all the same.
    Fatal,
    /// Reports it and ends: `keepalived -t` exits 5, the daemon exits 2.
    Refused,
    /// Crashes, or would never end; xvs refuses. Our `keepalived -t` exits 5, the daemon 2.
    Broken,
    /// A keyword without its value ends it at once, with status 2.
    MissingValue,
    /// An include that had to match did not: status 6 both times.
    MissingInclude,
    /// The root file cannot be read: `keepalived -t` exits 0, the daemon 6.
    MissingFile,
}

impl Consequence {
    /// Whether the daemon does not start.
    #[must_use]
    pub fn refuses(self) -> bool {
        self >= Self::Refused
    }
}

/// Counts consequences and tells both statuses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Statuses {
    reported: bool,
    insecure: bool,
    fatal: bool,
    missing_value: bool,
    missing_include: bool,
    missing_file: bool,
    refused: bool,
}

impl Statuses {
    pub(crate) fn note(&mut self, consequence: Consequence) {
        self.refused |= consequence.refuses();
        match consequence {
            Consequence::Silent => {}
            Consequence::Reported | Consequence::Refused | Consequence::Broken => {
                self.reported = true;
            }
            Consequence::Insecure => self.insecure = true,
            Consequence::Fatal => self.fatal = true,
            Consequence::MissingValue => self.missing_value = true,
            Consequence::MissingInclude => self.missing_include = true,
            Consequence::MissingFile => self.missing_file = true,
        }
    }

    /// The exit status of `keepalived -t`: 0, 2, 4, 5 or 6.
    ///
    /// keepalived keeps the highest class of error it met, and "fatal" is a low one: any other
    /// report hides it (`lib/parser.c`, v2.2.7).
    pub(crate) fn config_test(self) -> u8 {
        if self.missing_file {
            0
        } else if self.missing_include {
            6
        } else if self.missing_value {
            2
        } else if self.insecure {
            6
        } else if self.reported {
            5
        } else if self.fatal {
            4
        } else {
            0
        }
    }

    /// The exit status of a daemon that does not start, 0 when it does.
    pub(crate) fn start(self) -> u8 {
        if self.missing_file || self.missing_include {
            6
        } else if self.refused {
            2
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(consequences: &[Consequence]) -> (u8, u8) {
        let mut statuses = Statuses::default();
        for consequence in consequences {
            statuses.note(*consequence);
        }
        (statuses.config_test(), statuses.start())
    }

    #[test]
    fn a_report_hides_what_is_fatal_and_insecurity_hides_a_report() {
        assert_eq!(statuses(&[Consequence::Fatal]), (4, 0));
        assert_eq!(
            statuses(&[Consequence::Fatal, Consequence::Reported]),
            (5, 0)
        );
        assert_eq!(
            statuses(&[Consequence::Insecure, Consequence::Reported]),
            (6, 0)
        );
    }

    #[test]
    fn a_missing_root_file_passes_the_test_and_fails_the_start() {
        assert_eq!(statuses(&[Consequence::MissingFile]), (0, 6));
        assert_eq!(statuses(&[]), (0, 0));
    }
}
