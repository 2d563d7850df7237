//! How labs begin and end: refused, asked to end, killed, taken down.

use std::process::{Child, Command, Stdio};

use xvs_lab::Host;

use crate::xvs::{Xvs, nothing_is_left, wait_for, wait_for_requests};

#[test]
fn root_a_killed_lab_is_cleaned_by_down() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    kill(start(&xvs));
    xvs.down();
    nothing_is_left();
}

#[test]
fn root_a_killed_lab_is_cleaned_by_the_next() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    kill(start(&xvs));
    xvs.report("nat --requests 1");
    nothing_is_left();
}

#[test]
fn root_a_killed_pair_is_cleaned_by_down() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let lab = xvs.command("ha --json").spawn().unwrap();
    wait_for(|| Host::of("lab-ha", "director2").is_ok());
    kill(lab);
    xvs.down();
    nothing_is_left();
}

#[test]
fn root_a_lab_that_runs_is_left_alone_by_the_next() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let lab = start(&xvs);
    refuses_another(&xvs);
    wait_for_requests(2);
    kill(lab);
    xvs.down();
    nothing_is_left();
}

#[test]
fn root_a_kept_lab_is_left_alone_by_the_next() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    xvs.report("nat --requests 1 --keep");
    refuses_another(&xvs);
    assert!(xvs.ask("ipvsadm -Ln").contains("Masq"));
    xvs.down();
    nothing_is_left();
}

#[test]
fn root_a_lab_that_is_asked_to_end_cleans_up() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command("nat --requests 100000 --json");
    let lab = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_for_requests(1);
    let killed = Command::new("kill").arg(lab.id().to_string()).status();
    assert!(killed.unwrap().success());
    let output = lab.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "xvs lab: interrupted; the lab was taken down\n"
    );
    nothing_is_left();
}

#[test]
fn root_a_missing_tool_is_named_and_nothing_is_made() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    let mut command = xvs.command("nat");
    let output = command.env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("`ip` is not installed: `apt-get install iproute2`")
            && stderr.lines().count() == 1,
        "{stderr}"
    );
    nothing_is_left();
}

#[test]
fn root_wrong_usage_is_told_apart() {
    let Some(xvs) = Xvs::find() else {
        return;
    };
    assert_eq!(xvs.lab("ospf").status.code(), Some(2));
    assert_eq!(xvs.lab("nat --requests none").status.code(), Some(2));
    assert_eq!(xvs.lab("shell nowhere").status.code(), Some(1));
}

/// A lab that sends requests for long.
fn start(xvs: &Xvs) -> Child {
    let lab = xvs.command("nat --requests 100000 --json").spawn().unwrap();
    wait_for_requests(1);
    lab
}

fn kill(mut lab: Child) {
    lab.kill().unwrap();
    lab.wait().unwrap();
}

fn refuses_another(xvs: &Xvs) {
    let again = xvs.lab("nat");
    assert_eq!(again.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert!(
        stderr.contains("`lab-nat` is already up") && stderr.lines().count() == 1,
        "{stderr}"
    );
}
