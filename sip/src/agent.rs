//! The user agent: one account, its registration and its calls, over whatever connection the driver has.

mod auth;
mod compose;
mod config;
mod early;
mod entropy;
mod flows;
mod incoming;
mod info;
mod input;
mod message;
mod notifiers;
mod offer;
mod outgoing;
mod publish;
pub(crate) mod redirect;
mod refer;
mod register;
pub(crate) mod reliable;
mod replaces;
mod ringing;
mod saved;
mod session;
mod session_timer;
mod subscribe;
mod transfer;

use std::collections::VecDeque;
use std::time::Duration;

use self::auth::{Auth, Tried};
use self::compose::Identity;
pub use self::config::{CallOptions, Config, Transport};
use self::entropy::Entropy;
use self::info::Info;
use self::message::Outgoing;
use self::publish::Publication;
use self::refer::Transfer;
pub use self::saved::Saved;
use self::subscribe::Subscription;
use self::transfer::Referral;
use crate::call::{Call, CallId, CallState, Cause, Ending};
use crate::dialog::Dialog;
use crate::event::{Event, PublicationId, QueryId, RegistrationState, SubscriptionId, TransferId};
use crate::message::{Request, Response};
use crate::registration::Registrations;
use crate::session::MIN_SE;
use crate::table::Table;
use crate::timer::TimerTable;
use crate::transaction::{self, ClientKey, Failure, Flow, Layer, Timers, Transmit};
use crate::{Error, Instant, Method, digest};

/// Flows of one account.
const MAX_FLOWS: usize = 4;

/// Events that may wait for the driver. At the bound the network is not listened to: a driver that does not drain
/// gets no more to drain.
const MAX_EVENTS: usize = 256;

/// ACKs of 2xx that are kept for the 2xx that come again.
const MAX_ACKS: usize = 64;

/// What became of input that did not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Not a message, or not a whole one; answered with 4xx or 5xx when it could be.
    pub malformed: u64,
    /// Responses and ACKs that belong to nothing.
    pub stray: u64,
    /// 2xx whose `Authentication-Info` does not prove what it says: a server that does not know our password.
    pub unproven: u64,
    /// Not looked at, because the driver does not drain the events.
    pub dropped: u64,
}

/// The agent's deadlines, beside those of the transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// The registration over that flow is refreshed, or tried again.
    Register(usize),
    /// Nobody answers our call.
    Ring(CallId),
    /// Our 2xx goes out again.
    Resend(CallId),
    /// The ACK of our 2xx does not come.
    AckWait(CallId),
    /// Our provisional answer goes out again.
    Provisional(CallId),
    /// The PRACK of it does not come.
    PrackWait(CallId),
    /// A BYE has waited for a connection for too long.
    Owed(CallId),
    /// The session is to be refreshed.
    Refresh(CallId),
    /// Nobody has refreshed the session.
    Expire(CallId),
    /// Our offer has met one of the peer, and is tried again.
    Glare(CallId),
    /// Nothing was heard of a transfer, or nobody decided about it.
    Transfer(TransferId),
    /// The target of an attended transfer does not end the call that was replaced.
    Replaced(CallId),
    /// A subscription is refreshed, or tried again.
    Subscribe(SubscriptionId),
    /// No NOTIFY follows on a SUBSCRIBE.
    Notified(SubscriptionId),
    /// A call rings without a connection.
    Unheard(CallId),
    /// The caller is asked whether the call still rings.
    Ask(CallId),
    /// A publication is refreshed, or tried again.
    Publish(PublicationId),
}

/// Why we sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Register {
        /// Which of the flows.
        slot: usize,
        remove: bool,
    },
    Invite(CallId),
    /// `None`: of a fork that lost.
    Bye(Option<CallId>),
    Prack(CallId),
    Options(QueryId),
    /// Whether a call still rings at the caller's.
    Ask(CallId),
    Bindings(QueryId),
    /// A later INVITE, or UPDATE.
    Offer(CallId),
    Refer(TransferId),
    Notify(TransferId),
    Info(QueryId),
    Message(QueryId),
    Subscribe(SubscriptionId),
    Publish(PublicationId),
}

/// A request of ours that runs.
#[derive(Debug)]
struct Pending {
    purpose: Purpose,
    /// As it was before Via and credentials: what goes out again after a challenge.
    request: Request,
    tried: Tried,
}

/// The ACK of a 2xx: sent again for each retransmission of it (RFC 3261 §13.2.2.4).
#[derive(Debug)]
struct Acknowledged {
    invite: ClientKey,
    to_tag: Option<String>,
    payload: Vec<u8>,
}

/// A user agent without clock, entropy or socket.
///
/// The driver hands in connections, messages and time, gives commands, and after each of these drains
/// [`Agent::poll_transmit`] and [`Agent::poll_event`] until both are empty, then sleeps until [`Agent::poll_timeout`].
#[derive(Debug)]
pub struct Agent {
    identity: Identity,
    credentials: Option<digest::Credentials>,
    ring_timeout: Duration,
    auto_ring: bool,
    session_expires: Option<Duration>,
    min_se: Duration,
    max_calls: usize,
    max_message: usize,
    times: Timers,
    entropy: Entropy,
    auth: Auth,
    layer: Layer,
    timers: TimerTable<Timer>,
    /// The one for new requests.
    flow: Option<Flow>,
    registrations: Registrations,
    calls: Table<CallId, Call>,
    pending: Table<ClientKey, Pending>,
    acks: Vec<Acknowledged>,
    /// Transfers that we asked for.
    referrals: Table<TransferId, Referral>,
    /// Transfers that we are asked for.
    transfers: Table<TransferId, Transfer>,
    /// Dialogs of calls that are over, in which one of these goes on.
    ended_dialogs: Vec<(CallId, Dialog)>,
    /// The last dialogs of calls that are over.
    ended: Vec<Dialog>,
    /// INFOs that wait or run, in order.
    infos: Vec<Info>,
    /// MESSAGEs that wait or run, in order.
    messages: Vec<Outgoing>,
    subscriptions: Table<SubscriptionId, Subscription>,
    publications: Table<PublicationId, Publication>,
    events: VecDeque<Event>,
    counters: Counters,
    next_id: u64,
}

impl Agent {
    /// `seed` is the source of everything that must not be guessed or must differ between agents: tags, branches,
    /// client nonces, jitter. Never use one seed twice.
    ///
    /// # Errors
    /// [`Error::Injection`] for control characters in the account; [`Error::Malformed`] for an address of record that is
    /// not a SIP URI, a `sent_by` that is no host and port, an instance that is no URN, or none where there are several
    /// flows; [`Error::TooLong`] for more than 4 flows.
    pub fn new(config: Config, seed: [u8; 32]) -> Result<Agent, Error> {
        let mut entropy = Entropy::new(seed);
        let identity = Identity::new(&config, &mut entropy)?;
        let flows = usize::from(config.flows.max(1));
        if flows > MAX_FLOWS {
            return Err(Error::TooLong { what: "flows", limit: MAX_FLOWS });
        }
        if flows > 1 && config.instance_id.is_none() {
            // RFC 5626 §4.2: without it the registrar cannot tell our flows from other phones.
            return Err(Error::Malformed { what: "instance id" });
        }
        let ids: Vec<(String, String)> = (0..flows).map(|_| (entropy.token(), entropy.token())).collect();
        let registrations = Registrations::new(config.expires, ids.into_iter());
        Ok(Agent {
            identity,
            credentials: config.credentials,
            ring_timeout: config.ring_timeout,
            auto_ring: config.auto_ring,
            session_expires: config.session_expires.map(|wanted| wanted.max(MIN_SE)),
            min_se: config.min_se.max(MIN_SE),
            max_calls: config.max_calls,
            max_message: config.max_message,
            times: config.timers,
            entropy,
            auth: Auth::default(),
            layer: Layer::new(config.timers),
            timers: TimerTable::new(),
            flow: None,
            registrations,
            calls: Table::new(),
            pending: Table::new(),
            acks: Vec::new(),
            referrals: Table::new(),
            transfers: Table::new(),
            ended_dialogs: Vec::new(),
            ended: Vec::new(),
            infos: Vec::new(),
            messages: Vec::new(),
            subscriptions: Table::new(),
            publications: Table::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            next_id: 0,
        })
    }

    /// Where the registration stands.
    pub fn registration(&self) -> RegistrationState {
        self.registrations.told.0
    }

    /// A call that lives.
    pub fn get(&self, call: CallId) -> Option<&Call> {
        self.calls.get(call)
    }

    /// The calls that live, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// What became of input that did not fit.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Number of transactions, calls, timers, and of remembered ACKs, requests, transfers, messages, subscriptions and
    /// publications that live: zero of each when nothing runs and nothing leaks.
    pub fn live(&self) -> [usize; 4] {
        [
            self.layer.len(),
            self.calls.len(),
            self.timers.len() + self.layer.timers(),
            self.acks.len()
                + self.pending.len()
                + self.referrals.len()
                + self.transfers.len()
                + self.ended_dialogs.len()
                + self.infos.len()
                + self.messages.len()
                + self.subscriptions.len()
                + self.publications.len(),
        ]
    }

    /// Lets every timer that is due at `now` expire.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        self.drain(now);
        while let Some((timer, _)) = self.timers.expire(now) {
            match timer {
                Timer::Register(slot) => self.registration_due(now, slot),
                Timer::Ring(call) => self.abandon(now, call, Cause::NoAnswer),
                Timer::Resend(call) => self.resend_answer(now, call),
                Timer::AckWait(call) => self.give_up_ack(now, call),
                Timer::Provisional(call) => self.resend_provisional(now, call),
                Timer::PrackWait(call) => self.give_up_prack(now, call),
                Timer::Refresh(call) => self.refresh_due(now, call),
                Timer::Expire(call) => self.session_over(now, call),
                // Without a connection: the next one begins with an offer of its own.
                Timer::Glare(call) => drop(self.send_offer(now, call)),
                Timer::Owed(call) => self.finish(now, call, Ending::local(Cause::Network)),
                Timer::Unheard(call) => self.withdraw(now, call, Ending::local(Cause::Network)),
                Timer::Ask(call) => self.ask_caller(now, call),
                Timer::Transfer(id) => {
                    self.give_up_referral(now, id);
                    self.give_up_transfer(now, id);
                }
                Timer::Replaced(call) => self.end_replaced(now, call),
                Timer::Subscribe(id) => self.subscription_due(now, id),
                Timer::Notified(id) => self.not_notified(now, id),
                Timer::Publish(id) => self.publication_due(now, id),
            }
        }
        self.drain(now);
    }

    /// Replaces the credentials; a registration that was refused for want of them is tried again.
    pub fn set_credentials(&mut self, now: Instant, credentials: Option<digest::Credentials>) {
        self.credentials = credentials;
        self.auth.clear();
        if self.registrations.wanted && self.registrations.slots.iter().any(|slot| slot.blocked) {
            // register() fails for a full table only, and then its timer stands.
            let _ = self.register(now);
        }
    }

    /// Asks what `target` can do; [`Event::Options`] answers.
    ///
    /// # Errors
    /// As [`Agent::call`].
    pub fn options(&mut self, now: Instant, target: &str) -> Result<QueryId, Error> {
        let to = self.identity.target(target)?;
        let (call_id, tag) = (self.entropy.token(), self.entropy.token());
        let mut request = self.identity.request(Method::Options, to.uri.clone(), &to, &call_id, &tag, 1);
        request.headers.push("Accept", compose::ACCEPT)?;
        let query = QueryId(self.take_id());
        self.send_request(now, Pending { purpose: Purpose::Options(query), request, tried: Tried::default() })?;
        Ok(query)
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.layer.poll_transmit()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Agent::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.layer.poll_timeout(), self.timers.next()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Deals with everything the transactions have to say.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.layer.poll_event() {
            match event {
                transaction::Event::Request { key, flow, request } => self.on_request(now, key, flow, request),
                transaction::Event::Ack { request, .. } => self.on_ack(now, &request),
                transaction::Event::Response { key, flow, response } => self.on_response(now, key, flow, response),
                transaction::Event::StrayResponse { .. } => self.counters.stray += 1,
                transaction::Event::ClientFailed { key, failure } => self.on_client_failed(now, key, failure),
                transaction::Event::ServerFailed { key, failure } => self.on_server_failed(now, key, failure),
                transaction::Event::ClientTerminated { key } => {
                    self.pending.remove(key);
                    self.acks.retain(|ack| ack.invite != key);
                    self.send_infos(now);
                    self.send_messages(now);
                }
                transaction::Event::ServerTerminated { .. } => {}
            }
        }
    }

    /// Sends a request of ours in a transaction of its own, with credentials where a nonce is known.
    fn send_request(&mut self, now: Instant, mut pending: Pending) -> Result<ClientKey, Error> {
        let flow = self.flow_of(&pending).ok_or(Error::NotConnected)?;
        let mut request = pending.request.clone();
        self.preload(&mut request, flow);
        self.identity.stamp(&mut request, &mut self.entropy)?;
        self.auth.authorize(&mut request, self.credentials.as_ref(), &mut pending.tried, &mut self.entropy)?;
        let key = self.layer.request(now, flow, self.identity.reliable, request)?;
        self.pending.insert(key, pending);
        Ok(key)
    }

    fn on_response(&mut self, now: Instant, key: ClientKey, flow: Flow, response: Response) {
        let Some(pending) = self.pending.get(key) else {
            self.counters.stray += 1;
            return;
        };
        let purpose = pending.purpose;
        if (200..300).contains(&response.status)
            && !self.auth.informed(&response, self.credentials.as_ref(), &pending.tried)
        {
            self.counters.unproven += 1;
        }
        if let Purpose::Invite(call) = purpose
            && response.status < 300
        {
            return self.on_invite_progress(now, key, flow, call, &response);
        }
        if response.status < 200 {
            return;
        }
        if matches!(response.status, 401 | 407) && self.retry_with_credentials(now, key, &response) {
            return;
        }
        if response.status == 422 && self.retry_longer(now, key, &response) {
            return;
        }
        match purpose {
            Purpose::Register { slot, remove } => self.on_register_answer(now, key, slot, remove, &response),
            Purpose::Invite(call) if self.goes_elsewhere(now, key, call, &response) => {}
            Purpose::Invite(call) => self.on_invite_refused(now, call, &response),
            Purpose::Prack(call) => self.on_prack_done(now, key, call),
            Purpose::Bye(call) => self.on_bye_done(now, call),
            Purpose::Bindings(query) => self.on_bindings(query, Some(&response)),
            Purpose::Options(query) => {
                let allow = response.headers.get_list("Allow").map(str::to_owned).collect();
                self.events.push_back(Event::Options { query, status: Some(response.status), allow });
            }
            Purpose::Ask(call) => self.on_asked(now, call, &response),
            Purpose::Offer(call) => self.on_offer_answer(now, key, flow, call, &response),
            Purpose::Refer(id) => self.on_refer_answer(now, id, &response),
            Purpose::Notify(id) => self.on_notify_answer(now, id, response.status),
            Purpose::Info(query) => self.on_info_answer(now, query, Some(response.status)),
            Purpose::Message(query) => self.on_message_answer(now, query, response.status, &response.reason),
            Purpose::Subscribe(id) => self.on_subscribe_answer(now, key, id, Some(&response)),
            Purpose::Publish(id) => self.on_publish_answer(now, id, Some(&response)),
        }
    }

    /// A challenge: the same request with the next CSeq and credentials (RFC 3261 §22.2). Whether that was possible.
    fn retry_with_credentials(&mut self, now: Instant, key: ClientKey, response: &Response) -> bool {
        let Some(Pending { purpose, request, mut tried }) = self.pending.remove(key) else { return false };
        let useless = match purpose {
            Purpose::Register { slot, remove } => {
                self.slot(slot).running != Some(key) || (!remove && !self.registrations.wanted)
            }
            // We have given the call up already.
            Purpose::Invite(call) => !self.calls.get(call).is_some_and(|call| call.state != CallState::Ending),
            Purpose::Subscribe(id) => !self.subscribes(id, key),
            _ => false,
        };
        let retry = !useless && self.auth.challenged(response, self.credentials.as_ref(), &mut tried);
        retry && self.send_again(now, Pending { purpose, request, tried })
    }

    /// Sends a request that was refused once more, with the next CSeq. Whether that was possible.
    fn send_again(&mut self, now: Instant, pending: Pending) -> bool {
        let Pending { purpose, mut request, tried } = pending;
        let Ok(mut cseq) = request.cseq() else { return false };
        cseq.seq = cseq.seq.saturating_add(1);
        if let Some(dialog) = self.dialog_of(&request) {
            // Another request of the dialog may have taken the next number.
            cseq.seq = cseq.seq.max(dialog.local_seq.saturating_add(1));
            dialog.local_seq = cseq.seq;
        }
        let seq = cseq.seq;
        if request.headers.set("CSeq", cseq.to_string()).is_err() {
            return false;
        }
        let Ok(new) = self.send_request(now, Pending { purpose, request, tried }) else { return false };
        match purpose {
            Purpose::Register { slot, .. } => {
                let slot = self.slot(slot);
                slot.seq = seq;
                slot.running = Some(new);
            }
            Purpose::Invite(call) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.invite = Some(new);
                    // §13.2.2.4: the early dialogs of a refused INVITE are over.
                    call.early.clear();
                }
            }
            Purpose::Offer(call) => self.set_offer_key(call, Some(new)),
            Purpose::Refer(id) => {
                if let Some(referral) = self.referrals.get_mut(id) {
                    referral.id = seq;
                }
            }
            Purpose::Subscribe(id) => self.subscribe_again(id, seq, new),
            Purpose::Publish(id) => self.publish_again(id, new),
            _ => {}
        }
        true
    }

    fn on_client_failed(&mut self, now: Instant, key: ClientKey, failure: Failure) {
        let Some(pending) = self.pending.remove(key) else { return };
        match pending.purpose {
            Purpose::Register { slot, remove } => self.on_register_failed(now, key, slot, remove),
            Purpose::Invite(call)
                if failure == Failure::Timeout && self.try_next(now, call, pending.request.clone()) => {}
            Purpose::Prack(call) => self.on_prack_done(now, key, call),
            // No answer at all within 64·T1 is the network's silence, not a telephone that nobody picks up.
            Purpose::Invite(call) => self.finish(now, call, Ending::local(Cause::Network)),
            Purpose::Bye(call) => self.on_bye_done(now, call),
            Purpose::Bindings(query) => self.on_bindings(query, None),
            Purpose::Options(query) => {
                self.events.push_back(Event::Options { query, status: None, allow: Vec::new() });
            }
            Purpose::Ask(_) => {}
            Purpose::Offer(call) => self.on_offer_failed(now, key, call, failure),
            Purpose::Refer(id) => self.on_refer_failed(now, id, failure),
            Purpose::Notify(id) => self.on_notify_failed(now, id, failure),
            Purpose::Info(query) => self.on_info_answer(now, query, None),
            Purpose::Message(query) => self.on_message_failed(now, query, failure),
            Purpose::Subscribe(id) => self.on_subscribe_answer(now, key, id, None),
            Purpose::Publish(id) => self.on_publish_answer(now, id, None),
        }
    }

    /// Moves a call along its drawing and says so.
    fn shift(&mut self, id: CallId, next: CallState) -> Result<(), Error> {
        let call = self.calls.get_mut(id).ok_or(Error::UnknownCall)?;
        let previous = call.state.transition(next)?;
        self.events.push_back(Event::State { call: id, state: next, previous });
        Ok(())
    }

    /// The end of a call: what is still open is closed, and the call forgotten. An end that was begun keeps its cause.
    fn finish(&mut self, now: Instant, id: CallId, ending: Ending) {
        // A call that is Ending already stays so.
        let _ = self.shift(id, CallState::Ending);
        let _ = self.shift(id, CallState::Ended);
        let Some(call) = self.calls.remove(id) else { return };
        if let Some(running) = call.session.exchange.as_ref().and_then(|exchange| exchange.key) {
            self.layer.give_up(now, &running);
        }
        self.settle_provisionals(id);
        self.timers.stop_all(|timer| match timer {
            Timer::Ring(of) | Timer::Resend(of) | Timer::AckWait(of) | Timer::Owed(of) => *of == id,
            Timer::Refresh(of) | Timer::Expire(of) | Timer::Glare(of) => *of == id,
            Timer::Unheard(of) | Timer::Ask(of) => *of == id,
            _ => false,
        });
        // RFC 3261 §15.1.2: what waits for an answer in a dialog that ends gets 487.
        for offer in call.offer.iter().chain(&call.early_offer) {
            let tag = call.any_dialog().and_then(|dialog| dialog.local.tag()).unwrap_or("");
            let response = self.identity.response(&offer.request, 487, None, tag);
            // Its transaction may be gone with its connection.
            let _ = self.layer.respond(now, &offer.key, response);
        }
        let Ending { cause, status, reason } = call.ending.map_or(ending.clone(), |begun| Ending {
            cause: begun.cause,
            status: ending.status,
            reason: ending.reason.or(begun.reason),
        });
        if let Some(dialog) = &call.dialog {
            self.remember_ended(dialog);
        }
        self.forget_infos(id);
        self.tell_end(now, id, &Ending { cause, status, reason: reason.clone() });
        self.referrals_outlive(id, call.dialog);
        self.events.push_back(Event::Ended { call: id, cause, status, reason });
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
