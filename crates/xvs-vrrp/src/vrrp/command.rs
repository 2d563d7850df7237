//! What an operator asks for: hand over, another priority, stop.

use std::time::Instant;

use super::Vrrp;
use crate::{Name, NotifyKind, Priority, Reason, State};

/// Why a command could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Only a master can hand over.
    #[error("virtual router `{router}` is {state}, only a master can hand over")]
    NotMaster {
        /// Which router.
        router: Name,
        /// Its state.
        state: State,
    },
    /// The name is not in the configuration.
    #[error("there is no virtual router `{router}`; `xvs vrrp status` lists them")]
    UnknownRouter {
        /// The name that was asked for.
        router: Name,
    },
}

impl Vrrp {
    /// Hands over on purpose: a master, and its sync group with it, releases by priority 0.
    ///
    /// It does not preempt whoever takes over, until it was master again or its priority was set. If
    /// nobody takes over, it is master again after its own master down interval.
    ///
    /// # Errors
    /// The router does not exist or is not master.
    pub fn failover(&mut self, now: Instant, router: &str) -> Result<(), CommandError> {
        let at = self.find_for_command(router)?;
        let state = self
            .routers
            .get(at)
            .map_or(State::Init, |router| router.state);
        if state != State::Master {
            return Err(CommandError::NotMaster {
                router: router.into(),
                state,
            });
        }
        let mut members = self.companions(at);
        members.insert(0, at);
        self.each(&members, |router, out| {
            if router.state == State::Master {
                router.hand_over(now, out);
            }
        });
        self.notify_groups();
        Ok(())
    }

    /// Sets a priority in place of the configured one, or with `None` takes it back. Trackers go on to
    /// move it, and a router that had handed over takes part in elections again.
    ///
    /// # Errors
    /// The router does not exist.
    pub fn set_priority(
        &mut self,
        now: Instant,
        router: &str,
        priority: Option<Priority>,
    ) -> Result<(), CommandError> {
        let at = self.find_for_command(router)?;
        if let Some(router) = self.routers.get_mut(at) {
            router.override_priority = priority;
            router.yielded = false;
        }
        self.reassess(now);
        Ok(())
    }

    /// Stops every virtual router for good: a master releases by priority 0.
    ///
    /// With `keep_addresses` (keepalived's `--dont-release-vrrp`) nothing is sent and the host goes on
    /// to hold what it holds, for a successor that calls [`Vrrp::resume_master`].
    pub fn stop(&mut self, keep_addresses: bool) {
        for router in &mut self.routers {
            router.stop(
                Reason::Stop,
                NotifyKind::Stop,
                keep_addresses,
                &mut self.out,
            );
        }
        self.notify_groups();
    }

    fn find_for_command(&self, router: &str) -> Result<usize, CommandError> {
        self.find(router)
            .ok_or_else(|| CommandError::UnknownRouter {
                router: router.into(),
            })
    }
}
