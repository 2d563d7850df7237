//! Lines of clients and servers.

use super::*;
use crate::abi::index;

/// Which segment a line is at the begin of.
#[derive(Clone, Copy)]
enum From {
    Client,
    Server,
}

fn read(from: From, ipv6: bool, text: &str) -> Line {
    let mut line = Line::default();
    line.begin(matches!(from, From::Server), ipv6);
    for (at, byte) in (0..).zip(text.bytes()) {
        if line.step(byte, at) {
            break;
        }
    }
    line
}

/// The port, and the numbers as they stand in the text.
fn announced(from: From, ipv6: bool, text: &str) -> Option<(u32, &str)> {
    let line = read(from, ipv6, text);
    let (start, end) = line.span();
    line.is_found()
        .then(|| {
            text.get(index(start)..index(end))
                .map(|span| (line.announced(), span))
        })
        .flatten()
}

#[test]
fn a_client_announces_a_port_by_either_command_in_any_case() {
    let port = Some((40_002, "198,51,100,11,156,66"));
    for text in [
        "PORT 198,51,100,11,156,66\r\n",
        "port 198,51,100,11,156,66\r\n",
        "Port   198,51,100,11,156,66\n",
    ] {
        assert_eq!(announced(From::Client, false, text), port, "{text:?}");
    }
    assert_eq!(
        announced(From::Client, false, "EPRT |1|198.51.100.11|40002|\r\n"),
        Some((40_002, "|1|198.51.100.11|40002|"))
    );
    assert_eq!(
        announced(From::Client, true, "eprt !2!2001:db8::7!5!\r\n"),
        Some((5, "!2!2001:db8::7!5!"))
    );
    let line = read(From::Client, false, "EPRT |1|198.51.100.11|40002|\r\n");
    assert_eq!(line.named(), 0xc633_640b);
    let line = read(From::Client, false, "PORT 198,51,100,11,156,66\r\n");
    assert_eq!(line.named(), 0xc633_640b);
}

#[test]
fn a_server_announces_a_port_with_or_without_brackets() {
    let port = Some((5001, "10,1,0,11,19,137"));
    for text in [
        "227 Entering Passive Mode (10,1,0,11,19,137).\r\n",
        "227 Entering Passive Mode 10,1,0,11,19,137\r\n",
        "227 ((10,1,0,11,19,137)\r\n",
    ] {
        assert_eq!(announced(From::Server, false, text), port, "{text:?}");
        assert!(read(From::Server, false, text).is_passive());
    }
    for ipv6 in [false, true] {
        assert_eq!(
            announced(From::Server, ipv6, "229 Extended (|||5001|)\r\n"),
            Some((5001, "|||5001|"))
        );
    }
    assert_eq!(
        announced(From::Server, false, "229 (|1|10.1.0.11|5001|)\r\n"),
        Some((5001, "|1|10.1.0.11|5001|"))
    );
}

#[test]
fn other_lines_are_told_by_their_first_bytes() {
    for (from, ipv6, text) in [
        (From::Client, false, "PASV\r\n"),
        (From::Client, false, "227 (1,2,3,4,5,6)\r\n"),
        (From::Client, true, "PORT 1,2,3,4,5,6\r\n"),
        (From::Server, false, "PORT 1,2,3,4,5,6\r\n"),
        (From::Server, false, "227-(1,2,3,4,5,6)\r\n"),
        (From::Server, true, "227 (1,2,3,4,5,6)\r\n"),
        (From::Server, false, "150 (1,2,3,4,5,6)\r\n"),
    ] {
        let line = read(from, ipv6, text);
        assert!(!line.is_found() && !line.is_unsound(), "{text:?}");
    }
}

#[test]
fn unsound_and_unended_lines_announce_nothing() {
    for (from, text) in [
        (From::Client, "PORT 1,2,3,4,5\r\n"),
        (From::Client, "PORT 1,2,3,4,5,6"),
        (From::Client, "PORT 1,2,3,4,5,256\r\n"),
        (From::Client, "PORT 1,2,3,4,0,0\r\n"),
        (From::Client, "PORT x\r\n1,2,3,4,5,\r\n"),
        (From::Client, "EPRT |2|2001:db8::7|5|\r\n"),
        (From::Client, "EPRT |||5|\r\n"),
        (From::Client, "EPRT |1|1.2.3|5|\r\n"),
        (From::Client, "EPRT |1|1.2.3.4|65536|\r\n"),
        (From::Client, "EPRT |1|1.2.3.4|5\r\n"),
        (From::Server, "227 no numbers\r\n"),
        (From::Server, "229 (|||0|)\r\n"),
        (From::Server, "229 (||5001|)\r\n"),
        (From::Server, "229 (|||5001)\r\n"),
        (From::Server, "229 |||5001|\r\n"),
    ] {
        let line = read(from, false, text);
        assert!(!line.is_found() && line.is_unsound(), "{text:?}");
    }
}
