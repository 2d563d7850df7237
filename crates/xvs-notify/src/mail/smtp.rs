//! The conversation with a mail server as keepalived has it (RFC 5321): HELO, no extension.

use std::io;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{MailSettings, bare};
use crate::courier::Undelivered;

/// RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets; some servers take more.
const LINE: u64 = 2_048;
/// Lines of one reply.
const LINES: usize = 64;

/// Sends one mail over one connection.
pub(super) async fn send(text: &str, settings: &MailSettings) -> Result<(), Undelivered> {
    let server = settings.server;
    let stream = timeout(
        settings.timeout,
        TcpStream::connect((server.address, server.port)),
    )
    .await
    .map_err(|_elapsed| late(settings, "a connection"))?
    .map_err(|error| Undelivered::so_far(format!("no connection to {server}: {error}")))?;
    let mut session = Session {
        stream: BufReader::new(stream),
        settings,
    };
    session.expect("its greeting", 220).await?;
    session
        .command(&format!("HELO {}", settings.helo), 250)
        .await?;
    session
        .command(&format!("MAIL FROM:<{}>", bare(&settings.from)), 250)
        .await?;
    for recipient in &settings.to {
        session
            .command(&format!("RCPT TO:<{}>", bare(recipient)), 250)
            .await?;
    }
    session.command("DATA", 354).await?;
    session.write(&escaped(text)).await?;
    session.expect("the text", 250).await?;
    // The mail is delivered whatever becomes of the goodbye.
    let _goodbye = session.command("QUIT", 221).await;
    Ok(())
}

/// Dots at the start of a line doubled, and the end (RFC 5321 section 4.5.2).
fn escaped(text: &str) -> String {
    let mut escaped = text.replace("\r\n.", "\r\n..");
    escaped.push_str(".\r\n");
    escaped
}

struct Session<'a> {
    stream: BufReader<TcpStream>,
    settings: &'a MailSettings,
}

impl Session<'_> {
    async fn command(&mut self, command: &str, wanted: u16) -> Result<(), Undelivered> {
        self.write(&format!("{command}\r\n")).await?;
        self.expect(command, wanted).await
    }

    async fn write(&mut self, text: &str) -> Result<(), Undelivered> {
        let write = self.stream.write_all(text.as_bytes());
        match timeout(self.settings.timeout, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(self.settings, &error)),
            Err(_elapsed) => Err(late(self.settings, "room for more")),
        }
    }

    /// Reads a reply; `what` is what it answers.
    async fn expect(&mut self, what: &str, wanted: u16) -> Result<(), Undelivered> {
        let settings = self.settings;
        let reply = timeout(settings.timeout, self.reply())
            .await
            .map_err(|_elapsed| late(settings, "an answer"))?
            .map_err(|error| broken(settings, &error))?;
        // RFC 5321 section 4.3.2: RCPT may be answered 251, a forward; all of one hundred will do.
        let code = reply.get(..3).and_then(|code| code.parse::<u16>().ok());
        match code {
            Some(code) if code / 100 == wanted / 100 => Ok(()),
            code => {
                let server = settings.server;
                let reason = format!("{server} answers `{what}` with `{}`", reply.trim_end());
                Err(Undelivered {
                    reason,
                    for_good: code.is_some_and(|code| code / 100 == 5),
                })
            }
        }
    }

    /// The last line of a reply: the first without a hyphen behind its code.
    async fn reply(&mut self) -> io::Result<String> {
        for _ in 0..LINES {
            let mut line = Vec::new();
            (&mut self.stream)
                .take(LINE)
                .read_until(b'\n', &mut line)
                .await?;
            if line.last() != Some(&b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.get(3) != Some(&b'-') {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn late(settings: &MailSettings, what: &str) -> Undelivered {
    let (server, limit) = (settings.server, settings.timeout);
    Undelivered::so_far(format!("{server} had no {what} within {limit:?}"))
}

fn broken(settings: &MailSettings, error: &io::Error) -> Undelivered {
    Undelivered::so_far(format!(
        "the connection to {} broke: {error}",
        settings.server
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_alone_does_not_end_a_mail() {
        assert_eq!(escaped("a\r\n.\r\n.b\r\n"), "a\r\n..\r\n..b\r\n.\r\n");
    }
}
