//! From a draft to its command: what can only be judged when all is read.

use std::time::Duration;

use xvs_types::{
    ForwardingMethod, Op, Persistence, PersistenceEngine, Protocol, RealServer, Scheduler,
    SchedulerFlags, SyncDaemon, Tunnel, TunnelKind, VirtualServer, VirtualServerId,
};

use super::{
    Refusal, check,
    draft::{Draft, timeout},
    flags::scheduler_flags,
};
use crate::{
    command::{Columns, Command, List, Listed, Style},
    options::{Opt, OptionSet, Word},
};

/// ipvsadm's `DEF_MCAST_IFN`.
const DEFAULT_INTERFACE: &str = "eth0";

pub(super) fn finish(mut draft: Draft, words: &[&str]) -> Result<Command, Refusal> {
    let (timeouts, words) = match (draft.word, words) {
        (Word::Set, [tcp, tcp_fin, udp, rest @ ..]) => {
            let timeouts = [kept_or_new(tcp)?, kept_or_new(tcp_fin)?, kept_or_new(udp)?];
            (timeouts, rest)
        }
        (Word::Set, _) => {
            return Err(Refusal::usage("--set option requires 3 timeout values"));
        }
        (_, words) => ([None; 3], words),
    };
    if let Some(word) = words.first() {
        return Err(Refusal::usage(format!("unexpected argument {word}")));
    }
    if draft.scheduler.is_empty() {
        Scheduler::default().name().clone_into(&mut draft.scheduler);
    }
    let flags = match &draft.scheduler_flags {
        Some(text) => scheduler_flags(&draft.scheduler, text)?,
        None => SchedulerFlags::default(),
    };
    check::options_of_command(draft.word, &draft.given)?;
    match draft.word {
        Word::AddService | Word::EditService => virtual_server(draft, flags),
        Word::AddServer | Word::EditServer => real_server(&draft),
        Word::DeleteService => {
            service_of(&draft).map(|id| Command::Apply(Op::DeleteVirtualServer { id }))
        }
        Word::DeleteServer => match (service_of(&draft)?, draft.real_server) {
            (virtual_server, Some(endpoint)) => Ok(Command::Apply(Op::DeleteRealServer {
                virtual_server,
                endpoint,
            })),
            (_, None) => Err(missing(Opt::RealServer)),
        },
        Word::Flush => Ok(Command::Apply(Op::Flush)),
        Word::List => list(&draft),
        Word::Restore => Ok(Command::Restore {
            atomic: draft.given.contains(Opt::Atomic),
        }),
        Word::Save => Ok(Command::Save {
            numeric: draft.given.contains(Opt::Numeric),
            full: draft.given.contains(Opt::FullSave),
        }),
        Word::Zero => Ok(Command::Apply(Op::Zero {
            id: draft.virtual_server,
        })),
        Word::StartDaemon => Ok(Command::Apply(Op::StartSyncDaemon {
            daemon: sync_daemon(draft),
        })),
        Word::StopDaemon => Ok(Command::Apply(Op::StopSyncDaemon { role: draft.role })),
        Word::Set => {
            let [tcp, tcp_fin, udp] = timeouts;
            Ok(Command::SetTimeouts { tcp, tcp_fin, udp })
        }
    }
}

fn kept_or_new(text: &str) -> Result<Option<Duration>, Refusal> {
    let seconds = timeout(text, 0)?.unsigned_abs();
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn virtual_server(draft: Draft, flags: SchedulerFlags) -> Result<Command, Refusal> {
    let id = service_of(&draft)?;
    let one_packet = draft.given.contains(Opt::OnePacket);
    if let VirtualServerId::Address { protocol, endpoint } = id {
        if endpoint.port == 0 && draft.persistence_timeout.is_none() {
            return Err(Refusal::usage(
                "Zero port specified for non-persistent service",
            ));
        }
        if one_packet && protocol != Protocol::Udp {
            return Err(Refusal::usage(
                "One-Packet Scheduling is only for UDP virtual services",
            ));
        }
    }
    let edit = draft.word == Word::EditService;
    let engine = match draft.engine.as_str() {
        "" => Ok(None),
        "sip" => Ok(Some(PersistenceEngine::Sip)),
        _ => Err(()),
    };
    let (Ok(scheduler), Ok(engine)) = (draft.scheduler.parse(), engine) else {
        return Ok(Command::NameUnknown { id, edit });
    };
    let mask = draft.mask;
    let virtual_server = VirtualServer {
        id,
        scheduler,
        scheduler_flags: flags,
        persistence: draft
            .persistence_timeout
            .map(|timeout| Persistence { timeout, mask }),
        engine,
        one_packet,
        anywhere: draft.given.contains(Opt::Anywhere),
        local_addresses: draft.local_addresses,
    };
    Ok(Command::Apply(if edit {
        Op::EditVirtualServer { virtual_server }
    } else {
        Op::AddVirtualServer { virtual_server }
    }))
}

fn real_server(draft: &Draft) -> Result<Command, Refusal> {
    let virtual_server = service_of(draft)?;
    let Some(mut endpoint) = draft.real_server else {
        return Err(missing(Opt::RealServer));
    };
    let is_tunnel = matches!(draft.forwarding, ForwardingMethod::Tunnel(_));
    let keeps_port = is_tunnel || draft.forwarding == ForwardingMethod::Direct;
    if let VirtualServerId::Address { endpoint: vip, .. } = virtual_server
        && keeps_port
    {
        endpoint.port = vip.port;
    }
    if !is_tunnel && endpoint.family() != virtual_server.family() {
        return Err(Refusal::usage(
            "Different address family is allowed only for tunneling servers",
        ));
    }
    let method = if is_tunnel {
        ForwardingMethod::Tunnel(tunnel(draft)?)
    } else if check::has_tunnel_options(&draft.given) {
        return Err(Refusal::usage(
            "Tunnel options conflict with forward method",
        ));
    } else {
        draft.forwarding
    };
    let real_server = RealServer {
        endpoint,
        method,
        weight: draft.weight,
        thresholds: draft.thresholds,
    };
    Ok(Command::Apply(if draft.word == Word::EditServer {
        Op::EditRealServer {
            virtual_server,
            real_server,
        }
    } else {
        Op::AddRealServer {
            virtual_server,
            real_server,
        }
    }))
}

fn tunnel(draft: &Draft) -> Result<Tunnel, Refusal> {
    check::options_of_tunnel(draft.tunnel.kind, &draft.given)?;
    let kind = match (draft.tunnel.kind, draft.port) {
        (TunnelKind::Gue { .. }, Some(port)) => TunnelKind::Gue { port },
        (kind, _) => kind,
    };
    Ok(Tunnel {
        kind,
        ..draft.tunnel
    })
}

fn sync_daemon(draft: Draft) -> SyncDaemon {
    SyncDaemon {
        role: draft.role,
        interface: if draft.interface.is_empty() {
            DEFAULT_INTERFACE.to_owned()
        } else {
            draft.interface
        },
        sync_id: draft.sync_id,
        max_length: draft.max_length,
        group: draft.group,
        port: draft.port,
        ttl: draft.ttl,
    }
}

fn list(draft: &Draft) -> Result<Command, Refusal> {
    let given = &draft.given;
    let timeout_or_daemon = given.any(&[Opt::Timeout, Opt::Daemon]);
    let counts = given.any(&[Opt::Stats, Opt::Rate, Opt::Thresholds]);
    if (counts && (timeout_or_daemon || given.contains(Opt::Connection)))
        || (timeout_or_daemon && given.contains(Opt::PersistentConnections))
    {
        return Err(Refusal::usage("options conflicts in the list command"));
    }
    let what = if given.contains(Opt::Connection) {
        Listed::Connections
    } else if let Some(id) = draft.virtual_server {
        Listed::One(id)
    } else if given.contains(Opt::Timeout) {
        Listed::Timeouts
    } else if given.contains(Opt::Daemon) {
        Listed::Daemons
    } else {
        Listed::All
    };
    Ok(Command::List(List {
        what,
        style: Style {
            columns: columns(given),
            exact: given.contains(Opt::Exact),
            json: given.contains(Opt::Json),
            nosort: given.contains(Opt::NoSort),
            numeric: given.contains(Opt::Numeric),
            persistent_connections: given.contains(Opt::PersistentConnections),
        },
    }))
}

fn columns(given: &OptionSet) -> Columns {
    [
        (Opt::Stats, Columns::Stats),
        (Opt::Rate, Columns::Rate),
        (Opt::Thresholds, Columns::Thresholds),
        (Opt::PersistentConnections, Columns::PersistentConnections),
        (Opt::TunnelInfo, Columns::TunnelInfo),
    ]
    .into_iter()
    .find(|(option, _)| given.contains(*option))
    .map_or(Columns::Plain, |(_, columns)| columns)
}

fn service_of(draft: &Draft) -> Result<VirtualServerId, Refusal> {
    draft
        .virtual_server
        .ok_or_else(|| missing(Opt::ServiceAddress))
}

/// What the check of the options has ruled out already, said once more rather than assumed.
fn missing(option: Opt) -> Refusal {
    Refusal::usage(format!("You need to supply the '{}' option", option.name()))
}
