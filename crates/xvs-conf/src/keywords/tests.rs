//! The table against the list of keywords.

use std::collections::BTreeSet;

use super::*;

#[test]
fn no_block_has_a_keyword_twice() {
    for block in Block::ALL {
        let mut seen = BTreeSet::new();
        for (other, spec) in all_keywords() {
            if other == block {
                assert!(seen.insert(spec.name), "{} twice in {block}", spec.name);
            }
        }
    }
}
