//! A whole agent in virtual time: broken messages, messages that fit into what it does, commands, lost connections,
//! restarts and time, in an order that the case decides.

mod command;
mod peer;

use std::collections::BTreeMap;

use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::parse::Fault;
use soft_phone_sip::{
    Agent, CallId, CallState, Config, Event, Flow, Instant, Message, PublicationId, Request, Response, SubscriptionId,
    TransferId, Transport, Uri, parse,
};

/// Things that happen to an agent in one case.
const STEPS: u64 = 24;

/// Deadlines until everything must have come to an end after a shutdown.
const PATIENCE: u32 = 20_000;

/// Requests and responses of the agent that are remembered, each.
const REMEMBERED: usize = 4;

/// FNV-1a of the input, then xorshift: input and case decide, to the last bit.
struct Dice(u64);

impl Dice {
    fn of(input: &[u8], case: u64) -> Dice {
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for byte in input.iter().copied().chain(case.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        Dice(hash | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

struct Case {
    agent: Agent,
    transport: Transport,
    now: Instant,
    flow: Flow,
    /// The last ones that the agent sent.
    requests: Vec<Request>,
    responses: Vec<Response>,
    /// The call that a command was last about, as a `Replaces` for the agent names it.
    replaces: Option<String>,
    /// The last transfer that it was asked for.
    transfer: TransferId,
    subscription: SubscriptionId,
    publication: PublicationId,
    /// Where each call stood when it was last heard of.
    states: BTreeMap<CallId, CallState>,
}

/// Whether the input was a message; or what did not hold.
pub fn run(input: &[u8], case: u64) -> Result<bool, String> {
    let mut dice = Dice::of(input, case);
    let transport = if dice.below(2) == 0 { Transport::Wss } else { Transport::Udp };
    let mut case = Case::new(transport)?;
    let message = parse(input).ok();

    for _ in 0..STEPS {
        match dice.below(8) {
            0 => case.agent.handle_input(case.now, case.flow, input),
            1..=3 => {
                if let Some(fitted) = case.fit(&mut dice, message.as_ref()) {
                    case.agent.handle_input(case.now, case.flow, &fitted);
                }
            }
            4 => case.pass_time(&mut dice),
            _ => case.command(&mut dice, input)?,
        }
        case.drain()?;
        let [transactions, calls, timers, kept] = case.agent.live();
        if transactions > 1_024 || calls > 32 || timers > 4_096 || kept > 1_200 {
            return Err(format!("out of bounds: {:?}", case.agent.live()));
        }
    }
    case.agent.shutdown(case.now);
    for _ in 0..PATIENCE {
        case.drain()?;
        let Some(at) = case.agent.poll_timeout() else { break };
        case.now = case.now.max(at);
        case.agent.handle_timeout(case.now);
    }
    case.drain()?;
    if case.agent.live() != [0, 0, 0, 0] {
        return Err(format!("left over after shutdown: {:?}", case.agent.live()));
    }
    match case.states.into_iter().find(|(_, state)| *state != CallState::Ended) {
        Some((call, state)) => Err(format!("nobody was told that call {call:?} is over; it was {state}")),
        None => Ok(message.is_some()),
    }
}

fn config(transport: Transport) -> Result<Config, String> {
    let uri: Uri = "sip:alice@example.com".parse().map_err(|error| format!("{error}"))?;
    let mut config = Config::new(uri, transport);
    let secret = Secret::Password("secret".to_owned());
    config.credentials = Some(Credentials { username: "alice".to_owned(), secret });
    Ok(config)
}

impl Case {
    fn new(transport: Transport) -> Result<Case, String> {
        let mut agent = Agent::new(config(transport)?, [9; 32]).map_err(|error| format!("{error}"))?;
        let (now, flow) = (Instant::from_millis(1), Flow(1));
        agent.handle_connected(now, flow);
        Ok(Case {
            agent,
            transport,
            now,
            flow,
            requests: Vec::new(),
            responses: Vec::new(),
            replaces: None,
            transfer: TransferId(0),
            subscription: SubscriptionId(0),
            publication: PublicationId(0),
            states: BTreeMap::new(),
        })
    }

    /// Takes what the agent says. Its requests can be read by any parser, and ask for nothing that was not theirs to ask.
    fn drain(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.agent.poll_transmit() {
            match parse(&transmit.payload) {
                Ok(Message::Request(request)) => {
                    if request.top_via().is_err() || request.from().is_err() || request.headers.len() > 128 {
                        return Err(format!("a request that says too little or too much: {}", request.method));
                    }
                    remember(&mut self.requests, request);
                }
                Ok(Message::Response(response)) => remember(&mut self.responses, response),
                // A Contact or a route of the longest kind, escaped, makes a line that is longer still.
                Err(error) if error.kind == Fault::TooLarge => {}
                // A broken request's own headers come back in its answer.
                Err(_) if transmit.payload.starts_with(b"SIP/2.0 ") => {}
                Err(error) => return Err(format!("sent what cannot be read: {error}")),
            }
        }
        while let Some(event) = self.agent.poll_event() {
            self.hear(event)?;
        }
        Ok(())
    }

    /// What is told of a call follows the drawing, and ends once.
    fn hear(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Transfer { transfer, .. } => self.transfer = transfer,
            Event::Incoming { call, .. } => {
                let before = self.states.insert(call, CallState::Incoming);
                before.map_or(Ok(()), |state| Err(format!("call {call:?} came while it was {state}")))?;
            }
            Event::State { call, state, previous } => {
                let known = self.states.insert(call, state).unwrap_or(CallState::Dialing);
                if known != previous || !previous.allows(state) {
                    return Err(format!("call {call:?}: {known}, then {previous} to {state}"));
                }
            }
            Event::Ended { call, .. } => {
                let over = self.states.get(&call) == Some(&CallState::Ended) && self.agent.get(call).is_none();
                crate::targets::hold(over, &format!("call {call:?} is said to be over, and is not"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn remember<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= REMEMBERED {
        list.remove(0);
    }
    list.push(item);
}
