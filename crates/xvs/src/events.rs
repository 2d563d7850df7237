//! `xvs events`: what happens, as it happens.

use xvs_control::wire::Event;

use crate::{output, target::Target};

/// Prints events until nobody reads them, or the daemon ends.
pub(crate) fn run(target: &Target) -> anyhow::Result<()> {
    let mut result = Ok(());
    target.connect()?.events(|event| {
        result = print(&event, target.json);
        result.is_ok()
    })?;
    result
}

fn print(event: &Event, json: bool) -> anyhow::Result<()> {
    let mut line = if json {
        serde_json::to_string(event)?
    } else {
        text(event)
    };
    line.push('\n');
    output::write(line.as_bytes())
}

/// `12:34:56.789 Adding service ...`: the time of day in UTC.
fn text(event: &Event) -> String {
    let (seconds, milliseconds) = (event.at_ms / 1000, event.at_ms % 1000);
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{milliseconds:03} {}",
        seconds % 60,
        event.text
    )
}

#[cfg(test)]
mod tests {
    use xvs_control::wire::EventKind;

    use super::*;

    #[test]
    fn a_line_has_the_time_of_day_and_the_text() {
        let event = Event {
            at_ms: 86_400_000 * 365 + 45_296_789,
            kind: EventKind::Quorum,
            virtual_server: None,
            real_server: None,
            up: None,
            text: "VS [192.0.2.1]:tcp:80 UP".to_owned(),
        };
        assert_eq!(text(&event), "12:34:56.789 VS [192.0.2.1]:tcp:80 UP");
    }
}
