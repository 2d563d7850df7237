//! Regular expressions on a body, by PCRE2, whose options have their names in the configuration.

use std::ptr;

use pcre2_sys as pcre2;
use xvs_conf::config::RegexCheck;

use crate::Failure;

/// How often the matcher may step back; PCRE2 gives up beyond it, so that no body costs more than about
/// a tenth of a second.
const MATCH_LIMIT: u32 = 1_000_000;

/// Heap that one match may take, in KiB.
const HEAP_LIMIT: u32 = 16 * 1024;

/// The options that `regex_options` knows.
const OPTIONS: &[(&str, u32)] = &[
    ("allow_empty_class", pcre2::PCRE2_ALLOW_EMPTY_CLASS),
    ("alt_bsux", pcre2::PCRE2_ALT_BSUX),
    ("alt_circumflex", pcre2::PCRE2_ALT_CIRCUMFLEX),
    ("alt_verbnames", pcre2::PCRE2_ALT_VERBNAMES),
    ("auto_callout", pcre2::PCRE2_AUTO_CALLOUT),
    ("caseless", pcre2::PCRE2_CASELESS),
    ("dollar_endonly", pcre2::PCRE2_DOLLAR_ENDONLY),
    ("dotall", pcre2::PCRE2_DOTALL),
    ("dupnames", pcre2::PCRE2_DUPNAMES),
    ("extended", pcre2::PCRE2_EXTENDED),
    ("firstline", pcre2::PCRE2_FIRSTLINE),
    ("match_unset_backref", pcre2::PCRE2_MATCH_UNSET_BACKREF),
    ("multiline", pcre2::PCRE2_MULTILINE),
    ("never_backslash_c", pcre2::PCRE2_NEVER_BACKSLASH_C),
    ("never_ucp", pcre2::PCRE2_NEVER_UCP),
    ("never_utf", pcre2::PCRE2_NEVER_UTF),
    ("no_auto_capture", pcre2::PCRE2_NO_AUTO_CAPTURE),
    ("no_auto_possess", pcre2::PCRE2_NO_AUTO_POSSESS),
    ("no_dotstar_anchor", pcre2::PCRE2_NO_DOTSTAR_ANCHOR),
    ("no_start_optimize", pcre2::PCRE2_NO_START_OPTIMIZE),
    ("ucp", pcre2::PCRE2_UCP),
    ("ungreedy", pcre2::PCRE2_UNGREEDY),
    ("utf", pcre2::PCRE2_UTF),
];

/// Whether `body` matches, at an offset that the check allows.
pub(super) fn matches(check: &RegexCheck, body: &[u8]) -> Result<bool, Failure> {
    let pattern = Pattern::new(check)?;
    let Ok(start) = usize::try_from(check.min_offset) else {
        return Ok(false);
    };
    if start > body.len() {
        return Ok(false);
    }
    let found = pattern.first_match(body, start)?;
    // The first match is the leftmost, so when it begins too late all do.
    Ok(found.is_some_and(|at| {
        check.max_offset == 0 || u64::try_from(at).is_ok_and(|at| at < check.max_offset)
    }))
}

/// A compiled pattern with room for its match.
struct Pattern {
    code: *mut pcre2::pcre2_code_8,
    data: *mut pcre2::pcre2_match_data_8,
    context: *mut pcre2::pcre2_match_context_8,
}

impl Pattern {
    fn new(check: &RegexCheck) -> Result<Self, Failure> {
        let mut options = 0;
        for name in &check.options {
            let known = OPTIONS.iter().find(|(known, _)| known == name);
            let (_, bit) = known.ok_or_else(|| Failure::Regex(format!("no option `{name}`")))?;
            options |= bit;
        }
        let (mut error, mut offset) = (0, 0);
        // SAFETY: the pattern is given with its length, the two results outlive the call, and a null
        // context means the defaults.
        let code = unsafe {
            pcre2::pcre2_compile_8(
                check.pattern.as_ptr(),
                check.pattern.len(),
                options,
                &raw mut error,
                &raw mut offset,
                ptr::null_mut(),
            )
        };
        if code.is_null() {
            return Err(Failure::Regex(format!("error {error} at offset {offset}")));
        }
        // SAFETY: `code` was compiled just now; null contexts mean the defaults.
        let data = unsafe { pcre2::pcre2_match_data_create_from_pattern_8(code, ptr::null_mut()) };
        // SAFETY: a null general context means the default allocator.
        let context = unsafe { pcre2::pcre2_match_context_create_8(ptr::null_mut()) };
        let pattern = Self {
            code,
            data,
            context,
        };
        if data.is_null() || context.is_null() {
            return Err(Failure::Regex("no memory".to_owned()));
        }
        // SAFETY: `context` was created just now and is ours alone.
        unsafe {
            pcre2::pcre2_set_match_limit_8(context, MATCH_LIMIT);
            pcre2::pcre2_set_heap_limit_8(context, HEAP_LIMIT);
        }
        Ok(pattern)
    }

    /// Where the first match at or behind `start` begins; `start` is at most the body's length.
    fn first_match(&self, body: &[u8], start: usize) -> Result<Option<usize>, Failure> {
        // SAFETY: `code`, `data` and `context` live as long as `self`; the body is given with its
        // length and `start` lies within it.
        let result = unsafe {
            pcre2::pcre2_match_8(
                self.code,
                body.as_ptr(),
                body.len(),
                start,
                0,
                self.data,
                self.context,
            )
        };
        if result == pcre2::PCRE2_ERROR_NOMATCH {
            return Ok(None);
        }
        if result < 0 {
            return Err(Failure::Regex(format!(
                "matching ended with error {result}"
            )));
        }
        // SAFETY: after a match the vector has at least its first pair, which `data` owns.
        let begin = unsafe { *pcre2::pcre2_get_ovector_pointer_8(self.data) };
        Ok(Some(begin))
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        // SAFETY: all three were created by PCRE2, are ours alone, and null is allowed.
        unsafe {
            pcre2::pcre2_match_context_free_8(self.context);
            pcre2::pcre2_match_data_free_8(self.data);
            pcre2::pcre2_code_free_8(self.code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, options: &[&str]) -> RegexCheck {
        RegexCheck {
            pattern: pattern.to_owned(),
            options: options.iter().map(|name| (*name).to_owned()).collect(),
            ..RegexCheck::default()
        }
    }

    #[test]
    fn options_and_offsets_decide_what_matches() {
        assert!(matches(&check("wor.d", &[]), b"hello world").unwrap());
        assert!(!matches(&check("WORLD", &[]), b"hello world").unwrap());
        assert!(matches(&check("WORLD", &["caseless"]), b"hello world").unwrap());
        let mut late = check("o", &[]);
        late.min_offset = 5;
        late.max_offset = 7;
        assert!(!matches(&late, b"hello world").unwrap());
        late.max_offset = 8;
        assert!(matches(&late, b"hello world").unwrap());
        late.min_offset = 100;
        assert!(!matches(&late, b"hello world").unwrap());
    }

    #[test]
    fn a_bad_pattern_and_a_costly_one_are_failures() {
        assert!(matches!(
            matches(&check("(", &[]), b""),
            Err(Failure::Regex(_))
        ));
        assert!(matches!(
            matches(&check("a", &["x"]), b""),
            Err(Failure::Regex(_))
        ));
        let costly = check("(a+)+$", &["no_start_optimize", "no_auto_possess"]);
        let body = [vec![b'a'; 64], vec![b'!']].concat();
        assert!(matches!(matches(&costly, &body), Err(Failure::Regex(_))));
    }
}
