//! How the API says no.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error as the API sends it, with the HTTP status of its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind of error it is; programs decide by this.
    pub code: Code,
    /// What failed, on what; no full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The kinds of problems. Codes are never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Code {
    /// The request cannot be understood: status 400.
    BadRequest,
    /// No daemon starts with the configuration: status 422.
    ConfigurationRefused,
    /// What is asked for does not go with what is: status 409.
    Conflict,
    /// The peer may not write: status 403.
    Forbidden,
    /// The device cannot do what is asked of it: status 422.
    HookUnsupported,
    /// The daemon failed: status 500.
    Internal,
    /// The route exists, for other methods: status 405.
    MethodNotAllowed,
    /// No such route: status 404.
    NotFound,
    /// The daemon is ending: status 503.
    Stopping,
    /// The request took too long: status 408.
    Timeout,
    /// The body is above the limit: status 413.
    TooLarge,
    /// There is no such interface: status 422.
    UnknownInterface,
    /// A code of a newer daemon.
    #[serde(other)]
    Other,
}

impl Code {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::ConfigurationRefused | Self::HookUnsupported | Self::UnknownInterface => 422,
            Self::Internal | Self::Other => 500,
            Self::Stopping => 503,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_a_newer_daemon_is_still_a_problem() {
        let problem: Problem =
            serde_json::from_str(r#"{"code":"from-tomorrow","message":"no"}"#).unwrap();
        assert_eq!(problem, Problem::new(Code::Other, "no"));
    }

    #[test]
    fn the_text_has_message_and_hint() {
        let problem = Problem::new(Code::NotFound, "no").with_hint("try yes");
        assert_eq!(problem.to_string(), "no; try yes");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"code":"not-found","message":"no","hint":"try yes"}"#
        );
    }
}
