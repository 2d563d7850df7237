//! HTTP_GET against Debian's nginx.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use md5::{Digest, Md5};
use support::{closed, http, probe, result, url};
use xvs_conf::config::{CheckKind, HttpVersion};
use xvs_probe::{Failure, Success};

/// nginx in a folder of its own; killed with this.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn nginx(folder: &std::path::Path, address: std::net::SocketAddr) -> Option<Nginx> {
    fs::write(folder.join("index.html"), "hello\n").unwrap();
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
         events {{ worker_connections 64; }}
         http {{ access_log off; client_body_temp_path {0}; proxy_temp_path {0};
           fastcgi_temp_path {0}; uwsgi_temp_path {0}; scgi_temp_path {0};
           server {{ listen {address}; root {0}; }} }}",
        folder.display()
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let started = Command::new("nginx")
        .arg("-c")
        .arg(&file)
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Nginx(child)),
        Err(error) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI needs nginx");
            eprintln!("skipped: nginx: {error}");
            None
        }
    }
}

#[tokio::test]
async fn nginx_is_well_until_it_dies() {
    let folder = tempfile::tempdir().unwrap();
    let address = closed();
    let Some(nginx) = nginx(folder.path(), address) else {
        return;
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while result(&probe(CheckKind::Tcp, address)).await.is_err() {
        assert!(Instant::now() < deadline, "nginx does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut page = url("/");
    page.digests = vec![Md5::digest(b"hello\n").into()];
    for version in [HttpVersion::V1_0, HttpVersion::V1_0Close, HttpVersion::V1_1] {
        let mut kind = http(page.clone());
        if let CheckKind::Http(check) = &mut kind {
            check.version = version;
        }
        assert_eq!(result(&probe(kind, address)).await.unwrap(), Success::Plain);
    }
    let missing = result(&probe(http(url("/missing")), address)).await;
    assert!(matches!(missing, Err(Failure::Status(404))), "{missing:?}");
    drop(nginx);
    let dead = result(&probe(http(page), address)).await;
    assert!(matches!(dead, Err(Failure::Connect(_))), "{dead:?}");
}
