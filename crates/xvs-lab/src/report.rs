//! What a lab showed: as one JSON document, and whether it is what the method promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use serde::Serialize;

use crate::{
    LabError, Method, Walk, Wiring,
    curl::Answer,
    labs::{CLIENT, Family, HostPlan},
};

/// Everything that a lab showed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The lab.
    pub(crate) lab: Method,
    /// What it shows, in a line.
    pub(crate) title: &'static str,
    /// The family of its addresses.
    pub(crate) family: Family,
    /// The hook that was asked for.
    pub(crate) hook: &'static str,
    /// Its hosts, in the order in which a request passes them.
    pub(crate) hosts: Vec<HostReport>,
    /// The commands that configured it.
    pub(crate) commands: Vec<Command>,
    /// What the client asked for.
    pub(crate) url: String,
    /// MAC addresses, by `host.link`.
    pub(crate) macs: BTreeMap<String, String>,
    /// The way of the last request; none when it was not answered.
    pub(crate) walk: Option<Walk>,
    /// Whether replies pass the director.
    pub(crate) replies_pass_the_director: Option<bool>,
    /// What the client got.
    pub(crate) answers: Answers,
    /// What the real servers saw.
    pub(crate) real_servers: Vec<ServerReport>,
    /// The director's tables after the requests.
    pub(crate) tables: Tables,
    /// What is not as it should be, a line each; empty when the lab succeeded.
    pub(crate) problems: Vec<String>,
}

/// One host.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HostReport {
    pub(crate) name: &'static str,
    /// Addresses with their prefix lengths, by link.
    pub(crate) addresses: BTreeMap<&'static str, String>,
}

/// A command that was run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Command {
    pub(crate) host: String,
    pub(crate) line: String,
    /// The line as it is usually taught, where it differs.
    pub(crate) seed: Option<String>,
    /// Why it differs, or what it is for.
    pub(crate) note: Option<String>,
}

/// What the client got.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Answers {
    /// Requests that were sent.
    pub(crate) requests: u32,
    /// Requests that a real server answered.
    pub(crate) answered: u32,
    /// Answers by real server.
    pub(crate) by_server: BTreeMap<String, u32>,
    /// Why requests were not answered, each reason once.
    pub(crate) failures: BTreeSet<String>,
}

/// What the log of a real server says.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServerReport {
    pub(crate) name: String,
    /// The addresses that it saw requests come from.
    pub(crate) clients: BTreeSet<String>,
    /// Whether they are the client's own and nothing else.
    pub(crate) sees_the_client: bool,
}

/// The director's tables, as ipvsadm prints them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tables {
    /// `ipvsadm -Ln`
    pub(crate) virtual_servers: String,
    /// `ipvsadm -Lnc`
    pub(crate) connections: String,
}

impl Report {
    /// The report with what is not as it should be.
    pub(crate) fn judged(mut self) -> Self {
        self.problems = self.find_problems();
        self
    }

    fn find_problems(&self) -> Vec<String> {
        let mut problems = self.answers.problems();
        if let Some(gap) = self.walk.as_ref().and_then(|walk| walk.gap(CLIENT)) {
            problems.push(format!("the packet walk is not whole: {gap}"));
        }
        let expected = self.lab.replies_pass_the_director();
        if self
            .replies_pass_the_director
            .is_some_and(|passes| passes != expected)
        {
            let verb = if expected { "did not pass" } else { "passed" };
            problems.push(format!("the reply {verb} the director"));
        }
        for server in &self.real_servers {
            if !server.sees_the_client {
                let seen: Vec<_> = server.clients.iter().map(String::as_str).collect();
                problems.push(format!(
                    "{} saw requests of `{}`, not of the client",
                    server.name,
                    seen.join(" ")
                ));
            }
        }
        problems
    }
}

/// MAC addresses of ports, by `host.link`.
pub(crate) fn macs(wiring: &Wiring) -> BTreeMap<String, String> {
    wiring
        .macs()
        .map(|(port, mac)| (format!("{}.{}", port.host, port.link), mac.to_string()))
        .collect()
}

impl HostReport {
    pub(crate) fn new(plan: &HostPlan) -> Self {
        Self {
            name: plan.name,
            addresses: plan.addresses.iter().cloned().collect(),
        }
    }
}

impl Answers {
    /// No answers yet, of these servers.
    pub(crate) fn expecting<'s>(servers: impl Iterator<Item = &'s str>, requests: u32) -> Self {
        Self {
            requests,
            answered: 0,
            by_server: servers.map(|server| (server.to_owned(), 0)).collect(),
            failures: BTreeSet::new(),
        }
    }

    /// Counts one answer, or why there was none.
    pub(crate) fn count(&mut self, answer: Result<Answer, LabError>) {
        let failure = match answer {
            Ok(answer) => match self.by_server.get_mut(&answer.body) {
                Some(count) if answer.status == 200 => {
                    *count += 1;
                    self.answered += 1;
                    return;
                }
                _ => format!("status {} with the body `{}`", answer.status, answer.body),
            },
            Err(error) => error.to_string(),
        };
        self.failures.insert(failure);
    }

    /// Whether every server has the share that round robin promises: as much as any other, or one
    /// less.
    pub(crate) fn shares_are_right(&self) -> bool {
        let most = self.by_server.values().max().copied().unwrap_or(0);
        let least = self.by_server.values().min().copied().unwrap_or(0);
        most - least <= 1
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.answered < self.requests {
            let reasons: Vec<_> = self.failures.iter().map(String::as_str).collect();
            problems.push(format!(
                "{} of {} requests were not answered: {}",
                self.requests - self.answered,
                self.requests,
                reasons.join("; ")
            ));
        }
        if !self.shares_are_right() {
            let shares: Vec<_> = self
                .by_server
                .iter()
                .map(|(server, count)| format!("{server} {count}"))
                .collect();
            problems.push(format!(
                "shares are not those of round robin: {}",
                shares.join(", ")
            ));
        }
        problems
    }
}

impl ServerReport {
    pub(crate) fn new(name: &str, clients: &[SocketAddr], client: &str) -> Self {
        let clients: BTreeSet<_> = clients
            .iter()
            .map(|client| client.ip().to_string())
            .collect();
        Self {
            name: name.to_owned(),
            // A server that got no request saw nobody else either.
            sees_the_client: clients.iter().all(|seen| seen == client),
            clients,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Result<Answer, LabError> {
        Ok(Answer {
            status: 200,
            body: body.to_owned(),
            client_port: 1,
        })
    }

    fn answers(bodies: &[&str]) -> Answers {
        let requests = u32::try_from(bodies.len()).unwrap();
        let mut answers = Answers::expecting(["web1", "web2"].into_iter(), requests);
        for body in bodies {
            answers.count(answer(body));
        }
        answers
    }

    #[test]
    fn shares_that_differ_by_one_are_those_of_round_robin() {
        assert_eq!(answers(&["web1", "web2", "web1"]).problems(), [""; 0]);
        assert_eq!(answers(&["web1"]).problems(), [""; 0]);
        assert_eq!(
            answers(&["web1", "web1"]).problems(),
            ["shares are not those of round robin: web1 2, web2 0"]
        );
    }

    #[test]
    fn an_answer_of_somebody_else_is_no_answer() {
        let mut answers = answers(&["web1", "mallory"]);
        answers.requests = 3;
        answers.count(Err(LabError::Interrupted));
        let problems = answers.problems();
        assert_eq!(
            problems,
            [
                "2 of 3 requests were not answered: interrupted; the lab was taken down; \
              status 200 with the body `mallory`"
            ]
        );
    }

    #[test]
    fn a_server_that_saw_another_client_is_told() {
        let seen = ["10.0.0.1:5".parse().unwrap()];
        assert!(ServerReport::new("web1", &seen, "10.0.0.1").sees_the_client);
        assert!(!ServerReport::new("web1", &seen, "10.0.0.2").sees_the_client);
    }
}
