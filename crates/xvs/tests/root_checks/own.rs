//! Mail by TLS with a user, and the webhook, as our own keywords of `global_defs` ask for.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};

use crate::{bed::Bed, support::can_run};

/// How long a mail may be on its way.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server in the namespace of the bed that gives each connection to `talk`, which answers what it
/// heard.
fn serve(
    bed: &Bed,
    address: &'static str,
    talk: impl Fn(std::net::TcpStream) -> String + Send + 'static,
) -> mpsc::Receiver<String> {
    let (ready, is_ready) = mpsc::channel();
    let (heard, hears) = mpsc::channel();
    let namespace = format!("/proc/{}/ns/net", bed.place.pid());
    thread::spawn(move || {
        // This thread alone moves; it ends with the test program.
        let namespace = fs::File::open(namespace).unwrap();
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let listener = TcpListener::bind(address).unwrap();
        ready.send(()).unwrap();
        for stream in listener.incoming() {
            if heard.send(talk(stream.unwrap())).is_err() {
                return;
            }
        }
    });
    is_ready.recv().unwrap();
    hears
}

/// A mail server's side of one conversation.
fn smtp(stream: impl Read + Write) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    let mut in_text = false;
    stream.get_mut().write_all(b"220 sink\r\n").unwrap();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return heard;
        }
        heard.push_str(&line);
        let answer: &[u8] = match line.split([' ', '\r']).next().unwrap_or_default() {
            "." => {
                in_text = false;
                b"250 taken\r\n"
            }
            _ if in_text => continue,
            "EHLO" => b"250-sink\r\n250 AUTH PLAIN\r\n",
            "AUTH" => b"235 come in\r\n",
            "DATA" => {
                in_text = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 well\r\n",
        };
        stream.get_mut().write_all(answer).unwrap();
    }
}

/// One request of the webhook.
fn http(stream: std::net::TcpStream) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut heard).unwrap() > 0, "{heard}");
    }
    let length = heard.lines().find_map(|line| {
        let line = line.to_lowercase();
        line.strip_prefix("content-length: ")?.parse().ok()
    });
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    heard.push_str(&String::from_utf8(body).unwrap());
    let answer = b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n";
    stream.get_mut().write_all(answer).unwrap();
    heard
}

fn configuration(global: &str) -> String {
    format!(
        "global_defs {{\n router_id KAD\n notification_email {{\n  ops@example.com\n }}\n \
         notification_email_from ka@example.com\n {global}\n}}\n\
         virtual_server 192.0.2.1 80 {{\n lb_kind NAT\n protocol TCP\n smtp_alert\n \
         real_server 127.0.0.1 9001 {{\n }}\n}}\n"
    )
}

#[test]
fn root_mail_goes_by_tls_with_a_user_and_events_to_the_webhook() {
    if !can_run() || !crate::support::has("openssl") {
        return;
    }
    let bed = Bed::new("");
    let path = |name: &str| bed.other(name, "").display().to_string();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
        ])
        .args(["-subj", "/CN=mail.example.com", "-keyout", &key, "-out"])
        .args([
            &certificate,
            "-addext",
            "subjectAltName=DNS:mail.example.com",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    acceptor
        .set_private_key_file(&key, SslFiletype::PEM)
        .unwrap();
    acceptor
        .set_certificate_file(&certificate, SslFiletype::PEM)
        .unwrap();
    let acceptor = acceptor.build();
    let mails = serve(&bed, "127.0.0.1:465", move |stream| {
        match acceptor.accept(stream) {
            Ok(stream) => smtp(stream),
            Err(error) => error.to_string(),
        }
    });
    let posted = serve(&bed, "127.0.0.1:8088", http);
    let (password, token) = (
        bed.other("password", "s3cret\n"),
        bed.other("token", "t0ken\n"),
    );
    for secret in [&password, &token] {
        fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
    }
    bed.write(&configuration(&format!(
        "smtp_server 127.0.0.1 465\n xvs_smtp_tls immediate mail.example.com {certificate}\n \
         xvs_smtp_user ka {}\n xvs_webhook http://127.0.0.1:8088/hook {}",
        password.display(),
        token.display()
    )));
    let daemon = bed.daemon();
    let mail = mails.recv_timeout(PATIENCE).unwrap();
    // RFC 4616: the user and the password, behind zeros.
    let login = openssl::base64::encode_block(b"\0ka\0s3cret");
    assert!(mail.contains(&format!("AUTH PLAIN {login}")), "{mail}");
    assert!(mail.contains("RCPT TO:<ops@example.com>"), "{mail}");
    let subject = "Subject: [KAD] Virtualserver [192.0.2.1]:tcp:80 - UP";
    assert!(mail.contains(subject), "{mail}");
    let request = posted.recv_timeout(PATIENCE).unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    let lower = request.to_lowercase();
    assert!(lower.contains("authorization: bearer t0ken"), "{request}");
    assert!(
        request.contains(r#""name":"[192.0.2.1]:tcp:80""#),
        "{request}"
    );
    // A password that is gone is told, and no mail goes without it; the file stays in force.
    fs::remove_file(&password).unwrap();
    bed.place.done(&["reload"]);
    let warnings = bed.status("/configuration/warnings");
    let warning = warnings[0].as_str().unwrap();
    assert!(warning.contains("there is no mail: "), "{warning}");
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0), "{log}");
    for secret in ["s3cret", "t0ken"] {
        assert!(!log.contains(secret), "{log}");
    }
}
