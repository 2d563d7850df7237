//! The head of an answer: its status and the announced length of its body.

use crate::Failure;

/// The longest head; keepalived takes 4 KiB.
const LIMIT: usize = 16 * 1024;

/// What is known of a head.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The status, 100 to 999, once the head is whole.
    pub(super) status: u16,
    /// `Content-Length`, where there is one that is a number.
    pub(super) length: Option<u64>,
    /// What came so far; once the head is whole, all of it with the empty line that ends it.
    pub(super) bytes: Vec<u8>,
}

impl Head {
    /// Takes the next bytes; the beginning of the body once the head is whole.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        // The end may have begun in the bytes before.
        let seen = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(bytes);
        let Some(body) = end(&self.bytes, seen) else {
            if self.bytes.len() > LIMIT {
                return Err(Failure::TooLong {
                    what: "the head",
                    limit: 16 * 1024,
                });
            }
            return Ok(None);
        };
        let rest = self.bytes.split_off(body);
        self.read()?;
        Ok(Some(rest))
    }

    fn read(&mut self) -> Result<(), Failure> {
        let mut lines = self.bytes.split(|byte| *byte == b'\n');
        let line = lines.next().unwrap_or_default();
        self.status = status(line).ok_or(Failure::Malformed("no HTTP status line"))?;
        self.length = lines.find_map(content_length);
        Ok(())
    }
}

/// Where the body begins; both `\r\n\r\n` and `\n\n` end a head.
fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let window = bytes.get(from..)?;
    let crlf = window.windows(4).position(|four| four == b"\r\n\r\n");
    let lf = window.windows(2).position(|two| two == b"\n\n");
    match (crlf, lf) {
        (Some(crlf), Some(lf)) if lf < crlf => Some(from + lf + 2),
        (Some(crlf), _) => Some(from + crlf + 4),
        (None, Some(lf)) => Some(from + lf + 2),
        (None, None) => None,
    }
}

/// `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line.get(..line.len().min(64))?).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/"))?;
    let status = words.next().filter(|word| word.len() == 3)?;
    status.parse().ok().filter(|status| *status >= 100)
}

fn content_length(line: &[u8]) -> Option<u64> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    if !name.eq_ignore_ascii_case("content-length") {
        return None;
    }
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let answer = b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nab";
        let mut head = Head::default();
        let mut rest = None;
        for byte in &answer[..answer.len() - 2] {
            assert_eq!(rest, None);
            rest = head.take(&[*byte]).unwrap();
        }
        assert_eq!(rest, Some(Vec::new()));
        assert_eq!((head.status, head.length), (204, Some(2)));
        let mut whole = Head::default();
        assert_eq!(whole.take(answer).unwrap(), Some(b"ab".to_vec()));
        let mut bare = Head::default();
        assert_eq!(
            bare.take(b"HTTP/1.0 200\n\nx\r\n\r\n").unwrap(),
            Some(b"x\r\n\r\n".to_vec())
        );
    }

    #[test]
    fn what_is_no_answer_or_has_no_end_is_refused() {
        for answer in [
            "SSH-2.0-x\n\n",
            "HTTP/1.1\n\n",
            "HTTP/1.1 99 x\n\n",
            "HTTP/1.1 2000\n\n",
        ] {
            let taken = Head::default().take(answer.as_bytes());
            assert!(matches!(taken, Err(Failure::Malformed(_))), "{answer:?}");
        }
        let mut endless = Head::default();
        let error = loop {
            if let Err(error) = endless.take(&[b'x'; 1000]) {
                break error;
            }
        };
        assert!(matches!(error, Failure::TooLong { .. }));
    }
}
