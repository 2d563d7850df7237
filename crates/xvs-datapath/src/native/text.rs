//! Any bytes as the text of a packet: the property that fuzzing and property tests share.

use crate::{
    abi::{CALL_ID, TEXT, index},
    ftp::Line,
    sip::Search,
};

/// Takes `data` for the text of a datagram of SIP and of a segment of FTP, and fails where what is read
/// byte by byte is not what is read as a whole.
///
/// # Panics
/// Where it is not.
pub fn exercise_text(data: &[u8]) {
    let text = data.get(..index(TEXT)).unwrap_or(data);
    assert_eq!(
        searched(text),
        call_id(text),
        "{:?}",
        data.escape_ascii().to_string()
    );
    for reply in [false, true] {
        for ipv6 in [false, true] {
            announced(data, reply, ipv6);
        }
    }
}

/// The Call-ID that is found byte by byte.
fn searched(text: &[u8]) -> Option<&[u8]> {
    let mut search = Search::default();
    search.begin(0);
    for (at, byte) in (0..).zip(text) {
        if search.step(*byte, at, 1) {
            break;
        }
    }
    let rest = text.get(index(search.found()?)..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    rest.get(..end)
}

/// The Call-ID by lines: of the first header of that name whose value begins with a word.
fn call_id(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let ([b'\r', b'\n', line @ ..] | [_, line @ ..]) = rest.get(end..)? else {
            return None;
        };
        let Some(behind) = behind_name(line) else {
            // The first byte of a line ends none.
            rest = line.get(1..)?;
            continue;
        };
        let value = after_blanks(after_blanks(behind).strip_prefix(b":")?);
        let word = length_of_word(value);
        let host = match value.get(word..)? {
            [b'@', host @ ..] if word > 0 => Some(length_of_word(host)),
            _ => None,
        };
        let length = word + host.map_or(0, |host| host + 1);
        if value.is_empty() || matches!(value, [b'\r' | b'\n', ..]) {
            return None;
        }
        if word == 0 || host == Some(0) {
            // What stands behind it may be cut off.
            rest = value.get(length..)?;
            continue;
        }
        let ended = matches!(value.get(length), Some(b'\r' | b'\n'));
        let fits = length < index(CALL_ID);
        return value.get(..length).filter(|_| ended && fits);
    }
}

/// What stands behind the header's name, if the line begins with it.
fn behind_name(line: &[u8]) -> Option<&[u8]> {
    match line {
        [b'i' | b'I', behind @ ..] => {
            let [next, ..] = behind else { return None };
            (!next.is_ascii_alphabetic()).then_some(behind)
        }
        _ => {
            let (name, behind) = line.split_at_checked(7)?;
            name.eq_ignore_ascii_case(b"call-id").then_some(behind)
        }
    }
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    text.get(blanks.count()..).unwrap_or_default()
}

fn length_of_word(text: &[u8]) -> usize {
    let is_word =
        |byte: &&u8| byte.is_ascii_alphanumeric() || b"!\"%()*+:<>?[\\]_`{}~-./'".contains(byte);
    text.iter().take_while(is_word).count()
}

/// Holds what a line announces to the numbers that it has.
fn announced(data: &[u8], reply: bool, ipv6: bool) {
    let mut line = Line::default();
    line.begin(reply, ipv6);
    for (at, byte) in (0..).zip(data) {
        if line.step(*byte, at) {
            break;
        }
    }
    if !line.is_found() {
        return;
    }
    let (start, end) = line.span();
    let span = data.get(index(start)..index(end)).expect("within the text");
    let span = std::str::from_utf8(span).expect("only ASCII is read");
    let number = |text: &str| {
        text.bytes()
            .fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'))
    };
    let name = data.get(..4).expect("a name").to_ascii_uppercase();
    let port = if name == b"PORT" || name == b"227 " {
        let numbers: Vec<u32> = span.split(',').map(number).collect();
        let [a, b, c, d, high, low] = numbers.try_into().expect("six numbers");
        assert_eq!(line.named(), a << 24 | b << 16 | c << 8 | d, "{span}");
        high << 8 | low
    } else {
        let delimiter = span.chars().next().expect("a delimiter");
        let parts: Vec<&str> = span.split(delimiter).collect();
        number(parts.get(3).expect("four delimiters"))
    };
    assert_eq!(line.announced(), port, "{span}");
    assert!((1..=65_535).contains(&port), "{span}");
}
