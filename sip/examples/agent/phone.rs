//! The agent's thread: hands in what comes, sends what is to be sent, prints what happens.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use soft_phone_sip::{Agent, Body, CallId, CallOptions, Event, Flow, Instant, Transport};

use crate::net::{Input, Writer};
use crate::options::Options;
use crate::report;
use crate::sdp::Session;

/// A session of a call, and the offer of the peer that waits for `answer`.
pub struct Talk {
    pub session: Session,
    pub offer: Option<Body>,
}

/// One phone.
pub struct Phone {
    pub agent: Agent,
    pub local: SocketAddr,
    pub talks: BTreeMap<CallId, Talk>,
    start: std::time::Instant,
    writers: BTreeMap<Flow, Writer>,
    /// Calls that are answered by themselves, and when.
    due: Vec<(Instant, CallId)>,
    options: Options,
    idle: bool,
    over: bool,
}

impl Phone {
    pub fn new(options: Options, local: SocketAddr) -> Result<Phone, String> {
        let mut config = options.config.clone();
        if options.transport != Transport::Ws {
            config.sent_by = Some(local.to_string());
        }
        let agent = Agent::new(config, seed()).map_err(|error| error.to_string())?;
        let mut phone = Phone {
            agent,
            local,
            talks: BTreeMap::new(),
            start: std::time::Instant::now(),
            writers: BTreeMap::new(),
            due: Vec::new(),
            options,
            idle: true,
            over: false,
        };
        phone.print(json!({ "event": "ready", "local": local.to_string() }));
        Ok(phone)
    }

    /// `quit` was said, or nobody reads what we print.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How long nothing is to be done by ourselves; `None`: for ever.
    pub fn sleep(&self) -> Option<Duration> {
        let due = self.due.iter().map(|(at, _)| *at).min();
        let next = match (due, self.agent.poll_timeout()) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        Some(next.saturating_duration_since(self.now()) / self.options.speed)
    }

    /// Time has passed.
    pub fn wake(&mut self) {
        let now = self.now();
        self.agent.handle_timeout(now);
        let (due, later): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(at, _)| *at <= now);
        self.due = later;
        for (_, call) in due {
            // Fails for a call that was cancelled meanwhile: its end is reported.
            let _ = self.answer(call, true);
        }
        self.drain();
    }

    /// Something has come.
    pub fn handle(&mut self, input: Input) {
        match input {
            Input::Command(line) => self.command(&line),
            Input::TooLong { limit } => self.print(report::error(format!("a line of more than {limit} bytes"))),
            Input::End => self.quit(),
            Input::Connected { flow, peer, writer, default } => {
                self.print(json!({ "event": "connected", "flow": flow.0, "peer": peer, "default": default }));
                self.writers.insert(flow, writer);
                if default {
                    self.agent.handle_connected(self.now(), flow);
                }
            }
            Input::Received { flow, bytes } => {
                self.trace("received", flow, &bytes);
                let now = self.now();
                match self.writers.get(&flow).and_then(Writer::peer) {
                    Some(peer) => self.agent.handle_input_from(now, flow, peer, &bytes),
                    None => self.agent.handle_input(now, flow, &bytes),
                }
            }
            Input::Ping { flow } => {
                // A write that fails ends the thread that reads: it reports.
                let _ = self.writers.get_mut(&flow).map(|writer| writer.send(b"\r\n"));
            }
            Input::Closed { flow, why } => self.closed(flow, why),
            Input::Failed { why } => self.print(report::error(why)),
        }
        self.drain();
    }

    /// Says goodbye, as far as that goes without waiting.
    pub fn quit(&mut self) {
        let now = self.now();
        self.agent.shutdown(now);
        self.drain();
        for writer in self.writers.values_mut() {
            writer.close();
        }
        self.over = true;
    }

    /// Answers a call that waits, by command or by itself.
    pub fn answer(&mut self, call: CallId, automatic: bool) -> Result<(), soft_phone_sip::Error> {
        let body = self.description(call).ok_or(soft_phone_sip::Error::UnknownCall)?;
        match automatic {
            true => self.agent.answer_automatically(self.now(), call, body),
            false => self.agent.answer(self.now(), call, body),
        }
    }

    /// Our answer to what a call offers, or our offer when it leaves that to us.
    pub fn description(&mut self, call: CallId) -> Option<Body> {
        let local = self.local.ip();
        let talk = self.talks.get_mut(&call)?;
        Some(talk.session.answer(local, talk.offer.as_ref()))
    }

    /// The agent's clock, which `--speed` makes go faster.
    pub fn now(&self) -> Instant {
        let elapsed = self.start.elapsed().as_micros() * u128::from(self.options.speed);
        Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Prints one line, with the agent's time in ms.
    pub fn print(&mut self, mut line: Value) {
        line["at"] = self.now().as_millis().into();
        let mut out = io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            self.over = true;
        }
    }

    /// Sends, reports, does what the tool does by itself, until nothing is left.
    pub fn drain(&mut self) {
        loop {
            while let Some(transmit) = self.agent.poll_transmit() {
                self.trace("sent", transmit.flow, &transmit.payload);
                let sent = self.writers.get_mut(&transmit.flow).map(|writer| writer.send(&transmit.payload));
                if let Some(Err(why)) = sent {
                    self.print(report::error(format!("flow {}: {why}", transmit.flow.0)));
                    if self.options.transport != Transport::Udp {
                        self.closed(transmit.flow, why);
                    }
                }
            }
            let Some(event) = self.agent.poll_event() else { break };
            self.print(report::event(&self.agent, &event));
            self.react(event);
        }
        let idle = self.agent.live() == [0; 4] && self.due.is_empty();
        if idle && !self.idle {
            self.print(json!({ "event": "idle" }));
        }
        self.idle = idle;
    }

    fn react(&mut self, event: Event) {
        let (now, local) = (self.now(), self.local.ip());
        match event {
            Event::Incoming { call, offer } => {
                let understood = Session::takes(offer.as_ref());
                self.talks.insert(call, Talk { session: Session::new(now.as_micros()), offer });
                if !understood {
                    // RFC 3261 §21.4.26. Fails for a call that is over already.
                    let _ = self.agent.reject(now, call, 488, None);
                } else if self.options.auto_answer {
                    self.due.push((now + self.options.ring_for, call));
                    if self.options.ring_for.is_zero() {
                        self.wake();
                    }
                }
            }
            Event::Recover { call } => {
                let Some(talk) = self.talks.get_mut(&call) else { return };
                let offer = talk.session.offer(local);
                if let Err(error) = self.agent.offer(now, call, offer) {
                    self.print(report::error(error.to_string()));
                }
            }
            Event::Offer { call, offer } => {
                let Some(talk) = self.talks.get_mut(&call) else { return };
                let done = if Session::takes(offer.as_ref()) {
                    let answer = talk.session.answer(local, offer.as_ref());
                    self.agent.accept_offer(now, call, answer)
                } else {
                    self.agent.reject_offer(now, call, 488)
                };
                if let Err(error) = done {
                    self.print(report::error(error.to_string()));
                }
            }
            Event::Transfer { transfer, .. } => {
                let mut session = Session::new(now.as_micros());
                let offer = session.offer(local);
                let done = if self.options.refuse_transfers {
                    self.agent.reject_transfer(now, transfer, 603)
                } else {
                    self.agent.accept_transfer(now, transfer, offer, CallOptions::default()).map(|call| {
                        self.talks.insert(call, Talk { session, offer: None });
                    })
                };
                if let Err(error) = done {
                    self.print(report::error(error.to_string()));
                }
            }
            Event::Ended { call, .. } => {
                self.talks.remove(&call);
                self.due.retain(|(_, due)| *due != call);
            }
            _ => {}
        }
    }

    fn closed(&mut self, flow: Flow, why: String) {
        let Some(mut writer) = self.writers.remove(&flow) else { return };
        writer.close();
        self.print(json!({ "event": "disconnected", "flow": flow.0, "reason": why }));
        self.agent.handle_disconnected(self.now(), flow);
    }

    fn trace(&mut self, what: &str, flow: Flow, bytes: &[u8]) {
        if self.options.trace {
            let message = String::from_utf8_lossy(bytes);
            self.print(json!({ "event": what, "flow": flow.0, "message": message }));
        }
    }
}

/// From the system: the standard library seeds its hash tables with it.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (index, chunk) in seed.chunks_mut(8).enumerate() {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_usize(index);
        chunk.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    seed
}
