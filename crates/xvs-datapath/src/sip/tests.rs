//! Searches in whole messages, and beside a search by lines.

use super::*;

/// What is found in a text: where it begins, and its digest.
fn search(text: &[u8]) -> Option<(usize, u64)> {
    let mut search = Search::default();
    search.begin(7);
    for (at, byte) in (0..TEXT).zip(text) {
        if search.step(*byte, at, 0x9e37_79b9_7f4a_7c15) {
            break;
        }
    }
    search.found().map(|start| (index(start), search.digest()))
}

/// The Call-ID that is found in a text.
fn call_id(text: &str) -> Option<&str> {
    let (start, _digest) = search(text.as_bytes())?;
    let rest = text.get(start..)?;
    rest.get(..rest.find(['\r', '\n'])?)
}

#[test]
fn the_call_id_is_found_by_either_name_in_any_case() {
    for header in ["Call-ID: ", "call-id:", "CALL-ID \t:\t ", "i: ", "I:"] {
        let text = format!("OPTIONS sip:b SIP/2.0\r\nVia: x\r\n{header}a1b2@host\r\nCSeq: 1\r\n");
        assert_eq!(call_id(&text), Some("a1b2@host"), "{header:?}");
    }
}

#[test]
fn a_line_ends_with_either_of_its_ends_or_both() {
    for end in ["\r\n", "\r", "\n"] {
        let text = format!("OPTIONS{end}Via: x{end}Call-ID: none{end}");
        assert_eq!(call_id(&text), Some("none"), "{end:?}");
    }
}

#[test]
fn what_is_no_sound_header_is_not_found() {
    for text in [
        "",
        "not sip at all",
        // The first line is the request.
        "Call-ID: a\r\n",
        // A continuation of the line before.
        "OPTIONS\r\n Call-ID: a\r\n",
        "OPTIONS\r\nX-Call-ID: a\r\n",
        "OPTIONS\r\nCall-IDs: a\r\n",
        "OPTIONS\r\nid: a\r\n",
        "OPTIONS\r\nCall-ID a\r\n",
        // Cut before the line's end.
        "OPTIONS\r\nCall-ID: a",
        "OPTIONS\r\nCall-ID: a b\r\n",
        "OPTIONS\r\nCall-ID: a@\r\n",
        "OPTIONS\r\nCall-ID: @a\r\n",
        "OPTIONS\r\nCall-ID: a@b@c\r\n",
        "OPTIONS\r\nCall-ID:\r\ni: a\r\n",
    ] {
        assert_eq!(call_id(text), None, "{text:?}");
    }
}

#[test]
fn an_unsound_header_is_passed_over() {
    assert_eq!(call_id("X\r\nCall-ID: ,\r\ni: b@c\r\n"), Some("b@c"));
    assert_eq!(call_id("X\r\nCall\r\nCall-ID: b\r\n"), Some("b"));
}

#[test]
fn a_call_id_has_255_bytes_at_the_most() {
    let text = |length: usize| format!("X\nCall-ID: {}\n", "a".repeat(length));
    assert_eq!(call_id(&text(255)).map(str::len), Some(255));
    assert_eq!(call_id(&text(256)), None);
}

#[test]
fn digests_tell_calls_and_virtual_servers_apart() {
    let digest = |name: &str| search(format!("X\ni: {name}\n").as_bytes()).map(|found| found.1);
    let names = ["a", "b", "ab", "ba", "a@b", "a1b2@host", "a1b3@host"];
    for (at, one) in names.iter().enumerate() {
        assert!(digest(one).is_some(), "{one}");
        for other in names.iter().skip(at + 1) {
            assert_ne!(digest(one), digest(other), "{one} {other}");
        }
    }
}
