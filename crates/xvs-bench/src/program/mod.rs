//! The programs alone, by `BPF_PROG_TEST_RUN`: what a packet costs between a hook's call and its
//! answer. Nothing is sent.

mod connect;
mod established;
mod foreign;
pub(crate) mod frame;
mod rounds;
pub(crate) mod tester;

use crate::{
    Scale,
    director::make_links,
    kernel,
    row::{Part, Row},
};
use tester::Tester;

pub(crate) use established::Established;

const ABOUT: &str = "One program on one processor by BPF_PROG_TEST_RUN, from the hook's call to its answer. \
                     An entry in front makes the packet of one of the flows anew each time; \"net\" is what \
                     a row costs more than that entry with a program behind it that returns at once, in the \
                     same round.";

/// Measures new connections.
pub(crate) fn measure_new(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    Ok(Part {
        name: "connect".into(),
        about: ABOUT.to_owned(),
        rows: connect::measure(&mut Tester::load()?, scale)?,
        plots: Vec::new(),
        notes: Vec::new(),
    })
}

/// Measures packets of connections that are there, and of none.
pub(crate) fn measure(scale: &Scale) -> anyhow::Result<Part> {
    kernel::own_network()?;
    make_links()?;
    let mut tester = Tester::load()?;
    let mut rows: Vec<Row> = foreign::measure(&mut tester, scale)?;
    let Established {
        rows: established,
        plots,
    } = established::measure(&mut tester, scale)?;
    rows.extend(established);
    Ok(Part {
        name: "program".into(),
        about: ABOUT.to_owned(),
        rows,
        plots,
        notes: vec![
            "A tunnel's floor also makes the room for the outer header and takes it back.".to_owned(),
            "TUN at tcx is not here: a packet can be put into a tunnel once, and the run has only one. \
             Part `veth` and part `oracle` have it."
                .to_owned(),
        ],
    })
}
