//! A recording of keepalived: what was configured, what was done to it, what it did.

use std::{fs, time::Duration};

/// A recording, and what its text does not tell.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Ports of the real servers that are up at the start.
    pub(crate) up: &'static [u16],
    /// It is about virtual routers, and not about checks.
    pub(crate) vrrp: bool,
    /// The mails of the recording are its own, by their subjects; else only their number is known.
    pub(crate) subjects: bool,
    /// What was done as well, by what came of it: seconds from the start.
    unwritten: Option<(f64, &'static str)>,
    /// So many first lines of the FIFO have the order in which the first checks ran, which is chance.
    by_chance: usize,
}

const fn checks(name: &'static str, up: &'static [u16]) -> Scenario {
    Scenario {
        name,
        up,
        vrrp: false,
        subjects: false,
        unwritten: None,
        by_chance: 0,
    }
}

/// All recordings.
pub(crate) const ALL: [Scenario; 9] = [
    Scenario {
        by_chance: 3,
        ..checks("alpha_omega", &[9001])
    },
    checks("inhibit_on_failure", &[9001]),
    checks("misc_dynamic", &[]),
    checks("quorum_hysteresis", &[9001, 9002, 9003]),
    checks("reload", &[9001, 9002]),
    Scenario {
        subjects: true,
        unwritten: Some((7.0, "start rs 9001")),
        ..checks("smtp_checker", &[9001, 9002])
    },
    Scenario {
        subjects: true,
        unwritten: Some((7.0, "up")),
        vrrp: true,
        ..checks("smtp_vrrp_sync", &[])
    },
    checks("sorry_server", &[9001, 9002]),
    Scenario {
        vrrp: true,
        ..checks("vrrp_notify", &[])
    },
];

/// What happened, in the order in which it did. Of what came within one moment keepalived's own order
/// is that of chance, so it is sorted there.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// IPVS commands, in few words.
    pub(crate) ops: Vec<String>,
    /// Lines of the FIFO.
    pub(crate) fifo: Vec<String>,
    /// Subjects of mails.
    pub(crate) subjects: Vec<String>,
    /// How many mails there were.
    pub(crate) mails: usize,
    /// Words of all scripts that ran, sorted.
    pub(crate) scripts: Vec<String>,
}

/// A recording as it was read.
pub(crate) struct Recording {
    pub(crate) config: String,
    /// When something was done, since the start, what, and how many commands there were before.
    pub(crate) steps: Vec<(Duration, String, usize)>,
    pub(crate) seen: Seen,
    /// How many lines of the FIFO, and subjects, came within each moment.
    pub(crate) fifo_moments: Vec<usize>,
    pub(crate) subject_moments: Vec<usize>,
}

/// Lines of virtual routers that come closer than this are of one moment.
const MOMENT: f64 = 0.1;

impl Recording {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let text = fixture(scenario, scenario.name);
        let (config, rest) = text.split_once("=== ipvs commands").unwrap();
        let (commands, rest) = rest.split_once("=== log\n").unwrap();
        let (log, rest) = rest.split_once("=== notify scripts\n").unwrap();
        let (scripts, mail) = rest.split_once("=== smtp").unwrap();
        let commands: Vec<(f64, &str)> = commands.lines().skip(1).filter_map(timed).collect();
        let began = begin(scenario, &commands);
        let mut steps = Vec::new();
        let mut ops = Vec::new();
        let mut unwritten = scenario.unwritten;
        for (at, line) in &commands {
            if let Some((then, step)) = unwritten.take_if(|(then, _)| at - began > *then) {
                steps.push((Duration::from_secs_f64(then), step.to_owned(), ops.len()));
            }
            match line.strip_prefix("### ") {
                Some(step) => {
                    let since = Duration::from_secs_f64(at - began);
                    steps.push((since, step.to_owned(), ops.len()));
                }
                None => ops.push(command(line)),
            }
        }
        let end = commands.last().unwrap().0 + if scenario.vrrp { 1.0 } else { 0.01 };
        let (fifo, fifo_moments) = fifo_lines(scenario, began, end);
        let (subjects, subject_moments) = subjects(log, mail);
        Self {
            config: config.replace("=== config\n", ""),
            steps,
            seen: Seen {
                ops,
                fifo,
                subjects,
                mails: log.matches("SMTP alert successfully sent").count(),
                scripts: words(scripts),
            },
            fifo_moments,
            subject_moments,
        }
    }
}

/// The words of all scripts, sorted: two that ran at once wrote over each other.
pub(crate) fn words(scripts: &str) -> Vec<String> {
    let mut words: Vec<String> = scripts
        .split_whitespace()
        .filter(|word| word.starts_with('['))
        .map(str::to_owned)
        .collect();
    words.sort();
    words
}

/// Sorts what came within each moment.
pub(crate) fn in_moments(mut lines: Vec<String>, moments: &[usize]) -> Vec<String> {
    let mut rest = lines.as_mut_slice();
    for count in moments {
        let (moment, later) = rest.split_at_mut((*count).min(rest.len()));
        moment.sort();
        rest = later;
    }
    lines
}

/// Recordings of checks are those of `xvs-check`, for the greater part.
fn fixture(scenario: &Scenario, name: &str) -> String {
    let own = scenario.vrrp || scenario.subjects;
    let crates = if own && name != "lvs_fifo" {
        "tests/fixtures/keepalived"
    } else {
        "../xvs-check/tests/fixtures"
    };
    let path = format!("{}/{crates}/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path).unwrap()
}

/// When keepalived had started.
fn begin(scenario: &Scenario, commands: &[(f64, &str)]) -> f64 {
    if !scenario.vrrp {
        return commands[0].0;
    }
    let fifo = fixture(scenario, "vrrp_fifo");
    // Half a minute lies between the recordings.
    let mut lines = fifo.lines().filter_map(timed);
    lines
        .find(|(at, _)| commands[0].0 - at < 30.0)
        .map(|(at, _)| at)
        .unwrap()
}

fn fifo_lines(scenario: &Scenario, began: f64, end: f64) -> (Vec<String>, Vec<usize>) {
    let name = if scenario.vrrp {
        "vrrp_fifo"
    } else {
        "lvs_fifo"
    };
    let text = fixture(scenario, name);
    let lines = text.lines().filter_map(timed);
    let lines = lines.filter(|(at, _)| (began - 0.01..=end).contains(at));
    let (mut fifo, mut moments, mut before) = (Vec::new(), Vec::new(), f64::MIN);
    for (at, line) in lines {
        match moments.last_mut() {
            Some(count) if scenario.vrrp && at - before < MOMENT => *count += 1,
            Some(count) if fifo.len() < scenario.by_chance => *count += 1,
            _ => moments.push(1),
        }
        before = at;
        fifo.push(line.to_owned());
    }
    (in_moments(fifo, &moments), moments)
}

/// The subjects of mails that were written after the first line of the log, by their seconds.
fn subjects(log: &str, mail: &str) -> (Vec<String>, Vec<usize>) {
    let clock = log.split(' ').next().unwrap_or_default();
    let (mut subjects, mut moments) = (Vec::new(), Vec::new());
    let (mut now, mut last) = (String::new(), String::new());
    for line in mail.lines() {
        let line = line.trim_end_matches("\\r\\n");
        if let Some(date) = line.strip_prefix("C: Date: ") {
            date.split(' ').nth(4).unwrap().clone_into(&mut now);
        } else if let Some(subject) = line.strip_prefix("C: Subject: ")
            && now.as_str() >= clock
        {
            match moments.last_mut() {
                Some(count) if now == last => *count += 1,
                _ => moments.push(1),
            }
            last.clone_from(&now);
            subjects.push(subject.to_owned());
        }
    }
    (in_moments(subjects, &moments), moments)
}

fn timed(line: &str) -> Option<(f64, &str)> {
    let (at, line) = line.split_once(' ')?;
    Some((at.parse().ok()?, line))
}

/// A command in few words.
fn command(line: &str) -> String {
    let field = |name: &str| {
        let word = line.split(' ').find_map(|word| word.strip_prefix(name));
        word.unwrap().to_owned()
    };
    let verb = line.split(' ').next().unwrap();
    match verb {
        "ADDDEST" | "EDITDEST" => format!("{verb} {} {}", field("rs="), field("w=")),
        "DELDEST" => format!("{verb} {}", field("rs=")),
        "ADD" | "EDIT" => format!("{verb} {}", field("sched=")),
        _ => verb.to_owned(),
    }
}
