//! The file of settings: lines `NAME=VALUE` as of `sysctl.conf(5)`, obeyed at each start.

use std::{fs, io, path::Path};

use tracing::warn;
use xvs_types::{Op, Setting};

/// Where the file is unless the daemon is told otherwise.
pub const SYSCTL_FILE: &str = "/etc/xvs/sysctl.conf";

/// The settings that the text of a file names, and a complaint for each line that cannot be obeyed,
/// which names its number. `#` and `;` begin a comment; a `-` before a name asks not to complain.
#[must_use]
pub fn settings_of(text: &str) -> (Vec<(Setting, i32)>, Vec<String>) {
    let mut settings = Vec::new();
    let mut complaints = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let (line, forgiven) = match line.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        match setting_of(line) {
            Ok(Some(change)) => settings.push(change),
            Ok(None) => {}
            Err(_complaint) if forgiven => {}
            Err(complaint) => complaints.push(format!("line {number}: {complaint}")),
        }
    }
    (settings, complaints)
}

fn setting_of(line: &str) -> Result<Option<(Setting, i32)>, String> {
    let Some((name, value)) = line.split_once('=') else {
        return Err(format!("`{line}` is not NAME=VALUE"));
    };
    let setting: Setting = name.trim().parse().map_err(described)?;
    let value = setting.parse_value(value).map_err(described)?;
    Ok(value.map(|value| (setting, value)))
}

fn described(error: xvs_types::SettingError) -> String {
    error.to_string()
}

/// The ops of the file at `path`. Lines that cannot be obeyed are warned of; no file, no op.
pub(crate) fn ops(path: &Path) -> Vec<Op> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warn!(file = %path.display(), %error, "the settings cannot be read");
            return Vec::new();
        }
    };
    let (settings, complaints) = settings_of(&text);
    for complaint in complaints {
        warn!(file = %path.display(), "{complaint}");
    }
    settings
        .into_iter()
        .map(|(setting, value)| Op::SetSetting { setting, value })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_sysctl_reads_them() {
        let text = "# ours\n; too\n\nnet.ipv4.vs.drop_entry = 3\nnet/ipv4/vs/sloppy_tcp=1\n\
                    conn_reuse_mode= 0 \n-net.ipv4.vs.conntrack=1\nnet.ipv4.vs.snat_reroute=1\n";
        let (settings, complaints) = settings_of(text);
        assert_eq!(
            settings,
            [
                (Setting::DropEntry, 3),
                (Setting::SloppyTcp, 1),
                (Setting::ConnReuseMode, 0),
                (Setting::SnatReroute, 1)
            ]
        );
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    #[test]
    fn a_line_that_cannot_be_obeyed_is_named_and_the_others_count() {
        let text = "net.ipv4.ip_forward=1\nconntrack=1\ndrop_entry 3\ndrop_packet=3\n";
        let (settings, complaints) = settings_of(text);
        assert_eq!(settings, [(Setting::DropPacket, 3)]);
        assert_eq!(complaints.len(), 3);
        assert!(complaints[1].starts_with("line 2: `conntrack` cannot be changed"));
    }

    #[test]
    fn a_file_that_is_not_there_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ops(&folder.path().join("sysctl.conf")), []);
    }
}
