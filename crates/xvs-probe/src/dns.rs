//! DNS_CHECK: a question over UDP; any reply with our identifier and response code 0 will do, whatever
//! it answers, as keepalived has it. The bytes are RFC 1035 section 4.1.

use xvs_conf::config::{DnsCheck, DnsType};

use crate::{Failure, Probe, Success, connect};

/// The identifier and the flags of a header.
const SHORTEST: usize = 12;

pub(crate) async fn run(check: &DnsCheck, probe: &Probe) -> Result<Success, Failure> {
    let socket = connect::udp(probe).await?;
    let id = u16::from_ne_bytes(crate::udp::random());
    let question = question(check, id)?;
    connect::within(probe.timeout, "sending", socket.send(&question)).await?;
    let answer = async {
        let mut buffer = [0; 512];
        loop {
            let count = socket.recv(&mut buffer).await?;
            // What is not for us may be a late answer to an earlier check, or forged.
            if let Some(verdict) = verdict(&buffer[..count], id) {
                return Ok(verdict);
            }
        }
    };
    connect::within(probe.timeout, "waiting for an answer", answer).await?
}

/// What a datagram says; none when it is no response to `id`.
fn verdict(datagram: &[u8], id: u16) -> Option<Result<Success, Failure>> {
    let header: &[u8; SHORTEST] = datagram.first_chunk()?;
    let is_response = header[2] & 0x80 != 0;
    if u16::from_be_bytes([header[0], header[1]]) != id || !is_response {
        return None;
    }
    Some(match header[3] & 0x0f {
        0 => Ok(Success::Plain),
        code => Err(Failure::ResponseCode(code)),
    })
}

/// A header with one question, recursion desired, and the question of class IN.
fn question(check: &DnsCheck, id: u16) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(SHORTEST + check.name.len() + 6);
    bytes.extend(id.to_be_bytes());
    bytes.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in check.name.split('.').filter(|label| !label.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
        bytes.push(length.ok_or(Failure::Malformed("a label of the name is too long"))?);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(number(check.question).to_be_bytes());
    bytes.extend([0, 1]);
    Ok(bytes)
}

/// The number of a record type in the registry of the IANA.
fn number(kind: DnsType) -> u16 {
    match kind {
        DnsType::A => 1,
        DnsType::Ns => 2,
        DnsType::Cname => 5,
        DnsType::Soa => 6,
        DnsType::Mx => 15,
        DnsType::Txt => 16,
        DnsType::Aaaa => 28,
        DnsType::Rrsig => 46,
        DnsType::Dnskey => 48,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn questions_are_those_of_the_original() {
        let root = DnsCheck {
            question: DnsType::Soa,
            name: ".".to_owned(),
        };
        let recorded = "2589010000010000000000000000060001";
        assert_eq!(hex(&question(&root, 0x2589).unwrap()), recorded);
        let name = DnsCheck {
            question: DnsType::A,
            name: "www.example.com".to_owned(),
        };
        let recorded = "c8fb0100000100000000000003777777076578616d706c6503636f6d0000010001";
        assert_eq!(hex(&question(&name, 0xc8fb).unwrap()), recorded);
    }

    #[test]
    fn only_a_response_to_us_counts() {
        let mut reply = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0];
        assert!(matches!(verdict(&reply, 0x1234), Some(Ok(Success::Plain))));
        assert!(verdict(&reply, 0x1235).is_none());
        assert!(verdict(&reply[..11], 0x1234).is_none());
        reply[3] = 0x83;
        assert!(matches!(
            verdict(&reply, 0x1234),
            Some(Err(Failure::ResponseCode(3)))
        ));
        reply[2] = 0x01;
        assert!(verdict(&reply, 0x1234).is_none());
    }
}
