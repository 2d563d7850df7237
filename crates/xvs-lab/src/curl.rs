//! Real requests: curl in a host.

use std::{
    fs::{self, File},
    io::Read,
    process::Command,
    time::Duration,
};

use crate::{Host, LabError, WebFiles, host::failure};

/// Seconds that a request may take; a lost SYN is sent again after 1, 3 and 7.
const REQUEST_SECONDS: u64 = 10;
/// Seconds that a transfer may take.
const TRANSFER_SECONDS: u64 = 60;

/// What a web server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body without white space at its ends.
    pub body: String,
    /// The port of the client's end.
    pub client_port: u16,
}

/// Asks for `url` from `host` by a connection of its own.
///
/// # Errors
///
/// curl is not installed, or there was no answer within 10 s.
pub fn get(host: &Host, url: &str) -> Result<Answer, LabError> {
    let mut command = curl(REQUEST_SECONDS);
    command.args(["-w", "\n%{http_code} %{local_port}", url]);
    let output = run(host, &mut command, REQUEST_SECONDS)?;
    let text = String::from_utf8_lossy(&output);
    let read = || {
        let (body, told) = text.rsplit_once('\n')?;
        let (status, port) = told.split_once(' ')?;
        Some(Answer {
            status: status.parse().ok()?,
            body: body.trim().to_owned(),
            client_port: port.parse().ok()?,
        })
    };
    read().ok_or_else(|| LabError::CommandFailed {
        command: format!("curl {url}"),
        status: "exit status: 0".to_owned(),
        message: format!("its answer is not understood: {text}"),
    })
}

/// Serves `size` random bytes on each of `servers` and fetches them with `base` + `/NAME`; true when
/// they arrive as they were.
///
/// # Errors
///
/// A file cannot be made, or the transfer did not end within 60 s.
pub fn download_is_intact(
    host: &Host,
    base: &str,
    servers: &[WebFiles],
    size: usize,
) -> Result<bool, LabError> {
    let name = "download.bin";
    let sent = random(size)?;
    for server in servers {
        server.serve(name, &sent)?;
    }
    let path = host.folder().join(name);
    let mut command = curl(TRANSFER_SECONDS);
    command.arg("--fail").arg("-o").arg(&path);
    run(
        host,
        command.arg(format!("{base}/{name}")),
        TRANSFER_SECONDS,
    )?;
    let received = fs::read(&path).map_err(LabError::file("read", &path))?;
    fs::remove_file(&path).map_err(LabError::file("remove", path))?;
    Ok(received == sent)
}

/// Puts `size` random bytes to `base` + `/upload/NAME`; true when exactly one of `servers` stored
/// them as they were.
///
/// # Errors
///
/// A file cannot be made, or the transfer did not end within 60 s.
pub fn upload_is_intact(
    host: &Host,
    base: &str,
    servers: &[WebFiles],
    size: usize,
) -> Result<bool, LabError> {
    let name = "upload.bin";
    let sent = random(size)?;
    let path = host.folder().join(name);
    fs::write(&path, &sent).map_err(LabError::file("write", &path))?;
    let mut command = curl(TRANSFER_SECONDS);
    command.arg("--fail").arg("-T").arg(&path);
    let url = format!("{base}/upload/{name}");
    run(host, command.arg(url), TRANSFER_SECONDS)?;
    fs::remove_file(&path).map_err(LabError::file("remove", path))?;
    let mut stored = Vec::new();
    for server in servers {
        stored.extend(server.take_uploaded(name)?);
    }
    Ok(matches!(stored.as_slice(), [one] if *one == sent))
}

fn curl(seconds: u64) -> Command {
    let mut command = Command::new("curl");
    // No configuration, no proxy of the user's: the request shall cross the wires of the lab.
    command.args(["-q", "-sS", "-g", "--noproxy", "*", "--max-time"]);
    command.arg(seconds.to_string());
    command
}

fn run(host: &Host, command: &mut Command, seconds: u64) -> Result<Vec<u8>, LabError> {
    let output = host.output(command, Duration::from_secs(seconds + 5))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failure(command, &output))
}

fn random(size: usize) -> Result<Vec<u8>, LabError> {
    let path = "/dev/urandom";
    let mut bytes = vec![0; size];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(LabError::file("read", path))?;
    Ok(bytes)
}
