//! All transactions of one element: the four machines of RFC 3261 §17 as RFC 6026 corrects them, behind one table of
//! keys, one of timers and two queues.
//!
//! A user agent and a transaction-stateful proxy both stand on it. The caller hands in messages, time and the end of
//! connections, then drains [`Layer::poll_transmit`] and [`Layer::poll_event`] until both are empty.

mod client;
mod server;

use std::collections::VecDeque;
use std::time::Duration;

use self::client::{Client, ClientTimer};
use self::server::{Identity, Server, ServerTimer};
use crate::message::{Message, Request, Response};
use crate::table::Table;
use crate::timer::TimerTable;
use crate::{Error, Instant, Method};

/// The driver's name for a connection, or for one peer of a datagram socket. Never two connections with one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow(pub u64);

/// Bytes to be sent: one whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// What.
    pub payload: Vec<u8>,
}

/// The time constants of RFC 3261 §17.1.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time: first retransmission after it, all hope given up after 64 of it.
    pub t1: Duration,
    /// Longest pause between retransmissions of anything but INVITE.
    pub t2: Duration,
    /// Longest life of a message in the network.
    pub t4: Duration,
}

impl Default for Timers {
    /// 500 ms, 4 s, 5 s.
    fn default() -> Self {
        Timers { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// Timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

/// Names a client transaction of one [`Layer`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u64);

/// Names a server transaction of one [`Layer`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(u64);

/// Why a transaction came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The answer, or the ACK, did not come in time.
    Timeout,
    /// The connection closed.
    Transport,
}

/// What the transaction user must see. The last event of every transaction is its `…Terminated`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A new request, never a retransmission and never an ACK. CANCEL has a transaction of its own;
    /// [`Layer::invite_of_cancel`] finds what it is about.
    Request {
        /// For [`Layer::respond`].
        key: ServerKey,
        /// Where it came from.
        flow: Flow,
        /// The request.
        request: Request,
    },
    /// An ACK for a 2xx: it belongs to the dialog, not to the INVITE's transaction.
    Ack {
        /// Where it came from.
        flow: Flow,
        /// The ACK.
        request: Request,
    },
    /// A response, each once, except 2xx to INVITE: those come as often as they come, from every fork (RFC 6026 §7.2).
    Response {
        /// As [`Layer::request`] gave it out.
        key: ClientKey,
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// A response without a transaction.
    StrayResponse {
        /// Where it came from.
        flow: Flow,
        /// The response.
        response: Response,
    },
    /// No final answer will come.
    ClientFailed {
        /// The transaction.
        key: ClientKey,
        /// Why.
        failure: Failure,
    },
    /// The ACK of a refusal did not come, or no answer can be sent any more.
    ServerFailed {
        /// The transaction.
        key: ServerKey,
        /// Why.
        failure: Failure,
    },
    /// The key means nothing any more.
    ClientTerminated {
        /// The transaction.
        key: ClientKey,
    },
    /// The key means nothing any more.
    ServerTerminated {
        /// The transaction.
        key: ServerKey,
    },
}

/// Transactions that a layer holds at most, unless told otherwise.
const LIMIT: usize = 1_024;

/// How long the transaction user may think about an INVITE before it is answered with 100 (RFC 3261 §17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    Client(ClientKey, ClientTimer),
    Server(ServerKey, ServerTimer),
}

/// What the machines write to.
#[derive(Debug)]
struct Out {
    times: Timers,
    timers: TimerTable<Timer>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

/// All transactions of one element.
#[derive(Debug)]
pub struct Layer {
    clients: Table<ClientKey, Client>,
    servers: Table<ServerKey, Server>,
    next_key: u64,
    limit: usize,
    out: Out,
}

impl Layer {
    /// No transactions yet.
    pub fn new(timers: Timers) -> Self {
        let out = Out { times: timers, timers: TimerTable::new(), transmits: VecDeque::new(), events: VecDeque::new() };
        Layer { clients: Table::new(), servers: Table::new(), next_key: 0, limit: LIMIT, out }
    }

    /// Bounds the number of transactions (1,024 unless set). At the bound our requests are refused and requests of
    /// others answered with 503.
    pub fn set_limit(&mut self, transactions: usize) {
        self.limit = transactions;
    }

    /// Number of transactions that live.
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Whether there is no transaction, hence no timer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of timers that run; zero when the layer is empty.
    pub fn timers(&self) -> usize {
        self.out.timers.len()
    }

    /// The request of a client transaction, without its body.
    pub fn client_request(&self, key: &ClientKey) -> Option<&Request> {
        self.clients.get(*key).map(|client| &client.request)
    }

    /// The request of a server transaction, without its body.
    pub fn server_request(&self, key: &ServerKey) -> Option<&Request> {
        self.servers.get(*key).map(|server| &server.request)
    }

    /// The INVITE that a CANCEL wants to end, while its transaction lives (RFC 3261 §9.2).
    pub fn invite_of_cancel(&self, cancel: &Request) -> Option<ServerKey> {
        let mut identity = Identity::of(cancel)?;
        identity.method = Method::Invite;
        self.find_server(&identity)
    }

    /// Whether `request` reached us on a second path as well (RFC 3261 §8.2.2.2): it has no To tag, and another
    /// transaction than `key` has the same From tag, Call-ID and CSeq. A user agent answers it with 482; a proxy must
    /// not, as the request may rightly spiral through it.
    pub fn is_merged(&self, request: &Request, key: &ServerKey) -> bool {
        let Some(identity) = Identity::of(request) else { return false };
        request.to().is_ok_and(|to| to.tag().is_none())
            && self.servers.keys(|server| server.identity.is_same_request(&identity)).iter().any(|other| other != key)
    }

    /// Takes a message off `flow`. `reliable`: the transport retransmits by itself (TCP, TLS, WebSocket).
    pub fn handle_message(&mut self, now: Instant, flow: Flow, reliable: bool, message: Message) {
        match message {
            Message::Request(request) => self.handle_request(now, flow, reliable, request),
            Message::Response(response) => self.handle_response(now, flow, response),
        }
    }

    /// Lets every timer that is due at `now` expire, in order.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((timer, _)) = self.out.timers.expire(now) {
            match timer {
                Timer::Client(key, which) => {
                    if let Some(client) = self.clients.get_mut(key) {
                        client.on_timer(now, key, which, &mut self.out);
                        self.sweep_client(key);
                    }
                }
                Timer::Server(key, which) => {
                    if let Some(server) = self.servers.get_mut(key) {
                        server.on_timer(now, key, which, &mut self.out);
                        self.sweep_server(key);
                    }
                }
            }
        }
    }

    /// The connection is gone: nothing that runs on it can end well (RFC 3261 §17.1.4, §17.2.4).
    pub fn handle_flow_closed(&mut self, _now: Instant, flow: Flow) {
        for key in self.clients.keys(|client| client.flow == flow) {
            if let Some(client) = self.clients.get_mut(key) {
                client.on_flow_closed(key, &mut self.out);
                self.sweep_client(key);
            }
        }
        for key in self.servers.keys(|server| server.flow == flow) {
            if let Some(server) = self.servers.get_mut(key) {
                server.on_flow_closed(key, &mut self.out);
                self.sweep_server(key);
            }
        }
    }

    /// Sends a request in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::Malformed`] for an ACK (see [`Layer::send`]) and for a top Via without a branch that begins with the
    /// magic cookie `z9hG4bK`; [`Error::TooLong`] when there are too many transactions.
    pub fn request(&mut self, now: Instant, flow: Flow, reliable: bool, request: Request) -> Result<ClientKey, Error> {
        if request.method == Method::Ack {
            return Err(Error::Malformed { what: "method" });
        }
        if self.len() >= self.limit {
            return Err(Error::TooLong { what: "transactions", limit: self.limit });
        }
        let key = ClientKey(self.take_key());
        let client = Client::start(now, key, flow, reliable, request, &mut self.out)?;
        self.clients.insert(key, client);
        Ok(key)
    }

    /// Cancels our INVITE (RFC 3261 §9.1). CANCEL leaves with the first provisional answer, at once if there was one;
    /// not at all if the final answer comes first. Its own answer is not reported. If the INVITE is not answered
    /// within 64·T1 after it, the INVITE fails with [`Failure::Timeout`].
    ///
    /// `reason` is the value of a `Reason` header (RFC 3326), such as `SIP;cause=200;text="Call completed elsewhere"`.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the key is not that of an INVITE without a final answer; [`Error::Injection`] for a
    /// reason with control characters.
    pub fn cancel(&mut self, now: Instant, key: &ClientKey, reason: Option<&str>) -> Result<(), Error> {
        let client = self.clients.get_mut(*key).ok_or(Error::WrongState { state: "terminated" })?;
        client.want_cancel(reason)?;
        self.send_wanted_cancel(now, *key);
        Ok(())
    }

    /// Nobody waits for the answer to an INVITE of ours any more, as its dialog is over: it is over within 64·T1, answered
    /// or not. RFC 3261 §17.1.1.2 would wait for ever once something provisional has come.
    pub fn give_up(&mut self, now: Instant, key: &ClientKey) {
        if let Some(client) = self.clients.get_mut(*key) {
            client.give_up(now, *key, &mut self.out);
        }
    }

    /// The transaction of an INVITE that went with its connection begins anew over another one: its answers are known by
    /// what they repeat of the INVITE, whatever they come over (RFC 3261 §17.1.3).
    ///
    /// # Errors
    /// [`Error::Malformed`] for a request without what it is known by, and for one whose transaction lives;
    /// [`Error::TooLong`] when there are too many transactions.
    pub fn resume(&mut self, now: Instant, flow: Flow, reliable: bool, request: &Request) -> Result<ServerKey, Error> {
        let identity = Identity::of(request).filter(|identity| self.find_server(identity).is_none());
        let identity = identity.ok_or(Error::Malformed { what: "transaction" })?;
        if self.len() >= self.limit {
            return Err(Error::TooLong { what: "transactions", limit: self.limit });
        }
        let key = self.unused_key();
        self.servers.insert(key, Server::start(now, key, flow, reliable, identity, request, &mut self.out));
        Ok(key)
    }

    /// A key that names no transaction, and never will by itself.
    pub(crate) fn unused_key(&mut self) -> ServerKey {
        ServerKey(self.take_key())
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the transaction is over or has had its final answer; a 2xx to INVITE may be sent
    /// again while its transaction lives.
    pub fn respond(&mut self, now: Instant, key: &ServerKey, response: Response) -> Result<(), Error> {
        let server = self.servers.get_mut(*key).ok_or(Error::WrongState { state: "terminated" })?;
        server.respond(now, *key, &response, &mut self.out)?;
        self.sweep_server(*key);
        Ok(())
    }

    /// Sends a message outside any transaction: the ACK of a 2xx, what a stateless element forwards.
    pub fn send(&mut self, flow: Flow, message: &Message) {
        self.out.transmits.push_back(Transmit { flow, payload: message.to_bytes() });
    }

    /// As [`Layer::send`], with the bytes at hand.
    pub(crate) fn send_bytes(&mut self, flow: Flow, payload: Vec<u8>) {
        self.out.transmits.push_back(Transmit { flow, payload });
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// When [`Layer::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.out.timers.next()
    }

    fn handle_request(&mut self, now: Instant, flow: Flow, reliable: bool, request: Request) {
        let Some(identity) = Identity::of(&request) else { return };
        let found = self.find_server(&identity);
        if request.method == Method::Ack {
            let absorbed = found.and_then(|key| self.servers.get_mut(key).map(|server| (key, server)));
            if !absorbed.is_some_and(|(key, server)| server.on_ack(now, key, &mut self.out)) {
                return self.out.events.push_back(Event::Ack { flow, request });
            }
            if let Some(key) = found {
                self.sweep_server(key);
            }
            return;
        }
        if let Some(server) = found.and_then(|key| self.servers.get_mut(key)) {
            return server.on_retransmission(&mut self.out);
        }
        if self.len() >= self.limit {
            let mut refusal = Response::to_request(&request, 503, None, None);
            // A constant: cannot be refused.
            let _ = refusal.headers.push("Retry-After", "5");
            return self.send(flow, &Message::Response(refusal));
        }
        let key = ServerKey(self.take_key());
        self.servers.insert(key, Server::start(now, key, flow, reliable, identity, &request, &mut self.out));
        self.out.events.push_back(Event::Request { key, flow, request });
    }

    fn handle_response(&mut self, now: Instant, flow: Flow, response: Response) {
        let Some(key) = self.find_client(&response) else {
            return self.out.events.push_back(Event::StrayResponse { flow, response });
        };
        if let Some(client) = self.clients.get_mut(key) {
            client.on_response(now, key, flow, response, &mut self.out);
        }
        self.send_wanted_cancel(now, key);
        self.sweep_client(key);
    }

    fn send_wanted_cancel(&mut self, now: Instant, key: ClientKey) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let Some(request) = client.take_cancel(now, key, &mut self.out) else { return };
        let (flow, reliable) = (client.flow, client.reliable);
        let key = ClientKey(self.take_key());
        // The Via is the INVITE's, so it has a branch.
        if let Ok(mut cancel) = Client::start(now, key, flow, reliable, request, &mut self.out) {
            cancel.quiet = true;
            self.clients.insert(key, cancel);
        }
    }

    fn find_client(&self, response: &Response) -> Option<ClientKey> {
        // RFC 3261 §17.1.3: the branch of the top Via and the method of CSeq.
        let via = response.top_via().ok()?;
        let (branch, method) = (via.branch()?, response.cseq().ok()?.method);
        self.clients.find(|client| client.request.method == method && client.branch == branch)
    }

    fn find_server(&self, identity: &Identity) -> Option<ServerKey> {
        self.servers.find(|server| server.identity == *identity)
    }

    fn sweep_client(&mut self, key: ClientKey) {
        if let Some(client) = self.clients.get(key)
            && client.is_terminated()
        {
            let quiet = client.quiet;
            self.clients.remove(key);
            self.out.timers.stop_all(|timer| matches!(timer, Timer::Client(owner, _) if *owner == key));
            if !quiet {
                self.out.events.push_back(Event::ClientTerminated { key });
            }
        }
    }

    fn sweep_server(&mut self, key: ServerKey) {
        if self.servers.get(key).is_some_and(Server::is_terminated) {
            self.servers.remove(key);
            self.out.timers.stop_all(|timer| matches!(timer, Timer::Server(owner, _) if *owner == key));
            self.out.events.push_back(Event::ServerTerminated { key });
        }
    }

    fn take_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }
}
