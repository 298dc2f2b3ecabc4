//! What networks of agents have in common: dice, and datagrams on their way in virtual time.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::BTreeMap;

use soft_phone_sip::{Agent, Flow, Instant};

/// The only flow each agent has.
pub const FLOW: Flow = Flow(1);

/// xorshift64*: reproducible, and good enough to lose datagrams.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// By arrival and order of sending: which agent it is for, and what.
#[derive(Default)]
pub struct Post {
    on_the_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: u64,
}

impl Post {
    pub fn send(&mut self, arrival: Instant, to: usize, payload: Vec<u8>) {
        self.sent += 1;
        self.on_the_way.insert((arrival, self.sent), (to, payload));
    }

    /// Goes on to the next thing that happens to one of the agents, if one does before `end`.
    pub fn step(&mut self, agents: &mut [Agent], now: &mut Instant, end: Instant) -> bool {
        let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
        let due = agents.iter().filter_map(Agent::poll_timeout).chain(arrival).min();
        let Some(at) = due.filter(|at| *at <= end) else {
            *now = end;
            return false;
        };
        *now = (*now).max(at);
        while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= *now) {
            let (to, payload) = entry.remove();
            agents[to].handle_input(*now, FLOW, &payload);
        }
        for agent in agents {
            if agent.poll_timeout().is_some_and(|at| at <= *now) {
                agent.handle_timeout(*now);
            }
        }
        true
    }
}
