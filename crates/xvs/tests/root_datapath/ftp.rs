//! FTP by NAT with a real server and a real client, passive and active.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use xvs_lab::{Host, Running};

use crate::net::{Net, VIP, VIP6, WEBS, WEBS6, has, wait_until};

/// Bytes of the file that is fetched: more than a window of segments.
const LARGE: usize = 400_000;
/// How long a transfer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How the client asks for data, as options of curl.
const WAYS: [(&str, &[&str]); 4] = [
    ("PASV", &["--disable-epsv", "--no-ftp-skip-pasv-ip"]),
    ("EPSV", &[]),
    ("PORT", &["--ftp-port", "-", "--disable-eprt"]),
    ("EPRT", &["--ftp-port", "-"]),
];

#[test]
fn root_ftp_by_nat_finds_its_data_connections() {
    let Some(mut net) = Net::new("ftp") else {
        return;
    };
    if !(has("curl") && (has("vsftpd") || Path::new("/usr/sbin/vsftpd").exists())) {
        return;
    }
    net.without_offloads().replies_by_director();
    net.daemon(&[]);
    let mut servers = Vec::new();
    for (place, web) in net.webs.iter().enumerate() {
        for address in [WEBS[place], WEBS6[place]] {
            servers.push(server(web, address));
        }
    }
    for (vip, webs) in [(VIP.to_owned(), WEBS), (format!("[{VIP6}]"), WEBS6)] {
        net.line(&format!("ipvsadm -A -t {vip}:21 -s rr"));
        for web in webs {
            let web = if web.contains(':') {
                format!("[{web}]")
            } else {
                web.to_owned()
            };
            net.line(&format!("ipvsadm -a -t {vip}:21 -r {web}:21 -m"));
        }
    }
    for hook in ["tcx", "xdp"] {
        net.line(&format!("hook set {hook}"));
        for vip in [VIP.to_owned(), format!("[{VIP6}]")] {
            for (way, options) in WAYS {
                if vip.starts_with('[') && !way.starts_with('E') {
                    continue;
                }
                // Both servers, each with two files of one control connection.
                let mut from: Vec<String> = (0..2)
                    .map(|_| fetched(&net, hook, &vip, way, options))
                    .collect();
                from.sort();
                assert_eq!(from, ["web1", "web2"], "{way} at {hook} by {vip}");
            }
        }
    }
    assert!(net.counter("ftp_announced") >= 24);
    assert_eq!(net.counter("ftp_unsound"), 0);
}

/// Fetches two files by one control connection; answers which server they are of.
fn fetched(net: &Net, hook: &str, vip: &str, way: &str, options: &[&str]) -> String {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--globoff", "--max-time", "20"])
        .args(options)
        .arg(format!("ftp://{vip}/large"))
        .arg(format!("ftp://{vip}/name"));
    let output: Output = net.client.output(&mut command, LIMIT).unwrap();
    let what = format!("{way} at {hook} by {vip}");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{what}: {words}\n{}",
        net.done(&["ipvsadm", "-Lnc"])
    );
    let (large, name) = output.stdout.split_at(LARGE.min(output.stdout.len()));
    assert!(large.iter().all(|byte| *byte == b'x'), "{what}");
    String::from_utf8(name.to_vec()).unwrap()
}

/// An FTP server on a host, which sends data of its own accord from port 20. Its package made the user.
fn server(host: &Host, address: &str) -> Running {
    let family = if address.contains(':') { "6" } else { "4" };
    let files = host.folder().join(format!("ftp{family}"));
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("name"), host.name()).unwrap();
    fs::write(files.join("large"), vec![b'x'; LARGE]).unwrap();
    let empty = host.folder().join("ftp-empty");
    fs::create_dir_all(&empty).unwrap();
    let listen = if family == "6" {
        format!("listen=NO\nlisten_ipv6=YES\nlisten_address6={address}\n")
    } else {
        format!("listen=YES\nlisten_ipv6=NO\nlisten_address={address}\n")
    };
    let settings = host.folder().join(format!("vsftpd{family}.conf"));
    let text = format!(
        "{listen}background=NO\nanonymous_enable=YES\nno_anon_password=YES\nlocal_enable=NO\n\
         anon_root={}\nsecure_chroot_dir={}\nftp_username=ftp\nnopriv_user=nobody\n\
         connect_from_port_20=YES\nseccomp_sandbox=NO\n",
        files.display(),
        empty.display()
    );
    fs::write(&settings, text).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "/usr/sbin/vsftpd"])
        .arg(&settings);
    let running = host
        .spawn(&mut command, &format!("vsftpd{family}.log"))
        .unwrap();
    wait_until("the FTP server", || {
        let listening = host.run("ss", &["-Hltn", "sport", "=", ":21"]).unwrap();
        String::from_utf8_lossy(&listening.stdout).contains(address)
    });
    running
}
