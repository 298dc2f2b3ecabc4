//! One agent and a scripted other side, in virtual time: the test writes what the network says, and reads what the
//! agent answers.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::time::Duration;

use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::{
    Agent, Body, CallId, CallOptions, Cause, Config, Event, Flow, Instant, Message, Method, Request, Response,
    Transport, parse,
};

pub const FLOW: Flow = Flow(1);

pub struct Phone {
    pub agent: Agent,
    pub now: Instant,
    pub flow: Flow,
}

/// Alice's account, with a password.
pub fn alice(transport: Transport) -> Config {
    let mut config = Config::new("sip:alice@example.com".parse().unwrap(), transport);
    config.display_name = Some("Alice".to_owned());
    config.credentials =
        Some(Credentials { username: "alice".to_owned(), secret: Secret::Password("secret".to_owned()) });
    config
}

pub fn sdp(text: &str) -> Body {
    Body::sdp(text)
}

/// `INVITE 1`, `180 INVITE 1`: what a message is, for tables of what is expected.
pub fn brief(message: &Message) -> String {
    match message {
        Message::Request(request) => format!("{} {}", request.method, request.cseq().unwrap().seq),
        Message::Response(response) => {
            let cseq = response.cseq().unwrap();
            format!("{} {} {}", response.status, cseq.method, cseq.seq)
        }
    }
}

/// What an event is, in one word or two.
pub fn brief_event(event: &Event) -> String {
    match event {
        Event::Registration { state, cause, .. } => match cause {
            Some(cause) => format!("{state}({cause})"),
            None => state.to_string(),
        },
        Event::Bindings { status, .. } => format!("bindings({status:?})"),
        Event::KeepAlive { every, .. } => format!("keep-alive({every:?})"),
        Event::RegistrationRedirect { target, .. } => format!("redirect({target})"),
        Event::Incoming { offer, .. } => format!("incoming{}", offer.as_ref().map_or("", |_| "+offer")),
        Event::Progress { status, answer, fork, .. } => {
            format!("progress({status}{}, fork {fork})", answer.as_ref().map_or("", |_| "+answer"))
        }
        Event::Answered { answer, .. } => format!("answered{}", answer.as_ref().map_or("", |_| "+answer")),
        Event::Offer { offer, .. } => format!("offer{}", offer.as_ref().map_or("", |_| "+offer")),
        Event::Redirected { target, .. } => format!("redirected({target})"),
        Event::OfferWithdrawn { .. } => "offer-withdrawn".to_owned(),
        Event::Answer { .. } => "answer".to_owned(),
        Event::OfferFailed { status, .. } => format!("offer-failed({status:?})"),
        Event::RemoteHold { held, .. } => format!("remote-hold({held})"),
        Event::Recover { .. } => "recover".to_owned(),
        Event::State { state, previous, .. } => format!("{previous}>{state}"),
        Event::Ended { cause, status, .. } => match status {
            Some(status) => format!("ended({cause} {status})"),
            None => format!("ended({cause})"),
        },
        Event::Options { status, .. } => format!("options({status:?})"),
        Event::TransferProgress { status, done, .. } => {
            format!("transfer({status}{})", if *done { ", done" } else { "" })
        }
        Event::Transfer { target, replaces, .. } => {
            format!("asked-to-call({}{})", target.uri, if *replaces { ", replacing" } else { "" })
        }
        Event::Info { package, body, .. } => {
            format!("info({} {})", package.as_deref().unwrap_or("-"), String::from_utf8_lossy(&body.bytes))
        }
        Event::InfoAnswered { status, .. } => format!("info-answered({status:?})"),
        Event::Dtmf { tone, duration, .. } => format!("dtmf({tone} {duration})"),
        Event::Message { from, call, body } => format!(
            "message({}{} {})",
            from.uri,
            call.map_or("", |_| " in a call"),
            String::from_utf8_lossy(&body.bytes)
        ),
        Event::MessageSent { status, .. } => format!("message-sent({status:?})"),
        Event::Subscription { state, status, reason, .. } => format!(
            "subscription({state}{}{})",
            status.map_or(String::new(), |status| format!(" {status}")),
            reason.as_ref().map_or(String::new(), |reason| format!(" {reason}"))
        ),
        Event::Notify { body, .. } => {
            format!("notify({})", body.as_ref().map_or("-".into(), |body| String::from_utf8_lossy(&body.bytes)))
        }
        Event::Unsolicited { package, body } => format!("{package}({})", String::from_utf8_lossy(&body.bytes)),
        Event::Publication { state, status, .. } => format!("publication({state} {status:?})"),
    }
}

impl Phone {
    pub fn new(config: Config) -> Phone {
        let mut phone =
            Phone { agent: Agent::new(config, [7; 32]).unwrap(), now: Instant::from_millis(1_000), flow: FLOW };
        phone.agent.handle_connected(phone.now, FLOW);
        phone
    }

    /// A phone over WebSocket that has called `600`, and its INVITE.
    pub fn calling() -> (Phone, CallId, Request) {
        let mut phone = Phone::new(alice(Transport::Wss));
        let call = phone.dial("600");
        let invite = phone.request();
        (phone, call, invite)
    }

    /// The same, answered: the call is active, everything is drained.
    pub fn in_call() -> (Phone, CallId, Request) {
        let (mut phone, call, invite) = Phone::calling();
        phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
        assert_eq!(phone.sent(), ["ACK 1"]);
        assert_eq!(phone.events(), ["dialing>active", "answered+answer"]);
        (phone, call, invite)
    }

    /// A phone that rings: `INVITE` as [`Phone::invite`] writes it.
    pub fn ringing() -> (Phone, CallId) {
        let mut phone = Phone::new(alice(Transport::Wss));
        phone.receive(&invite("in-1", "z9hG4bKin1", Some("offer")));
        assert_eq!(phone.events(), ["incoming+offer"]);
        assert_eq!(phone.sent(), ["180 INVITE 1"]);
        let call = phone.agent.calls().next().unwrap().id();
        (phone, call)
    }

    pub fn dial(&mut self, target: &str) -> CallId {
        self.agent.call(self.now, target, sdp("offer"), CallOptions::default()).unwrap()
    }

    /// Everything that was sent since the last look.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(transmit) = self.agent.poll_transmit() {
            assert_eq!(transmit.flow, self.flow);
            messages.push(parse(&transmit.payload).unwrap());
        }
        messages
    }

    pub fn sent(&mut self) -> Vec<String> {
        self.messages().iter().map(brief).collect()
    }

    /// The one request that was sent.
    pub fn request(&mut self) -> Request {
        match self.messages().as_slice() {
            [Message::Request(request)] => request.clone(),
            other => panic!("not one request: {:?}", other.iter().map(brief).collect::<Vec<_>>()),
        }
    }

    /// The one response that was sent.
    pub fn response(&mut self) -> Response {
        match self.messages().as_slice() {
            [Message::Response(response)] => response.clone(),
            other => panic!("not one response: {:?}", other.iter().map(brief).collect::<Vec<_>>()),
        }
    }

    pub fn raw_events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    pub fn events(&mut self) -> Vec<String> {
        self.raw_events().iter().map(brief_event).collect()
    }

    pub fn receive(&mut self, text: &str) {
        self.receive_bytes(text.replace('\n', "\r\n").as_bytes());
    }

    pub fn receive_bytes(&mut self, bytes: &[u8]) {
        self.agent.handle_input(self.now, self.flow, bytes);
    }

    /// Answers a request of the agent.
    pub fn answer(&mut self, request: &Request, status: u16, tag: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let mut response = Response::to_request(request, status, None, Some(tag));
        for (name, value) in headers {
            response.headers.push(name, *value).unwrap();
        }
        if let Some(body) = body {
            response.headers.push("Content-Type", "application/sdp").unwrap();
            response.body = body.into();
        }
        self.receive_bytes(&response.to_bytes());
    }

    /// Lets time pass, stopping at every deadline.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// What is sent in `duration`, with the milliseconds after which it is.
    pub fn timeline(&mut self, duration: Duration) -> Vec<(u64, String)> {
        let (start, end) = (self.now, self.now + duration);
        let mut line = Vec::new();
        while let Some(at) = self.agent.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            let after = self.now.saturating_duration_since(start).as_millis() as u64;
            line.extend(self.sent().into_iter().map(|message| (after, message)));
        }
        self.now = end;
        line
    }

    /// Lets time pass until the agent sends something by itself: the one request that it is, and after how many seconds.
    pub fn next_request(&mut self) -> (Request, u64) {
        let start = self.now;
        loop {
            let at = self.agent.poll_timeout().unwrap();
            self.now = self.now.max(at);
            self.agent.handle_timeout(self.now);
            if let [message] = self.messages().as_slice() {
                let Message::Request(request) = message else { panic!("not a request: {}", brief(message)) };
                return (request.clone(), self.now.saturating_duration_since(start).as_secs());
            }
        }
    }

    /// Lets every transaction run out, then nothing may live.
    pub fn assert_idle(&mut self) {
        self.advance(Duration::from_secs(200));
        self.messages();
        assert_eq!(self.agent.live(), [0, 0, 0, 0], "transactions, calls, timers, remembered requests");
    }
}

/// An INVITE from Bob to the phone.
pub fn invite(call_id: &str, branch: &str, body: Option<&str>) -> String {
    request(Method::Invite, call_id, branch, 1, "", body)
}

/// A request from Bob to the phone; `tag` is the phone's in its dialog, empty outside.
pub fn request(method: Method, call_id: &str, branch: &str, seq: u32, tag: &str, body: Option<&str>) -> String {
    let to_tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
    let body = body.unwrap_or("");
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    format!(
        "{method} sip:alice@x.invalid;transport=ws SIP/2.0\n\
         Via: SIP/2.0/WSS proxy.example.com;branch={branch}\n\
         Max-Forwards: 69\n\
         Record-Route: <sip:proxy.example.com;transport=ws;lr>\n\
         From: \"Bob\" <sip:bob@example.com>;tag=bob\n\
         To: <sip:alice@example.com>{to_tag}\n\
         Call-ID: {call_id}\n\
         CSeq: {seq} {method}\n\
         Contact: <sip:bob@192.0.2.4>\n\
         {content}Content-Length: {}\n\n{body}",
        body.len()
    )
}

/// How a call ended: cause, status.
pub fn end_of(events: &[Event]) -> Option<(Cause, Option<u16>)> {
    events.iter().find_map(|event| match event {
        Event::Ended { cause, status, .. } => Some((*cause, *status)),
        _ => None,
    })
}
