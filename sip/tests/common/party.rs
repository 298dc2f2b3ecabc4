//! Several agents and the network between them, in virtual time: every message goes to whom it is for, and is written
//! down, so that a test can lay the flow of an RFC beside it.
#![allow(dead_code, reason = "every test file uses a part of it")]

#[path = "post.rs"]
mod post;

use std::time::Duration;

use post::{Post, Random};
use soft_phone_sip::{
    Agent, Body, CallId, CallOptions, CallState, Config, Event, Instant, Message, Request, Transport, parse,
};

pub use post::FLOW;

/// Who they are: `sip:alice@example.com` at 192.0.2.1, and so on.
pub const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A session description of that version and direction.
pub fn sdp(version: u32, direction: &str) -> Body {
    Body::sdp(format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    ))
}

pub struct Party {
    pub agents: Vec<Agent>,
    pub now: Instant,
    /// `alice > bob: INVITE`, in the order of sending, retransmissions included.
    pub log: Vec<String>,
    /// The same messages.
    pub messages: Vec<Message>,
    /// Percent of the messages that are lost.
    pub loss: u64,
    random: Random,
    post: Post,
}

impl Party {
    pub fn new(agents: usize) -> Party {
        Party::with(agents, 0, 1, |_| {})
    }

    pub fn with(agents: usize, loss: u64, seed: u64, change: impl Fn(&mut Config)) -> Party {
        let agent = |side: usize| {
            let mut config = Config::new(format!("sip:{}@example.com", NAMES[side]).parse().unwrap(), Transport::Udp);
            config.sent_by = Some(format!("192.0.2.{}:5060", side + 1));
            change(&mut config);
            let mut entropy = [side as u8; 32];
            entropy[..8].copy_from_slice(&seed.to_le_bytes());
            let mut agent = Agent::new(config, entropy).unwrap();
            agent.handle_connected(Instant::ZERO, FLOW);
            agent
        };
        Party {
            agents: (0..agents).map(agent).collect(),
            now: Instant::from_millis(1_000),
            log: Vec::new(),
            messages: Vec::new(),
            loss,
            random: Random::new(seed),
            post: Post::default(),
        }
    }

    /// A number below `bound`, from the seed.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// By address, else by name: what a registrar and a proxy would do.
    fn recipient(message: &Message) -> usize {
        let (host, user) = match message {
            Message::Request(request) => (request.uri.host.clone(), request.uri.user.clone()),
            Message::Response(response) => (response.top_via().unwrap().host, None),
        };
        match host.strip_prefix("192.0.2.") {
            Some(number) => number.parse::<usize>().unwrap() - 1,
            None => NAMES.iter().position(|name| user.as_deref() == Some(*name)).unwrap(),
        }
    }

    /// Takes what the agents want to send.
    pub fn flush(&mut self) {
        for (side, name) in NAMES.iter().enumerate().take(self.agents.len()) {
            while let Some(transmit) = self.agents[side].poll_transmit() {
                let message = parse(&transmit.payload).unwrap();
                let to = Party::recipient(&message);
                let what = match &message {
                    Message::Request(request) => request.method.to_string(),
                    Message::Response(response) => {
                        format!("{} {}", response.status, response.cseq().unwrap().method)
                    }
                };
                self.log.push(format!("{name} > {}: {what}", NAMES[to]));
                self.messages.push(message);
                if self.below(100) < self.loss {
                    continue;
                }
                let delay = if self.loss > 0 { 5 + self.below(300) } else { 5 };
                self.post.send(self.now + Duration::from_millis(delay), to, transmit.payload);
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

    /// Lets `milliseconds` pass.
    pub fn run(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while self.step(end) {}
    }

    /// Lets a second pass; what was sent in it.
    pub fn flow(&mut self) -> Vec<String> {
        self.run(1_000);
        self.messages.clear();
        std::mem::take(&mut self.log)
    }

    /// The last request of that method that was sent.
    pub fn request(&self, method: &str) -> Request {
        self.requests(method).pop().unwrap()
    }

    /// Every request of that method that was sent, in order.
    pub fn requests(&self, method: &str) -> Vec<Request> {
        let of_method = |message: &Message| match message {
            Message::Request(request) if request.method.as_str() == method => Some(request.clone()),
            _ => None,
        };
        self.messages.iter().filter_map(of_method).collect()
    }

    pub fn events(&mut self, side: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.agents[side].poll_event()).collect()
    }

    /// The newest call of an agent.
    pub fn last_call(&self, side: usize) -> CallId {
        self.agents[side].calls().last().unwrap().id()
    }

    /// A call that is answered and of which everything is drained: the ids at both ends.
    pub fn connect(&mut self, from: usize, to: usize) -> (CallId, CallId) {
        let target = format!("sip:{}@example.com", NAMES[to]);
        let ours = self.agents[from].call(self.now, &target, sdp(1, "sendrecv"), CallOptions::default()).unwrap();
        self.until(to, |event| matches!(event, Event::Incoming { .. }));
        let theirs = self.last_call(to);
        self.agents[to].answer(self.now, theirs, sdp(1, "sendrecv")).unwrap();
        self.until(to, |event| matches!(event, Event::Answered { .. }));
        self.run(500);
        assert_eq!(self.state(from, ours), Some(CallState::Active));
        for side in 0..self.agents.len() {
            self.events(side);
        }
        self.log.clear();
        self.messages.clear();
        (ours, theirs)
    }

    /// Goes on until an agent says something of a kind; everything it said.
    pub fn until(&mut self, side: usize, mut found: impl FnMut(&Event) -> bool) -> Vec<Event> {
        let end = self.now + Duration::from_secs(120);
        let mut said = Vec::new();
        loop {
            let events = self.events(side);
            let done = events.iter().any(&mut found);
            said.extend(events);
            if done {
                return said;
            }
            assert!(self.step(end), "it never happened: {said:?}");
        }
    }

    pub fn state(&self, side: usize, call: CallId) -> Option<CallState> {
        self.agents[side].get(call).map(soft_phone_sip::Call::state)
    }

    /// Lets every transaction run out, then nothing may live.
    pub fn assert_idle(&mut self) {
        self.run(400_000);
        for (agent, name) in self.agents.iter().zip(NAMES) {
            assert_eq!(agent.live(), [0, 0, 0, 0], "{name}: transactions, calls, timers, remembered requests");
            assert_eq!(agent.counters().malformed, 0, "{name}");
        }
    }
}
