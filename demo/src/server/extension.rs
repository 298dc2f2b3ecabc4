//! The numbers that the server answers itself: 600 echo, 602 busy, 603 rings for nobody.
//!
//! ```text
//!   600:  INVITE ─► Offered ── answer ─► 200, repeated until ACK ─► talk ─► BYE from either side
//!   602:  INVITE ─► 486
//!   603:  INVITE ─► 180 ── CANCEL ─► 487, or 408 after three minutes
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_sip::transaction::{Flow, ServerKey};
use soft_phone_sip::{Instant, Method, Request, Response, Timers, Uri};

use super::DOMAIN;
use super::io::{EchoId, Event, Io};
use super::proxy::push_via;
use super::reply::{ALLOW, with};

/// How long 603 rings.
const RING: Duration = Duration::from_secs(180);

/// Calls of these numbers at once.
const MAX_CALLS: usize = 32;

const SDP: &str = "application/sdp";

/// A number that the server answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Echo,
    Busy,
    Silent,
}

impl Number {
    /// The number that a user part names.
    pub(super) fn of(user: &str) -> Option<Number> {
        match user {
            "600" => Some(Number::Echo),
            "602" => Some(Number::Busy),
            "603" => Some(Number::Silent),
            _ => None,
        }
    }
}

/// A 2xx that has to be repeated until its ACK comes, over reliable transports too (RFC 3261 §13.3.1.4).
struct Accepted {
    server: ServerKey,
    response: Response,
    again: Instant,
    interval: Duration,
    give_up: Instant,
}

struct Call {
    number: Number,
    /// The INVITE that began it, without its body.
    invite: Request,
    local_tag: String,
    remote_tag: Option<String>,
    /// Where the phone was heard last.
    flow: Flow,
    /// Its Contact: the Request-URI of what is sent to it.
    target: Option<Uri>,
    /// The highest CSeq of the phone.
    remote_sequence: u32,
    /// An INVITE that waits for its final answer.
    pending: Option<(ServerKey, Request)>,
    accepted: Option<Accepted>,
    established: bool,
    rings_until: Option<Instant>,
}

/// The calls of these numbers.
#[derive(Default)]
pub(super) struct Extension {
    calls: BTreeMap<EchoId, Call>,
    next: u64,
}

impl Extension {
    /// Number of calls.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Takes a new call.
    pub(super) fn invite(
        &mut self,
        now: Instant,
        io: &mut Io,
        server: ServerKey,
        flow: Flow,
        number: Number,
        request: Request,
    ) {
        if number == Number::Busy {
            return io.reply(now, server, &request, 486);
        }
        if self.calls.len() >= MAX_CALLS {
            let refusal = super::reply::reply(&mut io.random, &request, 503);
            return io.respond(now, server, with(refusal, "Retry-After", "30"));
        }
        let offer = match offer(&request) {
            Ok(offer) => offer.to_owned(),
            Err(status) => {
                let refusal = super::reply::reply(&mut io.random, &request, status);
                return io.respond(now, server, with(refusal, "Accept", SDP));
            }
        };
        let id = EchoId(self.next);
        self.next += 1;
        let mut invite = request.clone();
        invite.body = Vec::new();
        let mut call = Call {
            number,
            local_tag: io.random.tag(),
            remote_tag: request.from().ok().and_then(|from| from.tag().map(str::to_owned)),
            flow,
            target: contact(&request),
            remote_sequence: request.cseq().map_or(0, |cseq| cseq.seq),
            invite: invite.clone(),
            pending: Some((server, invite)),
            accepted: None,
            established: false,
            rings_until: None,
        };
        if number == Number::Silent {
            call.rings_until = Some(now + RING);
            let ringing = Response::to_request(&call.invite, 180, None, Some(&call.local_tag));
            io.respond(now, server, with(ringing, "Contact", call.contact()));
        } else {
            io.events.push_back(Event::EchoOffer { call: id, offer });
        }
        self.calls.insert(id, call);
    }

    /// The media peer's answer to the last offer of a call; `None` when there is none.
    pub(super) fn answer(&mut self, now: Instant, io: &mut Io, id: EchoId, answer: Option<String>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some((server, request)) = call.pending.take() else { return };
        let Some(answer) = answer else {
            io.respond(now, server, Response::to_request(&request, 488, None, Some(&call.local_tag)));
            if !call.established {
                self.end(io, id);
            }
            return;
        };
        let response = Response::to_request(&request, 200, None, Some(&call.local_tag));
        let response = with(with(response, "Contact", call.contact()), "Allow", ALLOW);
        let mut response = with(response, "Content-Type", SDP);
        for route in request.headers.get_all("Record-Route") {
            response = with(response, "Record-Route", route);
        }
        response.body = answer.into_bytes();
        io.respond(now, server, response.clone());
        let timers = Timers::default();
        let again = now + timers.t1;
        call.accepted =
            Some(Accepted { server, response, again, interval: timers.t1, give_up: now + timers.give_up() });
        call.established = true;
    }

    /// An ACK for a 2xx. False when it is for none of these calls.
    pub(super) fn on_ack(&mut self, request: &Request) -> bool {
        let Some(call) = self.find(request).and_then(|id| self.calls.get_mut(&id)) else { return false };
        call.accepted = None;
        true
    }

    /// A request within a call. False when it is within none of these.
    pub(super) fn in_dialog(
        &mut self,
        now: Instant,
        io: &mut Io,
        server: ServerKey,
        flow: Flow,
        request: &Request,
    ) -> bool {
        let Some(id) = self.find(request) else { return false };
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let sequence = request.cseq().map_or(0, |cseq| cseq.seq);
        if sequence <= call.remote_sequence {
            // RFC 3261 §12.2.2: out of order.
            io.reply(now, server, request, 500);
            return true;
        }
        call.remote_sequence = sequence;
        call.flow = flow;
        match request.method {
            Method::Bye => {
                io.reply(now, server, request, 200);
                call.refuse(now, io, 487);
                self.end(io, id);
            }
            Method::Invite if call.pending.is_some() || call.accepted.is_some() => {
                // §14.2: the one before is not finished.
                let busy = super::reply::reply(&mut io.random, request, 500);
                io.respond(now, server, with(busy, "Retry-After", "2"));
            }
            Method::Invite => match offer(request) {
                Ok(offer) => {
                    call.target = contact(request).or(call.target.take());
                    let mut pending = request.clone();
                    pending.body = Vec::new();
                    call.pending = Some((server, pending));
                    io.events.push_back(Event::EchoOffer { call: id, offer: offer.to_owned() });
                }
                Err(status) => io.reply(now, server, request, status),
            },
            Method::Options | Method::Info => {
                let response = super::reply::reply(&mut io.random, request, 200);
                io.respond(now, server, with(response, "Allow", ALLOW));
            }
            _ => {
                let response = super::reply::reply(&mut io.random, request, 405);
                io.respond(now, server, with(response, "Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO"));
            }
        }
        true
    }

    /// The phone cancels its INVITE. False when it is for none of these calls.
    pub(super) fn cancel(&mut self, now: Instant, io: &mut Io, server: ServerKey) -> bool {
        let Some(id) = self.waiting(server) else { return false };
        self.refuse(now, io, id, 487);
        true
    }

    /// Nobody waits for the answer to this INVITE any more.
    pub(super) fn on_server_failed(&mut self, io: &mut Io, server: ServerKey) {
        if let Some(id) = self.waiting(server) {
            self.end(io, id);
        }
    }

    /// The media peer of a call is gone: the call is hung up.
    pub(super) fn hang_up(&mut self, now: Instant, io: &mut Io, id: EchoId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.refuse(now, io, 480);
        if call.established
            && let Some(bye) = call.bye(io)
        {
            // An error says that there are too many transactions: the phone finds out by the silence.
            let _ = io.layer.request(now, call.flow, true, bye);
        }
        self.end(io, id);
    }

    /// Hangs up everything.
    pub(super) fn shutdown(&mut self, now: Instant, io: &mut Io) {
        while let Some(id) = self.calls.keys().next().copied() {
            self.hang_up(now, io, id);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, io: &mut Io) {
        let mut lost = Vec::new();
        let mut rang = Vec::new();
        for (&id, call) in &mut self.calls {
            if call.rings_until.is_some_and(|until| until <= now) {
                rang.push(id);
            }
            let Some(accepted) = &mut call.accepted else { continue };
            if accepted.give_up <= now {
                lost.push(id);
            } else if accepted.again <= now {
                io.respond(now, accepted.server, accepted.response.clone());
                accepted.interval = (accepted.interval * 2).min(Timers::default().t2);
                accepted.again = now + accepted.interval;
            }
        }
        for id in rang {
            self.refuse(now, io, id, 408);
        }
        for id in lost {
            // §13.3.1.4: the call exists, but nobody confirmed it.
            self.hang_up(now, io, id);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let of = |call: &Call| {
            let accepted = call.accepted.as_ref().map(|accepted| accepted.again.min(accepted.give_up));
            [call.rings_until, accepted].into_iter().flatten().min()
        };
        self.calls.values().filter_map(of).min()
    }

    /// Refuses the INVITE of a call that waits; a call that was established goes on.
    fn refuse(&mut self, now: Instant, io: &mut Io, id: EchoId, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.refuse(now, io, status);
        if !call.established {
            self.end(io, id);
        }
    }

    fn end(&mut self, io: &mut Io, id: EchoId) {
        if self.calls.remove(&id).is_some_and(|call| call.number == Number::Echo) {
            io.events.push_back(Event::EchoEnded { call: id });
        }
    }

    fn waiting(&self, server: ServerKey) -> Option<EchoId> {
        let waits = |call: &Call| call.pending.as_ref().is_some_and(|(key, _)| *key == server);
        self.calls.iter().find(|(_, call)| waits(call)).map(|(id, _)| *id)
    }

    /// The call that a request belongs to (RFC 3261 §12.2.2).
    fn find(&self, request: &Request) -> Option<EchoId> {
        let (to, from) = (request.to().ok()?, request.from().ok()?);
        let local = to.tag()?;
        let is_of = |call: &Call| {
            call.local_tag == local
                && call.remote_tag.as_deref() == from.tag()
                && call.invite.call_id() == request.call_id()
        };
        self.calls.iter().find(|(_, call)| is_of(call)).map(|(id, _)| *id)
    }
}

impl Call {
    /// Refuses an INVITE that still waits.
    fn refuse(&mut self, now: Instant, io: &mut Io, status: u16) {
        if let Some((server, request)) = self.pending.take() {
            io.respond(now, server, Response::to_request(&request, status, None, Some(&self.local_tag)));
        }
    }

    fn contact(&self) -> String {
        let user = if self.number == Number::Echo { "600" } else { "603" };
        format!("<sip:{user}@{DOMAIN};transport=ws>")
    }

    /// Our BYE; `None` when the phone gave nothing to send it to.
    fn bye(&self, io: &mut Io) -> Option<Request> {
        let mut bye = Request::new(Method::Bye, self.target.clone()?);
        let invite = &self.invite.headers;
        let headers = &mut bye.headers;
        for route in invite.get_all("Record-Route") {
            headers.push("Route", route).ok()?;
        }
        headers.push("Max-Forwards", "70").ok()?;
        headers.push("From", format!("{};tag={}", invite.get("To")?, self.local_tag)).ok()?;
        headers.push("To", invite.get("From")?).ok()?;
        headers.push("Call-ID", invite.call_id()).ok()?;
        headers.push("CSeq", "1 BYE").ok()?;
        push_via(&mut io.random, &mut bye)?;
        Some(bye)
    }
}

/// The offer of an INVITE; the status that refuses one without.
fn offer(request: &Request) -> Result<&str, u16> {
    let media_type = request.content_type().map(|value| value.split(';').next().unwrap_or(value).trim());
    match media_type {
        // An offer in the 200 is not made here: RFC 3261 §13.2.1 allows it, no browser needs it.
        _ if request.body.is_empty() => Err(488),
        Some(media_type) if media_type.eq_ignore_ascii_case(SDP) => std::str::from_utf8(&request.body).map_err(|_| 400),
        _ => Err(415),
    }
}

fn contact(request: &Request) -> Option<Uri> {
    request.contacts().into_iter().next().map(|contact| contact.uri)
}
