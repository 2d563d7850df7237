//! All that one check needs, gathered from the configuration.

use std::time::Duration;

use xvs_conf::{
    Config,
    config::{CheckKind, Checker, Connection, RealServer, SslSettings, VirtualServer},
};

/// A check that can be run. Two that are equal do the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is done; virtual hosts are inherited, and a FILE_CHECK has the path of its file.
    pub kind: CheckKind,
    /// Where it connects to, for checks that connect.
    pub connection: Option<Connection>,
    /// How long connecting, and each wait for an answer, may take (`connect_timeout`).
    pub timeout: Duration,
    /// What SSL_GET presents and trusts.
    pub ssl: Option<SslSettings>,
}

impl Probe {
    /// The probe of a checker where it stands in the configuration.
    ///
    /// None for a FILE_CHECK without its `track_file`, which validation refuses. That of a BFD_CHECK
    /// names its session, which tells by itself: there is nothing to run.
    #[must_use]
    pub fn new(
        config: &Config,
        virtual_server: &VirtualServer,
        real_server: &RealServer,
        checker: &Checker,
    ) -> Option<Self> {
        let mut kind = checker.kind.clone();
        let mut ssl = None;
        match &mut kind {
            CheckKind::File(check) => {
                let mut files = config.track_files.iter();
                let file = files.find(|file| file.name == check.file)?;
                check.file.clone_from(&file.path);
            }
            CheckKind::Http(check) => {
                let inherited = real_server.virtualhost.as_ref();
                let inherited = inherited.or(virtual_server.virtualhost.as_ref());
                check.virtualhost = check.virtualhost.take().or_else(|| inherited.cloned());
                if check.tls.is_some() {
                    ssl.clone_from(&config.ssl);
                }
            }
            _ => {}
        }
        Some(Self {
            kind,
            connection: checker.connection.clone(),
            timeout: checker.timing.connect_timeout,
            ssl,
        })
    }
}
