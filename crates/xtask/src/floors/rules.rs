//! The rules, applied to a list of crates.

use std::fmt;

use super::{
    metadata::Crate,
    table::{Allowed, RESTRICTED, ROWS, Restricted, Row},
};

/// One dependency, or one crate, that the table does not allow.
#[derive(Debug, PartialEq)]
pub(super) enum Violation {
    /// A crate of others is named where it must not be.
    Restricted { from: String, to: String },
    /// The crate may import only what its row lists.
    NotListed { from: String, to: String },
    /// The crate has no row.
    Unknown { name: String },
    /// The imported crate is on a higher floor, or on the same one and not named in the row.
    Upward {
        from: String,
        to: String,
        floors: (u8, u8),
    },
}

/// All that is wrong, in the order of the crates.
pub(super) fn violations(crates: &[Crate]) -> Vec<Violation> {
    let mut found = Vec::new();
    for each in crates {
        let Some(row) = row_of(&each.name) else {
            found.push(Violation::Unknown {
                name: each.name.clone(),
            });
            continue;
        };
        found.extend(
            each.dependencies
                .iter()
                .filter_map(|dependency| judge(row, dependency)),
        );
    }
    found
}

fn judge(row: &Row, dependency: &str) -> Option<Violation> {
    let from = row.name.to_owned();
    let to = dependency.to_owned();
    let Some(other) = row_of(dependency) else {
        let restricted = RESTRICTED.iter().find(|each| each.name == dependency)?;
        return (!may_name(row, restricted)).then_some(Violation::Restricted { from, to });
    };
    if let Some(only) = row.only {
        return (!only.contains(&dependency)).then_some(Violation::NotListed { from, to });
    }
    let allowed = other.floor < row.floor || row.beside.contains(&dependency);
    (!allowed).then_some(Violation::Upward {
        from,
        to,
        floors: (row.floor, other.floor),
    })
}

fn may_name(row: &Row, restricted: &Restricted) -> bool {
    match restricted.to {
        Allowed::FromFloor(floor) => row.floor >= floor,
        Allowed::To(crates) => crates.contains(&row.name),
    }
}

fn row_of(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotListed { from, to } => {
                write!(out, "`{from}` imports `{to}`, which its row does not list")
            }
            Self::Restricted { from, to } => {
                write!(
                    out,
                    "`{from}` names `{to}`, which is reserved for other crates"
                )
            }
            Self::Unknown { name } => {
                write!(
                    out,
                    "`{name}` has no row: add it to crates/xtask/src/floors/table.rs"
                )
            }
            Self::Upward { from, to, floors } => write!(
                out,
                "`{from}` (floor {}) imports `{to}` (floor {}), which is not below it",
                floors.0, floors.1
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Crate, ROWS, Violation, violations};

    fn of(name: &str, dependencies: &[&str]) -> Vec<Violation> {
        violations(&[Crate {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(|&each| each.to_owned()).collect(),
        }])
    }

    #[test]
    fn imports_from_lower_floors_and_of_unrestricted_crates_are_fine() {
        assert_eq!(
            of(
                "xvs-dataplane",
                &["xvs-types", "xvs-datapath", "xvs-wire", "serde"]
            ),
            []
        );
    }

    #[test]
    fn an_import_from_a_higher_floor_is_a_violation() {
        let expected = Violation::Upward {
            from: "xvs-types".to_owned(),
            to: "xvs-dataplane".to_owned(),
            floors: (0, 2),
        };
        assert_eq!(of("xvs-types", &["xvs-dataplane"]), [expected]);
    }

    #[test]
    fn crates_of_one_floor_do_not_import_each_other_unless_their_row_says_so() {
        assert_eq!(of("xvs-dataplane", &["xvs-net"]).len(), 1);
        assert_eq!(of("xvs-director", &["xvs-lab"]).len(), 1);
        assert_eq!(of("xvs", &["xvs-director", "xvs-lab"]), []);
    }

    #[test]
    fn the_datapath_imports_the_wire_alone() {
        let expected = Violation::NotListed {
            from: "xvs-datapath".to_owned(),
            to: "xvs-types".to_owned(),
        };
        assert_eq!(of("xvs-datapath", &["xvs-wire", "xvs-types"]), [expected]);
    }

    #[test]
    fn only_the_loaders_name_aya() {
        assert_eq!(of("xvs-dataplane", &["aya"]), []);
        assert_eq!(
            of("xvs-control", &["aya"]),
            [Violation::Restricted {
                from: "xvs-control".to_owned(),
                to: "aya".to_owned()
            }]
        );
    }

    #[test]
    fn logic_names_no_runtime_and_input_output_may() {
        assert_eq!(of("xvs-vrrp", &["tokio"]).len(), 1);
        assert_eq!(of("xvs-probe", &["tokio"]), []);
    }

    #[test]
    fn a_crate_without_a_row_is_a_violation() {
        assert_eq!(
            of("xvs-new", &[]),
            [Violation::Unknown {
                name: "xvs-new".to_owned()
            }]
        );
    }

    #[test]
    fn nothing_may_depend_on_xtask() {
        assert_eq!(of("xvs", &["xtask"]).len(), 1);
    }

    #[test]
    fn each_crate_has_one_row_and_rows_name_only_each_other() {
        for row in ROWS {
            assert_eq!(
                ROWS.iter().filter(|other| other.name == row.name).count(),
                1
            );
            for name in row.beside.iter().chain(row.only.unwrap_or_default()) {
                assert!(ROWS.iter().any(|other| other.name == *name), "{name}");
            }
        }
    }
}
