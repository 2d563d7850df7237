//! Checks that connect, against small servers of this process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use support::{closed, connection, datagrams, head, http, once, probe, result, url, web};
use xvs_conf::config::{
    CheckKind, DnsCheck, DnsType, HttpVersion, RegexCheck, ReplyByte, SmtpCheck, StatusRange,
    UdpCheck,
};
use xvs_probe::{Failure, Success};

#[tokio::test]
async fn a_tcp_check_connects_or_says_why_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let up = probe(CheckKind::Tcp, listener.local_addr().unwrap());
    assert_eq!(result(&up).await.unwrap(), Success::Plain);
    let down = probe(CheckKind::Tcp, closed());
    let failure = result(&down).await.unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure}");
}

#[tokio::test]
async fn a_silent_peer_costs_one_timeout() {
    // The queue of this listener is full, so that SYNs are dropped.
    let socket = socket_without_room();
    let mut silent = probe(CheckKind::Tcp, socket.local_addr().unwrap());
    silent.timeout = Duration::from_millis(300);
    let mut held = Vec::new();
    let start = Instant::now();
    let failure = loop {
        match result(&silent).await {
            Err(failure) => break failure,
            Ok(_) => held.push(std::net::TcpStream::connect_timeout(
                &socket.local_addr().unwrap(),
                Duration::from_millis(100),
            )),
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    };
    assert!(matches!(failure, Failure::Timeout { .. }), "{failure}");
}

fn socket_without_room() -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    socket.into()
}

#[tokio::test]
async fn a_check_comes_from_the_address_and_port_it_is_bound_to() {
    let (address, peer) = once(|stream| stream.peer_addr().unwrap());
    let mut bound = probe(CheckKind::Tcp, address);
    let mut from = connection(address);
    from.from = Some("127.0.0.9:0".parse().unwrap());
    bound.connection = Some(from);
    result(&bound).await.unwrap();
    assert_eq!(peer.recv().unwrap().ip().to_string(), "127.0.0.9");
}

#[tokio::test]
async fn requests_are_keepalived_s_to_the_byte() {
    for (version, host, recorded) in [
        (
            HttpVersion::V1_0,
            None,
            "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: ADDRESS\r\n\r\n",
        ),
        (
            HttpVersion::V1_0Close,
            None,
            "GET /a HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: ADDRESS\r\n\r\n",
        ),
        (
            HttpVersion::V1_1,
            Some("www.example.com"),
            "GET /a HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example.com\r\n\r\n",
        ),
    ] {
        let (address, request) = web("HTTP/1.1 200 OK\r\n\r\n");
        let mut kind = http(url("/a"));
        if let CheckKind::Http(check) = &mut kind {
            check.version = version;
            check.virtualhost = host.map(str::to_owned);
        }
        result(&probe(kind, address)).await.unwrap();
        let recorded = recorded.replace("ADDRESS", &address.to_string());
        assert_eq!(request.recv().unwrap(), recorded);
    }
}

#[tokio::test]
async fn http_kinds_answer_as_they_should() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let moved = "HTTP/1.1 302 Found\r\n\r\n";
    let digest = |text: &str| {
        let mut one = url("/");
        let bytes = (0..16).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap());
        one.digests = vec![bytes.collect::<Vec<u8>>().try_into().unwrap()];
        one
    };
    let pattern = |pattern: &str, no_match| {
        let mut one = url("/");
        one.regex = Some(RegexCheck {
            pattern: pattern.to_owned(),
            no_match,
            ..RegexCheck::default()
        });
        one
    };
    let mut found = url("/");
    found.statuses = vec![StatusRange {
        first: 300,
        last: 399,
    }];
    let hello = "5d41402abc4b2a76b9719d911017c592";
    for (answer, url, wanted) in [
        (ok, url("/"), Ok(())),
        (moved, url("/"), Err("HTTP status 302")),
        (moved, found.clone(), Ok(())),
        (ok, found, Err("HTTP status 200")),
        (ok, digest(hello), Ok(())),
        (
            ok,
            digest(&hello.replace('5', "6")),
            Err("the body has the digest 5d41402abc4b2a76b9719d911017c592"),
        ),
        (ok, pattern("h.l+o", false), Ok(())),
        (
            ok,
            pattern("bye", false),
            Err("the body does not match the regular expression"),
        ),
        (ok, pattern("bye", true), Ok(())),
        (
            ok,
            pattern("hello", true),
            Err("the body matches the regular expression, which it must not"),
        ),
        (
            "220 mail\r\n\r\n",
            url("/"),
            Err("the answer is malformed: no HTTP status line"),
        ),
        (
            "HTTP/1.1 200 OK\r\n",
            url("/"),
            Err("the peer closed before its answer was complete"),
        ),
    ] {
        let (address, _request) = web(answer);
        let outcome = result(&probe(http(url), address)).await;
        let outcome = outcome.map(|_| ()).map_err(|failure| failure.to_string());
        assert_eq!(outcome, wanted.map_err(str::to_owned), "{answer}");
    }
}

#[tokio::test]
async fn a_peer_that_never_ends_is_a_failure_in_bounded_time() {
    let (address, _) = once(|mut stream| {
        head(&mut stream);
        // A byte at a time keeps every single wait short.
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut drip = probe(http(url("/")), address);
    drip.timeout = Duration::from_millis(250);
    let start = Instant::now();
    let failure = result(&drip).await.unwrap_err();
    assert!(matches!(failure, Failure::Timeout { .. }), "{failure}");
    assert!(start.elapsed() < Duration::from_secs(4));
    let (address, _) = once(|mut stream| {
        head(&mut stream);
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let failure = result(&probe(http(url("/")), address)).await.unwrap_err();
    assert!(matches!(failure, Failure::TooLong { .. }), "{failure}");
}

#[tokio::test]
async fn an_smtp_check_speaks_as_recorded() {
    let check = || {
        CheckKind::Smtp(SmtpCheck {
            helo_name: "me.example.com".to_owned(),
        })
    };
    let (address, said) = once(|mut stream| {
        stream.write_all(b"220-mail\r\n220 ready\r\n").unwrap();
        let mut buffer = [0; 256];
        let count = stream.read(&mut buffer).unwrap();
        stream.write_all(b"250 hello\r\n").unwrap();
        let mut said = buffer[..count].to_vec();
        stream.read_to_end(&mut said).unwrap();
        String::from_utf8(said).unwrap()
    });
    result(&probe(check(), address)).await.unwrap();
    assert_eq!(said.recv().unwrap(), "HELO me.example.com\r\nQUIT\r\n");
    let (address, _) = once(|mut stream| stream.write_all(b"554 go away\r\n"));
    let failure = result(&probe(check(), address)).await.unwrap_err();
    assert_eq!(failure.to_string(), "SMTP reply 554 in place of 220");
}

#[tokio::test]
async fn a_dns_check_takes_any_response_to_its_question() {
    let check = || {
        CheckKind::Dns(DnsCheck {
            question: DnsType::Soa,
            name: ".".to_owned(),
        })
    };
    let reply = |code: u8| {
        move |question: &[u8]| {
            let mut reply = question.to_vec();
            reply[2] |= 0x80;
            reply[3] |= code;
            Some(reply)
        }
    };
    let (address, asked) = datagrams(reply(0));
    result(&probe(check(), address)).await.unwrap();
    let asked = asked.recv().unwrap();
    assert_eq!(asked[2..], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1]);
    let (address, _asked) = datagrams(reply(2));
    let failure = result(&probe(check(), address)).await.unwrap_err();
    assert!(matches!(failure, Failure::ResponseCode(2)), "{failure}");
}

#[tokio::test]
async fn a_udp_check_fails_where_nobody_is_or_the_reply_is_wrong() {
    let check = |require_reply| UdpCheck {
        payload: Some(vec![1, 2, 3]),
        require_reply,
        max_reply_length: 255,
        ..UdpCheck::default()
    };
    let nobody = probe(CheckKind::Udp(check(false)), closed());
    assert!(result(&nobody).await.is_err());
    let (silent, got) = datagrams(|_| None);
    let mut quiet = probe(CheckKind::Udp(check(false)), silent);
    quiet.timeout = Duration::from_millis(200);
    result(&quiet).await.unwrap();
    assert_eq!(got.recv().unwrap(), [1, 2, 3]);
    quiet.kind = CheckKind::Udp(check(true));
    assert!(matches!(result(&quiet).await, Err(Failure::Timeout { .. })));
    let (echo, _got) = datagrams(|bytes| Some(bytes.to_vec()));
    let mut picky = check(true);
    picky.reply = vec![ReplyByte {
        value: 1,
        mask: 0xff,
    }];
    result(&probe(CheckKind::Udp(picky.clone()), echo))
        .await
        .unwrap();
    picky.reply[0].value = 2;
    let failure = result(&probe(CheckKind::Udp(picky), echo))
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::WrongReply), "{failure}");
}

#[tokio::test]
async fn root_a_ping_is_answered_by_this_host() {
    if !nix::unistd::geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs root");
        eprintln!("skipped: needs root for an ICMP socket");
        return;
    }
    let mut ping = probe(CheckKind::Ping, "127.0.0.1:80".parse().unwrap());
    result(&ping).await.unwrap();
    // A mark needs a privilege too.
    let mut marked = connection("127.0.0.1:80".parse().unwrap());
    marked.mark = 7;
    ping.connection = Some(marked);
    result(&ping).await.unwrap();
}
