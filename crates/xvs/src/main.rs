//! xvs: one binary with several faces.
//!
//! The name it is called by decides: `ipvsadm`, `ipvsadm-save`, `ipvsadm-restore`, `keepalived` and `genhash`
//! are
//! the old programs with their own rules; any other name is `xvs`, whose sub-commands lie in a file each.
//! Data goes to stdout, messages to stderr. The exit status of `xvs` is 0 when it was done, 1 when
//! it could not be or is not so, 2 when the command line is wrong.

mod checks;
mod configuration;
mod connections;
mod drain;
mod events;
mod faces;
mod hook;
mod host;
mod interface;
mod output;
mod real_servers;
mod run;
mod spec;
mod status;
mod stop;
mod sysctl;
mod target;
mod virtual_servers;
mod vrrp;

use std::{env, io, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use xvs_ipvsadm::Face;

/// The express virtual server: balances TCP and UDP over real servers, in eBPF
#[derive(Debug, Parser)]
#[command(
    name = "xvs",
    version,
    propagate_version = true,
    after_help = "`xvs COMMAND --help` tells more. The daemon must run (`xvs run`) for all but `check`, `lab`, `realserver`, `director` and `completions`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put a keepalived.conf into force, for good or until it is not confirmed in time
    Apply(configuration::change::Apply),
    /// Check a keepalived.conf: exit status 0 when a daemon would start with it
    Check(configuration::check::Check),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Keep the configuration that `xvs apply --confirm` put into force
    Confirm(target::Target),
    /// List, count and end connections
    #[command(subcommand, visible_alias = "connection")]
    Conn(connections::Command),
    /// What the director's host needs around the datapath: VIP, forwarding, redirects
    #[command(subcommand)]
    Director(xvs_host::DirectorCommand),
    /// What happens, as it happens: checks, servers that come and go, configurations
    Events(target::Target),
    /// The MD5 of a page, for `digest` in a keepalived.conf, with genhash's own options
    #[command(disable_help_flag = true)]
    Genhash(faces::Arguments),
    /// Where on its links the datapath runs
    #[command(subcommand)]
    Hook(hook::Command),
    /// The links that carry the datapath
    #[command(subcommand)]
    Interface(interface::Command),
    /// ipvsadm, with its own options and messages
    #[command(disable_help_flag = true)]
    Ipvsadm(faces::Arguments),
    /// ipvsadm-restore
    #[command(disable_help_flag = true)]
    IpvsadmRestore(faces::Arguments),
    /// ipvsadm-save
    #[command(disable_help_flag = true)]
    IpvsadmSave(faces::Arguments),
    /// keepalived's configuration test (`-t`), with its own options and exit statuses
    #[command(disable_help_flag = true)]
    Keepalived(faces::Arguments),
    /// Experiments in network namespaces: real servers, real clients, and the packets between
    Lab(xvs_lab::LabArgs),
    /// What a keepalived.conf would change in the daemon, and what becomes of live connections
    Plan(configuration::plan::Plan),
    /// What a real server's host needs: VIP, ARP, decapsulation, clients' addresses
    #[command(subcommand)]
    Realserver(xvs_host::RealserverCommand),
    /// Real servers behind a virtual server
    #[command(subcommand)]
    Rs(real_servers::Command),
    /// Read the file of the configuration again; an error leaves everything as it is
    Reload(target::Target),
    /// Run the daemon in the foreground
    Run(run::Arguments),
    /// What the daemon does: links, hooks, tables, drops, checks, warnings
    Status(target::Target),
    /// End the daemon
    Stop(stop::Arguments),
    /// Settings under the kernel's names (`net.ipv4.vs`), as `sysctl` shows and changes them
    Sysctl(sysctl::Arguments),
    /// Virtual servers
    #[command(subcommand)]
    Vs(virtual_servers::Command),
    /// Virtual routers (VRRP)
    #[command(subcommand)]
    Vrrp(vrrp::Command),
}

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    if faces::is_keepalived(&name) {
        return faces::keepalived(arguments.collect());
    }
    if faces::is_genhash(&name) {
        return faces::genhash(&name, arguments.collect());
    }
    if let Some(face) = faces::by_name(&name) {
        return faces::run(face, &name, arguments.collect());
    }
    match Cli::parse().command {
        Command::Apply(apply) => finish(configuration::change::apply(&apply)),
        Command::Check(check) => finish_with(configuration::check::run(&check)),
        Command::Completions { shell } => finish(completions(shell)),
        Command::Confirm(target) => finish(configuration::change::confirm(&target)),
        Command::Conn(command) => finish(connections::run(command)),
        Command::Director(command) => finish_with(host::director(&command)),
        Command::Events(target) => finish(events::run(&target)),
        Command::Genhash(arguments) => arguments.run_genhash(),
        Command::Hook(command) => finish(hook::run(command)),
        Command::Interface(command) => finish(interface::run(command)),
        Command::Ipvsadm(arguments) => arguments.run(Face::Ipvsadm),
        Command::IpvsadmRestore(arguments) => arguments.run(Face::Restore),
        Command::IpvsadmSave(arguments) => arguments.run(Face::Save),
        Command::Keepalived(arguments) => arguments.run_keepalived(),
        Command::Lab(arguments) => xvs_lab::run(&arguments.command),
        Command::Plan(plan) => finish_with(configuration::plan::run(&plan)),
        Command::Realserver(command) => finish_with(host::realserver(&command)),
        Command::Reload(target) => finish(configuration::change::reload(&target)),
        Command::Rs(command) => finish(real_servers::run(command)),
        Command::Run(arguments) => finish(run::run(arguments)),
        Command::Status(target) => finish(status::run(&target)),
        Command::Stop(arguments) => finish(stop::run(&arguments)),
        Command::Sysctl(arguments) => finish(sysctl::run(&arguments)),
        Command::Vs(command) => finish(virtual_servers::run(command)),
        Command::Vrrp(command) => finish(vrrp::run(command)),
    }
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "xvs", &mut script);
    output::write(&script)
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    finish_with(result.map(|()| ExitCode::SUCCESS))
}

fn finish_with(result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    // Whoever reads our output has seen enough (`xvs conn list | head`).
    let pipe_closed = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
    if pipe_closed {
        return ExitCode::SUCCESS;
    }
    output::message(&format!("xvs: {error:#}"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
