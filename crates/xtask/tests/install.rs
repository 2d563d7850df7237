//! What `scripts/install` does to files, shown below a `DESTDIR` of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a step of a test that fails is a failed test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A place to install to, with a file that stands for the release binary.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("binary"), "the binary").unwrap();
        let chmod = Command::new("chmod")
            .arg("755")
            .arg(folder.path().join("binary"))
            .status();
        assert!(chmod.unwrap().success());
        Self { folder }
    }

    fn run(&self, verb: &str, force: bool) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/install");
        Command::new(script)
            .arg(verb)
            .env("DESTDIR", self.root())
            .env("PREFIX", "/usr/local")
            .env("XVS_BINARY", self.folder.path().join("binary"))
            .env("FORCE", if force { "1" } else { "" })
            .output()
            .unwrap()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root().join("usr/local").join(name)
    }

    /// Files and links below the place, without folders.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.root()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.path());
                }
            }
        }
        found
    }

    fn put_foreign_file(&self, name: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), "somebody else's").unwrap();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_name_leads_to_the_binary() {
    let place = Place::new();
    let output = place.run("install", false);
    assert!(output.status.success(), "{}", stderr(&output));
    for name in [
        "bin/xvs",
        "bin/genhash",
        "sbin/ipvsadm",
        "sbin/ipvsadm-save",
        "sbin/ipvsadm-restore",
        "sbin/keepalived",
    ] {
        assert_eq!(
            fs::read_to_string(place.path(name)).unwrap(),
            "the binary",
            "{name}"
        );
    }
}

#[test]
fn installed_again_it_replaces_its_own_files_and_uninstalled_it_leaves_none() {
    let place = Place::new();
    assert!(place.run("install", false).status.success());
    fs::write(place.folder.path().join("binary"), "a newer binary").unwrap();
    assert!(place.run("install", false).status.success());
    assert_eq!(
        fs::read_to_string(place.path("sbin/ipvsadm")).unwrap(),
        "a newer binary"
    );
    assert!(place.run("uninstall", false).status.success());
    assert_eq!(place.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_of_somebody_else_is_refused_before_anything_changes() {
    let place = Place::new();
    place.put_foreign_file("sbin/keepalived");
    let output = place.run("install", false);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("usr/local/sbin/keepalived is there already"));
    assert!(stderr(&output).contains("FORCE=1"));
    assert_eq!(place.files(), [place.path("sbin/keepalived")]);
}

#[test]
fn forced_it_keeps_the_other_file_and_uninstall_puts_it_back() {
    let place = Place::new();
    place.put_foreign_file("sbin/keepalived");
    assert!(place.run("install", true).status.success());
    assert_eq!(
        fs::read_to_string(place.path("sbin/keepalived")).unwrap(),
        "the binary"
    );
    assert!(place.run("uninstall", false).status.success());
    assert_eq!(
        fs::read_to_string(place.path("sbin/keepalived")).unwrap(),
        "somebody else's"
    );
    assert_eq!(place.files(), [place.path("sbin/keepalived")]);
}

#[test]
fn uninstalling_what_was_never_installed_is_an_error() {
    let output = Place::new().run("uninstall", false);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("nothing is known to be ours"));
}
