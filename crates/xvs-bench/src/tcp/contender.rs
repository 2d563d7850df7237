//! Who stands between clients and servers, and how each is set up and taken away.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use xvs_dataplane::Hook;
use xvs_types::Scheduler;

use super::{FAMILY, SERVED, world::World};
use crate::{
    director::{Director, Method, PORT},
    kernel,
    veth::{RULES, feed},
};

/// Addresses of the real servers.
pub(super) const SERVERS: u32 = 8;
/// Where nginx of Debian keeps what it loads.
const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// What stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contender {
    /// The kernel's forwarding: clients talk to a server.
    Forwarding,
    /// HAProxy in TCP mode.
    Haproxy,
    /// nginx with its module stream.
    Nginx,
    /// The kernel's NAT, set up by nft.
    Nftables,
    /// xvs, NAT.
    Xvs(Hook),
}

impl Contender {
    /// All, the one that the others are read beside first.
    pub(super) const ALL: [Self; 6] = [
        Self::Forwarding,
        Self::Nftables,
        Self::Haproxy,
        Self::Nginx,
        Self::Xvs(Hook::Tcx),
        Self::Xvs(Hook::Xdp),
    ];

    /// As it stands in the table.
    pub(super) fn name(self) -> String {
        match self {
            Self::Forwarding => "kernel forwarding".to_owned(),
            Self::Haproxy => "HAProxy, TCP mode".to_owned(),
            Self::Nginx => "nginx stream".to_owned(),
            Self::Nftables => "nftables DNAT".to_owned(),
            Self::Xvs(hook) => format!("xvs NAT {hook}"),
        }
    }

    /// Where clients connect to.
    pub(super) fn target(self) -> SocketAddr {
        match self {
            Self::Forwarding => (FAMILY.server(0), SERVED).into(),
            _ => (FAMILY.vip(), PORT).into(),
        }
    }

    /// Sets it up in the network namespace of this thread.
    pub(super) fn stand(self, world: &World) -> anyhow::Result<Standing> {
        let mut standing = Standing::default();
        match self {
            Self::Forwarding => {}
            Self::Nftables => {
                standing.undo = Some(("nft", "delete table ip bench"));
                feed("nft", &["-f", "-"], RULES)?;
            }
            Self::Haproxy => {
                standing.proxy = Some(Proxy::start("haproxy", &["-db", "-f"], |_| haproxy())?);
            }
            Self::Nginx => {
                standing.proxy = Some(Proxy::start("nginx", &["-c"], nginx)?);
            }
            Self::Xvs(hook) => {
                // What comes by XDP must have its checksums: no device completes them behind it.
                world.offload(hook != Hook::Xdp)?;
                let mut director = Director::open(1 << 18, hook)?;
                director.serve(FAMILY, Method::Nat, Scheduler::Rr, SERVERS)?;
                standing.director = Some(director);
            }
        }
        Ok(standing)
    }
}

/// A contender that is set up, until this is dropped.
#[derive(Default)]
pub(super) struct Standing {
    director: Option<Director>,
    proxy: Option<Proxy>,
    undo: Option<(&'static str, &'static str)>,
}

impl Standing {
    /// Does the daemon's part.
    pub(super) fn keep_alive(&mut self) {
        if let Some(director) = &mut self.director {
            director.keep_alive();
        }
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        if let Some((program, arguments)) = self.undo {
            let status = Command::new(program).args(arguments.split(' ')).status();
            if !status.is_ok_and(|status| status.success()) {
                crate::say(&format!("`{program} {arguments}` failed"));
            }
        }
    }
}

/// A proxy's process and the folder that its files are in.
struct Proxy {
    process: Child,
    folder: PathBuf,
}

impl Proxy {
    /// Starts a program with arguments before the path of its configuration, which is made for the
    /// folder.
    fn start(
        program: &str,
        arguments: &[&str],
        config: impl FnOnce(&Path) -> String,
    ) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("xvs-bench-tcp-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let path = folder.join("config");
        fs::write(&path, config(&folder)).with_context(|| format!("write {}", path.display()))?;
        let process = Command::new(program)
            .args(arguments)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start `{program}` (`make setup` installs it)"))?;
        let mut proxy = Self { process, folder };
        let begun = Instant::now();
        // It listens on the VIP, which is an address of this namespace while a proxy runs.
        while std::net::TcpStream::connect((FAMILY.vip(), PORT)).is_err() {
            if let Some(status) = proxy.process.try_wait()? {
                bail!("`{program}` ended with {status}");
            }
            ensure!(
                begun.elapsed().as_secs() < 20,
                "`{program}` does not listen"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        kernel::terminate(self.process.id());
        if let Err(error) = self.process.wait() {
            crate::say(&format!("a proxy did not end: {error}"));
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            crate::say(&format!("cannot remove {}: {error}", self.folder.display()));
        }
    }
}

fn haproxy() -> String {
    let mut text = format!(
        "global\n maxconn 4096\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
         timeout server 60s\nlisten bench\n bind {}:{PORT}\n balance roundrobin\n",
        FAMILY.vip()
    );
    for number in 0..SERVERS {
        let server = FAMILY.server(number);
        text.push_str(&format!(" server s{number} {server}:{SERVED}\n"));
    }
    text
}

/// Its files are all in the folder: nginx removes what it is told to be its `pid` when it ends.
fn nginx(folder: &Path) -> String {
    let servers: String = (0..SERVERS)
        .map(|number| format!("  server {}:{SERVED};\n", FAMILY.server(number)))
        .collect();
    let (folder, vip) = (folder.display(), FAMILY.vip());
    format!(
        "load_module {STREAM_MODULE};\ndaemon off;\nworker_processes 2;\npid {folder}/pid;\n\
         error_log {folder}/log crit;\nevents {{ worker_connections 4096; }}\nstream {{\n upstream s {{\n\
         {servers} }}\n server {{ listen {vip}:{PORT}; proxy_pass s; tcp_nodelay on; }}\n}}\n"
    )
}
