//! UDP_CHECK: a datagram; no unreachable may come back, or a certain reply must.

use std::hash::{BuildHasher, Hasher, RandomState};

use tokio::net::UdpSocket;
use xvs_conf::config::UdpCheck;

use crate::{Failure, Probe, Success, connect};

pub(crate) async fn run(check: &UdpCheck, probe: &Probe) -> Result<Success, Failure> {
    let socket = connect::udp(probe).await?;
    let random = random::<8>();
    let payload = check.payload.as_deref().unwrap_or(&random);
    connect::within(probe.timeout, "sending", socket.send(payload)).await?;
    match tokio::time::timeout(probe.timeout, reply(&socket)).await {
        Err(_elapsed) if check.require_reply => Err(Failure::Timeout {
            what: "waiting for a reply",
            after: probe.timeout,
        }),
        // Nobody said that nobody is there.
        Err(_elapsed) => Ok(Success::Plain),
        Ok(reply) => {
            let reply = reply?;
            if !check.require_reply || is_expected(check, &reply) {
                Ok(Success::Plain)
            } else {
                Err(Failure::WrongReply)
            }
        }
    }
}

/// So many bytes that nobody guesses; the standard library seeds its hashers from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(8) {
        let word = RandomState::new().build_hasher().finish().to_ne_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    bytes
}

async fn reply(socket: &UdpSocket) -> Result<Vec<u8>, Failure> {
    // The greatest datagram.
    let mut buffer = vec![0; 65_535];
    let count = socket.recv(&mut buffer).await.map_err(Failure::Connect)?;
    buffer.truncate(count);
    Ok(buffer)
}

fn is_expected(check: &UdpCheck, reply: &[u8]) -> bool {
    let least = usize::from(check.min_reply_length).max(check.reply.len());
    let most = usize::from(check.max_reply_length);
    let mut bytes = check.reply.iter().zip(reply);
    (least..=most).contains(&reply.len())
        && bytes.all(|(wanted, byte)| wanted.value & wanted.mask == byte & wanted.mask)
}

#[cfg(test)]
mod tests {
    use xvs_conf::config::ReplyByte;

    use super::*;

    #[test]
    fn a_reply_has_its_length_and_its_first_bytes() {
        let byte = |value, mask| ReplyByte { value, mask };
        let check = UdpCheck {
            reply: vec![byte(0x0a, 0xff), byte(0xb0, 0xf0)],
            min_reply_length: 3,
            max_reply_length: 4,
            ..UdpCheck::default()
        };
        assert!(is_expected(&check, &[0x0a, 0xb7, 0]));
        assert!(!is_expected(&check, &[0x0a, 0xb7]));
        assert!(!is_expected(&check, &[0x0a, 0xc7, 0]));
        assert!(!is_expected(&check, &[0x0a, 0xb7, 0, 0, 0]));
    }
}
