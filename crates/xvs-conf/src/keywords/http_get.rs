//! `HTTP_GET`, `SSL_GET` and their `url` blocks.

use super::{Block, CheckerDraft, Keyword, Line, Scope, Tier, apply_all};
use crate::{
    codes,
    config::{CheckKind, HttpVersion, RegexCheck, StatusRange, TlsCheck, Url},
    diagnostic::Consequence,
};

type Key = Keyword<CheckerDraft>;
type UrlKey = Keyword<UrlDraft>;

/// What both have besides the common keywords.
pub(crate) static HTTP: &[Key] = &[
    Key::value("nb_get_retry", Tier::Everywhere, |checker, line, scope| {
        scope.sink.reported(
            codes::DEPRECATED,
            line.at(0),
            "`nb_get_retry` is deprecated",
            "write `retry`; it does the same",
        );
        checker.timing.retry = line
            .lax_integer(1, 0..=4_294_967_295, "the default stays", scope)
            .or(checker.timing.retry);
    }),
    Key::optional("virtualhost", Tier::Everywhere, |checker, line, scope| {
        let CheckKind::Http(http) = &mut checker.kind else {
            return;
        };
        match line.get(1) {
            Some(host) => http.virtualhost = Some(host.to_owned()),
            None => line.reject(0, "`virtualhost` has no value", "it is ignored", scope),
        }
    }),
    Key::optional("http_protocol", Tier::Rare, |checker, line, scope| {
        let CheckKind::Http(http) = &mut checker.kind else {
            return;
        };
        match line.get(1) {
            Some("1.0") => http.version = HttpVersion::V1_0,
            Some("1.0C" | "1.0c") => http.version = HttpVersion::V1_0Close,
            Some("1.1") => http.version = HttpVersion::V1_1,
            _ => line.reject(
                1,
                "this is no HTTP version for a check",
                "write 1.0, 1.0C or 1.1; 1.0 stays",
                scope,
            ),
        }
    }),
    Key::optional("fast_recovery", Tier::Rare, |checker, line, scope| {
        if let CheckKind::Http(http) = &mut checker.kind {
            http.fast_recovery = line.switch(scope).unwrap_or(http.fast_recovery);
        }
    }),
    // keepalived installs this for HTTP_GET too, where it does nothing.
    Key::optional("enable_sni", Tier::Common, |checker, line, scope| {
        let enable = line.switch(scope);
        match (tls(checker), enable) {
            (Some(tls), Some(enable)) => tls.enable_sni = enable,
            (None, _) => scope.sink.silent(
                codes::INERT,
                line.at(0),
                "`enable_sni` has no effect without TLS",
                "write it in an SSL_GET",
            ),
            (Some(_), None) => {}
        }
    }),
    Key::flag("url", Tier::Everywhere, |checker, line, scope| {
        let mut draft = UrlDraft::default();
        apply_all(&[URL], line.body(), &mut draft, scope);
        let url = draft.finish(line, scope);
        if let (CheckKind::Http(http), Some(url)) = (&mut checker.kind, url) {
            http.urls.push(url);
        }
    })
    .block(Block::Url),
];

/// What `SSL_GET` alone has.
pub(crate) static TLS: &[Key] = &[
    Key::value("sni_name", Tier::Rare, |checker, line, _| {
        if let Some(tls) = tls(checker) {
            tls.sni_name = Some(line.word(1).to_owned());
        }
    })
    .newer(),
    Key::optional("tls_compliant", Tier::Rare, |checker, line, scope| {
        let compliant = line.switch(scope);
        if let (Some(tls), Some(compliant)) = (tls(checker), compliant) {
            tls.tls_compliant = compliant;
        }
    })
    .newer(),
];

/// The keywords of `url`.
pub(crate) static URL: &[UrlKey] = &[
    UrlKey::value("path", Tier::Everywhere, |draft, line, _| {
        line.word(1).clone_into(&mut draft.url.path);
    }),
    UrlKey::value("digest", Tier::Everywhere, |draft, line, scope| {
        let word = line.word(1);
        match digest(word) {
            Some(digest) if draft.url.digests.contains(&digest) => line.duplicate(scope),
            Some(digest) => draft.url.digests.push(digest),
            None => line.reject(
                1,
                format!("`{word}` is no MD5 digest"),
                "write the 32 hexadecimal digits that `genhash` prints; the line is ignored",
                scope,
            ),
        }
    }),
    UrlKey::words("status_code", 1, Tier::Everywhere, |draft, line, scope| {
        for index in 1..=line.count() {
            let word = line.word(index);
            match statuses(word) {
                Some(range) => draft.url.statuses.push(range),
                None => line.reject(
                    index,
                    format!("`{word}` is no HTTP status"),
                    "write a number from 100 to 599 or two with a `-` between; it is ignored",
                    scope,
                ),
            }
        }
    }),
    UrlKey::optional(
        "virtualhost",
        Tier::Everywhere,
        |draft, line, scope| match line.get(1) {
            Some(host) => draft.url.virtualhost = Some(host.to_owned()),
            None => line.reject(0, "`virtualhost` has no value", "it is ignored", scope),
        },
    ),
    UrlKey::words("regex", 0, Tier::Rare, |draft, line, scope| {
        if let Some(words) = line.shell_words(scope) {
            draft.regex.pattern = words.get(1).cloned().unwrap_or_default();
        }
    }),
    UrlKey::flag("regex_no_match", Tier::Rare, |draft, _, _| {
        draft.regex.no_match = true;
    }),
    UrlKey::words("regex_options", 1, Tier::Rare, |draft, line, _| {
        draft.regex.options.extend(line.from(1));
    }),
    UrlKey::value("regex_min_offset", Tier::Rare, |draft, line, scope| {
        if let Some(offset) = line.lax_integer(1, 0..=i64::MAX, "it is 0", scope) {
            draft.regex.min_offset = offset;
        }
    }),
    UrlKey::value("regex_max_offset", Tier::Rare, |draft, line, scope| {
        if let Some(offset) = line.lax_integer(1, 0..=i64::MAX - 1, "there is none", scope) {
            let offset: u64 = offset;
            draft.regex.max_offset = offset.saturating_add(1);
        }
    }),
    UrlKey::words("regex_stack", 2, Tier::Rare, |_, line, scope| {
        for index in [1, 2] {
            let _: Option<u64> = line.lax_integer(index, 1..=i64::MAX, "it is ignored", scope);
        }
    })
    .at_most(2)
    .inert(),
    UrlKey::optional("tls_compliant", Tier::Rare, |draft, line, scope| {
        draft.url.tls_compliant = line.switch(scope).unwrap_or(draft.url.tls_compliant);
    })
    .newer(),
];

/// A URL as it was read.
#[derive(Debug, Default)]
pub(crate) struct UrlDraft {
    url: Url,
    regex: RegexCheck,
}

impl UrlDraft {
    fn finish(mut self, line: &Line<'_>, scope: &mut Scope<'_>) -> Option<Url> {
        if self.url.path.is_empty() {
            scope.sink.add(
                codes::MISSING_SETTING,
                Consequence::Broken,
                line.at(0),
                "this `url` has no `path`",
                "keepalived 2.2.7 crashes on it; write `path /`",
            );
            return None;
        }
        if self.url.statuses.is_empty() {
            self.url.statuses.push(StatusRange {
                first: 200,
                last: 299,
            });
        }
        if !self.regex.pattern.is_empty() {
            if self.regex.max_offset > 0 && self.regex.min_offset >= self.regex.max_offset {
                scope.sink.silent(
                    codes::CONFLICT,
                    line.at(0),
                    "`regex_min_offset` is above `regex_max_offset`",
                    "both are ignored",
                );
                self.regex.min_offset = 0;
                self.regex.max_offset = 0;
            }
            self.url.regex = Some(self.regex);
        } else if self.regex != RegexCheck::default() {
            scope.sink.silent(
                codes::MISSING_SETTING,
                line.at(0),
                "there are settings of a `regex`, but no `regex`",
                "they are ignored",
            );
        }
        Some(self.url)
    }
}

fn tls(checker: &mut CheckerDraft) -> Option<&mut TlsCheck> {
    match &mut checker.kind {
        CheckKind::Http(http) => http.tls.as_mut(),
        _ => None,
    }
}

fn digest(word: &str) -> Option<[u8; 16]> {
    if word.len() != 32 || !word.is_ascii() {
        return None;
    }
    let mut digest = [0; 16];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(word.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn statuses(word: &str) -> Option<StatusRange> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let range = StatusRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    };
    let valid = |status: u16| (100..=599).contains(&status);
    (valid(range.first) && valid(range.last) && range.first <= range.last).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_32_hexadecimal_digits() {
        assert!(digest("640205b7b0fc66c1ea91c463fac6334d").is_some());
        assert!(digest("640205b7b0fc66c1ea91c463fac6334").is_none());
        assert!(digest("g40205b7b0fc66c1ea91c463fac6334d").is_none());
    }

    #[test]
    fn statuses_are_single_or_ranges() {
        assert_eq!(
            statuses("200-299"),
            Some(StatusRange {
                first: 200,
                last: 299
            })
        );
        assert_eq!(statuses("99"), None);
        assert_eq!(statuses("300-200"), None);
        assert_eq!(statuses("2xx"), None);
    }
}
