//! An ARP packet or a neighbor advertisement from anybody: what parses is written as what parses the
//! same, to the byte where every byte has a meaning, and a wrong checksum never parses.

#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use xvs_wire::{arp, ndisc};

const SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = arp::Packet::new_checked(bytes)
        && let Ok(repr) = arp::Repr::parse(&packet)
    {
        let mut built = [0xa5; arp::LENGTH];
        repr.emit(&mut built);
        assert_eq!(Some(&built[..]), bytes.get(..arp::LENGTH));
    }
    if let Ok(repr) = ndisc::Repr::parse(bytes, SOURCE, DESTINATION) {
        let mut built = [0xa5; ndisc::LENGTH];
        repr.emit(&mut built, SOURCE, DESTINATION);
        let again = ndisc::Repr::parse(&built, SOURCE, DESTINATION);
        assert_eq!(again, Ok(repr));
        let mut wrong = built;
        wrong[2] ^= 1;
        assert!(ndisc::Repr::parse(&wrong, SOURCE, DESTINATION).is_err());
    }
});
