//! What holds for every input: no panic, and printing and reading again gives the same tree
//! and the same configuration.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use xvs_conf::{MemoryFiles, Outcome, Stance, StaticHost, parse};

/// Everything that stands in the fixtures, as material to mutate.
static CORPUS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut corpus = Vec::new();
    for folder in ["seeds", "valid", "invalid"] {
        for entry in fs::read_dir(fixtures.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            // The bomb is slow on purpose.
            if path
                .extension()
                .is_some_and(|extension| extension == "conf")
                && !path.ends_with("bomb.conf")
            {
                corpus.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let recorded = fs::read_to_string(fixtures.join("keepalived/config-keywords.jsonl")).unwrap();
    for line in recorded.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        corpus.push(case["config"].as_str().unwrap().to_owned());
    }
    corpus
});

fn read(text: &[u8], stance: Stance) -> Outcome {
    let files = MemoryFiles::new()
        .with("a.conf", text)
        .with("b.conf", "virtual_router_id 9\n");
    parse("a.conf", &files, &StaticHost::default(), stance)
}

fn same_again(text: &[u8]) -> Result<(), TestCaseError> {
    let outcome = read(text, Stance::Compatible);
    let printed = outcome.document.to_string();
    let again = read(printed.as_bytes(), Stance::Compatible);
    // A word that is longer than a line can be is split on its way back in.
    if printed.lines().all(|line| line.len() < 900) {
        prop_assert_eq!(&again.document, &outcome.document, "{}", printed);
        prop_assert_eq!(&again.config, &outcome.config, "{}", printed);
        prop_assert_eq!(again.document.to_string(), printed);
    }
    Ok(())
}

/// A line or a word that means something to the preprocessor.
fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("\\".to_owned()),
        Just("#".to_owned()),
        Just("!".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just("$A=x \\\n".to_owned()),
        Just("\n$A=10.0.0.1\n".to_owned()),
        Just("${A}".to_owned()),
        Just("$A".to_owned()),
        Just("${_RANDOM 3 1}".to_owned()),
        Just("\n~SEQ(A, 1, 3) ".to_owned()),
        Just("\n~SEQx(A, 3, -1, 1) ".to_owned()),
        Just("\n~LST({A,B}, {1,2}, 3) ".to_owned()),
        Just("\n@localhost ".to_owned()),
        Just("\n@^x ".to_owned()),
        Just("\ninclude b.conf\n".to_owned()),
        Just("\ninclude {b,c}.conf\n".to_owned()),
        Just(" 4294967296 ".to_owned()),
        Just(" -1 ".to_owned()),
        Just(" 0 ".to_owned()),
        Just(" 1.0000000001 ".to_owned()),
        Just(" fd00::1/129 ".to_owned()),
        Just(" \u{e4}\u{1f600} ".to_owned()),
        "[ -~]{0,12}",
        any::<char>().prop_map(String::from),
    ]
}

#[test]
fn a_statement_that_begins_with_an_at_sign_prints_back() {
    same_again(b"\n@localhost @").unwrap();
    same_again(b"\n@localhost @x y {\n@localhost @z\n}\n").unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mutated_files_never_panic_and_print_back(
        index in any::<prop::sample::Index>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..20, fragment()),
            0..8,
        ),
    ) {
        let mut text: Vec<char> = index.get(&CORPUS).chars().collect();
        for (place, length, insert) in edits {
            let start = place.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, insert.chars());
        }
        let text: String = text.into_iter().collect();
        same_again(text.as_bytes())?;
        let strict = read(text.as_bytes(), Stance::Strict);
        prop_assert_eq!(strict.config.is_none(), !strict.diagnostics.is_empty());
        prop_assert_eq!(strict.render_text(false).is_empty(), strict.diagnostics.is_empty());
        prop_assert!(strict.render_json().starts_with('['));
    }

    #[test]
    fn fragments_never_panic_and_print_back(parts in prop::collection::vec(fragment(), 0..40)) {
        same_again(parts.concat().as_bytes())?;
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        same_again(&bytes)?;
    }

    #[test]
    fn what_is_refused_has_an_error_and_what_starts_has_a_config(
        index in any::<prop::sample::Index>(),
    ) {
        let outcome = read(index.get(&CORPUS).as_bytes(), Stance::Compatible);
        let error = outcome
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == xvs_conf::Severity::Error);
        prop_assert_eq!(outcome.config.is_none(), error);
        prop_assert_eq!(outcome.start_status != 0, error);
    }
}
