//! The server as a whole: takes messages off connections and hands each to the part that it is for.

use std::collections::{BTreeMap, VecDeque};

use soft_phone_sip::transaction::{self, Failure, Flow, ServerKey};
use soft_phone_sip::{Instant, Message, Method, ParseError, Request, Response, Transmit, parse, value};

use super::authority::{Authority, Role, Verdict};
use super::extension::{Extension, Number};
use super::flows::{Flows, Owner, Route};
use super::io::{EchoId, Event, Io};
use super::proxy::{Proxy, Target, push_via};
use super::registrar::Registrar;
use super::reply::{ALLOW, reply, with};
use super::{DOMAIN, is_ours};
use crate::User;

/// A connection is closed after so many messages that are not SIP and passwords that are wrong.
const MAX_STRIKES: u32 = 20;

/// What a request without Max-Forwards gets (RFC 3261 §16.6 step 3).
const MAX_FORWARDS: u64 = 70;

/// What a [`Core`] serves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may register and call.
    pub users: Vec<User>,
    /// Connections at once; further ones are refused.
    pub max_connections: usize,
}

/// The SIP server: registrar, proxy and the numbers that it answers itself.
pub struct Core {
    io: Io,
    flows: Flows,
    authority: Authority,
    registrar: Registrar,
    proxy: Proxy,
    extension: Extension,
    /// Number of each user by everything that may be dialled for them.
    numbers: BTreeMap<String, String>,
    max_connections: usize,
    transmits: VecDeque<Transmit>,
}

impl Core {
    /// A server without connections. `seed` must be unguessable: nonces and flow tokens come from it.
    ///
    /// # Errors
    /// [`soft_phone_sip::Error`] beside the name of the first user whose name, number or display name cannot stand in a
    /// message.
    pub fn new(config: Config, seed: [u8; 32]) -> Result<Core, (String, soft_phone_sip::Error)> {
        let mut numbers = BTreeMap::new();
        for user in &config.users {
            for text in [&user.name, &user.number, &user.display_name] {
                value::check_text("user", text).map_err(|error| (user.name.clone(), error))?;
            }
            soft_phone_sip::Uri::new(Some(&user.number), DOMAIN).map_err(|error| (user.name.clone(), error))?;
            numbers.insert(user.number.clone(), user.number.clone());
            numbers.insert(user.name.clone(), user.number.clone());
        }
        let secrets = config.users.into_iter().map(|user| (user.number, user.password));
        Ok(Core {
            io: Io::new(seed),
            flows: Flows::default(),
            authority: Authority::new(secrets),
            registrar: Registrar::default(),
            proxy: Proxy::default(),
            extension: Extension::default(),
            numbers,
            max_connections: config.max_connections,
            transmits: VecDeque::new(),
        })
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// Number of transactions, requests on their way and calls of the server's own: zero when all is quiet.
    pub fn activity(&self) -> usize {
        self.io.layer.len() + self.proxy.len() + self.extension.len()
    }

    /// A connection was opened. False when there are too many: close it.
    pub fn handle_connected(&mut self, flow: Flow) -> bool {
        if self.flows.len() >= self.max_connections || self.flows.is_open(flow) {
            return false;
        }
        let token = self.io.random.token();
        self.flows.open(flow, token);
        true
    }

    /// A message, or a keep-alive, came in one WebSocket message.
    pub fn handle_input(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        if !self.flows.is_open(flow) {
            return;
        }
        if !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            // RFC 5626 §3.5.1: a double CRLF is a ping, a single one the pong.
            if bytes == b"\r\n\r\n" {
                self.transmits.push_back(Transmit { flow, payload: b"\r\n".to_vec() });
            }
            return;
        }
        match parse(bytes) {
            Ok(message) => self.io.layer.handle_message(now, flow, true, message),
            Err(error) => self.refuse_unreadable(flow, error),
        }
        self.settle(now);
    }

    /// The connection is gone.
    pub fn handle_disconnected(&mut self, now: Instant, flow: Flow) {
        if self.flows.close(now, flow) {
            self.registrar.remove_flow(flow);
            self.io.layer.handle_flow_closed(now, flow);
            self.settle(now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.registrar.expire(now);
        self.proxy.handle_timeout(now, &mut self.io);
        self.extension.handle_timeout(now, &mut self.io);
        self.io.layer.handle_timeout(now);
        self.settle(now);
    }

    /// The media peer's answer to [`Event::EchoOffer`]; `None` when the offer cannot be met.
    pub fn answer_echo(&mut self, now: Instant, call: EchoId, answer: Option<String>) {
        self.extension.answer(now, &mut self.io, call, answer);
        self.settle(now);
    }

    /// The media peer of a call is gone: the call is hung up.
    pub fn hang_up_echo(&mut self, now: Instant, call: EchoId) {
        self.extension.hang_up(now, &mut self.io, call);
        self.settle(now);
    }

    /// Hangs up the server's own calls; what is on its way is still to be polled.
    pub fn shutdown(&mut self, now: Instant) {
        self.extension.shutdown(now, &mut self.io);
        self.settle(now);
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.io.events.pop_front()
    }

    /// When [`Core::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let parts = [
            self.io.layer.poll_timeout(),
            self.proxy.poll_timeout(),
            self.extension.poll_timeout(),
            self.registrar.poll_timeout(),
        ];
        parts.into_iter().flatten().min()
    }

    /// Lets every event of the transactions have its effect, then collects what is to be sent.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.io.layer.poll_event() {
            match event {
                transaction::Event::Request { key, flow, request } => self.on_request(now, key, flow, request),
                transaction::Event::Ack { request, .. } => self.on_ack(now, request),
                transaction::Event::Response { key, response, .. } => {
                    self.proxy.on_response(now, &mut self.io, key, response);
                }
                // RFC 6026 §8.9: a proxy drops a 2xx that belongs to nothing.
                transaction::Event::StrayResponse { .. } => {}
                transaction::Event::ClientFailed { key, failure } => {
                    self.proxy.on_client_failed(now, &mut self.io, key, failure);
                }
                transaction::Event::ServerFailed { key, failure } => {
                    self.extension.on_server_failed(&mut self.io, key);
                    if failure == Failure::Transport {
                        self.proxy.on_server_failed(now, &mut self.io, key);
                    }
                }
                transaction::Event::ClientTerminated { key } => self.proxy.on_client_terminated(key),
                transaction::Event::ServerTerminated { key } => self.proxy.on_server_terminated(key),
            }
        }
        while let Some(transmit) = self.io.layer.poll_transmit() {
            if self.flows.is_open(transmit.flow) {
                self.transmits.push_back(transmit);
            }
        }
    }

    fn refuse_unreadable(&mut self, flow: Flow, error: ParseError) {
        if let (Some(status), Some(request)) = (error.status, &error.request) {
            let refusal = Response::to_request(request, status, Some(&error.to_string()), Some(&self.io.random.tag()));
            self.io.layer.send(flow, &Message::Response(refusal));
        }
        self.strike(flow, "too much that is not SIP");
    }

    fn strike(&mut self, flow: Flow, reason: &'static str) {
        if self.flows.strike(flow) == MAX_STRIKES {
            self.io.events.push_back(Event::Close { flow, reason });
        }
    }

    fn on_request(&mut self, now: Instant, key: ServerKey, flow: Flow, mut request: Request) {
        if request.method == Method::Cancel {
            return self.on_cancel(now, key, &request);
        }
        // §8.2.2.3, §16.3 step 5: what must be understood and is not.
        let required: Vec<&str> =
            request.headers.get_list("Proxy-Require").chain(self.required_here(&request)).collect();
        if !required.is_empty() {
            let unsupported = required.join(", ");
            let refusal = with(reply(&mut self.io.random, &request, 420), "Unsupported", unsupported);
            return self.io.respond(now, key, refusal);
        }
        if self.extension.in_dialog(now, &mut self.io, key, flow, &request) {
            return;
        }
        let original = request.clone();
        let route = self.flows.pop_route(&mut request);
        if request.method != Method::Register && request.to().is_ok_and(|to| to.tag().is_some()) {
            // The token of a route is what lets a request within a call through: nobody else knows it.
            return match self.follow(now, route) {
                Ok(target) => self.forward(now, key, &original, request, vec![target]),
                Err(status) => self.io.reply(now, key, &original, status),
            };
        }
        self.on_initial_request(now, key, flow, &original, request);
    }

    /// Require of a request that ends here; what passes through is for the phone that gets it.
    fn required_here<'a>(&self, request: &'a Request) -> impl Iterator<Item = &'a str> + use<'a> {
        let ends_here = request.method == Method::Register || Number::of(&user_of(request)).is_some();
        request.headers.get_list("Require").filter(move |_| ends_here)
    }

    fn on_initial_request(
        &mut self,
        now: Instant,
        key: ServerKey,
        flow: Flow,
        original: &Request,
        mut request: Request,
    ) {
        if !is_ours(&request.uri.host) {
            // No relay: other domains are not reached through this server.
            return self.io.reply(now, key, original, 404);
        }
        let called = user_of(&request).into_owned();
        if request.method == Method::Options && (called.is_empty() || Number::of(&called).is_some()) {
            let answer = with(reply(&mut self.io.random, original, 200), "Allow", ALLOW);
            return self.io.respond(now, key, with(answer, "Accept", "application/sdp"));
        }
        let role = if request.method == Method::Register { Role::Registrar } else { Role::Proxy };
        let Some(number) = self.authenticate(now, key, flow, role, original) else { return };
        if request.method == Method::Register {
            return self.register(now, key, flow, &number, original);
        }
        // §16.3 step 3; a phone that calls itself through a redirection would go round for ever.
        if request.headers.get("Max-Forwards").and_then(value::decimal) == Some(0) {
            return self.io.reply(now, key, original, 483);
        }
        Authority::strip(Role::Proxy, &mut request);
        if request.method == Method::Invite
            && let Some(extension) = Number::of(&called)
        {
            return self.extension.invite(now, &mut self.io, key, flow, extension, request);
        }
        let Some(callee) = self.numbers.get(&called) else { return self.io.reply(now, key, original, 404) };
        let caller_route = self.flows.record_route(flow);
        let targets: Vec<Target> = self
            .registrar
            .lookup(now, callee)
            .map(|binding| {
                let routes = [caller_route.clone(), self.flows.record_route(binding.flow)];
                let record_route = routes.into_iter().flatten().collect();
                Target { flow: binding.flow, uri: Some(binding.contact.clone()), record_route }
            })
            .collect();
        if targets.is_empty() {
            return self.io.reply(now, key, original, 480);
        }
        self.forward(now, key, original, request, targets);
    }

    /// The user who sent the request, and may send it in the name that it carries; `None` once it has been refused.
    fn authenticate(
        &mut self,
        now: Instant,
        key: ServerKey,
        flow: Flow,
        role: Role,
        request: &Request,
    ) -> Option<String> {
        let verdict = self.authority.check(now, role, request);
        let stale = match verdict {
            Verdict::User(number) => {
                // The name that the other side will be shown: the caller's, or the one that is registered.
                let named = if role == Role::Registrar { request.to() } else { request.from() };
                let is_own = named.is_ok_and(|named| {
                    is_ours(&named.uri.host) && named.uri.user_text().is_some_and(|user| user == number)
                });
                if is_own {
                    return Some(number);
                }
                self.io.reply(now, key, request, 403);
                return None;
            }
            Verdict::Malformed => {
                self.io.reply(now, key, request, 400);
                return None;
            }
            Verdict::Wrong => {
                self.strike(flow, "too many wrong passwords");
                false
            }
            Verdict::Missing => false,
            Verdict::Stale => true,
        };
        let response = reply(&mut self.io.random, request, role.status());
        let challenge = self.authority.challenge(now, &mut self.io.random, role, stale, response);
        self.io.respond(now, key, challenge);
        None
    }

    fn register(&mut self, now: Instant, key: ServerKey, flow: Flow, number: &str, request: &Request) {
        let response = self.registrar.register(now, &mut self.io.random, flow, number, request);
        let own = self.registrar.lookup(now, number).filter(|binding| binding.flow == flow);
        if let Some(instance) = own.filter_map(|binding| binding.instance.clone()).last() {
            self.flows.claim(flow, Owner { number: number.to_owned(), instance });
        }
        self.io.respond(now, key, response);
    }

    fn on_cancel(&mut self, now: Instant, key: ServerKey, cancel: &Request) {
        let Some(invite) = self.io.layer.invite_of_cancel(cancel) else {
            return self.io.reply(now, key, cancel, 481);
        };
        self.io.reply(now, key, cancel, 200);
        let reason = cancel.headers.get("Reason");
        if !self.proxy.cancel(now, &mut self.io, invite, reason) {
            self.extension.cancel(now, &mut self.io, invite);
        }
    }

    /// The ACK of a 2xx goes where its route leads, in no transaction (§16.11, RFC 6026 §8.7).
    fn on_ack(&mut self, now: Instant, mut ack: Request) {
        if self.extension.on_ack(&ack) {
            return;
        }
        let route = self.flows.pop_route(&mut ack);
        if let Ok(target) = self.follow(now, route)
            && count_hop(&mut ack)
            && push_via(&mut self.io.random, &mut ack).is_some()
        {
            self.io.layer.send(target.flow, &Message::Request(ack));
        }
    }

    /// The connection at the end of a route; the status when there is none.
    fn follow(&self, now: Instant, route: Route) -> Result<Target, u16> {
        let flow = match route {
            Route::Open(flow) => flow,
            // The phone may have come back over another connection.
            Route::Closed(Some(owner)) => self
                .registrar
                .lookup(now, &owner.number)
                .find(|binding| binding.instance.as_ref() == Some(&owner.instance))
                .map(|binding| binding.flow)
                .ok_or(480_u16)?,
            Route::Closed(None) => return Err(480),
            // RFC 5626 §5.3.1: somebody made this token up.
            Route::Unknown => return Err(403),
            Route::Absent => return Err(481),
        };
        Ok(Target { flow, uri: None, record_route: Vec::new() })
    }

    fn forward(
        &mut self,
        now: Instant,
        key: ServerKey,
        original: &Request,
        mut request: Request,
        targets: Vec<Target>,
    ) {
        if !count_hop(&mut request) {
            return self.io.reply(now, key, original, 483);
        }
        if request.method == Method::Invite {
            // §16.2: the caller need not send its INVITE again while the phones ring.
            self.io.respond(now, key, Response::to_request(original, 100, None, None));
        }
        self.proxy.forward(now, &mut self.io, key, original, &request, targets);
    }
}

/// One hop less to go (§16.6 step 3). False when there is none left.
fn count_hop(request: &mut Request) -> bool {
    let left = match request.headers.get("Max-Forwards").map(value::decimal) {
        Some(Some(0)) => return false,
        Some(Some(hops)) => hops.min(u64::from(u8::MAX)) - 1,
        Some(None) | None => MAX_FORWARDS,
    };
    request.headers.set("Max-Forwards", left.to_string()).is_ok()
}

/// The user part of the Request-URI; empty when there is none.
fn user_of(request: &Request) -> std::borrow::Cow<'_, str> {
    request.uri.user_text().unwrap_or_default()
}
