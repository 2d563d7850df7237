//! A mail server and a web server that keep what they are told.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::PKey,
    rsa::Rsa,
    ssl::{Ssl, SslAcceptor, SslMethod},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_openssl::SslStream;

/// The name in the certificate of a [`Tls`].
pub(crate) const NAME: &str = "mail.example.com";

/// How a mail server behaves.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    /// Answers 451 to so many first mails.
    pub(crate) not_now: usize,
    /// Answers 550 to this recipient.
    pub(crate) refuses: Option<&'static str>,
    /// Never says a word.
    pub(crate) silent: bool,
    /// Knows EHLO, offers STARTTLS and a login.
    pub(crate) tls: Option<Tls>,
}

/// A key and its certificate.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: SslAcceptor,
    /// The certificate, which is its own authority.
    pub(crate) pem: Vec<u8>,
}

/// A server on its way; its clones share what came in.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    /// What each connection has sent, as text.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    /// What each connection has sent so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The subjects of all mails so far.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let all = self.heard().concat();
        all.lines()
            .filter_map(|line| line.strip_prefix("Subject: "))
            .map(str::to_owned)
            .collect()
    }

    fn begin(&self) -> usize {
        let mut heard = self.heard.lock().unwrap();
        heard.push(String::new());
        heard.len() - 1
    }

    fn hear(&self, connection: usize, line: &str) {
        self.heard.lock().unwrap()[connection].push_str(line);
    }
}

impl Tls {
    pub(crate) fn new() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", NAME).unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let (from, to) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
        builder.set_not_before(&from.unwrap()).unwrap();
        builder.set_not_after(&to.unwrap()).unwrap();
        let authority = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(authority).unwrap();
        let names = SubjectAlternativeName::new()
            .dns(NAME)
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        Self {
            acceptor: acceptor.build(),
            pem: certificate.to_pem().unwrap(),
        }
    }

    async fn accept(&self, stream: TcpStream) -> Option<SslStream<TcpStream>> {
        let session = Ssl::new(self.acceptor.context()).unwrap();
        let mut stream = SslStream::new(session, stream).unwrap();
        Pin::new(&mut stream).accept().await.ok()?;
        Some(stream)
    }
}

async fn listen() -> (TcpListener, Sink) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink = Sink {
        address: listener.local_addr().unwrap(),
        heard: Arc::default(),
    };
    (listener, sink)
}

/// A mail server.
pub(crate) async fn mail(manners: Manners) -> Sink {
    let (listener, sink) = listen().await;
    let server = sink.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (stream, _peer) = listener.accept().await.unwrap();
            let connection = server.begin();
            if manners.silent {
                held.push(stream);
                continue;
            }
            let (sink, manners) = (server.clone(), manners.clone());
            tokio::spawn(async move {
                let stream = talk(stream, &sink, connection, &manners, true).await;
                if let (Some(tls), Some(stream)) = (&manners.tls, stream)
                    && let Some(stream) = tls.accept(stream).await
                {
                    sink.hear(connection, "(TLS)\n");
                    talk(stream, &sink, connection, &manners, false).await;
                }
            });
        }
    });
    sink
}

/// One conversation; gives the stream back when TLS is to begin.
async fn talk<S>(
    stream: S,
    sink: &Sink,
    connection: usize,
    manners: &Manners,
    greets: bool,
) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    if greets {
        stream
            .write_all(b"220-welcome\r\n220 sink\r\n")
            .await
            .ok()?;
    }
    let mut in_text = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        sink.hear(connection, &line);
        let word = line.split([' ', ':', '\r']).next().unwrap_or_default();
        let answer: &str = match word {
            _ if in_text && line != ".\r\n" => continue,
            _ if in_text => {
                in_text = false;
                "250 taken\r\n"
            }
            "DATA" if connection < manners.not_now => "451 not now\r\n",
            "DATA" => {
                in_text = true;
                "354 go on\r\n"
            }
            "RCPT" if manners.refuses.is_some_and(|name| line.contains(name)) => "550 not here\r\n",
            "EHLO" if manners.tls.is_some() && greets => "250-sink\r\n250 STARTTLS\r\n",
            "EHLO" if manners.tls.is_some() => "250-sink\r\n250 AUTH PLAIN\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 begin\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => "235 come in\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 well\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        if word == "QUIT" {
            return None;
        }
    }
}

/// A web server that answers each request with the next of these statuses, the last one again and again.
pub(crate) async fn web(statuses: &'static [u16], tls: Option<Tls>) -> Sink {
    let (listener, sink) = listen().await;
    let server = sink.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _peer) = listener.accept().await.unwrap();
            let connection = server.begin();
            let status = statuses
                .get(connection)
                .or_else(|| statuses.last())
                .unwrap();
            match &tls {
                None => answer(stream, &server, connection, *status).await,
                Some(tls) => {
                    if let Some(stream) = tls.accept(stream).await {
                        answer(stream, &server, connection, *status).await;
                    }
                }
            }
        }
    });
    sink
}

/// Reads one request and answers it.
async fn answer<S>(stream: S, sink: &Sink, connection: usize, status: u16)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        sink.hear(connection, &line);
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    sink.hear(connection, std::str::from_utf8(&body).unwrap());
    let text = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
    // Who asked may have given up.
    let _gone = stream.write_all(text.as_bytes()).await;
    let _gone = stream.shutdown().await;
}
