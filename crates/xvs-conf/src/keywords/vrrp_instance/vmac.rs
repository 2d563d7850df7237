//! `use_vmac` and `use_ipvlan`.

use std::net::IpAddr;

use xvs_types::Family;

use crate::{
    codes,
    config::{Ipvlan, IpvlanMode, Vmac},
    keywords::{InstanceDraft, Line, Scope},
};

/// `use_vmac [[name] NAME] [MAC] [netlink_notify_msg] [group N]`.
pub(super) fn use_vmac(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    let vmac = draft.vmac.get_or_insert_with(Vmac::default);
    let mut index = 1;
    while let Some(word) = line.get(index) {
        match word {
            "name" if line.get(index + 1).is_some() => newer(line, index, scope),
            "netlink_notify_msg" => newer(line, index, scope),
            "group" if line.get(index + 1).is_some() => {
                newer(line, index, scope);
                index += 1;
            }
            _ if word.contains(':') => match mac(word) {
                Some(_) if vmac.mac.is_some() => line.duplicate(scope),
                Some(mac) => vmac.mac = Some(mac),
                None => line.reject(
                    index,
                    format!("`{word}` is no MAC address for a virtual router"),
                    "write a unicast address of six bytes; the RFC's is used",
                    scope,
                ),
            },
            _ if vmac.name.is_some() => line.duplicate(scope),
            _ if is_interface_name(word) => vmac.name = Some(word.to_owned()),
            _ => line.reject(
                index,
                format!("`{word}` is no name of an interface"),
                "it is ignored",
                scope,
            ),
        }
        index += 1;
    }
}

/// `use_ipvlan [[name] NAME] [ADDRESS] [bridge|private|vepa] [group N]`.
pub(super) fn use_ipvlan(draft: &mut InstanceDraft, line: &Line<'_>, scope: &mut Scope<'_>) {
    if draft.ipvlan.is_some() {
        line.duplicate(scope);
        return;
    }
    let mut ipvlan = Ipvlan::default();
    let mut mode = None;
    let mut index = 1;
    while let Some(word) = line.get(index) {
        let new_mode = match word {
            "bridge" => Some(IpvlanMode::Bridge),
            "private" => Some(IpvlanMode::Private),
            "vepa" => Some(IpvlanMode::Vepa),
            _ => None,
        };
        match word.parse::<IpAddr>() {
            _ if new_mode.is_some() && mode.is_some() => line.duplicate(scope),
            _ if new_mode.is_some() => mode = new_mode,
            Ok(address)
                if draft
                    .family
                    .is_none_or(|family| family == Family::of(address)) =>
            {
                draft.family = Some(Family::of(address));
                draft.instance.source.get_or_insert(address);
                ipvlan.address.get_or_insert(address);
            }
            Ok(_) => line.reject(
                index,
                "the address is of another family than the instance",
                "it is ignored",
                scope,
            ),
            Err(_) if matches!(word, "name") && line.get(index + 1).is_some() => {}
            Err(_) if matches!(word, "group") && line.get(index + 1).is_some() => index += 1,
            Err(_) if ipvlan.name.is_none() && is_interface_name(word) => {
                ipvlan.name = Some(word.to_owned());
            }
            Err(_) => line.reject(
                index,
                format!("`{word}` is no name of an interface"),
                "it is ignored",
                scope,
            ),
        }
        index += 1;
    }
    ipvlan.mode = mode.unwrap_or_default();
    scope.sink.silent(
        codes::INERT,
        line.at(0),
        "xvs makes no ipvlan interfaces",
        "the addresses are on the interface itself; `use_vmac` has an interface of its own",
    );
    draft.ipvlan = Some(ipvlan);
}

/// keepalived 2.2.7 takes these words for names of interfaces.
fn newer(line: &Line<'_>, index: usize, scope: &mut Scope<'_>) {
    scope.sink.reported(
        codes::NEWER_KEYWORD,
        line.at(index),
        format!(
            "keepalived 2.2.7 does not know the option `{}`",
            line.word(index)
        ),
        "xvs does what later versions do",
    );
}

/// Five or six bytes, unicast, and not of the RFC's own range.
fn mac(word: &str) -> Option<Vec<u8>> {
    let bytes: Vec<u8> = word
        .trim_end_matches(':')
        .split(':')
        .map(|byte| {
            (byte.len() <= 2)
                .then(|| u8::from_str_radix(byte, 16).ok())
                .flatten()
        })
        .collect::<Option<_>>()?;
    let reserved =
        bytes.starts_with(&[0x00, 0x00, 0x5e, 0x00]) && matches!(bytes.get(4), Some(0x01 | 0x02));
    let right_length = matches!(bytes.len(), 5 | 6);
    (right_length && bytes[0] & 1 == 0 && !reserved).then_some(bytes)
}

/// As the kernel's `dev_valid_name` has it.
fn is_interface_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 16
        && !matches!(name, "." | "..")
        && !name.contains(['/', ':'])
        && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_unicast_and_not_the_rfcs() {
        assert_eq!(mac("02:00:00:00:00:01").unwrap().len(), 6);
        assert_eq!(mac("2:0:0:0:0:").unwrap().len(), 5);
        for word in [
            "03:00:00:00:00:01",
            "00:00:5e:00:01:33",
            "02:00",
            "x:",
            "02:00:00:00:00:100",
        ] {
            assert_eq!(mac(word), None, "{word}");
        }
    }
}
