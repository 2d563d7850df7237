//! SSL_GET against OpenSSL servers: an old protocol, a name, an end without goodbye.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;

use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    pkey::PKey,
    rsa::Rsa,
    ssl::{NameType, SslAcceptor, SslMethod, SslVersion},
    x509::{X509, X509NameBuilder},
};
use support::{head, http, once, probe, result, url};
use xvs_conf::config::{CheckKind, HttpCheck, RegexCheck, TlsCheck};
use xvs_probe::{Failure, Success};

/// A server with a certificate of its own making.
fn acceptor(version: Option<SslVersion>) -> SslAcceptor {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "nobody").unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    certificate
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let mut builder = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.set_certificate(&certificate.build()).unwrap();
    builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    if version.is_some() {
        builder.clear_options(openssl::ssl::SslOptions::NO_TLSV1);
        builder.set_min_proto_version(version).unwrap();
        builder.set_max_proto_version(version).unwrap();
    }
    builder.build()
}

fn ssl(change: impl FnOnce(&mut HttpCheck)) -> CheckKind {
    let mut kind = http(url("/"));
    if let CheckKind::Http(check) = &mut kind {
        check.tls = Some(TlsCheck::default());
        change(check);
    }
    kind
}

#[tokio::test]
async fn old_servers_are_reached_and_get_the_name() {
    let acceptor = acceptor(Some(SslVersion::TLS1));
    let (address, seen) = once(move |stream| {
        let mut stream = acceptor.accept(stream).unwrap();
        let request = head(&mut stream);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        let name = stream
            .ssl()
            .servername(NameType::HOST_NAME)
            .map(str::to_owned);
        (request, name)
    });
    let kind = ssl(|check| {
        check.virtualhost = Some("www.example.com".to_owned());
        check.tls = Some(TlsCheck {
            enable_sni: true,
            ..TlsCheck::default()
        });
    });
    assert_eq!(result(&probe(kind, address)).await.unwrap(), Success::Plain);
    let (request, name) = seen.recv().unwrap();
    assert!(request.starts_with("GET / HTTP/1.0\r\n"), "{request}");
    assert_eq!(name.as_deref(), Some("www.example.com"));
}

#[tokio::test]
async fn an_end_without_goodbye_is_a_failure_only_where_it_must_be_proper() {
    for (compliant, well) in [(false, true), (true, false)] {
        let acceptor = acceptor(None);
        let (address, _) = once(move |stream| {
            let mut stream = acceptor.accept(stream).unwrap();
            head(&mut stream);
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
        });
        let kind = ssl(|check| {
            check.urls[0].tls_compliant = compliant;
            check.urls[0].regex = Some(RegexCheck {
                pattern: "hello".to_owned(),
                ..RegexCheck::default()
            });
        });
        let outcome = result(&probe(kind, address)).await;
        assert_eq!(outcome.is_ok(), well, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_speaks_no_tls_is_a_failure() {
    let (address, _) = once(|mut stream| stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"));
    let failure = result(&probe(ssl(|_| {}), address)).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls(_)), "{failure}");
}
