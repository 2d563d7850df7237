//! Changing the configuration: what stays, what is refused, what is taken back.

use crate::{
    bed::Bed,
    support::{can_run, wait_until},
};

fn pair(more: &str, weight: u32) -> String {
    format!(
        "\
virtual_server 192.0.2.1 80 {{
 delay_loop 0.3
 delay_before_retry 0.1
 lb_algo rr
 lb_kind NAT
 protocol TCP
 real_server 127.0.0.1 9001 {{
  weight {weight}
  TCP_CHECK {{
  }}
 }}
 real_server 127.0.0.1 9002 {{
  TCP_CHECK {{
  }}
 }}
}}
{more}"
    )
}

const MORE: &str = "\
virtual_server 192.0.2.2 80 {
 lb_kind NAT
 protocol TCP
 real_server 127.0.0.1 9001 {
 }
}
";

#[test]
fn root_a_reload_applies_the_difference_and_a_failed_server_stays_out() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&pair("", 1));
    let _server = bed.server("127.0.0.1:9001");
    let daemon = bed.daemon();
    bed.wait_for(&["127.0.0.1:9001 1"]);
    // What an operator adds is not the file's.
    bed.place.done(&["ipvsadm", "-A", "-t", "192.0.2.9:80"]);
    bed.write(&pair(MORE, 5));
    let plan = bed.place.done(&["plan", bed.file().to_str().unwrap()]);
    assert_eq!(
        plan,
        "\
~ tcp/192.0.2.1:80 real server 127.0.0.1:9001 nat weight 1 -> nat weight 5
+ tcp/192.0.2.2:80 scheduler wlc
+ tcp/192.0.2.2:80 real server 127.0.0.1:9001 nat weight 1
"
    );
    // By the signal, as keepalived's operators do it.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    bed.wait_for(&["127.0.0.1:9001 5", "127.0.0.1:9001 1"]);
    assert!(
        bed.place
            .done(&["ipvsadm-save", "-n"])
            .contains("192.0.2.9:80")
    );
    bed.write(&pair("", 1));
    bed.place.done(&["reload"]);
    assert_eq!(bed.real_servers(), ["127.0.0.1:9001 1"]);
    let (_, log) = daemon.terminate();
    assert_eq!(log.matches("Removing service").count(), 1, "{log}");
    assert!(
        log.contains("Removing Virtual Server [192.0.2.2]:tcp:80"),
        "{log}"
    );
}

#[test]
fn root_a_virtual_server_that_moves_from_a_group_to_an_entry_of_its_own_stays() {
    if !can_run() {
        return;
    }
    let servers = " lb_kind NAT\n protocol TCP\n real_server 127.0.0.1 9001 {\n }\n}\n";
    let group = format!(
        "virtual_server_group g {{\n 192.0.2.1 80\n}}\nvirtual_server group g {{\n{servers}"
    );
    let bed = Bed::new(&group);
    let _daemon = bed.daemon();
    let before = bed.place.done(&["ipvsadm-save", "-n"]);
    bed.write(&format!("virtual_server 192.0.2.1 80 {{\n{servers}"));
    let plan = bed.place.done(&["plan", bed.file().to_str().unwrap()]);
    assert!(plan.contains("all is as this file has it"), "{plan}");
    bed.place.done(&["reload"]);
    assert_eq!(bed.place.done(&["ipvsadm-save", "-n"]), before);
}

#[test]
fn root_a_faulty_file_changes_nothing_and_says_why() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&pair("", 1));
    let daemon = bed.daemon();
    let before = bed.place.done(&["ipvsadm-save", "-n"]);
    bed.write("virtual_server 192.0.2.1 80 {\n lb_kind\n}\n");
    let message = bed.place.refused(&["reload"]);
    assert!(message.contains("keepalived.conf:2:"), "{message}");
    assert!(message.contains("nothing has changed"), "{message}");
    assert_eq!(bed.place.done(&["ipvsadm-save", "-n"]), before);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(daemon.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (status, log) = daemon.terminate();
    assert_eq!(status, Some(0));
    assert!(
        log.contains("SIGHUP: the configuration is not reloaded"),
        "{log}"
    );
}

#[test]
fn root_a_daemon_does_not_start_with_a_faulty_file() {
    if !can_run() {
        return;
    }
    let bed = Bed::new("vrrp_instance V {\n}\n");
    let output = bed
        .place
        .refused_daemon(&["-f", bed.file().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("no daemon starts with"), "{message}");
    assert!(!bed.place.folder().join("state.json").exists());
}

#[test]
fn root_what_is_not_confirmed_is_taken_back_and_what_is_confirmed_stays() {
    if !can_run() {
        return;
    }
    let bed = Bed::new(&pair("", 1));
    let _servers = [bed.server("127.0.0.1:9001"), bed.server("127.0.0.1:9002")];
    let _daemon = bed.daemon();
    let other = bed.other("other.conf", &pair(MORE, 7));
    let other = other.to_str().unwrap();
    let old = ["127.0.0.1:9001 1", "127.0.0.1:9002 1"];
    let new = ["127.0.0.1:9001 7", "127.0.0.1:9002 1", "127.0.0.1:9001 1"];
    assert_eq!(bed.real_servers(), old);
    let told = bed.place.done(&["apply", other, "--confirm", "1"]);
    assert!(told.contains("unless `xvs confirm` comes before"), "{told}");
    assert_eq!(bed.real_servers(), new);
    assert!(
        bed.place
            .refused(&["reload"])
            .contains("waits to be confirmed")
    );
    bed.wait_for(&old);
    assert!(
        bed.place
            .refused(&["confirm"])
            .contains("no configuration waits")
    );
    bed.place.done(&["apply", other, "--confirm", "2"]);
    bed.place.done(&["confirm"]);
    std::thread::sleep(std::time::Duration::from_millis(2_300));
    assert_eq!(bed.real_servers(), new);
    assert_eq!(bed.status("/configuration/file"), other);
    assert_eq!(
        bed.status("/configuration/confirm_within_seconds"),
        serde_json::Value::Null
    );
    wait_until("checks go on", || {
        bed.status("/checks/runs").as_u64() > Some(4)
    });
}
