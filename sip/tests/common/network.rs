//! Two agents and a network between them that loses, delays, doubles and reorders datagrams: seeded, in virtual time.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_sip::{Agent, Config, Event, Flow, Instant, Transport};

/// The only flow each side has.
const FLOW: Flow = Flow(1);

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

/// What the network does to a datagram.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Percent that are lost.
    pub loss: u64,
    /// Percent that arrive twice.
    pub doubled: u64,
    /// Milliseconds on the way, at least.
    pub delay: u64,
    /// Milliseconds more, at most; more than the pause between two datagrams puts them out of order.
    pub jitter: u64,
}

pub const STORM: Weather = Weather { loss: 20, doubled: 10, delay: 10, jitter: 700 };

pub struct Network {
    /// Alice and Bob.
    pub agents: [Agent; 2],
    pub now: Instant,
    pub random: Random,
    weather: Weather,
    /// By arrival and order of sending: which side it is for, and what.
    on_the_way: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    sent: u64,
    pub lost: u64,
}

impl Network {
    pub fn new(seed: u64, weather: Weather) -> Network {
        let agent = |side: u8| {
            let name = ["alice", "bob"][usize::from(side)];
            let mut config = Config::new(format!("sip:{name}@example.com").parse().unwrap(), Transport::Udp);
            config.sent_by = Some(format!("192.0.2.{}:5060", side + 1));
            let mut entropy = [side; 32];
            entropy[..8].copy_from_slice(&seed.to_le_bytes());
            let mut agent = Agent::new(config, entropy).unwrap();
            agent.handle_connected(Instant::ZERO, FLOW);
            agent
        };
        Network {
            agents: [agent(0), agent(1)],
            now: Instant::ZERO,
            random: Random::new(seed),
            weather,
            on_the_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
        }
    }

    /// Takes what the agents want to send.
    pub fn flush(&mut self) {
        for side in 0..2 {
            while let Some(transmit) = self.agents[side].poll_transmit() {
                let copies = if self.random.percent(self.weather.doubled) { 2 } else { 1 };
                for _ in 0..copies {
                    if self.random.percent(self.weather.loss) {
                        self.lost += 1;
                        continue;
                    }
                    let delay = self.weather.delay + self.random.below(self.weather.jitter + 1);
                    self.sent += 1;
                    let place = (self.now + Duration::from_millis(delay), self.sent);
                    self.on_the_way.insert(place, (1 - side, transmit.payload.clone()));
                }
            }
        }
    }

    /// Goes on to the next thing that happens, if one does before `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        self.flush();
        let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
        let due = self.agents.iter().filter_map(Agent::poll_timeout).chain(arrival).min();
        let Some(at) = due.filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(at);
        while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (side, payload) = entry.remove();
            self.agents[side].handle_input(self.now, FLOW, &payload);
        }
        for agent in &mut self.agents {
            if agent.poll_timeout().is_some_and(|at| at <= self.now) {
                agent.handle_timeout(self.now);
            }
        }
        self.flush();
        true
    }

    pub fn events(&mut self, side: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.agents[side].poll_event()).collect()
    }
}
