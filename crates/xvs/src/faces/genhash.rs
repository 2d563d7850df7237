//! The `genhash` face: the digest of a page, as keepalived's checks compute it.
//!
//! Options, requests and output are those of genhash 2.2.7. What differs: a page that cannot be fetched
//! gives exit status 1 and a reason on stderr beside the original's line, where the original exits with
//! 0; and with `-v` the body is shown whole under its heading, where the original shows each read, the first one
//! with the heading if it came together with the head.

use std::{
    ffi::OsString,
    fmt::Write as _,
    net::IpAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use lexopt::{Arg, Parser, ValueExt};
use xvs_conf::config::{Connection, HttpVersion, TlsCheck};
use xvs_probe::{Fetch, Fetched, fetch};
use xvs_types::Endpoint;

use crate::output;

/// How long connecting and each wait for data may take without `-t`.
const TIMEOUT: Duration = Duration::from_secs(5);

const OPTIONS: &str = "\
Commands:
   -s server-address -p port -u url
   -S -s server-address -p port -u url
   -h

Options:
Either long or short options are allowed.
   --use-ssl         -S       Use SSL connection to remote server.
   --use-sni         -I       Use SNI during SSL handshake (uses virtualhost setting; see -V).
   --server          -s       Use the specified remote server address.
   --port            -p       Use the specified remote server port.
   --url             -u       Use the specified remote server url.
   --use-virtualhost -V       Use the specified virtualhost in GET query.
   --verbose         -v       Use verbose mode output.
   --help            -h       Display this short inlined help screen.
   --fwmark          -m       Use the specified FW mark.
   --protocol        -P       Use the specified HTTP protocol - '1.0', 1.0c', '1.1'.
                                1.0c means 1.0 with 'Connection: close'
   --timeout         -t       Timeout in seconds
";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Request {
    fetch: Fetch,
    verbose: bool,
}

/// Runs the face; `name` is how its help calls it.
pub(super) fn run(name: &str, arguments: Vec<OsString>) -> ExitCode {
    let request = match request(arguments) {
        Ok(request) => request,
        Err(reasons) => {
            for reason in reasons {
                output::message(&reason);
            }
            output::message(format!("Usage: {name} COMMAND [OPTIONS]\n{OPTIONS}").trim_end());
            return ExitCode::FAILURE;
        }
    };
    let started = Instant::now();
    let fetched = page(&request.fetch);
    let mut text = match &fetched {
        Ok(page) if request.verbose => shown(page),
        Ok(page) => format!("{}\n", hexadecimal(&page.digest)),
        Err(_) => "Connection failed\n".to_owned(),
    };
    if request.verbose {
        let path = &request.fetch.path;
        let time = started.elapsed().as_micros();
        // Writing into a string cannot fail.
        let _written = writeln!(text, "\nGlobal response time for [{path}] = {time} usecs");
    }
    match output::write(text.as_bytes()).and(fetched) {
        Ok(_page) => ExitCode::SUCCESS,
        Err(error) => {
            output::message(&format!("{name}: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn page(wanted: &Fetch) -> anyhow::Result<Fetched> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    let to = wanted.connection.to;
    runtime
        .block_on(fetch(wanted))
        .with_context(|| format!("cannot fetch `{}` from {to}", wanted.path))
}

/// What the options say, before it is looked at as a whole.
#[derive(Default)]
struct Options {
    server: Option<IpAddr>,
    port: Option<u16>,
    url: Option<String>,
    virtualhost: Option<String>,
    version: HttpVersion,
    timeout: Option<Duration>,
    mark: u32,
    ssl: bool,
    sni: bool,
    verbose: bool,
    /// What is wrong, in the original's words.
    wrong: Vec<String>,
}

/// Reads the command line; the complaint about it otherwise, none when help is asked for or something
/// is missing.
fn request(arguments: Vec<OsString>) -> Result<Request, Vec<String>> {
    let mut options = Options::default();
    let mut unexpected = Vec::new();
    let mut parser = Parser::from_args(arguments);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Value(word))) => unexpected.push(word.to_string_lossy().into_owned()),
            Ok(Some(Arg::Short('h') | Arg::Long("help"))) => return Err(Vec::new()),
            Ok(Some(Arg::Short(letter))) => options.take(letter, &mut parser)?,
            Ok(Some(Arg::Long(name))) => {
                let letter = letter_of(name).ok_or_else(Vec::new)?;
                options.take(letter, &mut parser)?;
            }
            // The original says no more than how it is used.
            Err(_error) => return Err(Vec::new()),
        }
        // It stops at the first value that is wrong.
        if !options.wrong.is_empty() {
            return Err(options.wrong);
        }
    }
    if !unexpected.is_empty() {
        let words = unexpected.join(" ");
        options
            .wrong
            .push(format!("Unexpected argument(s): {words}"));
    }
    options.finish()
}

fn letter_of(long: &str) -> Option<char> {
    Some(match long {
        "fwmark" => 'm',
        "port" => 'p',
        "protocol" => 'P',
        "server" => 's',
        "timeout" => 't',
        "url" => 'u',
        "use-sni" => 'I',
        "use-ssl" => 'S',
        "use-virtualhost" => 'V',
        "verbose" => 'v',
        _ => return None,
    })
}

impl Options {
    fn take(&mut self, letter: char, parser: &mut Parser) -> Result<(), Vec<String>> {
        match letter {
            'I' => self.sni = true,
            'S' => self.ssl = true,
            'v' => self.verbose = true,
            'm' | 'p' | 'P' | 's' | 't' | 'u' | 'V' => {
                let value = parser.value().and_then(|value| value.string());
                let value = value.map_err(|_missing| Vec::new())?;
                self.take_value(letter, value);
            }
            _ => return Err(Vec::new()),
        }
        Ok(())
    }

    fn take_value(&mut self, letter: char, value: String) {
        let mut wrong = |what: String| self.wrong.push(what);
        match letter {
            'm' => match value.parse() {
                Ok(mark) => self.mark = mark,
                Err(_) => wrong(format!("invalid fwmark '{value}'")),
            },
            'p' => match value.parse().ok().filter(|port| *port != 0) {
                Some(port) => self.port = Some(port),
                None => wrong(format!("invalid port number '{value}'")),
            },
            'P' => match value.as_str() {
                "1.0" => self.version = HttpVersion::V1_0,
                "1.0c" | "1.0C" => self.version = HttpVersion::V1_0Close,
                "1.1" => self.version = HttpVersion::V1_1,
                _ => wrong(format!("invalid HTTP protocol version '{value}'")),
            },
            's' => match value.parse() {
                Ok(address) => self.server = Some(address),
                Err(_) => wrong(format!("server should be an IP, not {value}")),
            },
            't' => match value.parse() {
                Ok(seconds) => self.timeout = Some(Duration::from_secs(seconds)),
                Err(_) => wrong(format!("invalid timeout '{value}'")),
            },
            'u' => self.url = Some(value),
            _ => self.virtualhost = Some(value),
        }
    }

    fn finish(self) -> Result<Request, Vec<String>> {
        let (Some(server), Some(port), Some(path), true) =
            (self.server, self.port, self.url, self.wrong.is_empty())
        else {
            return Err(self.wrong);
        };
        Ok(Request {
            fetch: Fetch {
                connection: Connection {
                    to: Endpoint::new(server, port),
                    from: None,
                    from_port: None,
                    interface: None,
                    mark: self.mark,
                },
                version: self.version,
                path,
                virtualhost: self.virtualhost,
                tls: self.ssl.then(|| TlsCheck {
                    enable_sni: self.sni,
                    ..TlsCheck::default()
                }),
                timeout: self.timeout.unwrap_or(TIMEOUT),
            },
            verbose: self.verbose,
        })
    }
}

/// Everything that came, as `-v` shows it.
fn shown(page: &Fetched) -> String {
    let digest = hexadecimal(&page.digest);
    format!(
        "-----------------------[    HTTP Header Buffer    ]-----------------------\n\
         {}\
         -----------------------[ HTTP Header Ascii Buffer ]-----------------------\n\
         {}\n\
         -----------------------[        HTML Buffer        ]-----------------------\n\
         {}\n\
         -----------------------[    HTML hash resulting    ]-----------------------\n\
         {}\
         -----------------------[ HTML hash final resulting ]-----------------------\n\
         {digest}\n",
        dump(&page.head),
        String::from_utf8_lossy(&page.head),
        dump(&page.body),
        dump(&page.digest),
    )
}

/// Sixteen bytes a line: a decimal offset, which begins again at 65,536, the bytes, their characters.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(16).enumerate() {
        let offset = (number * 16) & 0xffff;
        let half = |half: usize| {
            let bytes = line.iter().skip(half * 8).take(8);
            let hexadecimal: String = bytes.map(|byte| format!(" {byte:02x}")).collect();
            format!("{hexadecimal:24}")
        };
        let characters: String = line
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            })
            .collect();
        // Writing into a string cannot fail.
        let _written = writeln!(
            text,
            "{offset:04} {} -{}   {characters:16}",
            half(0),
            half(1)
        );
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_that_of_the_original() {
        assert_eq!(
            dump(b"HTTP/1.0 200 OK\r\nServ"),
            "0000  48 54 54 50 2f 31 2e 30 - 20 32 30 30 20 4f 4b 0d   HTTP/1.0 200 OK.\n\
             0016  0a 53 65 72 76          -                           .Serv           \n"
        );
    }

    #[test]
    fn long_options_are_the_short_ones() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let short = request(words(
            "-S -I -s 192.0.2.1 -p 443 -u / -V a -m 7 -P 1.1 -t 3 -v",
        ));
        let long = request(words(
            "--use-ssl --use-sni --server 192.0.2.1 --port 443 --url / --use-virtualhost a \
             --fwmark 7 --protocol 1.1 --timeout 3 --verbose",
        ));
        assert_eq!(short, long);
        assert_eq!(short.unwrap().fetch.timeout, Duration::from_secs(3));
    }
}
