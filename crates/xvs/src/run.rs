//! `xvs run`: the daemon in the foreground.

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufReader, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
};

use anyhow::{Context, bail};
use clap::Args;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt};
use xvs_conf::Stance;
use xvs_control::{Instance, Token, wire::HookChoice};
use xvs_dataplane::{Bpf, BpfOptions, Dataplane, Simulated};
use xvs_director::{Options, Parts, ServiceManager, Source};
use xvs_types::Op;

use crate::{configuration::absolute, faces, hook};

/// The arguments of `xvs run`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of this daemon, when there are several [default: XVS_INSTANCE, else `default`]
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Start with this keepalived.conf; SIGHUP and `xvs reload` read it again
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<String>,
    /// Every doubt about the file is an error
    #[arg(long, requires = "file")]
    strict: bool,
    /// Lines that begin with @ID hold where ID is this [default: the short host name]
    #[arg(long, short = 'i', value_name = "ID", requires = "file")]
    config_id: Option<String>,
    /// Work in this network namespace (a name of `ip netns`)
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
    /// Where on its links the datapath runs [default: what was set last, else auto]
    #[arg(long, value_parser = hook::parser())]
    hook: Option<HookChoice>,
    /// A link to carry the datapath (repeatable) [default: what was set last, else chosen by xvs]
    #[arg(long = "interface", value_name = "IF")]
    interfaces: Vec<String>,
    /// Room for so many connections [default: by memory, between 65536 and 4194304]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1024..=268_435_456))]
    connections: Option<u32>,
    /// Serve the API on TCP too: for reading, and for writing with the token of `--token-file`
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// A file of mode 0600 with a token; who sends it as bearer token may write on TCP
    #[arg(long, value_name = "FILE", requires = "listen")]
    token_file: Option<PathBuf>,
    /// Leave the datapath forwarding when the daemon is told to end
    #[arg(long)]
    keep: bool,
    /// Apply the rules that `ipvsadm-save` wrote to this file, unless there are rules already
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,
    /// A file of lines NAME=VALUE with settings of `net.ipv4.vs`, obeyed over those set last
    #[arg(long, value_name = "FILE", default_value = xvs_director::SYSCTL_FILE)]
    sysctl: PathBuf,
    /// Keep rules and answer, but forward nothing and need no eBPF
    #[arg(long)]
    simulate: bool,
}

/// Runs the daemon until it is told to end.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        bail!("the daemon must be started by root");
    }
    let manager = ServiceManager::from_environment()?;
    let instance = Instance::from_environment(arguments.instance.as_deref())?;
    let restore = match &arguments.restore {
        Some(path) => saved_ops(path)?,
        None => Vec::new(),
    };
    let token = arguments.token_file.as_deref().map(Token::read);
    let token = token.transpose()?;
    let configuration = match &arguments.file {
        Some(file) => Some(Source {
            file: absolute(file)?,
            config_id: arguments.config_id.clone(),
            stance: if arguments.strict {
                Stance::Strict
            } else {
                Stance::Compatible
            },
            parts: Parts::default(),
        }),
        None => None,
    };
    start_logging();
    let Arguments {
        connections,
        simulate,
        ..
    } = arguments;
    let options = Options {
        netns: arguments.netns,
        hook: arguments.hook,
        interfaces: (!arguments.interfaces.is_empty()).then_some(arguments.interfaces),
        keep: arguments.keep,
        configuration,
        restore,
        sysctl: arguments.sysctl,
        listen: arguments.listen,
        token,
        manager,
        ..Options::new(instance)
    };
    xvs_director::run(options, |instance| open(instance, simulate, connections))?;
    Ok(())
}

/// Opens the dataplane of an instance.
pub(crate) fn open(
    instance: &Instance,
    simulate: bool,
    connections: Option<u32>,
) -> Result<Box<dyn Dataplane>, Box<dyn Error + Send + Sync>> {
    if simulate {
        return Ok(Box::new(Simulated::new()));
    }
    let options = BpfOptions {
        pins: instance.pins(),
        connections,
    };
    Ok(Box::new(Bpf::open(&options)?))
}

/// The ops of a file that `ipvsadm-save` wrote.
fn saved_ops(path: &PathBuf) -> anyhow::Result<Vec<Op>> {
    let file = fs::File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    faces::ops_of(&mut BufReader::new(file))
        .with_context(|| format!("cannot restore `{}`", path.display()))
}

/// What is logged: all from `info` on, or as `XVS_LOG` says.
pub(crate) fn log_filter() -> EnvFilter {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("XVS_LOG")
        .from_env_lossy()
}

/// Events to stderr, a line each. Under systemd the journal has the time, so the line has none.
fn start_logging() {
    let colours =
        io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt()
        .with_writer(io::stderr)
        .with_env_filter(log_filter())
        .with_ansi(colours)
        .with_target(false);
    if env::var_os("JOURNAL_STREAM").is_some() {
        lines.without_time().init();
    } else {
        lines.init();
    }
}
