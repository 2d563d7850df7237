//! What counts as the same: frames but for what varies, listings but for their order.

use std::collections::BTreeMap;

use xvs_datapath::native::checksums_are_valid;

use crate::{Output, command};

/// A connection with no more seconds left than this may be gone, or just not.
const FLEETING: u64 = 0;
/// Seconds by which the time that a connection has left may differ.
const TOLERANCE: u64 = 3;

/// How a frame that left differs from the recorded one.
pub(crate) fn frame(expected: &Output, leg: &str, seen: &[u8]) -> Option<String> {
    if expected.leg != leg {
        return Some(format!("leg {} expected, seen on {leg}", expected.leg));
    }
    let (wanted, is) = (masked(expected, &expected.frame), masked(expected, seen));
    if wanted.len() != is.len() {
        let (wanted, is) = (wanted.len(), is.len());
        return Some(format!("{wanted} bytes expected, {is} seen"));
    }
    let differing: Vec<usize> = (0..wanted.len())
        .filter(|at| wanted[*at] != is[*at])
        .collect();
    if let Some(first) = differing.first() {
        let end = (first + 8).min(wanted.len());
        return Some(format!(
            "{} bytes differ, from {first} on {} expected, {} seen",
            differing.len(),
            digits(&wanted[*first..end]),
            digits(&is[*first..end])
        ));
    }
    let sums = |frame: &[u8]| checksums_are_valid(frame);
    if sums(&expected.frame) == Some(true) && sums(seen) != Some(true) {
        return Some("a checksum is wrong".to_owned());
    }
    None
}

/// How what a command printed differs from what was recorded, on a director that took so many seconds
/// longer than the recorded one.
pub(crate) fn listing(command: &str, expected: &str, seen: &str, late: u64) -> Option<String> {
    if command::lists_connections(command) {
        return connections(expected, seen, late);
    }
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let (wanted, is) = (sorted(expected), sorted(seen));
    (wanted != is).then(|| differing_lines(&wanted, &is))
}

fn connections(expected: &str, seen: &str, late: u64) -> Option<String> {
    let (mut wanted, mut is) = (timed(expected), timed(seen));
    drop_fleeting(&mut wanted, &is);
    drop_fleeting(&mut is, &wanted);
    let lines = |list: &[(String, Option<u64>)]| -> Vec<String> {
        list.iter().map(|(line, _)| line.clone()).collect()
    };
    if lines(&wanted) != lines(&is) {
        return Some(differing_lines(&lines(&wanted), &lines(&is)));
    }
    wanted
        .iter()
        .zip(&is)
        .find_map(|((line, wants), (_, has))| {
            let (wants, has) = ((*wants)?, (*has)?);
            let earliest = wants.saturating_sub(TOLERANCE + late);
            (!(earliest..=wants + TOLERANCE).contains(&has))
                .then(|| format!("`{line}` expires in {wants} s expected, {has} s seen"))
        })
}

/// Takes out of `one` what is about to end and is not in the `other`.
fn drop_fleeting(one: &mut Vec<(String, Option<u64>)>, other: &[(String, Option<u64>)]) {
    one.retain(|(line, left)| {
        left.is_none_or(|left| left > FLEETING) || other.iter().any(|(known, _)| known == line)
    });
}

/// Lines without the time that a connection has left, which stands beside them; sorted.
fn timed(text: &str) -> Vec<(String, Option<u64>)> {
    let mut lines: Vec<(String, Option<u64>)> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let left = words.get(1).and_then(|word| {
                let (minutes, seconds) = word.split_once(':')?;
                Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
            });
            match left {
                Some(left) if words.len() >= 6 => {
                    let rest = [&words[..1], &words[2..]].concat().join(" ");
                    (rest, Some(left))
                }
                _ => (line.to_owned(), None),
            }
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn differing_lines(wanted: &[String], is: &[String]) -> String {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in wanted {
        *balance.entry(line).or_default() += 1;
    }
    for line in is {
        *balance.entry(line).or_default() -= 1;
    }
    let side = |sign: i64| -> Vec<&str> {
        let lines = balance
            .iter()
            .filter(|(_, balance)| balance.signum() == sign);
        lines.map(|(line, _)| line.trim()).collect()
    };
    format!("{:?} expected, {:?} seen", side(1), side(-1))
}

/// The frame with zeros for what varies.
fn masked(expected: &Output, frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for (field, offset, length) in &expected.varies {
        // Only the low half of this byte belongs to the flow label.
        let kept = if field.ends_with("ip6.tcfl") { 0xf0 } else { 0 };
        for byte in frame.iter_mut().skip(*offset).take(*length) {
            *byte &= kept;
        }
    }
    frame
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(frame: &[u8], varies: &[(&str, usize, usize)]) -> Output {
        Output {
            leg: "sv".to_owned(),
            frame: frame.to_vec(),
            varies: varies
                .iter()
                .map(|(field, offset, length)| ((*field).to_owned(), *offset, *length))
                .collect(),
        }
    }

    #[test]
    fn bytes_that_vary_may_be_any() {
        let recorded = output(&[1, 2, 3], &[("ip.id", 1, 1)]);
        assert_eq!(frame(&recorded, "sv", &[1, 9, 3]), None);
        assert!(frame(&recorded, "sv", &[1, 2, 4]).is_some());
        assert!(frame(&recorded, "cl", &[1, 2, 3]).is_some());
        assert!(frame(&recorded, "sv", &[1, 2]).is_some());
    }

    #[test]
    fn the_traffic_class_beside_a_flow_label_counts() {
        let recorded = output(&[0x6a, 0x12], &[("in.ip6.tcfl", 1, 1)]);
        assert_eq!(frame(&recorded, "sv", &[0x6a, 0x1f]), None);
        assert!(frame(&recorded, "sv", &[0x6a, 0x22]).is_some());
    }

    #[test]
    fn connections_may_be_in_any_order_and_a_little_older() {
        let one = "TCP 14:59  ESTABLISHED 198.51.100.11:1 192.0.2.10:80 10.1.0.12:80";
        let two = "UDP 04:59  UDP         198.51.100.11:2 192.0.2.10:53 10.1.0.12:53";
        let older = one.replace("14:59", "14:57");
        let command = "ipvsadm -Lnc";
        assert_eq!(
            listing(
                command,
                &format!("{one}\n{two}\n"),
                &format!("{two}\n{older}\n"),
                0
            ),
            None
        );
        let oldest = one.replace("14:59", "14:50");
        assert!(listing(command, one, &oldest, 0).is_some());
        assert_eq!(listing(command, one, &oldest, 6), None);
        assert!(listing(command, &oldest, one, 6).is_some());
        assert!(listing(command, one, two, 0).is_some());
    }
}
