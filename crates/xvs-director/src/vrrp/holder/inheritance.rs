//! What outlives a daemon: read at its start, written with each plan, cleared away at its end.

use xvs_vrrp::Name;

use super::{FIXED, Holder, Left};

impl Holder {
    /// Takes over what a predecessor wrote; true when it had addresses refused.
    pub(super) fn inherit(&mut self) -> bool {
        match self.left_file.read() {
            Ok(left) => {
                self.left = left.holdings;
                self.made = left.vmacs;
                left.refuses
            }
            Err(error) => {
                self.trouble(format!(
                    "what the last daemon left on this host cannot be read: {error}; addresses of \
                     virtual routers that it had and this one has not may stay"
                ));
                false
            }
        }
    }

    /// Writes down what may be on the host under the present plan, before it is.
    pub(super) fn remember(&self) {
        let planned = self.plan.holdings.iter();
        let planned = planned.map(|(name, holding)| (name.clone(), holding.clone()));
        let fixed = [(FIXED.into(), self.plan.fixed.clone())];
        let there = self.left.iter().chain(&self.held);
        let mut holdings: std::collections::BTreeMap<Name, _> = there
            .map(|(name, holding)| (name.clone(), holding.clone()))
            .collect();
        for (name, mut holding) in planned.chain(fixed) {
            // What is there and leaves with this plan is still there.
            if let Some(before) = holdings.get(&name) {
                let gone = |one: &&super::HeldAddress| !holding.addresses.contains(one);
                let gone: Vec<_> = before.addresses.iter().filter(gone).cloned().collect();
                holding.addresses.extend(gone);
            }
            holdings.insert(name, holding);
        }
        let left = Left {
            holdings,
            vmacs: self.made.clone(),
            refuses: !self.plan.refused().is_empty(),
        };
        if let Err(error) = self.left_file.write(&left) {
            self.trouble(format!(
                "cannot write down what virtual routers bring to this host: {error}; if the daemon is \
                 killed, the next one will not know of it"
            ));
        }
    }

    /// Takes off what a predecessor had for virtual routers that are no more.
    pub(super) async fn release_left(&mut self) {
        let known = |name: &&Name| self.plan.holdings.contains_key(*name) || name.as_str() == FIXED;
        let gone: Vec<Name> = self
            .left
            .keys()
            .filter(|name| !known(name))
            .cloned()
            .collect();
        for router in gone {
            self.release(&router).await;
        }
    }

    /// Has the host refuse packets to the addresses that the plan says, and to no others; `before` says
    /// that some were refused before this daemon.
    pub(super) async fn refuse(&mut self, before: bool) {
        let wanted = self.plan.refused();
        if wanted == self.refusal.addresses() && !before {
            return;
        }
        if let Err(error) = self.refusal.set(wanted).await {
            self.trouble(format!("`no_accept` is not in force: {error}"));
        }
    }

    /// Puts back what refuses packets, if somebody removed or changed it.
    pub(super) async fn refuse_still(&mut self) {
        match self.refusal.restore().await {
            Ok(false) => {}
            Ok(true) => self.trouble(format!(
                "somebody removed what refuses packets to {} addresses (`no_accept`); it is back",
                self.refusal.addresses().len()
            )),
            Err(error) => self.trouble(format!("`no_accept` is not in force: {error}")),
        }
    }

    /// Ends: unless something stays for a successor, interfaces, refusals and the note of them go.
    pub(super) async fn clear_away(&mut self) {
        if !self.held.is_empty() || !self.left.is_empty() {
            return;
        }
        for name in std::mem::take(&mut self.made) {
            self.remove_vmac(&name).await;
        }
        if !self.refusal.addresses().is_empty()
            && let Err(error) = self.refusal.set(Vec::new()).await
        {
            self.trouble(error.to_string());
        }
        if let Err(error) = self.left_file.remove() {
            self.trouble(format!(
                "what was held by virtual routers stays written down: {error}"
            ));
        }
    }
}
