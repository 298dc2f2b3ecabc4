//! Two agents and a network between them that loses, delays, doubles and reorders datagrams: seeded, in virtual time.
#![allow(dead_code, reason = "every test file uses a part of it")]

#[path = "post.rs"]
mod post;

use std::time::Duration;

use post::{FLOW, Post};
use soft_phone_sip::{Agent, Config, Event, Instant, Transport};

pub use post::Random;

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
    post: Post,
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
            post: Post::default(),
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
                    let arrival = self.now + Duration::from_millis(delay);
                    self.post.send(arrival, 1 - side, transmit.payload.clone());
                }
            }
        }
    }

    /// Goes on to the next thing that happens, if one does before `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        self.flush();
        let went = self.post.step(&mut self.agents, &mut self.now, end);
        self.flush();
        went
    }

    pub fn events(&mut self, side: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.agents[side].poll_event()).collect()
    }
}
