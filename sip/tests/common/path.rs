//! Alice, two proxies that record their route, and Bob, in virtual time, as in RFC 3665 §3: every hop of every message is
//! written down. The proxies are scripts that keep the state of INVITE transactions, and no more than these flows need.
#![allow(dead_code, reason = "every test file uses a part of it")]

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_sip::digest::{Credentials, Secret};
use soft_phone_sip::{
    Agent, CallId, CallOptions, Config, Event, Flow, Instant, Message, Method, Request, Response, Transport, parse,
};

/// The flow that an agent has to its proxy.
pub const FLOW: Flow = Flow(1);

/// Where messages come from and go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Alice,
    Proxy1,
    Proxy2,
    Bob,
}

use Node::{Alice, Bob, Proxy1, Proxy2};

impl Node {
    /// As the flows write it.
    pub const fn name(self) -> &'static str {
        match self {
            Alice => "A",
            Proxy1 => "P1",
            Proxy2 => "P2",
            Bob => "B",
        }
    }

    /// What it is called in Via, Contact and Record-Route.
    pub const fn host(self) -> &'static str {
        match self {
            Alice => "client.atlanta.example.com",
            Proxy1 => "ss1.atlanta.example.com",
            Proxy2 => "ss2.biloxi.example.com",
            Bob => "client.biloxi.example.com",
        }
    }

    fn of_host(host: &str) -> Option<Node> {
        [Alice, Proxy1, Proxy2, Bob].into_iter().find(|node| node.host() == host)
    }
}

/// An INVITE that a proxy has passed on.
struct Passed {
    /// As it came, and from whom.
    received: Request,
    from: Node,
    /// As it went, and where.
    sent: Request,
    to: Node,
    refused: bool,
}

pub struct Path {
    pub alice: Agent,
    pub bob: Agent,
    pub now: Instant,
    /// `A>P1 INVITE`, in the order of arrival.
    pub log: Vec<String>,
    /// The same messages.
    pub messages: Vec<(Node, Node, Message)>,
    /// The proxies that want credentials; they accept any for their realm.
    pub realms: BTreeMap<Node, &'static str>,
    /// Where the first proxy sends who calls Bob, as a redirect server.
    pub moved: Option<&'static str>,
    /// Who does not hear what comes.
    pub deaf: Option<Node>,
    passed: BTreeMap<(Node, String), Passed>,
    on_the_way: BTreeMap<(Instant, u64), (Node, Node, Message)>,
    sent: u64,
}

fn agent(node: Node, user: &str, domain: &str) -> Agent {
    let mut config = Config::new(format!("sip:{user}@{domain}").parse().unwrap(), Transport::Tcp);
    config.sent_by = Some(node.host().to_owned());
    let secret = Secret::Password("secret".to_owned());
    config.credentials = Some(Credentials { username: user.to_owned(), secret });
    let mut agent = Agent::new(config, [node as u8; 32]).unwrap();
    agent.handle_connected(Instant::ZERO, FLOW);
    agent
}

impl Path {
    pub fn new() -> Path {
        Path {
            alice: agent(Alice, "alice", "atlanta.example.com"),
            bob: agent(Bob, "bob", "biloxi.example.com"),
            now: Instant::from_millis(1_000),
            log: Vec::new(),
            messages: Vec::new(),
            realms: BTreeMap::new(),
            moved: None,
            deaf: None,
            passed: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            sent: 0,
        }
    }

    pub fn call(&mut self, options: CallOptions) -> CallId {
        let offer = soft_phone_sip::Body::sdp("v=0\r\n");
        self.alice.call(self.now, "sip:bob@biloxi.example.com", offer, options).unwrap()
    }

    /// The call that Bob has.
    pub fn bobs(&self) -> CallId {
        self.bob.calls().last().unwrap().id()
    }

    /// Lets time pass; what arrived in it.
    pub fn flow(&mut self, milliseconds: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(milliseconds);
        loop {
            self.flush();
            let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
            let due = [self.alice.poll_timeout(), self.bob.poll_timeout(), arrival].into_iter().flatten().min();
            let Some(at) = due.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            while let Some(entry) = self.on_the_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (from, to, message) = entry.remove();
                self.arrive(from, to, message);
            }
            for agent in [&mut self.alice, &mut self.bob] {
                agent.handle_timeout(self.now);
            }
        }
        self.now = end;
        std::mem::take(&mut self.log)
    }

    pub fn events(&mut self, node: Node) -> Vec<Event> {
        let agent = if node == Alice { &mut self.alice } else { &mut self.bob };
        std::iter::from_fn(|| agent.poll_event()).collect()
    }

    /// The newest request of that method on a hop.
    pub fn request(&self, from: Node, to: Node, method: &str) -> Request {
        let found = self.messages.iter().rev().find_map(|(sender, receiver, message)| match message {
            Message::Request(request) if (*sender, *receiver) == (from, to) && request.method.as_str() == method => {
                Some(request.clone())
            }
            _ => None,
        });
        found.unwrap()
    }

    /// The newest response with that status on a hop.
    pub fn response(&self, from: Node, to: Node, status: u16) -> Response {
        let found = self.messages.iter().rev().find_map(|(sender, receiver, message)| match message {
            Message::Response(response) if (*sender, *receiver, response.status) == (from, to, status) => {
                Some(response.clone())
            }
            _ => None,
        });
        found.unwrap()
    }

    /// A proxy has waited long enough: the INVITEs that it has passed on end with that status, as far as it is concerned.
    pub fn give_up(&mut self, proxy: Node, status: u16) {
        let mut answers = Vec::new();
        for ((at, _), passed) in &mut self.passed {
            if *at == proxy && !passed.refused {
                passed.refused = true;
                answers.push((passed.from, Response::to_request(&passed.received, status, None, Some("proxy"))));
            }
        }
        for (to, answer) in answers {
            self.send(proxy, to, Message::Response(answer));
        }
    }

    /// Nothing may live at either end, once all has run out.
    pub fn assert_idle(&mut self) {
        self.flow(200_000);
        assert_eq!((self.alice.live(), self.bob.live()), ([0; 4], [0; 4]));
    }

    fn flush(&mut self) {
        for (node, proxy) in [(Alice, Proxy1), (Bob, Proxy2)] {
            loop {
                let agent = if node == Alice { &mut self.alice } else { &mut self.bob };
                let Some(transmit) = agent.poll_transmit() else { break };
                self.send(node, proxy, parse(&transmit.payload).unwrap());
            }
        }
    }

    fn send(&mut self, from: Node, to: Node, message: Message) {
        self.sent += 1;
        self.on_the_way.insert((self.now + Duration::from_millis(5), self.sent), (from, to, message));
    }

    fn arrive(&mut self, from: Node, to: Node, message: Message) {
        let what = match &message {
            Message::Request(request) => request.method.to_string(),
            Message::Response(response) => format!("{} {}", response.status, response.cseq().unwrap().method),
        };
        self.log.push(format!("{}>{} {what}", from.name(), to.name()));
        self.messages.push((from, to, message.clone()));
        if self.deaf == Some(to) {
            return;
        }
        match (to, message) {
            (Alice, message) => self.alice.handle_input(self.now, FLOW, &message.to_bytes()),
            (Bob, message) => self.bob.handle_input(self.now, FLOW, &message.to_bytes()),
            (proxy, Message::Request(request)) => self.pass(proxy, from, request),
            (proxy, Message::Response(response)) => self.pass_back(proxy, response),
        }
    }

    /// RFC 3261 §16: on towards whom it is for.
    fn pass(&mut self, proxy: Node, from: Node, request: Request) {
        let branch = request.top_via().unwrap().branch().unwrap().to_owned();
        let known = (proxy, branch.clone());
        let refusal = |status| Response::to_request(&request, status, None, Some("proxy"));
        if request.method == Method::Cancel {
            self.send(proxy, from, Message::Response(refusal(200)));
            let passed = &self.passed[&known];
            let cancel = derived(&passed.sent, Method::Cancel);
            let to = passed.to;
            return self.send(proxy, to, Message::Request(cancel));
        }
        if request.method == Method::Ack && self.passed.get(&known).is_none_or(|passed| passed.refused) {
            let challenged = request.to().unwrap().tag() == Some("proxy");
            if challenged || self.passed.contains_key(&known) {
                return;
            }
        }
        let first = request.method == Method::Invite && request.to().unwrap().tag().is_none();
        if let Some(realm) = self.realms.get(&proxy).filter(|_| first) {
            let has = |value: &str| value.contains(&format!("realm=\"{realm}\""));
            if !request.headers.get_all("Proxy-Authorization").any(has) {
                let mut challenge = refusal(407);
                let value = format!("Digest realm=\"{realm}\", qop=\"auth\", nonce=\"n-{realm}\", algorithm=SHA-256");
                challenge.headers.push("Proxy-Authenticate", value).unwrap();
                return self.send(proxy, from, Message::Response(challenge));
            }
        }
        if let Some(contact) = self.moved.filter(|_| first && proxy == Proxy1 && !request.uri.host.contains("chicago"))
        {
            let mut moved = refusal(302);
            moved.headers.push("Contact", contact).unwrap();
            return self.send(proxy, from, Message::Response(moved));
        }
        let mut sent = request.clone();
        if sent.routes("Route").first().is_some_and(|route| route.uri.host == proxy.host()) {
            sent.headers.pop_front("Route").unwrap();
        }
        let next = sent.routes("Route").first().map_or(sent.uri.host.clone(), |route| route.uri.host.clone());
        let to = match (proxy, next.as_str()) {
            (Proxy1, "biloxi.example.com" | "chicago.example.com") => Proxy2,
            (Proxy2, "biloxi.example.com" | "chicago.example.com") => {
                sent.uri = format!("sip:bob@{}", Bob.host()).parse().unwrap();
                Bob
            }
            (_, host) => Node::of_host(host).unwrap(),
        };
        sent.headers
            .push_front("Via", format!("SIP/2.0/TCP {};branch={branch}.{}", proxy.host(), proxy as u8))
            .unwrap();
        if request.method == Method::Invite {
            sent.headers.push_front("Record-Route", format!("<sip:{};lr>", proxy.host())).unwrap();
            let passed = Passed { received: request.clone(), from, sent: sent.clone(), to, refused: false };
            self.passed.insert(known, passed);
        }
        self.send(proxy, to, Message::Request(sent));
        if request.method == Method::Invite {
            let mut trying = Response::to_request(&request, 100, None, None);
            trying.reason = "Trying".to_owned();
            self.send(proxy, from, Message::Response(trying));
        }
    }

    fn pass_back(&mut self, proxy: Node, mut response: Response) {
        if response.status == 100 || response.cseq().unwrap().method == Method::Cancel {
            return;
        }
        response.headers.pop_front("Via").unwrap();
        let via = response.top_via().unwrap();
        let known = (proxy, via.branch().unwrap().to_owned());
        if response.cseq().unwrap().method == Method::Invite && response.status >= 300 {
            // §16.7: the ACK of a refusal is this hop's.
            let passed = self.passed.get_mut(&known).unwrap();
            passed.refused = true;
            let mut ack = derived(&passed.sent, Method::Ack);
            ack.headers.set("To", response.headers.get("To").unwrap()).unwrap();
            let to = passed.to;
            self.send(proxy, to, Message::Request(ack));
        }
        self.send(proxy, Node::of_host(&via.host).unwrap(), Message::Response(response));
    }
}

/// A CANCEL or ACK that goes where the INVITE went.
fn derived(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    request.headers.push("Via", invite.headers.get_list("Via").next().unwrap()).unwrap();
    for name in ["From", "To", "Call-ID"] {
        request.headers.push(name, invite.headers.get(name).unwrap()).unwrap();
    }
    request.headers.push("CSeq", format!("{} {method}", invite.cseq().unwrap().seq)).unwrap();
    request.headers.push("Max-Forwards", "70").unwrap();
    request
}
