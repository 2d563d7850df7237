//! genhash beside Debian's: the same requests, output and exit statuses.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test may panic and says why it is skipped"
)]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output},
    sync::mpsc,
    thread,
};

const ORIGINAL: &str = "/usr/bin/genhash";

/// Whether the original is there to compare with; said where it is not.
fn has_original() -> bool {
    let there = Path::new(ORIGINAL).exists();
    assert!(
        there || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "needed in CI: {ORIGINAL}"
    );
    if !there {
        eprintln!("skipped: {ORIGINAL} is not installed");
    }
    there
}

fn ours(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xvs"))
        .arg("genhash")
        .args(arguments)
        .output()
        .unwrap()
}

fn theirs(arguments: &[&str]) -> Output {
    Command::new(ORIGINAL).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A web server with one page; tells what it was asked.
fn server(answer: &'static str) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap() == 0 {
                    break;
                }
                request.extend_from_slice(&byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            if sender.send(text(&request)).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

/// The output but for the time that it took.
fn without_time(output: &Output) -> String {
    text(&output.stdout)
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((what, _time)) if what.starts_with("Global") => format!("{what}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

const PAGE: &str =
    "HTTP/1.0 200 OK\r\nContent-Length: 12\r\nX-Long: 0123456789\r\n\r\nhello world\n";
const MISSING: &str = "HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n";

#[test]
fn requests_and_output_are_those_of_the_original() {
    if !has_original() {
        return;
    }
    for page in [PAGE, MISSING] {
        let (address, requests) = server(page);
        let port = address.port().to_string();
        let base = ["-s", "127.0.0.1", "-p", port.as_str()];
        for more in [
            &["-u", "/"][..],
            &["-u", "/a?b=c", "-v"],
            &["--url", "/", "-V", "www.example.com", "-P", "1.1"],
            &["-u", "x", "--protocol", "1.0c"],
        ] {
            let arguments: Vec<&str> = base.iter().chain(more).copied().collect();
            let (ours, theirs) = (ours(&arguments), theirs(&arguments));
            assert_eq!(without_time(&ours), without_time(&theirs), "{more:?}");
            assert_eq!(ours.status.code(), theirs.status.code(), "{more:?}");
            assert_eq!(requests.recv().unwrap(), requests.recv().unwrap());
        }
    }
}

#[test]
fn a_wrong_command_line_is_refused_in_the_original_s_words() {
    if !has_original() {
        return;
    }
    let server = ["-s", "127.0.0.1", "-p", "80", "-u", "/"];
    let wrong: [&[&str]; 12] = [
        &["-s", "nosuch", "-P", "3"],
        &[],
        &["-x"],
        &["--nosuch"],
        &["-s"],
        &["-h"],
        &["-s", "127.0.0.1", "-u", "/"],
        &["-s", "nosuch", "-p", "80", "-u", "/"],
        &["-s", "127.0.0.1", "-p", "99999", "-u", "/"],
        &["-s", "127.0.0.1", "-p", "abc", "-u", "/"],
        &["-P", "3"],
        &["extra"],
    ];
    for more in wrong {
        let complete = matches!(more, ["-P" | "extra", ..]);
        let arguments: Vec<&str> = if complete {
            server.iter().chain(more).copied().collect()
        } else {
            more.to_vec()
        };
        let (ours, theirs) = (ours(&arguments), theirs(&arguments));
        let theirs_said = text(&theirs.stderr).replace(ORIGINAL, "genhash");
        assert_eq!(text(&ours.stderr), theirs_said, "{more:?}");
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{more:?}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{more:?}");
    }
}

#[test]
fn a_page_that_cannot_be_fetched_is_a_failure_with_a_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let output = ours(&["-s", "127.0.0.1", "-p", &port, "-u", "/"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "Connection failed\n");
    assert!(text(&output.stderr).contains("refused"), "{output:?}");
}

#[test]
fn keepalived_has_genhash_behind_its_first_option() {
    let (address, _requests) = server(PAGE);
    let port = address.port().to_string();
    for option in ["-T", "--genhash"] {
        let output = Command::new(env!("CARGO_BIN_EXE_xvs"))
            .args(["keepalived", option, "-s", "127.0.0.1"])
            .args(["-p", &port, "-u", "/"])
            .output()
            .unwrap();
        assert_eq!(
            text(&output.stdout),
            "6f5902ac237024bdd0c176cb93063dc4\n",
            "{output:?}"
        );
    }
    let help = Command::new(env!("CARGO_BIN_EXE_xvs"))
        .args(["keepalived", "-T", "-h"])
        .output()
        .unwrap();
    assert!(text(&help.stderr).starts_with("Usage: keepalived --genhash COMMAND"));
}
