//! The system's log: RFC 3164 as `/dev/log` takes it, without a time, which the reader adds.

use std::{
    io::{self, Write},
    os::unix::net::UnixDatagram,
    sync::Arc,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Where the system's log listens.
const SOCKET: &str = "/dev/log";

/// Makes a message of each event.
#[derive(Clone, Debug)]
pub(super) struct Syslog {
    socket: Arc<UnixDatagram>,
    facility: u8,
}

/// One message; it is sent when it is dropped.
#[derive(Debug)]
pub(super) struct Message {
    syslog: Syslog,
    level: Level,
    text: Vec<u8>,
}

impl Syslog {
    /// Opens the log.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) fn open(facility: u8) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(SOCKET)?;
        // A log that is full delays no check.
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: Arc::new(socket),
            facility,
        })
    }

    fn message(&self, level: Level) -> Message {
        Message {
            syslog: self.clone(),
            level,
            text: Vec::new(),
        }
    }
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Message;

    fn make_writer(&'a self) -> Message {
        self.message(Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Message {
        self.message(*metadata.level())
    }
}

impl Write for Message {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        let line = line(self.syslog.facility, self.level, &self.text);
        // A log that does not take it cannot be told so.
        let _lost = self.syslog.socket.send(&line);
    }
}

fn line(facility: u8, level: Level, text: &[u8]) -> Vec<u8> {
    let severity = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    };
    let priority = u16::from(facility) * 8 + severity;
    let mut line = format!("<{priority}>Keepalived[{}]: ", std::process::id()).into_bytes();
    line.extend_from_slice(text.trim_ascii_end());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_priority_name_and_process() {
        let pid = std::process::id();
        assert_eq!(
            String::from_utf8(line(3, Level::WARN, b"text\n")).unwrap(),
            format!("<28>Keepalived[{pid}]: text")
        );
    }
}
