//! A server, any number of phones, and a network between them that loses nothing and takes no time.

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_demo::User;
use soft_phone_demo::server::{Config, Core, EchoId, Event as ServerEvent};
use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::transaction::Flow;
use soft_phone_sip::{
    Agent, Body, CallId, CallOptions, Cause, Config as AgentConfig, Event, Instant, RegistrationState, Transport,
};

/// Far more rounds than any exchange here takes: a loop shows as a panic.
const MAX_ROUNDS: usize = 10_000;

/// One phone: an agent, its connection, and all that happened to it.
pub struct Phone {
    pub agent: Agent,
    pub flow: Option<Flow>,
    pub events: Vec<Event>,
    /// Messages that it got from the server.
    pub received: Vec<String>,
    /// Messages that it sent.
    pub sent: Vec<String>,
}

/// Everything, and the time.
pub struct Network {
    pub now: Instant,
    pub server: Core,
    pub phones: Vec<Phone>,
    pub server_events: Vec<ServerEvent>,
    /// What raw connections got, by flow.
    pub raw: BTreeMap<Flow, Vec<String>>,
    next_flow: u64,
}

pub fn user(name: &str, number: &str) -> User {
    User { name: name.into(), number: number.into(), password: format!("secret-{number}"), display_name: name.into() }
}

impl Network {
    /// A server with Alice, Bob and Carol, and nobody there yet.
    pub fn new() -> Network {
        let users = vec![user("alice", "1001"), user("bob", "1002"), user("carol", "1003")];
        let server = Core::new(Config { users, max_connections: 16 }, [9; 32]).unwrap();
        Network {
            now: Instant::from_millis(1_000),
            server,
            phones: Vec::new(),
            server_events: Vec::new(),
            raw: BTreeMap::new(),
            next_flow: 0,
        }
    }

    /// A network with one registered phone for each number.
    pub fn with(numbers: &[&str]) -> Network {
        let mut network = Network::new();
        for number in numbers {
            let phone = network.add(number, &format!("secret-{number}"));
            network.connect(phone);
            network.register(phone);
            assert_eq!(network.phones[phone].agent.registration(), RegistrationState::Registered);
        }
        network
    }

    /// A phone that is not connected yet.
    pub fn add(&mut self, number: &str, password: &str) -> usize {
        let uri = format!("sip:{number}@soft-phone.test").parse().unwrap();
        let mut config = AgentConfig::new(uri, Transport::Ws);
        // More patience than the server has.
        config.ring_timeout = Duration::from_secs(600);
        let secret = Secret::Password(password.into());
        config.credentials = Some(Credentials { username: number.into(), secret });
        let index = self.phones.len();
        config.instance_id = Some(format!("urn:uuid:00000000-0000-4000-8000-{index:012}"));
        let agent = Agent::new(config, [index as u8 + 1; 32]).unwrap();
        self.phones.push(Phone { agent, flow: None, events: Vec::new(), received: Vec::new(), sent: Vec::new() });
        index
    }

    pub fn open(&mut self) -> Flow {
        self.next_flow += 1;
        let flow = Flow(self.next_flow);
        assert!(self.server.handle_connected(flow));
        flow
    }

    pub fn connect(&mut self, phone: usize) {
        let flow = self.open();
        self.phones[phone].flow = Some(flow);
        self.phones[phone].agent.handle_connected(self.now, flow);
        self.run();
    }

    /// The connection breaks, and both ends hear of it.
    pub fn disconnect(&mut self, phone: usize) {
        let flow = self.phones[phone].flow.take().unwrap();
        self.phones[phone].agent.handle_disconnected(self.now, flow);
        self.server.handle_disconnected(self.now, flow);
        self.run();
    }

    pub fn register(&mut self, phone: usize) {
        self.phones[phone].agent.register(self.now).unwrap();
        self.run();
    }

    pub fn call(&mut self, phone: usize, target: &str) -> CallId {
        let call = self.phones[phone].agent.call(self.now, target, Body::sdp("offer"), CallOptions::default()).unwrap();
        self.run();
        call
    }

    pub fn answer(&mut self, phone: usize) -> CallId {
        let call = self.incoming(phone);
        self.phones[phone].agent.answer(self.now, call, Body::sdp("answer")).unwrap();
        self.run();
        call
    }

    pub fn hangup(&mut self, phone: usize, call: CallId) {
        self.phones[phone].agent.hangup(self.now, call).unwrap();
        self.run();
    }

    /// The last call that came in.
    pub fn incoming(&self, phone: usize) -> CallId {
        let incoming = |event: &Event| match event {
            Event::Incoming { call, .. } => Some(*call),
            _ => None,
        };
        self.phones[phone].events.iter().rev().find_map(incoming).expect("no call came in")
    }

    /// How the last call ended.
    pub fn ended(&self, phone: usize) -> Option<(Cause, Option<u16>)> {
        self.phones[phone].events.iter().rev().find_map(|event| match event {
            Event::Ended { cause, status, .. } => Some((*cause, *status)),
            _ => None,
        })
    }

    /// The server's echo call that waits for an answer.
    pub fn echo_offer(&self) -> (EchoId, &str) {
        let offer = |event: &'_ ServerEvent| matches!(event, ServerEvent::EchoOffer { .. });
        match self.server_events.iter().rev().find(|event| offer(event)) {
            Some(ServerEvent::EchoOffer { call, offer }) => (*call, offer),
            _ => panic!("no offer came"),
        }
    }

    /// Sends raw text to the server.
    pub fn send_raw(&mut self, flow: Flow, text: &str) {
        self.server.handle_input(self.now, flow, text.as_bytes());
        self.run();
    }

    /// Carries messages until everybody is silent; no time passes.
    pub fn run(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut quiet = true;
            while let Some(transmit) = self.server.poll_transmit() {
                quiet = false;
                let text = String::from_utf8(transmit.payload).unwrap();
                match self.phones.iter_mut().find(|phone| phone.flow == Some(transmit.flow)) {
                    Some(phone) => {
                        phone.agent.handle_input(self.now, transmit.flow, text.as_bytes());
                        phone.received.push(text);
                    }
                    None => self.raw.entry(transmit.flow).or_default().push(text),
                }
            }
            while let Some(event) = self.server.poll_event() {
                quiet = false;
                self.server_events.push(event);
            }
            for phone in &mut self.phones {
                while let Some(transmit) = phone.agent.poll_transmit() {
                    quiet = false;
                    if phone.flow == Some(transmit.flow) {
                        phone.sent.push(String::from_utf8(transmit.payload.clone()).unwrap());
                        self.server.handle_input(self.now, transmit.flow, &transmit.payload);
                    }
                }
                while let Some(event) = phone.agent.poll_event() {
                    phone.events.push(event);
                }
            }
            if quiet {
                return;
            }
        }
        panic!("the network never falls silent");
    }

    /// Lets time pass, timer by timer.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let agents = self.phones.iter().filter_map(|phone| phone.agent.poll_timeout());
            let next = agents.chain(self.server.poll_timeout()).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.server.handle_timeout(self.now);
            for phone in &mut self.phones {
                phone.agent.handle_timeout(self.now);
            }
            self.run();
        }
        self.now = end;
        self.run();
    }
}

/// The first line of each message.
pub fn first_lines(messages: &[String]) -> Vec<&str> {
    messages.iter().map(|message| message.lines().next().unwrap_or("")).collect()
}

/// The value of a header, as it stands on the wire.
pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
