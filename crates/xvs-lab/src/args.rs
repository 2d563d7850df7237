//! The command line of `xvs lab`.

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `xvs lab`.
#[derive(Args, Clone, Debug)]
pub struct LabArgs {
    /// What to do
    #[command(subcommand)]
    pub command: LabCommand,
}

/// What `xvs lab` does.
#[derive(Clone, Debug, Subcommand)]
pub enum LabCommand {
    /// NAT (masquerading): the director is the gateway of its real servers
    Nat(RunArgs),
    /// Direct routing: real servers on the director's own network answer clients themselves
    Dr(RunArgs),
    /// Tunnelling: real servers anywhere answer clients themselves
    Tun(RunArgs),
    /// FULLNAT: real servers anywhere, without a route to clients
    Fullnat(RunArgs),
    /// All four, one after the other
    All(RunArgs),
    /// Two directors share a VIP; one thing after the other breaks
    Ha(HaArgs),
    /// Take down every lab that is up or was killed
    Down,
    /// Open a shell in a host of a lab that was kept
    Shell {
        /// The host: `client`, or `nat-client` where several labs are up
        host: String,
    },
}

/// How a lab is run.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Requests that the client sends
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// Where on its links the director runs the datapath
    #[arg(long, value_enum, default_value_t)]
    pub hook: LabHook,
    /// IPv6, with addresses of the lab's own under fd00::/8
    #[arg(long)]
    pub ipv6: bool,
    /// Leave the hosts up, for `xvs lab shell`; `xvs lab down` takes them down
    #[arg(long)]
    pub keep: bool,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// How the lab of two directors is run.
#[derive(Args, Clone, Debug)]
pub struct HaArgs {
    /// What director2 is [default: xvs as well]
    #[arg(long, value_enum)]
    pub peer: Option<HaPeer>,
    /// VRRP version 3
    #[arg(long)]
    pub v3: bool,
    /// Seconds between two advertisements: whole ones in version 2, 0.01 to 40.95 in version 3
    #[arg(long, value_name = "SECONDS", default_value = "1")]
    pub interval: String,
    /// Where on its links a director runs the datapath
    #[arg(long, value_enum, default_value_t)]
    pub hook: LabHook,
    /// Compare with keepalived instead: takeovers of every pair of daemons, so many of each kind
    #[arg(long, value_name = "N", conflicts_with = "peer")]
    pub rounds: Option<u32>,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// Other implementations of VRRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HaPeer {
    /// Debian's keepalived, with VRRP alone
    Keepalived,
}

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            requests: 40,
            hook: LabHook::default(),
            ipv6: false,
            keep: false,
            json: false,
        }
    }
}

/// The hooks that `xvs run --hook` knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LabHook {
    /// The director chooses per interface
    #[default]
    Auto,
    /// XDP in the driver
    Xdp,
    /// XDP in the stack
    XdpGeneric,
    /// tcx ingress, or a clsact filter before Linux 6.6
    Tcx,
}

impl LabHook {
    /// The word that `--hook` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tcx => "tcx",
            Self::Xdp => "xdp",
            Self::XdpGeneric => "xdp-generic",
        }
    }

    /// Whether frames pass XDP, which on a veth pair asks something of the far ends.
    pub(crate) fn is_xdp(self) -> bool {
        matches!(self, Self::Xdp | Self::XdpGeneric)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        lab: LabArgs,
    }

    fn parse(line: &str) -> Result<LabCommand, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.lab.command)
    }

    #[test]
    fn a_lab_takes_its_options() {
        let line = "lab nat --requests 7 --hook xdp-generic --ipv6 --keep --json";
        let Ok(LabCommand::Nat(run)) = parse(line) else {
            panic!("not understood");
        };
        assert_eq!((run.requests, run.hook), (7, LabHook::XdpGeneric));
        assert!(run.ipv6 && run.keep && run.json);
    }

    #[test]
    fn defaults_of_the_command_line_and_of_the_type_are_the_same() {
        let Ok(LabCommand::All(run)) = parse("lab all") else {
            panic!("not understood");
        };
        assert_eq!(format!("{run:?}"), format!("{:?}", RunArgs::default()));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "lab",
            "lab ospf",
            "lab nat --requests 0",
            "lab nat --hook nic",
            "lab shell",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
