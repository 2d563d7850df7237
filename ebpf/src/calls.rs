//! Global functions: the verifier checks each once, with unknown numbers as arguments. Inlined, the
//! same code would be checked at every place and with every state that leads there.

use xvs_datapath::{
    scheduler,
    table::{self, V4, V6},
};

use crate::env::Maps;

macro_rules! family {
    ($family:ty, $claim:ident, $conflict:ident, $end:ident, $find:ident, $insert:ident,
     $choose:ident, $connect:ident) => {
        /// [`table::claim`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $claim(set: u32, way: u32, identity: u64, evict: u32) -> i64 {
            table::claim::<$family, Maps>(&Maps, set, way, identity, evict != 0)
        }

        /// [`table::conflict`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $conflict(set: u32, mine: u32, which: u32) -> u32 {
            table::conflict::<$family, Maps>(&Maps, set, mine, which)
        }

        /// [`table::end`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $end(place: u32) -> u32 {
            u32::from(table::end::<$family, Maps>(&Maps, place))
        }

        /// [`table::find`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $find(which: u32) -> i64 {
            table::find::<$family, Maps>(&Maps, which)
        }

        /// [`table::insert`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $insert(two_way: u32) -> i64 {
            table::insert::<$family, Maps>(&Maps, two_way != 0)
        }

        /// [`xvs_datapath::open::choose`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $choose(virtual_server: u32, protocol: u32) -> u64 {
            xvs_datapath::open::choose::<$family, Maps>(&Maps, virtual_server, protocol)
        }

        /// [`xvs_datapath::open::connect`].
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $connect(virtual_server: u32, real_server: u32, how: u32) -> i64 {
            xvs_datapath::open::connect::<$family, Maps>(&Maps, virtual_server, real_server, how)
        }
    };
}

family!(
    V4, claim4, conflict4, end4, find4, insert4, choose4, connect4
);
family!(
    V6, claim6, conflict6, end6, find6, insert6, choose6, connect6
);

/// [`xvs_wire::crc32c::change`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn crc32c(change: u32, length: u32) -> u32 {
    xvs_wire::crc32c::change(change, length)
}

/// [`scheduler::attempt`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn pick(virtual_server: u32, last: u32) -> u32 {
    scheduler::attempt(&Maps, virtual_server, last != 0)
}
