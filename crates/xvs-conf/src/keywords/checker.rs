//! What checkers share, and the checkers with few keywords of their own.

use super::{CheckerDraft, Keyword, Line, Scope, Tier, track_file::reverse};
use crate::{
    codes,
    config::{CheckKind, DnsType, ReplyByte},
    span::Span,
};

type Key = Keyword<CheckerDraft>;

/// Address, times and switches: every checker that opens a connection.
pub(crate) static COMMON: &[Key] = &[
    Key::value("connect_ip", Tier::Common, |checker, line, scope| {
        let connection = &mut checker.connection;
        if let Some(address) = line.address(1, "the real server's address stays", scope) {
            if connection
                .bind_address
                .is_some_and(|bound| bound.is_ipv4() != address.is_ipv4())
            {
                line.reject(
                    1,
                    "`bindto` is of another family",
                    "the line is ignored",
                    scope,
                );
            } else {
                connection.address = Some(address);
            }
        }
    }),
    Key::value("connect_port", Tier::Everywhere, |checker, line, scope| {
        checker.connection.port = line
            .lax_integer(1, 1..=65_535, "the real server's port stays", scope)
            .or(checker.connection.port);
    }),
    Key::value("bindto", Tier::Rare, |checker, line, scope| {
        let connection = &mut checker.connection;
        if let Some(address) = line.address(1, "the kernel chooses", scope) {
            if connection
                .address
                .is_some_and(|to| to.is_ipv4() != address.is_ipv4())
            {
                line.reject(
                    1,
                    "`connect_ip` is of another family",
                    "the line is ignored",
                    scope,
                );
            } else {
                connection.bind_address = Some(address);
            }
        }
    }),
    Key::value("bind_port", Tier::Rare, |checker, line, scope| {
        checker.connection.bind_port = line.lax_integer(1, 1..=65_535, "the kernel chooses", scope);
    }),
    Key::value("bind_if", Tier::Rare, |checker, line, scope| {
        if line.word(1).len() < 16 {
            checker.connection.bind_interface = Some(line.word(1).to_owned());
        } else {
            line.reject(
                1,
                "an interface name has at most 15 bytes",
                "the line is ignored",
                scope,
            );
        }
    }),
    Key::value("fwmark", Tier::Rare, |checker, line, scope| {
        if let Some(mark) = line.lax_integer(1, 0..=4_294_967_295, "there is no mark", scope) {
            checker.connection.mark = mark;
        }
    }),
    Key::value(
        "connect_timeout",
        Tier::Everywhere,
        |checker, line, scope| {
            checker.timing.connect_timeout = line
                .seconds(1, 1..=4_294_967_295, "the default stays", scope)
                .or(checker.timing.connect_timeout);
        },
    ),
    Key::value("retry", Tier::Everywhere, retry),
    Key::value("delay_before_retry", Tier::Everywhere, delay_before_retry),
    Key::value("warmup", Tier::Rare, warmup),
    Key::value("delay_loop", Tier::Common, delay_loop),
    Key::optional("alpha", Tier::Rare, alpha),
    Key::optional("log_all_failures", Tier::Rare, log_all_failures),
];

/// Times and switches: a checker without a connection.
pub(crate) static TIMES: &[Key] = &[
    Key::value("retry", Tier::Everywhere, retry),
    Key::value("delay_before_retry", Tier::Everywhere, delay_before_retry),
    Key::value("warmup", Tier::Rare, warmup),
    Key::value("delay_loop", Tier::Common, delay_loop),
    Key::optional("alpha", Tier::Rare, alpha),
    Key::optional("log_all_failures", Tier::Rare, log_all_failures),
];

/// The keywords of `BFD_CHECK`.
pub(crate) static BFD: &[Key] = &[
    Key::value("name", Tier::Rare, |checker, line, scope| {
        let CheckKind::Bfd(bfd) = &mut checker.kind else {
            return;
        };
        let name = line.word(1);
        if !scope.known.bfd_instances.contains(name) {
            scope.sink.reported(
                codes::UNKNOWN_NAME,
                line.at(1),
                format!("no `bfd_instance` named `{name}` stands above"),
                "define it further up; the line is ignored",
            );
        } else if bfd.instance.is_empty() {
            name.clone_into(&mut bfd.instance);
        } else {
            line.duplicate(scope);
        }
    }),
    Key::optional("alpha", Tier::Rare, alpha),
];

/// The keywords of `FILE_CHECK`.
pub(crate) static FILE: &[Key] = &[
    Key::value("track_file", Tier::Rare, |checker, line, scope| {
        let CheckKind::File(check) = &mut checker.kind else {
            return;
        };
        let name = line.word(1);
        match scope.known.track_files.get(name) {
            Some(weight) => {
                name.clone_into(&mut check.file);
                if !checker.own_weight {
                    check.weight = *weight;
                }
            }
            None => scope.sink.reported(
                codes::UNKNOWN_NAME,
                line.at(1),
                format!("no `track_file` named `{name}` stands above"),
                "define it further up; the line is ignored",
            ),
        }
    }),
    Key::words("weight", 0, Tier::Rare, |checker, line, scope| {
        let CheckKind::File(check) = &mut checker.kind else {
            return;
        };
        if line.count() == 0 {
            line.reject(0, "`weight` has no value", "the line is ignored", scope);
        } else if let Some(weight) = line.lax_integer(
            1,
            -2_147_483_647..=2_147_483_647,
            "the file's weight stays",
            scope,
        ) {
            let weight: i32 = weight;
            let weight = weight.clamp(i16::MIN.into(), i16::MAX.into());
            check.weight.weight = i16::try_from(weight).unwrap_or_default();
            check.weight.reverse = reverse(line, 2, scope);
            checker.own_weight = true;
        }
    })
    .at_most(2),
];

/// The keywords of `DNS_CHECK`.
pub(crate) static DNS: &[Key] = &[
    Key::value("type", Tier::Common, |checker, line, scope| {
        let CheckKind::Dns(dns) = &mut checker.kind else {
            return;
        };
        dns.question = match line.word(1) {
            "A" => DnsType::A,
            "NS" => DnsType::Ns,
            "CNAME" => DnsType::Cname,
            "SOA" => DnsType::Soa,
            "MX" => DnsType::Mx,
            "TXT" => DnsType::Txt,
            "AAAA" => DnsType::Aaaa,
            "RRSIG" => DnsType::Rrsig,
            "DNSKEY" => DnsType::Dnskey,
            other => {
                line.reject(
                    1,
                    format!("`{other}` is no record type that can be asked for"),
                    "write A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY; the line is ignored",
                    scope,
                );
                return;
            }
        };
    }),
    Key::value("name", Tier::Common, |checker, line, scope| {
        let CheckKind::Dns(dns) = &mut checker.kind else {
            return;
        };
        let name = line.word(1);
        if dns.name != "." {
            line.duplicate(scope);
        } else if name != "." && name.split('.').any(str::is_empty) {
            line.reject(
                1,
                format!("`{name}` has an empty label"),
                "the line is ignored",
                scope,
            );
        } else {
            name.clone_into(&mut dns.name);
        }
    }),
];

/// The keywords of `SMTP_CHECK`.
pub(crate) static SMTP: &[Key] = &[
    Key::optional("helo_name", Tier::Common, |checker, line, scope| {
        let CheckKind::Smtp(smtp) = &mut checker.kind else {
            return;
        };
        match line.get(1) {
            Some(name) => name.clone_into(&mut smtp.helo_name),
            None => line.reject(0, "`helo_name` has no value", "the default stays", scope),
        }
    }),
    Key::flag("host", Tier::Common, |checker, line, scope| {
        scope.sink.silent(
            codes::DEPRECATED,
            line.at(0),
            "`host` blocks are deprecated",
            "put its keywords into `SMTP_CHECK` itself",
        );
        super::apply_all(&[COMMON], line.body(), checker, scope);
    })
    .block(super::Block::SmtpHost),
];

/// The keywords of `UDP_CHECK`.
pub(crate) static UDP: &[Key] = &[
    Key::optional("payload", Tier::Common, |checker, line, scope| {
        let CheckKind::Udp(udp) = &mut checker.kind else {
            return;
        };
        match hexadecimal(line.word(1), false) {
            Some(bytes) if !bytes.is_empty() => {
                udp.payload = Some(bytes.iter().map(|byte| byte.value).collect());
            }
            _ => bad_hexadecimal(line, scope),
        }
    }),
    Key::optional("require_reply", Tier::Common, |checker, line, scope| {
        let CheckKind::Udp(udp) = &mut checker.kind else {
            return;
        };
        udp.require_reply = true;
        match hexadecimal(line.word(1), true) {
            Some(bytes) => udp.reply = bytes,
            None => bad_hexadecimal(line, scope),
        }
    }),
    Key::value("min_reply_length", Tier::Common, |checker, line, scope| {
        if let CheckKind::Udp(udp) = &mut checker.kind
            && let Some(length) = line.lax_integer(1, 0..=65_535, "it is 0", scope)
        {
            udp.min_reply_length = length;
        }
    }),
    Key::value("max_reply_length", Tier::Common, |checker, line, scope| {
        if let CheckKind::Udp(udp) = &mut checker.kind
            && let Some(length) = line.lax_integer(1, 0..=65_535, "it is 255", scope)
        {
            udp.max_reply_length = length;
        }
    }),
];

/// The keywords of `MISC_CHECK`.
pub(crate) static MISC: &[Key] = &[
    Key::words("misc_path", 1, Tier::Everywhere, |checker, line, scope| {
        checker.misc.arguments = line.lone_command(scope).unwrap_or_default();
        checker.misc.span = line.at(1);
        line.ignore_from(2, scope);
    }),
    Key::value("misc_timeout", Tier::Everywhere, |checker, line, scope| {
        checker.misc.timeout = line
            .seconds(1, 1..=4_294_967_295, "the default stays", scope)
            .or(checker.misc.timeout);
    }),
    Key::flag("misc_dynamic", Tier::Everywhere, |checker, _, _| {
        if let CheckKind::Misc(misc) = &mut checker.kind {
            misc.dynamic = true;
        }
    }),
    Key::words("user", 0, Tier::Common, |checker, line, scope| {
        let user = match line.get(1) {
            Some(user) => scope.user(user, line.get(2), line.at(1)),
            None => None,
        };
        checker.misc.user_failed = user.is_none();
        if user.is_none() {
            line.reject(
                1,
                "the check cannot run as this user",
                "the check is removed",
                scope,
            );
        }
        checker.misc.user = user;
    })
    .at_most(2),
];

fn retry(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.timing.retry = line
        .lax_integer(1, 0..=4_294_967_295, "the default stays", scope)
        .or(checker.timing.retry);
}

fn delay_before_retry(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.timing.delay_before_retry = line
        .timer(1, 0, "the default stays", scope)
        .or(checker.timing.delay_before_retry);
}

fn warmup(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.timing.warmup = line
        .timer(1, 0, "the default stays", scope)
        .or(checker.timing.warmup);
}

fn delay_loop(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.timing.delay_loop = line
        .timer(1, 1, "the default stays", scope)
        .or(checker.timing.delay_loop);
}

fn alpha(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.alpha = line.switch(scope).or(checker.alpha);
}

fn log_all_failures(checker: &mut CheckerDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    checker.log_all_failures = line.switch(scope).unwrap_or(checker.log_all_failures);
}

fn bad_hexadecimal(line: &Line<'_>, scope: &mut Scope<'_>) {
    let span: Span = line.at(1).to(line.at(line.count()));
    scope.sink.reported(
        codes::INVALID_VALUE,
        span,
        format!("`{}` needs pairs of hexadecimal digits", line.keyword()),
        "the line is ignored",
    );
}

/// Pairs of digits, with blanks between or not; one left alone is the low half of its byte. With
/// `wildcards` an `x` stands for any digit.
fn hexadecimal(text: &str, wildcards: bool) -> Option<Vec<ReplyByte>> {
    let digit = |sign: char| match sign {
        'x' | 'X' if wildcards => Some((0, 0)),
        _ => Some((u8::try_from(sign.to_digit(16)?).ok()?, 0xf)),
    };
    let mut bytes = Vec::new();
    for word in text.split([' ', '\t']) {
        let digits: Vec<(u8, u8)> = word.chars().map(digit).collect::<Option<_>>()?;
        bytes.extend(digits.chunks(2).map(|pair| match *pair {
            [high, low] => ReplyByte {
                value: high.0 << 4 | low.0,
                mask: high.1 << 4 | low.1,
            },
            _ => ReplyByte {
                value: pair[0].0,
                mask: 0xf0 | pair[0].1,
            },
        }));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str, wildcards: bool) -> Option<Vec<(u8, u8)>> {
        let bytes = hexadecimal(text, wildcards)?;
        Some(bytes.iter().map(|byte| (byte.value, byte.mask)).collect())
    }

    #[test]
    fn hexadecimal_takes_blanks_and_wildcards() {
        assert_eq!(
            pairs("0a xFf3", true).unwrap(),
            [(0x0a, 0xff), (0x0f, 0x0f), (0xf3, 0xff)]
        );
        assert_eq!(pairs("0a xF", false), None);
        assert_eq!(pairs("abc", false).unwrap(), [(0xab, 0xff), (0x0c, 0xff)]);
        assert_eq!(pairs("", false).unwrap(), []);
    }
}
