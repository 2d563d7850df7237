//! Commands of recordings, cut into words.

/// The words of a command line; single quotes hold several together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Whether a command line lists what `ipvsadm` knows, and changes nothing.
pub(crate) fn is_listing(line: &str) -> bool {
    line.starts_with("ipvsadm -L")
}

/// Whether arguments of `ipvsadm` have one of these commands.
pub(crate) fn has(arguments: &[String], commands: &[&str]) -> bool {
    let first = arguments.first().map(String::as_str);
    first.is_some_and(|first| commands.contains(&first))
}

/// Whether a command line lists connections.
pub(crate) fn lists_connections(line: &str) -> bool {
    let flags = line.strip_prefix("ipvsadm -L").unwrap_or_default();
    flags.split(' ').next().unwrap_or_default().contains('c')
}

/// The setting of IPVS, as `net.ipv4.vs.NAME=VALUE`, that a command sets.
pub(crate) fn setting(words: &[String]) -> Option<&str> {
    match words {
        [name, .., last] if name == "sysctl" && last.starts_with("net.ipv4.vs.") => Some(last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_connections_is_told_by_its_flags() {
        assert!(lists_connections("ipvsadm -Lnc"));
        assert!(!lists_connections("ipvsadm -Ln --stats"));
        assert!(!lists_connections("ipvsadm -A -t 192.0.2.1:80 -s lc"));
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("nft 'add chain' x"), ["nft", "add chain", "x"]);
    }
}
