//! A whole agent in virtual time: broken messages, messages that fit into what it does, commands, lost connections and
//! time, in an order that the input decides.

use std::time::Duration;

use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::parse::Fault;
use soft_phone_sip::{
    Agent, Body, CallId, CallOptions, Config, Event, Flow, Instant, Message, Method, Replaces, Request, Response,
    TransferId, Transport, Uri, parse,
};

/// Things that happen to an agent in one case.
const STEPS: u64 = 16;

/// Deadlines until everything must have come to an end after a shutdown.
const PATIENCE: u32 = 20_000;

/// FNV-1a of the input, then xorshift: the input decides, to the last bit.
struct Dice(u64);

impl Dice {
    fn of(input: &[u8]) -> Dice {
        Dice(
            input
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
                | 1,
        )
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

struct Case {
    agent: Agent,
    now: Instant,
    flow: Flow,
    /// The last request and the last response that the agent sent.
    request: Option<Request>,
    /// The call that a command was last about, as a `Replaces` for the agent names it.
    replaces: Option<String>,
    response: Option<Response>,
    /// The last transfer that it was asked for.
    transfer: TransferId,
}

/// What a REFER or a NOTIFY about it may have; one of each line, or the input's own.
const REFER: [(&str, &[&str]); 4] = [
    ("Refer-To", &["<sip:carol@example.com>", "<sip:carol@192.0.2.3?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", "x"]),
    ("Refer-Sub", &["false", "true"]),
    ("Event", &["refer", "refer;id=2", "presence"]),
    ("Subscription-State", &["active;expires=1", "active", "terminated;reason=noresource", "pending"]),
];

/// A description that puts the other end on hold.
const HOLD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=sendonly\r\n";

/// What comes of it.
const FRAGMENTS: [&str; 4] = ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "SIP/2.0 486 Busy Here", "SIP/2.0"];

/// Whether the input was a message; or what did not hold.
pub fn run(input: &[u8]) -> Result<bool, String> {
    let mut dice = Dice::of(input);
    let mut case = Case::new(if dice.below(2) == 0 { Transport::Wss } else { Transport::Udp })?;
    let message = parse(input).ok();
    for _ in 0..STEPS {
        case.step(&mut dice, input, message.as_ref());
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
    Ok(message.is_some())
}

impl Case {
    fn new(transport: Transport) -> Result<Case, String> {
        let uri: Uri = "sip:alice@example.com".parse().map_err(|error| format!("{error}"))?;
        let mut config = Config::new(uri, transport);
        let secret = Secret::Password("secret".to_owned());
        config.credentials = Some(Credentials { username: "alice".to_owned(), secret });
        let mut agent = Agent::new(config, [9; 32]).map_err(|error| format!("{error}"))?;
        let (now, flow) = (Instant::from_millis(1), Flow(1));
        agent.handle_connected(now, flow);
        Ok(Case { agent, now, flow, request: None, response: None, transfer: TransferId(0), replaces: None })
    }

    fn step(&mut self, dice: &mut Dice, input: &[u8], message: Option<&Message>) {
        let calls: Vec<CallId> = self.agent.calls().map(|call| call.id()).collect();
        let call = calls.get(dice.below(calls.len().max(1) as u64) as usize).copied().unwrap_or(CallId(0));
        // As the other end of the call would name it to a third one.
        self.replaces = self
            .agent
            .replaces(call)
            .ok()
            .map(|name| Replaces { to_tag: name.from_tag, from_tag: name.to_tag, ..name }.to_string());
        let (agent, now) = (&mut self.agent, self.now);
        let body = Body::sdp("v=0");
        // Refusals are as good as any other answer here.
        match dice.below(36) {
            0..=3 => agent.handle_input(now, self.flow, input),
            4..=10 => {
                if let Some(fitted) = message.and_then(|message| self.fit(dice, message)) {
                    self.agent.handle_input(now, self.flow, &fitted);
                }
            }
            11 => drop(agent.call(now, "600", body, CallOptions::default())),
            12 => drop(agent.call(now, &String::from_utf8_lossy(input), body, CallOptions::default())),
            13 => drop(agent.register(now)),
            14 => drop(agent.unregister(now)),
            15 | 16 => drop(agent.answer(now, call, body)),
            17 => drop(agent.hangup(now, call)),
            18 => drop(agent.reject(now, call, 300 + dice.below(400) as u16, None)),
            19 => drop(agent.accept_offer(now, call, body)),
            20 => drop(agent.reject_offer(now, call, 488)),
            21 => drop(agent.options(now, "600")),
            22 => {
                agent.handle_disconnected(now, self.flow);
                self.flow = Flow(self.flow.0 + 1);
                agent.handle_connected(now, self.flow);
            }
            23 => drop(agent.offer(now, call, body)),
            24 => drop(agent.transfer(now, call, "601")),
            25 => drop(agent.transfer_unwatched(now, call, "601")),
            26 => drop(agent.transfer_to(now, call, calls.last().copied().unwrap_or(call))),
            27 => drop(agent.accept_transfer(now, self.transfer, body, CallOptions::default())),
            28 => drop(agent.reject_transfer(now, self.transfer, 603)),
            29 => drop(agent.dtmf(now, call, '5', 100)),
            30 => drop(agent.offer(now, call, Body::sdp(HOLD))),
            31 => drop(agent.update(now, call)),
            32 => {
                let description = (dice.below(2) == 0).then_some(body);
                drop(agent.progress(now, call, 180 + dice.below(4) as u16, description));
            }
            33 => drop(agent.redirect(now, call, "601")),
            34 => drop(agent.hangup_with(now, call, "SIP;cause=200")),
            35 => {
                let replaces = agent.replaces(call).ok();
                let options = CallOptions { redirects: 3, replaces, anonymous: true, ..CallOptions::default() };
                drop(agent.call(now, "600", body, options));
            }
            _ => {
                self.now = match agent.poll_timeout() {
                    Some(at) if dice.below(2) == 0 => now.max(at),
                    _ => now + Duration::from_millis(dice.below(40_000)),
                };
                agent.handle_timeout(self.now);
            }
        }
    }

    /// The message with the headers by which the agent takes it for an answer to its own request, or for a request in
    /// one of its dialogs.
    fn fit(&self, dice: &mut Dice, message: &Message) -> Option<Vec<u8>> {
        let tag = ["a", "b"][dice.below(2) as usize];
        match message {
            Message::Response(response) => {
                let mut fitted = Response::to_request(self.request.as_ref()?, response.status, None, Some(tag));
                for (name, value) in response.headers.iter() {
                    if fitted.headers.get(name).is_none() {
                        fitted.headers.push(name, value).ok()?;
                    }
                }
                if dice.below(3) == 0 {
                    fitted.headers.set("Require", "100rel").ok()?;
                    fitted.headers.set("RSeq", format!("{}", dice.below(4))).ok()?;
                }
                fitted.body.clone_from(&response.body);
                Some(fitted.to_bytes())
            }
            Message::Request(request) => {
                let mut fitted = request.clone();
                if dice.below(3) == 0 {
                    fitted.method =
                        [Method::Ack, Method::Bye, Method::Cancel, Method::Invite][dice.below(4) as usize].clone();
                } else if dice.below(2) == 0 {
                    fitted.method = [Method::Refer, Method::Notify, Method::Info, Method::Subscribe]
                        [dice.below(4) as usize]
                        .clone();
                    for (name, values) in REFER {
                        let value = values.get(dice.below(values.len() as u64 + 1) as usize);
                        value.and_then(|value| fitted.headers.set(name, *value).ok());
                    }
                    if let Some(text) = FRAGMENTS.get(dice.below(6) as usize) {
                        fitted.headers.set("Content-Type", "message/sipfrag").ok()?;
                        fitted.body = text.as_bytes().to_vec();
                    }
                }
                if dice.below(4) == 0 {
                    // Of the last reliable answer, if that was one; an INVITE that wants some, and one that replaces.
                    let rseq = self.response.as_ref().and_then(|last| last.headers.get("RSeq")).unwrap_or("1");
                    fitted.headers.set("RAck", format!("{rseq} {} INVITE", dice.below(6))).ok()?;
                    fitted.method = [Method::Prack, Method::Invite][dice.below(2) as usize].clone();
                    fitted.headers.set(["Require", "Supported"][dice.below(2) as usize], "100rel").ok()?;
                    if let Some(name) = self.replaces.as_ref().filter(|_| fitted.method == Method::Invite) {
                        fitted.headers.set("Replaces", name.as_str()).ok()?;
                    }
                }
                // Of an incoming dialog as the response shows it; of an outgoing one, the other way round.
                let (to, from, call_id) = match (&self.response, &self.request) {
                    (Some(last), _) if dice.below(2) == 0 => {
                        (last.headers.get("To")?.to_owned(), last.headers.get("From")?.to_owned(), last.call_id())
                    }
                    (_, Some(last)) => {
                        let from = format!("{};tag={tag}", last.headers.get("To")?.split(';').next()?);
                        (last.headers.get("From")?.to_owned(), from, last.call_id())
                    }
                    _ => return None,
                };
                fitted.headers.set("To", to).ok()?;
                fitted.headers.set("From", from).ok()?;
                fitted.headers.set("Call-ID", call_id).ok()?;
                fitted.headers.set("CSeq", format!("{} {}", dice.below(6), fitted.method)).ok()?;
                fitted.headers.set("Via", format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}", dice.below(4))).ok()?;
                Some(fitted.to_bytes())
            }
        }
    }

    /// Takes what the agent says. Its requests can be read by any parser, and ask for nothing that was not theirs to ask.
    fn drain(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.agent.poll_transmit() {
            match parse(&transmit.payload) {
                Ok(Message::Request(request)) => {
                    if request.top_via().is_err() || request.from().is_err() || request.headers.len() > 128 {
                        return Err(format!("a request that says too little or too much: {}", request.method));
                    }
                    self.request = Some(request);
                }
                Ok(Message::Response(response)) => self.response = Some(response),
                // A Contact or a route of the longest kind, escaped, makes a line that is longer still.
                Err(error) if error.kind == Fault::TooLarge => {}
                // A broken request's own headers come back in its answer.
                Err(_) if transmit.payload.starts_with(b"SIP/2.0 ") => {}
                Err(error) => return Err(format!("sent what cannot be read: {error}")),
            }
        }
        while let Some(event) = self.agent.poll_event() {
            if let Event::Transfer { transfer, .. } = event {
                self.transfer = transfer;
            }
        }
        Ok(())
    }
}
