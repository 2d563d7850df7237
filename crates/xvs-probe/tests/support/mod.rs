//! Small servers on threads of this process, and probes for them.

#![allow(dead_code, reason = "not every test needs every server")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use xvs_conf::config::{CheckKind, Connection, HttpCheck, HttpVersion, Url};
use xvs_probe::{Failure, Probe, Success};
use xvs_types::Endpoint;

/// The timeout of probes here: long enough for a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn connection(to: SocketAddr) -> Connection {
    Connection {
        to: Endpoint::new(to.ip(), to.port()),
        from: None,
        from_port: None,
        interface: None,
        mark: 0,
    }
}

pub(crate) fn probe(kind: CheckKind, to: SocketAddr) -> Probe {
    Probe {
        kind,
        connection: Some(connection(to)),
        timeout: TIMEOUT,
        ssl: None,
    }
}

pub(crate) fn http(url: Url) -> CheckKind {
    CheckKind::Http(HttpCheck {
        tls: None,
        urls: vec![url],
        virtualhost: None,
        version: HttpVersion::V1_0,
        fast_recovery: false,
    })
}

pub(crate) fn url(path: &str) -> Url {
    Url {
        path: path.to_owned(),
        ..Url::default()
    }
}

pub(crate) async fn result(probe: &Probe) -> Result<Success, Failure> {
    xvs_probe::run(probe, 0).await.result
}

/// Serves one connection with `serve`; what it answers comes out of the channel.
pub(crate) fn once<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        // Nobody listens when the test has failed.
        let _gone = sender.send(serve(stream));
    });
    (address, receiver)
}

/// Answers one request with these bytes and closes; the request comes out of the channel.
pub(crate) fn web(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let answer = answer.into();
    once(move |mut stream| {
        let request = head(&mut stream);
        let _reset = stream.write_all(&answer);
        request
    })
}

/// Reads up to the empty line.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// Answers each datagram, where `answer` gives one; what came in comes out of the channel.
pub(crate) fn datagrams(
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> (SocketAddr, Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..count]) {
                socket.send_to(&answer, from).unwrap();
            }
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// A port where nobody listens.
pub(crate) fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
