//! Which signal asks for what: `keepalived --signum=NAME`.

/// The names that `--signum` takes, with their signals in keepalived 2.2.7.
fn table() -> [(&'static str, i32); 6] {
    [
        ("STOP", libc::SIGTERM),
        ("RELOAD", libc::SIGHUP),
        ("DATA", libc::SIGUSR1),
        ("STATS", libc::SIGUSR2),
        ("STATS_CLEAR", libc::SIGRTMIN() + 1),
        ("JSON", libc::SIGRTMIN() + 2),
    ]
}

/// The number of the signal for `name`.
pub(super) fn number(name: &str) -> Option<i32> {
    let found = table().into_iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| number)
}

/// All names, for a message.
pub(super) fn names() -> String {
    table().map(|(name, _)| name).join(" ")
}
