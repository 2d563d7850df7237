//! The daemon: what runs, and who talks to whom.
//!
//! ```text
//!   main thread (tokio, one thread)                              thread `dataplane`
//!   +--------------------------------------------------+         +----------------------------+
//!   | API server ---Director--->  Api --jobs---------------------> Keeper                     |
//!   |   control.sock               |                   |    +----->  state.json, then          |
//!   |                              | Settle, Place,    |    |    |    Box<dyn Dataplane> (maps) |
//!   |                              v Report            |    |    |  housekeeping each second   |
//!   | network task <--netlink--> kernel                |    |    +----------------------------+
//!   |   links, routes, neighbours, addresses --jobs---------+
//!   |      | virtual servers   ^ warnings              |
//!   |      v                   |                       |
//!   | firewall task <--nft, iptables--- filter rules   |         thread `checks`
//!   |                                                  |         +----------------------------+
//!   | Control --configuration------------------------------------> Driver: see checks/mod.rs  |
//!   |   reload, apply, confirm, plan                   |         |   ops --jobs--> dataplane  |
//!   | signals: TERM and INT end the daemon, HUP        |         +----------------------------+
//!   |   reloads the configuration                      |
//!   | VrrpService <--reports, messages---------------------------> threads `vrrp`: see vrrp/mod.rs
//!   +--------------------------------------------------+
//! ```
//!
//! Start: lock, namespace, configuration, dataplane, rules, privileges, threads, checks, socket. End:
//! checks, socket, addresses, dataplane. Everything that is refused is refused before anything is
//! changed.

use std::{
    error::Error,
    fs, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tracing::{error, info, warn};
use xvs_conf::Config;
use xvs_control::{
    BindError, Director, Instance, adopt, bind, serve, serve_tcp,
    wire::{Batch, StopRequest},
};
use xvs_dataplane::Dataplane;
use xvs_notify::Notifier;
use xvs_types::Op;

use crate::{
    Options,
    api::{Api, Identity, placement_of},
    bfd::BfdSessions,
    checks::{ChecksThread, Release, Teller},
    configuration::{Control, InForce, LoadError, Loaded, Source},
    dump::{Dump, Dumps},
    events::Events,
    keeper::Keeper,
    lock::{InstanceLock, LockError},
    lvs::LvsSettings,
    network::{Network, Placement, StartNetworkError},
    privileges::{PrivilegeError, drop_own_privileges, drop_privileges},
    programs,
    signals::Signals,
    state::{StateError, StateFile},
    sysctl,
    vrrp::{Died, VrrpService},
    worker::Worker,
};

/// How long the end waits for notifications that are on their way; keepalived's `child_wait_time`.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a daemon could not run, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The control socket cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no configuration to start with.
    #[error(transparent)]
    Configuration(#[from] LoadError),
    /// A part of the daemon refused its configuration.
    #[error("the configuration cannot be put into force: {0}")]
    Configure(xvs_control::wire::Problem),
    /// The dataplane cannot be opened.
    #[error("cannot open the dataplane: {0}")]
    Dataplane(Box<dyn Error + Send + Sync>),
    /// The address for the API on TCP cannot be had.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A part of the daemon ended by itself.
    #[error("{part} ended by itself, which is a bug; the datapath goes on forwarding")]
    Died {
        /// Which one.
        part: &'static str,
    },
    /// A thread of the virtual routers ended by itself.
    #[error("{0}; the next daemon takes them over")]
    DiedVrrp(#[from] Died),
    /// The instance cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The namespace cannot be entered.
    #[error(transparent)]
    Netns(#[from] xvs_net::NetnsError),
    /// The network cannot be followed.
    #[error(transparent)]
    Network(#[from] StartNetworkError),
    /// A hook or an interface that was asked for cannot be.
    #[error("{0}")]
    Placement(xvs_control::wire::Problem),
    /// Privileges cannot be given up.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was attempted.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Runs a daemon until it is told to end, by a signal or through the API. `open` opens its dataplane,
/// in the namespace that the daemon entered and while it has all its privileges.
///
/// Call it on the only thread of the process: namespaces and capabilities belong to threads.
///
/// # Errors
///
/// When it cannot start, and when a part of it dies.
pub fn run(
    options: Options,
    open: impl FnOnce(&Instance) -> Result<Box<dyn Dataplane>, Box<dyn Error + Send + Sync>>,
) -> Result<(), RunError> {
    let _lock = InstanceLock::take(&options.instance)?;
    let mut options = options;
    if let Some(name) = &options.netns {
        xvs_net::enter_netns(name)?;
    }
    let configuration = match options.configuration.clone() {
        Some(source) => Some(Arc::new(load(source, &mut options.netns)?)),
        None => None,
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let configuration = match configuration {
        Some(loaded) if runtime.block_on(programs::start(&loaded.config.global)) => {
            // The script may have made interfaces, or files that are included.
            Some(Arc::new(loaded.source.clone().load()?))
        }
        other => other,
    };
    let dataplane = open(&options.instance).map_err(RunError::Dataplane)?;
    let file = StateFile::new(options.instance.state());
    let (keeper, refusals) = Keeper::open(dataplane, file)?;
    for refusal in &refusals {
        warn!("a rule of the last daemon is not in force: {refusal}");
    }
    runtime.block_on(serve_until_stopped(
        options,
        configuration,
        keeper,
        refusals,
    ))
}

/// Loads the configuration and goes where it says (`net_namespace`), unless the daemon was told where.
fn load(source: Source, netns: &mut Option<String>) -> Result<Loaded, RunError> {
    let loaded = source.clone().load()?;
    match &loaded.config.global.net_namespace {
        Some(name) if netns.is_none() => {
            xvs_net::enter_netns(name)?;
            *netns = Some(name.clone());
            // The interfaces are others there.
            Ok(source.load()?)
        }
        _ => Ok(loaded),
    }
}

async fn serve_until_stopped(
    mut options: Options,
    configuration: Option<Arc<Loaded>>,
    keeper: Keeper,
    refusals: Vec<String>,
) -> Result<(), RunError> {
    // First of all, so that who is told READY can stop the daemon at once, in good order.
    let signals = Signals::catch()?;
    // Opened early, while CAP_CHOWN is there; nobody is answered before all is up.
    let socket = options.instance.socket();
    let inherited = options.manager.take_listener();
    let ours = inherited.is_none();
    let (listener, access) = match inherited {
        Some(listener) => adopt(listener, &socket, &options.writers_group)?,
        None => bind(&socket, &options.writers_group)?,
    };
    let remove_socket = || {
        // The manager's goes on listening, for the next daemon.
        if ours {
            remove_socket(&options.instance);
        }
    };
    let tcp = match listen(options.listen).await {
        Ok(tcp) => tcp,
        Err(error) => {
            remove_socket();
            return Err(error);
        }
    };
    if options.drop_privileges {
        match configuration {
            None => drop_privileges()?,
            Some(_) => drop_own_privileges()?,
        }
    }
    let had_rules = !keeper.state().rules.rules().is_empty();
    let before = placement_of(keeper.state());
    let (worker, worker_ended) = Worker::start(keeper).map_err(system("start a thread"))?;
    let (network, network_ended) = Network::start(worker.clone(), before.clone())?;
    let events = Events::default();
    // With nowhere to tell; the configuration says where.
    let notifier = Notifier::start(xvs_notify::Settings::default(), &Handle::current());
    let teller = Teller::new(events.clone(), notifier.clone());
    let bfd = BfdSessions::new();
    let (checks, checks_ended) =
        ChecksThread::start(worker.clone(), network.clone(), bfd.clone(), teller)
            .map_err(system("start a thread"))?;
    let in_force = InForce::new(configuration);
    let vrrp = VrrpService::new(
        options.instance.directory().to_owned(),
        events.clone(),
        notifier.clone(),
        bfd.clone(),
    );
    let lvs = LvsSettings::new(
        worker.clone(),
        network.clone(),
        vrrp.clone(),
        events.clone(),
    );
    let control = Control::new(
        in_force.clone(),
        bfd.clone(),
        checks.clone(),
        vrrp.clone(),
        lvs.clone(),
        events.clone(),
        notifier.clone(),
    );
    let (stop, mut stops) = mpsc::channel(1);
    let api = Api {
        worker: worker.clone(),
        network: network.clone(),
        checks: checks.clone(),
        configuration: control.clone(),
        vrrp: vrrp.clone(),
        events,
        identity: Arc::new(Identity {
            instance: options.instance.name().to_owned(),
            netns: options.netns.clone(),
            keep: options.keep,
            started: Instant::now(),
            warnings: refusals,
        }),
        stop,
    };
    if let Err(problem) = place(&api, &options, before).await {
        // What forwarded before goes on, and of a first start nothing remains.
        let _ending = worker.finish(had_rules).await;
        remove_socket();
        return Err(RunError::Placement(problem));
    }
    apply_settings(&api, &sysctl::ops(&options.sysctl)).await;
    if had_rules && !options.restore.is_empty() {
        info!("there are rules, so none are restored");
    } else {
        restore(&api, &options.restore).await;
    }
    if let Some(loaded) = in_force.loaded() {
        info!(
            file = loaded.source.file,
            "configuration: {}", loaded.counted
        );
        for line in loaded.findings.lines() {
            info!("{line}");
        }
    }
    if let Err(problem) = control.start().await {
        finish(&worker, &network, had_rules).await;
        remove_socket();
        return Err(RunError::Configure(problem));
    }
    let (close, closed) = watch::channel(());
    let mut servers = JoinSet::new();
    if let Some(tcp) = tcp {
        let token = options.token.clone();
        servers.spawn(serve_tcp(tcp, token, api.clone(), ended(closed.clone())));
    }
    servers.spawn(serve(listener, access, api, ended(closed)));
    info!(
        instance = options.instance.name(),
        socket = %socket.display(),
        "the daemon runs"
    );
    tell(&options, "READY=1");
    let ended = Ends {
        worker: worker_ended,
        network: network_ended,
        checks: checks_ended,
    };
    if let Some(started) = options.started.take() {
        started();
    }
    let dumps = Dumps {
        control,
        in_force: in_force.clone(),
        vrrp: vrrp.clone(),
        checks: checks.clone(),
        instance: options.instance.clone(),
    };
    if options.dump_at_start {
        dumps.log().await;
    }
    let ending = wait_for_the_end(&dumps, &mut stops, ended, &vrrp, signals).await;
    let keep = match &ending {
        Ok(request) => request.keep.unwrap_or(options.keep),
        // A daemon that breaks down leaves the datapath to the next one.
        Err(_died) => true,
    };
    tell(&options, "STOPPING=1");
    // First, while the datapath still serves what clients send until the other director announces. A
    // daemon that breaks down hands over too; without its own threads it cannot, and what the host holds
    // stays for the next one, as after a kill.
    let holds = keep && matches!(ending, Ok(_) | Err(RunError::DiedVrrp(_)));
    if vrrp.stop(holds).await.is_err() {
        warn!("the virtual routers had ended before");
    }
    if checks
        .stop(release(&options, keep, &in_force))
        .await
        .is_err()
    {
        warn!("the checks had ended before");
    }
    bfd.stop().await;
    let config = in_force.config();
    if !keep && !options.keep_virtual_servers {
        take_back(&lvs, config.as_deref()).await;
    }
    notifier.shutdown(LAST_WORDS).await;
    drop(close);
    while let Some(server) = servers.join_next().await {
        if server.is_err() {
            warn!("an API server ended badly");
        }
    }
    remove_socket();
    finish(&worker, &network, keep).await;
    if let Some(config) = config {
        programs::stop(&config.global).await;
    }
    ending.map(|_request| ())
}

/// Takes back what the configuration changed beside its virtual servers.
async fn take_back(lvs: &LvsSettings, config: Option<&Config>) {
    match lvs.restore(config).await {
        Ok(refused) => refused.iter().for_each(|line| warn!("{line}")),
        Err(error) => warn!(%error, "the settings of the configuration stay"),
    }
}

async fn listen(address: Option<SocketAddr>) -> Result<Option<TcpListener>, RunError> {
    let Some(address) = address else {
        return Ok(None);
    };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            info!(%address, "the API is served on TCP too");
            Ok(Some(listener))
        }
        Err(source) => Err(RunError::Listen { address, source }),
    }
}

/// Returns when the sender is gone.
async fn ended(mut closed: watch::Receiver<()>) {
    while closed.changed().await.is_ok() {}
}

/// Ends the parts in their order. What has ended already needs no ending.
async fn finish(worker: &Worker, network: &Network, keep: bool) {
    if network.finish(!keep).await.is_err() {
        warn!("the network task had ended before");
    }
    match worker.finish(keep).await {
        Ok(lines) => {
            for line in lines {
                warn!("not undone: {line}");
            }
        }
        Err(_ended) => warn!("the dataplane's thread had ended before"),
    }
    info!(keep, "the daemon ends");
}

/// Resolve when a part of the daemon ends.
struct Ends {
    worker: oneshot::Receiver<()>,
    network: oneshot::Receiver<()>,
    checks: oneshot::Receiver<()>,
}

/// What becomes of the configuration's virtual servers at the end.
fn release(options: &Options, keep: bool, in_force: &InForce) -> Release {
    if keep || options.keep_virtual_servers {
        return Release::Nothing;
    }
    let flush = in_force
        .config()
        .and_then(|config| config.global.lvs_flush_on_stop);
    match flush {
        Some(_) => Release::Rules,
        None => Release::Everything,
    }
}

async fn wait_for_the_end(
    dumps: &Dumps,
    stops: &mut mpsc::Receiver<StopRequest>,
    ends: Ends,
    vrrp: &VrrpService,
    mut signals: Signals,
) -> Result<StopRequest, RunError> {
    let Ends {
        worker: worker_ended,
        network: network_ended,
        checks: checks_ended,
    } = ends;
    tokio::pin!(worker_ended, network_ended, checks_ended);
    loop {
        tokio::select! {
            biased;
            _signal = signals.terminate.recv() => return Ok(StopRequest::default()),
            _signal = signals.interrupt.recv() => return Ok(StopRequest::default()),
            _signal = signals.hang_up.recv() => {
                // Beside this loop: a great file takes a while, and a stop does not wait for it.
                tokio::spawn(reload(dumps.control.clone()));
            }
            _signal = signals.data.recv() => dumps.write(Dump::Data).await,
            _signal = signals.statistics.recv() => dumps.write(Dump::Statistics).await,
            _signal = signals.json.recv() => dumps.write(Dump::Json).await,
            Some(request) = stops.recv() => return Ok(request),
            // Before the network task, which ends with it.
            _ended = &mut worker_ended => {
                return Err(RunError::Died { part: "the dataplane's thread" });
            }
            _ended = &mut network_ended => {
                return Err(RunError::Died { part: "the network task" });
            }
            _ended = &mut checks_ended => {
                return Err(RunError::Died { part: "the checks' thread" });
            }
            died = vrrp.died() => {
                error!("{died}");
                return Err(died.into());
            }
        }
    }
}

/// Reloads the configuration for a signal, whose sender hears of it by the log alone.
async fn reload(control: Control) {
    if let Err(problem) = control.reload().await {
        error!("SIGHUP: the configuration is not reloaded: {problem}");
    }
}

/// Puts into force the hook and the interfaces that the daemon was started with.
async fn place(
    api: &Api,
    options: &Options,
    before: Placement,
) -> Result<(), xvs_control::wire::Problem> {
    let wanted = Placement {
        hook: options.hook.unwrap_or(before.hook),
        interfaces: options
            .interfaces
            .clone()
            .or_else(|| before.interfaces.clone()),
    };
    if wanted == before {
        return Ok(());
    }
    api.set_placement(wanted).await
}

/// Puts the settings of the file into force, over those that the last daemon was told.
async fn apply_settings(api: &Api, ops: &[Op]) {
    if ops.is_empty() {
        return;
    }
    match api.apply(Batch::one_by_one(ops.to_vec())).await {
        Ok(outcome) => {
            for (op, result) in ops.iter().zip(outcome.into_results()) {
                if let Err(error) = result {
                    warn!(%error, ?op, "a setting is not in force");
                }
            }
        }
        Err(problem) => warn!(%problem, "the settings of the file are not in force"),
    }
}

/// Applies saved rules one by one; one that is refused does not keep the others away.
async fn restore(api: &Api, ops: &[Op]) {
    if ops.is_empty() {
        return;
    }
    match api.apply(Batch::one_by_one(ops.to_vec())).await {
        Ok(outcome) => {
            info!(ops = outcome.applied, "rules were restored");
            for (op, result) in ops.iter().zip(outcome.into_results()) {
                if let Err(error) = result {
                    warn!(%error, ?op, "a rule was not restored");
                }
            }
        }
        Err(problem) => warn!(%problem, "no rules were restored"),
    }
}

fn tell(options: &Options, state: &str) {
    if let Err(error) = options.manager.tell(state) {
        warn!(%error, state, "the service manager was not told");
    }
}

fn remove_socket(instance: &Instance) {
    if let Err(error) = fs::remove_file(instance.socket()) {
        warn!(%error, "the control socket is not removed");
    }
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::System { doing, source }
}
