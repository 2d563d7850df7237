//! Checkers: times from real and virtual server, and where they connect to.

use std::time::Duration;

use xvs_types::Endpoint;

use crate::{
    codes,
    config::{CheckKind, Checker, Connection, Timing},
    keywords::{CheckerDraft, Scope, TimingDraft},
};

/// `connect_timeout` where none is said.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// `delay_loop` where none is said (`KEEPALIVED_DEFAULT_DELAY`).
pub(super) const DELAY_LOOP: Duration = Duration::from_secs(60);

/// What a checker gets from its real server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inherited {
    /// The real server as it is written, with the virtual server's port when it has none.
    pub(super) endpoint: Endpoint,
    /// Times of the real server, or else of the virtual server.
    pub(super) timing: TimingDraft,
    /// `alpha` of the real server, or else of the virtual server.
    pub(super) alpha: bool,
    /// `delay_loop` of the virtual server.
    pub(super) virtual_delay_loop: Duration,
    /// `checker_log_all_failures`.
    pub(super) log_all_failures: bool,
}

/// Completes a checker; none when it cannot work.
pub(super) fn complete(
    draft: CheckerDraft,
    inherited: Inherited,
    scope: &mut Scope<'_>,
) -> Option<Checker> {
    let timing = timing(&draft, inherited);
    let connects = !matches!(
        draft.kind,
        CheckKind::Bfd(_) | CheckKind::File(_) | CheckKind::Misc(_)
    );
    let connection = if connects {
        Some(connection(&draft, inherited, scope)?)
    } else {
        None
    };
    let mut kind = draft.kind;
    if let CheckKind::Misc(misc) = &mut kind {
        misc.timeout = draft.misc.timeout.unwrap_or(inherited.virtual_delay_loop);
    }
    Some(Checker {
        kind,
        timing,
        connection,
        alpha: draft.alpha.unwrap_or(inherited.alpha),
        log_all_failures: draft.log_all_failures || inherited.log_all_failures,
    })
}

fn timing(draft: &CheckerDraft, inherited: Inherited) -> Timing {
    let own = draft.timing;
    let above = inherited.timing;
    let (retry, delay_before_retry) = match draft.kind {
        CheckKind::Dns(_) => (3, None),
        CheckKind::Http(_) => (1, Some(Duration::from_secs(3))),
        CheckKind::Misc(_) => (0, Some(Duration::from_secs(1))),
        _ => (1, Some(Duration::from_secs(1))),
    };
    let delay_loop = own.delay_loop.or(above.delay_loop).unwrap_or(DELAY_LOOP);
    Timing {
        delay_loop,
        retry: own.retry.or(above.retry).unwrap_or(retry),
        delay_before_retry: own
            .delay_before_retry
            .or(above.delay_before_retry)
            .or(delay_before_retry)
            .unwrap_or(delay_loop),
        warmup: own.warmup.or(above.warmup).unwrap_or(delay_loop),
        connect_timeout: own
            .connect_timeout
            .or(above.connect_timeout)
            .unwrap_or(CONNECT_TIMEOUT),
    }
}

fn connection(
    draft: &CheckerDraft,
    inherited: Inherited,
    scope: &mut Scope<'_>,
) -> Option<Connection> {
    let said = &draft.connection;
    let to = Endpoint::new(
        said.address.unwrap_or(inherited.endpoint.address),
        said.port.unwrap_or(inherited.endpoint.port),
    );
    let link_local = match to.address {
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => false,
    };
    if link_local && said.bind_interface.is_none() {
        scope.sink.reported(
            codes::MISSING_SETTING,
            draft.span,
            format!(
                "a check of the link-local address `{}` needs `bind_if`",
                to.address
            ),
            "it is left out",
        );
        return None;
    }
    Some(Connection {
        to,
        from: said
            .bind_address
            .map(|address| Endpoint::new(address, said.bind_port.unwrap_or(0))),
        from_port: said.bind_port,
        interface: said.bind_interface.clone(),
        mark: said.mark,
    })
}
