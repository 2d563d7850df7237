//! The API on TCP, for those who asked for it: everybody reads, who knows the token writes.
//!
//! Two things guard it. A write needs `Authorization: Bearer TOKEN`, with the token of a file that only
//! its owner can read. And every request must be addressed to an address: a web page that has its own
//! name point here (DNS rebinding) sends that name as `Host`, and is refused.

use std::{
    fmt, fs,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::{HeaderMap, header};

use crate::wire::{Code, Problem};

/// The shortest token, in bytes: what cannot be guessed has some length.
const SHORTEST: usize = 16;
/// The longest token, in bytes.
const LONGEST: u64 = 4096;

/// A secret that entitles to write.
#[derive(Clone)]
pub struct Token(Arc<[u8]>);

/// Why a file holds no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Others can read the file.
    #[error("`{path}` has mode {mode:04o}, so others can read the token; make it 0600")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file cannot be read.
    #[error("cannot read the token in `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no token.
    #[error(
        "`{path}` holds no token; write one line of 16 to 4096 printable ASCII characters without spaces"
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads the token in the file at `path`.
    ///
    /// # Errors
    ///
    /// When anybody but the owner may open the file, or it holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::Read {
            path: path.to_owned(),
            source,
        };
        let file = fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(TokenError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text).map_err(failed)?;
        let text = text.trim_ascii();
        if text.len() < SHORTEST || !text.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Content {
                path: path.to_owned(),
            });
        }
        Ok(Self(text.into()))
    }

    /// Whether `given` is this token, in a time that tells nothing of where they differ.
    fn is(&self, given: &[u8]) -> bool {
        let differences = self
            .0
            .iter()
            .zip(given)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        given.len() == self.0.len() && differences == 0
    }
}

impl fmt::Debug for Token {
    /// Without the secret: this ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What a request on TCP is judged by.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// Where the connection was accepted.
    pub(super) local: SocketAddr,
    /// The token; none when nobody may write.
    pub(super) token: Option<Token>,
}

impl Remote {
    /// Whether a request with these headers may go on.
    pub(super) fn judge(&self, headers: &HeaderMap, writes: bool) -> Result<(), Problem> {
        if !self.is_meant(headers) {
            return Err(Problem::new(
                Code::Forbidden,
                "the request is for another host, by its `Host` header",
            )
            .with_hint("use the address of the director in place of a name"));
        }
        if !writes {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(
                Problem::new(Code::Forbidden, "nothing can be changed over TCP")
                    .with_hint("start the daemon with `--token-file`, or use its socket"),
            );
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if given.is_some_and(|given| token.is(given)) {
            return Ok(());
        }
        Err(
            Problem::new(Code::Forbidden, "the token is missing or wrong").with_hint(
                "send `Authorization: Bearer TOKEN` with the token of the daemon's file",
            ),
        )
    }

    /// Whether the one `Host` header has an address, or `localhost`, and the port of this connection.
    fn is_meant(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let Ok(host) = host.to_str() else {
            return false;
        };
        if let Ok(address) = host.parse::<SocketAddr>() {
            return address.port() == self.local.port();
        }
        if let Some(port) = host.strip_prefix("localhost:") {
            return port.parse() == Ok(self.local.port());
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        self.local.port() == 80 && (host == "localhost" || bare.parse::<IpAddr>().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn remote(token: bool) -> Remote {
        Remote {
            local: "192.0.2.1:7070".parse().unwrap(),
            token: token.then(|| Token(SECRET.as_bytes().into())),
        }
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_token_is_in_a_file_that_is_closed_to_others() {
        let (_folder, path) = file(&format!("{SECRET}\n"), 0o600);
        assert!(Token::read(&path).unwrap().is(SECRET.as_bytes()));
        for mode in [0o640, 0o604, 0o660] {
            let (_folder, path) = file(SECRET, mode);
            let error = Token::read(&path).unwrap_err();
            assert!(matches!(error, TokenError::Open { .. }), "{error}");
        }
        for text in [
            "",
            "\n",
            "short",
            "with a space in its middle",
            "zwölf Zeichen und mehr",
        ] {
            let (_folder, path) = file(text, 0o600);
            let error = Token::read(&path).unwrap_err();
            assert!(matches!(error, TokenError::Content { .. }), "{text}");
        }
        assert!(!format!("{:?}", Token::read(&path)).contains(SECRET));
    }

    #[test]
    fn only_the_whole_token_writes() {
        let host = (header::HOST, "192.0.2.1:7070");
        let with = |value: &str| headers(&[host.clone(), (header::AUTHORIZATION, value)]);
        let good = with(&format!("Bearer {SECRET}"));
        assert!(remote(true).judge(&good, true).is_ok());
        assert!(remote(false).judge(&good, true).is_err());
        for value in [
            "",
            "Bearer ",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            SECRET,
        ] {
            assert!(remote(true).judge(&with(value), true).is_err(), "{value}");
        }
        assert!(
            remote(true)
                .judge(&headers(std::slice::from_ref(&host)), true)
                .is_err()
        );
        assert!(remote(false).judge(&with(""), false).is_ok());
    }

    #[test]
    fn a_name_of_somebody_else_is_refused() {
        for (host, fine) in [
            ("192.0.2.1:7070", true),
            ("[2001:db8::1]:7070", true),
            ("localhost:7070", true),
            ("192.0.2.1", false),
            ("192.0.2.1:80", false),
            ("localhost", false),
            ("rebound.example:7070", false),
            ("localhost.example:7070", false),
            ("", false),
        ] {
            let found = remote(true).judge(&headers(&[(header::HOST, host)]), false);
            assert_eq!(found.is_ok(), fine, "{host}");
        }
        assert!(remote(true).judge(&HeaderMap::new(), false).is_err());
        let mut two = headers(&[(header::HOST, "192.0.2.1:7070")]);
        two.append(header::HOST, "192.0.2.1:7070".parse().unwrap());
        assert!(remote(true).judge(&two, false).is_err());
    }
}
