//! Which job may start: one at a time for each source, in order; all of them within bounds.
//!
//! No clock, no process: it only says what is next. A *lane* holds the jobs of one source.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// How much may wait and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Jobs that wait in one lane; default 64.
    pub lane: usize,
    /// Jobs that wait in all lanes together; default 65,536.
    pub all: usize,
    /// Jobs that run at once; default 256.
    pub running: usize,
}

impl Default for LaneLimits {
    fn default() -> Self {
        Self {
            lane: 64,
            all: 65_536,
            running: 256,
        }
    }
}

/// Jobs in lanes.
#[derive(Debug)]
pub(crate) struct Lanes<K, J> {
    limits: LaneLimits,
    lanes: HashMap<K, Lane<J>>,
    /// Lanes with a waiting job and none that runs, each once, the longest waiting first.
    ready: VecDeque<K>,
    waiting: usize,
    running: usize,
}

#[derive(Debug)]
struct Lane<J> {
    waiting: VecDeque<J>,
    running: bool,
}

impl<K: Clone + Eq + Hash, J> Lanes<K, J> {
    pub(crate) fn new(limits: LaneLimits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            waiting: 0,
            running: 0,
        }
    }

    /// Puts a job behind those of its lane. Where there is no room the oldest of the lane makes way, for
    /// the latest state is the one that matters; a lane without waiting jobs gets no place in a full
    /// house. Returns the job that fell out.
    pub(crate) fn push(&mut self, key: K, job: J) -> Option<J> {
        let full = self.waiting >= self.limits.all;
        if full
            && self
                .lanes
                .get(&key)
                .is_none_or(|lane| lane.waiting.is_empty())
        {
            return Some(job);
        }
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            running: false,
        });
        if lane.waiting.is_empty() && !lane.running {
            self.ready.push_back(key);
        }
        lane.waiting.push_back(job);
        if full || lane.waiting.len() > self.limits.lane {
            return lane.waiting.pop_front();
        }
        self.waiting += 1;
        None
    }

    /// The next job that may start; its lane rests until [`finish`](Self::finish).
    pub(crate) fn next(&mut self) -> Option<(K, J)> {
        if self.running >= self.limits.running {
            return None;
        }
        let key = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let job = lane.waiting.pop_front()?;
        lane.running = true;
        self.waiting -= 1;
        self.running += 1;
        Some((key, job))
    }

    /// The job of this lane has ended.
    pub(crate) fn finish(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.running) else {
            return;
        };
        lane.running = false;
        self.running -= 1;
        if lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            self.ready.push_back(key.clone());
        }
    }

    /// Nothing waits and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting == 0 && self.running == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(lane: usize, all: usize, running: usize) -> Lanes<&'static str, u32> {
        Lanes::new(LaneLimits { lane, all, running })
    }

    #[test]
    fn a_source_runs_one_job_at_a_time_in_order() {
        let mut lanes = lanes(8, 8, 8);
        for job in [1, 2] {
            assert_eq!(lanes.push("a", job), None);
        }
        assert_eq!(lanes.next(), Some(("a", 1)));
        assert_eq!(lanes.next(), None);
        lanes.finish(&"a");
        assert_eq!(lanes.next(), Some(("a", 2)));
        lanes.finish(&"a");
        assert!(lanes.is_idle());
    }

    #[test]
    fn a_stuck_source_does_not_hold_up_another() {
        let mut lanes = lanes(8, 8, 8);
        lanes.push("stuck", 1);
        lanes.push("stuck", 2);
        lanes.push("b", 3);
        assert_eq!(lanes.next(), Some(("stuck", 1)));
        assert_eq!(lanes.next(), Some(("b", 3)));
        lanes.finish(&"b");
        assert_eq!(lanes.next(), None);
        assert!(!lanes.is_idle());
    }

    #[test]
    fn a_full_lane_keeps_the_latest() {
        let mut lanes = lanes(2, 8, 8);
        assert_eq!(lanes.push("a", 1), None);
        assert_eq!(lanes.push("a", 2), None);
        assert_eq!(lanes.push("a", 3), Some(1));
        assert_eq!(lanes.next(), Some(("a", 2)));
    }

    #[test]
    fn a_full_house_takes_no_new_lane_and_no_lane_grows() {
        let mut lanes = lanes(8, 2, 8);
        assert_eq!(lanes.push("a", 1), None);
        assert_eq!(lanes.push("a", 2), None);
        assert_eq!(lanes.push("b", 3), Some(3));
        assert_eq!(lanes.push("a", 4), Some(1));
        assert_eq!(lanes.next(), Some(("a", 2)));
        assert_eq!(lanes.push("b", 5), None, "a place became free");
    }

    #[test]
    fn no_more_run_at_once_than_allowed() {
        let mut lanes = lanes(8, 8, 1);
        lanes.push("a", 1);
        lanes.push("b", 2);
        assert_eq!(lanes.next(), Some(("a", 1)));
        assert_eq!(lanes.next(), None);
        lanes.finish(&"a");
        lanes.finish(&"a");
        assert_eq!(lanes.next(), Some(("b", 2)), "ending twice frees one place");
        assert_eq!(lanes.next(), None);
    }
}
