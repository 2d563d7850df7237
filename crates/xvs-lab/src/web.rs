//! A real web server: nginx with a configuration, folders and logs of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{Host, LabError, Running};

/// How long nginx may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// nginx on a host; it ends with the host's topology.
#[derive(Debug)]
pub struct WebServer {
    files: WebFiles,
    running: Running,
}

/// The files of the nginx of a host: what it serves, was given and logged.
#[derive(Clone, Debug)]
pub struct WebFiles {
    folder: PathBuf,
}

impl WebServer {
    /// Starts nginx on every address of `host` at `port`, with a page `/` that names the host, and
    /// waits until it listens. `PUT /upload/NAME` stores a file of at most 64 MiB.
    ///
    /// # Errors
    ///
    /// nginx is not installed, does not start, or the port is taken.
    pub fn start(host: &Host, port: u16) -> Result<Self, LabError> {
        let files = WebFiles::of(host);
        for folder in ["html", "uploaded/upload", "temporary"] {
            let folder = files.folder.join(folder);
            fs::create_dir_all(&folder).map_err(LabError::file("make", folder))?;
        }
        files.serve("index.html", format!("{}\n", host.name()).as_bytes())?;
        let configuration = files.folder.join("nginx.conf");
        fs::write(&configuration, files.configuration(port))
            .map_err(LabError::file("write", &configuration))?;
        let mut nginx = Command::new("nginx");
        nginx
            .arg("-p")
            .arg(&files.folder)
            .arg("-c")
            .arg(&configuration);
        nginx.arg("-e").arg(files.folder.join("error.log"));
        let running = host.spawn(&mut nginx, "nginx.out")?;
        let mut server = Self { files, running };
        server.wait(host, port)?;
        Ok(server)
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> &WebFiles {
        &self.files
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// The kernel refuses to signal or to wait.
    pub fn stop(self) -> Result<(), LabError> {
        self.running.stop().map(|_| ())
    }

    fn wait(&mut self, host: &Host, port: u16) -> Result<(), LabError> {
        let deadline = Instant::now() + START_LIMIT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while host
            .namespace()
            .enter(|| TcpStream::connect_timeout(&address, START_LIMIT))?
            .is_err()
        {
            if let Some(status) = self.running.ended()? {
                return Err(LabError::CommandFailed {
                    command: format!("nginx on {}", host.name()),
                    status: status.to_string(),
                    message: self.running.last_words(),
                });
            }
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: format!("nginx on {} at port {port}", host.name()),
                    limit: START_LIMIT,
                    hint: String::new(),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl WebFiles {
    /// Those of the nginx of `host`.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        Self {
            folder: host.folder().join("web"),
        }
    }

    /// Serves `contents` as `/NAME`.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn serve(&self, name: &str, contents: &[u8]) -> Result<(), LabError> {
        let path = self.folder.join("html").join(name);
        fs::write(&path, contents).map_err(LabError::file("write", path))
    }

    /// Takes what was stored by `PUT /upload/NAME`; none when nothing was.
    ///
    /// # Errors
    ///
    /// The file cannot be read or removed.
    pub fn take_uploaded(&self, name: &str) -> Result<Option<Vec<u8>>, LabError> {
        let path = self.folder.join("uploaded/upload").join(name);
        if !path.exists() {
            return Ok(None);
        }
        let contents = fs::read(&path).map_err(LabError::file("read", &path))?;
        fs::remove_file(&path).map_err(LabError::file("remove", path))?;
        Ok(Some(contents))
    }

    /// The address and port of the client of each request so far, as nginx saw it; those of this
    /// host itself apart.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub fn clients(&self) -> Result<Vec<SocketAddr>, LabError> {
        let path = self.folder.join("access.log");
        let log = fs::read_to_string(&path).map_err(LabError::file("read", path))?;
        Ok(log
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(' ');
                let address = fields.next()?.parse().ok()?;
                Some(SocketAddr::new(address, fields.next()?.parse().ok()?))
            })
            .filter(|client| !client.ip().is_loopback())
            .collect())
    }

    fn configuration(&self, port: u16) -> String {
        let folder = self.folder.display();
        format!(
            "daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    log_format seen '$remote_addr $remote_port \"$request\" $status';
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/temporary/body;
    proxy_temp_path {folder}/temporary/proxy;
    fastcgi_temp_path {folder}/temporary/fastcgi;
    uwsgi_temp_path {folder}/temporary/uwsgi;
    scgi_temp_path {folder}/temporary/scgi;
    client_max_body_size 64m;
    sendfile on;
    server {{
        listen {port} reuseport;
        listen [::]:{port} ipv6only=on reuseport;
        root {folder}/html;
        location /upload/ {{
            root {folder}/uploaded;
            dav_methods PUT;
        }}
    }}
}}
"
        )
    }
}
