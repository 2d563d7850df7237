//! SMTP_CHECK: banner 220, HELO answered by 250, QUIT (RFC 5321).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use xvs_conf::config::SmtpCheck;

use crate::{Failure, Probe, Success, connect};

/// A reply with all its lines; RFC 5321 4.5.3.1.5 has 512 bytes a line.
const REPLY_LIMIT: usize = 8 * 1024;

pub(crate) async fn run(check: &SmtpCheck, probe: &Probe) -> Result<Success, Failure> {
    let mut stream = connect::tcp(probe).await?;
    expect(&mut stream, probe, 220).await?;
    send(&mut stream, probe, &format!("HELO {}\r\n", check.helo_name)).await?;
    expect(&mut stream, probe, 250).await?;
    send(&mut stream, probe, "QUIT\r\n").await?;
    Ok(Success::Plain)
}

async fn send(stream: &mut TcpStream, probe: &Probe, line: &str) -> Result<(), Failure> {
    let sending = stream.write_all(line.as_bytes());
    connect::within(probe.timeout, "sending a command", sending).await
}

/// Reads a whole reply, which must have this code.
async fn expect(stream: &mut TcpStream, probe: &Probe, wanted: u16) -> Result<(), Failure> {
    let mut reply = Vec::new();
    loop {
        if let Some(got) = code(&reply)? {
            return if got == wanted {
                Ok(())
            } else {
                Err(Failure::Reply { got, wanted })
            };
        }
        if reply.len() >= REPLY_LIMIT {
            return Err(Failure::TooLong {
                what: "the reply",
                limit: 8 * 1024,
            });
        }
        let mut buffer = [0; 512];
        let reading = stream.read(&mut buffer);
        let count = connect::within(probe.timeout, "waiting for a reply", reading).await?;
        if count == 0 {
            return Err(Failure::Closed);
        }
        reply.extend_from_slice(&buffer[..count]);
    }
}

/// The code of a reply whose last line is there; none when more must come.
fn code(reply: &[u8]) -> Result<Option<u16>, Failure> {
    const NO_CODE: Failure = Failure::Malformed("a line begins with no code");
    let Some(whole) = reply.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    for line in reply[..whole].split(|byte| *byte == b'\n') {
        let digits = line.get(..3).ok_or(NO_CODE)?;
        let digits = std::str::from_utf8(digits).map_err(|_not_utf8| NO_CODE)?;
        let code: u16 = digits.parse().map_err(|_no_number| NO_CODE)?;
        // RFC 5321 4.2.1: a hyphen behind the code says that more lines follow.
        if line.get(3) != Some(&b'-') {
            return Ok(Some(code));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_with_its_last_line() {
        for (reply, wanted) in [
            ("", None),
            ("220 mail", None),
            ("220 mail\r\n", Some(220)),
            ("250-a\r\n250-b\r\n", None),
            ("250-a\r\n250 b\r\n", Some(250)),
            ("250\r\n", Some(250)),
        ] {
            assert_eq!(code(reply.as_bytes()).unwrap(), wanted, "{reply:?}");
        }
        for reply in ["no\n", "2x0 a\r\n", "\n"] {
            assert!(matches!(code(reply.as_bytes()), Err(Failure::Malformed(_))));
        }
    }
}
