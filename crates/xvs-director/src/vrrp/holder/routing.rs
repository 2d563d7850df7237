//! Routes and rules of masters: brought, taken away, put back.

use xvs_net::{Change, HostError};
use xvs_vrrp::Name;

use super::{super::plan::Holding, Holder};

impl Holder {
    /// Brings routes and rules, after the addresses that routes may name as their source.
    pub(super) async fn take_routing(&self, router: &Name, holding: &Holding) {
        for outcome in self.bring(holding, false).await {
            if let Err(error) = outcome {
                self.trouble(format!("({router}) {error}"));
            }
        }
    }

    /// Takes them away, before the addresses.
    pub(super) async fn release_routing(&self, holding: &Holding) {
        let mut outcomes = Vec::new();
        for rule in &holding.rules {
            outcomes.push(self.host.remove_rule(&rule.spec).await);
        }
        for route in &holding.routes {
            let ifindex = self.ifindex(route.link.as_ref());
            outcomes.push(self.host.remove_route(&route.spec, ifindex).await);
        }
        for error in outcomes.into_iter().filter_map(Result::err) {
            self.trouble(error.to_string());
        }
    }

    /// Puts back what somebody removed. To add what is there changes nothing, so nothing is compared.
    pub(super) async fn restore_routing(&self) {
        for (router, holding) in &self.held {
            let outcomes = self.bring(holding, true).await;
            let back = outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Ok(Change::Made)))
                .count();
            if back > 0 {
                self.trouble(format!(
                    "({router}) {back} routes and rules were removed by somebody else and are put back"
                ));
            }
        }
    }

    async fn bring(
        &self,
        holding: &Holding,
        tracked_alone: bool,
    ) -> Vec<Result<Change, HostError>> {
        let mut outcomes = Vec::new();
        for route in &holding.routes {
            if route.tracked || !tracked_alone {
                let ifindex = self.ifindex(route.link.as_ref());
                outcomes.push(self.host.add_route(&route.spec, ifindex).await);
            }
        }
        for rule in &holding.rules {
            if rule.tracked || !tracked_alone {
                outcomes.push(self.host.add_rule(&rule.spec).await);
            }
        }
        outcomes
    }

    fn ifindex(&self, link: Option<&Name>) -> Option<u32> {
        self.link(link?).map(|link| link.index)
    }
}
