//! What `xvs realserver` and `xvs director` take on the command line.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::{VipPrefix, vip::parse_vip};

/// `xvs realserver`: what an unmodified server's host needs for a forwarding method.
#[derive(Clone, Debug, Subcommand)]
pub enum RealserverCommand {
    /// Set the host up; repeating it mends what somebody changed
    Up(RealserverUp),
    /// Restore exactly what was there before
    Down(Down),
    /// Show each item; exit status 1 when one is not as wanted
    Status(RealserverStatus),
}

/// `xvs director`: what a director's host needs beside the datapath.
#[derive(Clone, Debug, Subcommand)]
pub enum DirectorCommand {
    /// Set the host up; repeating it mends what somebody changed
    Up(DirectorUp),
    /// Restore exactly what was there before
    Down(Down),
    /// Show each item; exit status 1 when one is not as wanted
    Status(DirectorStatus),
}

/// How a director reaches real servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RealserverMethod {
    /// Direct routing: frames for the VIP reach the server as they are
    Dr,
    /// Tunnelling: packets for the VIP come inside packets for the server
    Tun,
    /// Connections come from the director, and their SYN names the client
    Fullnat,
}

/// How a director forwards; every method needs the same of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectorMethod {
    /// Masquerading
    Nat,
    /// Direct routing
    Dr,
    /// Tunnelling
    Tun,
    /// Both addresses replaced
    Fullnat,
}

/// What takes packets out of their tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Decapsulation {
    /// The kernel's device where it exists, else the program
    #[default]
    Auto,
    /// The kernel's devices `tunl0` (IPv4 VIPs) and `ip6tnl0` (IPv6 VIPs)
    Kernel,
    /// An eBPF program at the links' ingress; it takes either family inside either
    Program,
}

/// Options that every command has.
#[derive(Clone, Debug, Default, Args)]
pub struct Common {
    /// Work in this network namespace (a name of `ip netns`)
    #[arg(long, value_name = "NAME")]
    pub netns: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Where records and pins go; none for `XVS_RUNTIME_DIR`, default `/run/xvs`
    #[arg(skip)]
    pub runtime_directory: Option<PathBuf>,
}

/// `xvs realserver up`.
#[derive(Clone, Debug, Args)]
pub struct RealserverUp {
    /// The VIP that the server answers for (repeatable; FULLNAT needs none)
    #[arg(long = "vip", value_name = "VIP", value_parser = parse_vip,
          required_if_eq_any([("method", "dr"), ("method", "tun")]))]
    pub vips: Vec<IpAddr>,
    /// How the director reaches this server
    #[arg(long)]
    pub method: RealserverMethod,
    /// A link that packets come in by (repeatable; default: every Ethernet link that is no port)
    #[arg(long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// What takes packets out of their tunnel
    #[arg(long, value_enum, default_value_t)]
    pub decapsulation: Decapsulation,
    /// How many clients are remembered until their server asks, FULLNAT only
    #[arg(long, value_name = "N", default_value_t = 65_536,
          value_parser = clap::value_parser!(u32).range(1_024..=4_194_304))]
    pub connections: u32,
    /// Options that every command has
    #[command(flatten)]
    pub common: Common,
}

/// `xvs realserver status`.
#[derive(Clone, Debug, Args)]
pub struct RealserverStatus {
    /// A VIP to look for (repeatable; default: what `up` recorded)
    #[arg(long = "vip", value_name = "VIP", value_parser = parse_vip, requires = "method")]
    pub vips: Vec<IpAddr>,
    /// How the director reaches this server
    #[arg(long)]
    pub method: Option<RealserverMethod>,
    /// A link that packets come in by (repeatable)
    #[arg(long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// What takes packets out of their tunnel
    #[arg(long, value_enum, default_value_t)]
    pub decapsulation: Decapsulation,
    /// Options that every command has
    #[command(flatten)]
    pub common: Common,
}

/// `xvs director up`.
#[derive(Clone, Debug, Args)]
pub struct DirectorUp {
    /// The VIP, /32 or /128 unless a length is given (repeatable)
    #[arg(long = "vip", value_name = "VIP[/LEN]", required = true)]
    pub vips: Vec<VipPrefix>,
    /// The link that gets the VIPs
    #[arg(long, value_name = "IF")]
    pub interface: String,
    /// The forwarding method; every one needs the same
    #[arg(long)]
    pub method: Option<DirectorMethod>,
    /// Options that every command has
    #[command(flatten)]
    pub common: Common,
}

/// `xvs director status`.
#[derive(Clone, Debug, Args)]
pub struct DirectorStatus {
    /// A VIP to look for (repeatable; default: what `up` recorded)
    #[arg(long = "vip", value_name = "VIP[/LEN]", requires = "interface")]
    pub vips: Vec<VipPrefix>,
    /// The link that has the VIPs
    #[arg(long, value_name = "IF")]
    pub interface: Option<String>,
    /// The forwarding method; every one needs the same
    #[arg(long)]
    pub method: Option<DirectorMethod>,
    /// Options that every command has
    #[command(flatten)]
    pub common: Common,
}

/// `xvs realserver down` and `xvs director down`.
#[derive(Clone, Debug, Args)]
pub struct Down {
    /// A VIP to take away (repeatable; default: everything that `up` recorded)
    #[arg(long = "vip", value_name = "VIP[/LEN]")]
    pub vips: Vec<VipPrefix>,
    /// As given to `up`; the record knows it
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// As given to `up`; the record knows it
    #[arg(long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// Options that every command has
    #[command(flatten)]
    pub common: Common,
}
