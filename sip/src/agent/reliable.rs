//! Provisional answers: sent, and made to arrive (RFC 3262). As the caller we acknowledge each, in order; as the one who
//! is called we send again what was not acknowledged.

use std::time::Duration;

use super::auth::Tried;
use super::compose::description;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::{Body, CallId, CallState, Cause, Ending, Offer};
use crate::message::{Request, Response};
use crate::scan::decimal;
use crate::transaction::{ClientKey, Flow, ServerKey};
use crate::value::check_text;
use crate::{Error, Event, Instant, Method};

/// The option tag of RFC 3262.
pub(super) const RELIABLE: &str = "100rel";

/// Provisional answers of one call that wait for the one before them to be acknowledged.
const MAX_WAITING: usize = 8;

/// Our reliable provisional answers to one INVITE.
#[derive(Debug, Clone)]
pub(crate) struct Reliable {
    /// The INVITE's number.
    invite: u32,
    /// `RSeq` of the last one.
    seq: u32,
    /// The last one, until its PRACK.
    running: Option<Running>,
    waiting: Vec<(u16, Option<Body>)>,
    /// One of them brought our session description: no other answer to this INVITE may (RFC 3261 §13.2.1).
    described: bool,
    /// The 200, which waits for the PRACK, or for the answer to a later offer.
    pub(super) answer: Option<Body>,
}

impl Reliable {
    /// Whether one of them has brought our description, and was acknowledged.
    pub(super) fn settled(&self) -> bool {
        self.described && !self.running.as_ref().is_some_and(|running| running.described)
    }

    /// Whether one of them has brought our description.
    pub(super) fn described(&self) -> bool {
        self.described
    }
}

#[derive(Debug, Clone)]
struct Running {
    payload: Vec<u8>,
    interval: Duration,
    /// It brings a session description.
    described: bool,
}

impl Agent {
    /// Tells the caller how its call goes: 180, or 183 with the session description of early media. It goes out reliably
    /// when the caller demands it, or when it can take that and there is a description.
    ///
    /// When the caller made an offer, `description` is its answer; it is repeated in [`Agent::answer`], which leaves it
    /// out where that is not allowed. When it made none, `description` is our offer, and [`Event::Answer`] follows.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered, and where our offer
    /// cannot go out like that or must and is not there; [`Error::Status`] outside 101 to 199; [`Error::TooLong`] for too
    /// many that wait; [`Error::Injection`] for a body type with control characters.
    pub fn progress(
        &mut self,
        now: Instant,
        call: CallId,
        status: u16,
        description: Option<Body>,
    ) -> Result<(), Error> {
        if !(101..200).contains(&status) {
            return Err(Error::Status(status));
        }
        check_text("body type", description.as_ref().map_or("", |body| &body.content_type))?;
        let of = self.incoming(call)?;
        let wrong = Error::WrongState { state: of.state.as_str() };
        let (Some(offer), Some(dialog)) = (&of.offer, &of.dialog) else { return Err(wrong) };
        let taken = |header: &str| self.identity.prack && offer.request.headers.lists(header, RELIABLE);
        let demanded = taken("Require");
        let reliable = demanded || (taken("Supported") && description.is_some());
        let first = of.reliable.is_none();
        // RFC 3261 §13.2.1: our offer stands in the first answer that is sure to arrive, and in no other.
        if offer.answer_in_ack && if reliable { first && description.is_none() } else { description.is_some() } {
            return Err(wrong);
        }
        if !reliable {
            let tag = dialog.local.tag().unwrap_or("");
            let response = self.identity.dialog_response(&offer.request, status, tag, description)?;
            let key = offer.key;
            return self.layer.respond(now, &key, response);
        }
        let invite = offer.request.cseq()?.seq;
        // RFC 3262 §3: "chosen uniformly between 1 and 2**31 - 1", where most of it is as good.
        let seq = self.entropy.below(1 << 30);
        let Some(of) = self.calls.get_mut(call) else { return Err(Error::UnknownCall) };
        let reliable = of.reliable.get_or_insert_with(|| {
            Box::new(Reliable { invite, seq, running: None, waiting: Vec::new(), described: false, answer: None })
        });
        if reliable.waiting.len() >= MAX_WAITING {
            return Err(Error::TooLong { what: "provisional answers", limit: MAX_WAITING });
        }
        reliable.waiting.push((status, description));
        self.send_provisional(now, call);
        Ok(())
    }

    /// Sends the next reliable provisional answer: one at a time (RFC 3262 §3).
    fn send_provisional(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (Some(offer), Some(dialog), Some(reliable)) = (&call.offer, &call.dialog, &mut call.reliable) else {
            return;
        };
        if reliable.running.is_some() || reliable.waiting.is_empty() {
            return;
        }
        let (status, body) = reliable.waiting.remove(0);
        let body = body.filter(|_| !reliable.described);
        let described = body.is_some();
        if let Some(body) = body.clone() {
            call.session.agree(offer.description.clone(), body);
        }
        let tag = dialog.local.tag().unwrap_or("");
        // The body's type was checked when it came.
        let Ok(mut response) = self.identity.dialog_response(&offer.request, status, tag, body) else { return };
        reliable.seq += 1;
        reliable.described |= described;
        response.headers.push_parsed("Require", RELIABLE.to_owned());
        response.headers.push_parsed("RSeq", reliable.seq.to_string());
        let interval = self.times.t1;
        reliable.running = Some(Running { payload: response.to_bytes(), interval, described });
        let key = offer.key;
        // Refused only when its connection took the transaction along.
        let _ = self.layer.respond(now, &key, response);
        self.timers.set(Timer::Provisional(id), now + interval);
        self.timers.set(Timer::PrackWait(id), now + self.times.give_up());
    }

    /// RFC 3262 §3: again after T1, then after twice as long each time.
    pub(super) fn resend_provisional(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (Some(offer), Some(running)) =
            (&call.offer, call.reliable.as_mut().and_then(|reliable| reliable.running.as_mut()))
        else {
            return;
        };
        running.interval = running.interval.saturating_mul(2);
        self.timers.set(Timer::Provisional(id), now + running.interval);
        let (flow, payload) = (offer.flow, running.payload.clone());
        self.layer.send_bytes(self.live_or_now(flow), payload);
    }

    /// No PRACK within 64·T1: "the UAS SHOULD reject the original request with a 5xx response" (RFC 3262 §3).
    pub(super) fn give_up_prack(&mut self, now: Instant, id: CallId) {
        self.refuse_offer(now, id, 504, None);
        self.finish(now, id, Ending::local(Cause::Network));
    }

    /// Nothing more is sent again: the INVITE has its final answer.
    pub(super) fn settle_provisionals(&mut self, id: CallId) {
        self.timers.stop(Timer::Provisional(id));
        self.timers.stop(Timer::PrackWait(id));
    }

    /// Whether the 200 has to wait: a provisional answer with a session description was not acknowledged yet (RFC 3262
    /// §3), or a later offer has no answer. Then it is kept until it may leave.
    pub(super) fn hold_answer(&mut self, id: CallId, answer: &Body) -> Result<bool, Error> {
        let Some(call) = self.calls.get_mut(id) else { return Ok(false) };
        let changes = call.changes_early();
        let Some(reliable) = call.reliable.as_mut() else { return Ok(false) };
        let waits = reliable.waiting.iter().any(|(_, body)| body.is_some());
        if !changes && !waits && !reliable.running.as_ref().is_some_and(|running| running.described) {
            return Ok(false);
        }
        check_text("body type", &answer.content_type)?;
        reliable.answer = Some(answer.clone());
        Ok(true)
    }

    /// Whether the 200 to the first INVITE goes without a session description: a reliable answer had it.
    pub(super) fn was_described(&mut self, id: CallId) -> bool {
        let reliable = self.calls.get_mut(id).and_then(|call| call.reliable.as_mut());
        reliable.is_some_and(|reliable| std::mem::take(&mut reliable.described))
    }

    /// A PRACK of the caller.
    pub(super) fn on_prack(
        &mut self,
        now: Instant,
        id: CallId,
        key: ServerKey,
        flow: Flow,
        request: &Request,
        tag: &str,
    ) {
        let named = request.headers.get("RAck").and_then(read_rack);
        let Some(call) = self.calls.get_mut(id) else { return };
        let running = match &mut call.reliable {
            Some(reliable) if named == Some((reliable.seq, reliable.invite)) => reliable.running.take(),
            _ => None,
        };
        let (Some(running), Some(reliable)) = (running, &mut call.reliable) else {
            // §3: "If the PRACK does not match … 481".
            return self.reply_status(now, key, request, 481, tag);
        };
        let body = description(&request.headers, &request.body);
        let ours = call.offer.as_ref().is_some_and(|offer| offer.answer_in_ack);
        match body {
            // It answers the offer that we made in place of the caller.
            Some(answer) if ours && running.described => {
                if let Some(offer) = &mut call.offer {
                    offer.answer_in_ack = false;
                }
                call.session.set_remote(answer.clone(), true);
                self.events.push_back(Event::Answer { call: id, answer });
            }
            // §5: the first exchange is over, this is the next.
            Some(offer) if reliable.described && !call.session.changes() && call.early_offer.is_none() => {
                call.early_offer = Some(Offer::new(key, flow, request.clone(), Some(offer.clone())));
                self.settle_provisionals(id);
                self.events.push_back(Event::Offer { call: id, offer: Some(offer) });
                return self.release(now, id);
            }
            // An offer while another one has no answer (RFC 3264 §4).
            Some(_) => {
                self.settle_provisionals(id);
                self.reply_status(now, key, request, 488, tag);
                return self.release(now, id);
            }
            None => {}
        }
        self.settle_provisionals(id);
        self.reply_status(now, key, request, 200, tag);
        self.release(now, id);
    }

    /// A PRACK of ours has its answer, or will have none: an offer that waited for that goes.
    pub(super) fn on_prack_done(&mut self, now: Instant, key: ClientKey, id: CallId) {
        self.pending.remove(key);
        if self.send_offer(now, id).is_err() {
            self.yield_offer(id);
        }
    }

    /// What had waited for a PRACK, or for an answer to a later offer, goes.
    pub(super) fn release(&mut self, now: Instant, id: CallId) {
        self.send_provisional(now, id);
        if self.send_offer(now, id).is_err() {
            self.yield_offer(id);
        }
        let Some(call) = self.calls.get_mut(id).filter(|call| !call.changes_early()) else { return };
        let answering = call.state == CallState::Answering;
        let Some(reliable) = call.reliable.as_mut().filter(|reliable| reliable.running.is_none()) else { return };
        if !answering {
            return;
        }
        if let Some(answer) = reliable.answer.take() {
            // Refused only when its connection took the transaction along: then the call is over.
            let _ = self.send_answer(now, id, answer);
        }
    }

    /// A provisional answer to our INVITE in one of its early dialogs. Whether it is to be looked at: not when it came
    /// before, and not before those that come before it (RFC 3262 §4).
    pub(super) fn acknowledge_provisional(
        &mut self,
        now: Instant,
        id: CallId,
        fork: usize,
        response: &Response,
    ) -> bool {
        let Some(rseq) = reliable_seq(response) else { return true };
        let Some(call) = self.calls.get_mut(id) else { return false };
        // §4: without a dialog there is nothing to send a PRACK in.
        let to = response.to().ok();
        let tag = to.as_ref().and_then(|to| to.tag());
        let Some(early) = call.early.get_mut(fork).filter(|early| early.remote.tag() == tag) else { return false };
        if early.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
            return false;
        }
        let Ok(cseq) = response.cseq() else { return false };
        early.rseq = Some(rseq);
        let mut request = early.request(Method::Prack);
        let rack = [&rseq.to_string(), " ", &cseq.seq.to_string(), " INVITE"].concat();
        request.headers.push_parsed("RAck", rack);
        // Without a connection it is sent again, and so is this.
        let _ = self.send_request(now, Pending { purpose: Purpose::Prack(id), request, tried: Tried::default() });
        true
    }

    /// Whether a call is answered, and its 200 waits for a PRACK.
    pub(super) fn holds_answer(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| call.state == CallState::Answering && call.offer.is_some())
    }
}

/// The number of a provisional answer that wants a PRACK.
fn reliable_seq(response: &Response) -> Option<u32> {
    let number = response.headers.get("RSeq").and_then(decimal)?;
    response.headers.lists("Require", RELIABLE).then(|| u32::try_from(number).ok())?
}

/// `RAck: 776656 1 INVITE` (RFC 3262 §7.2): which answer to which INVITE.
fn read_rack(value: &str) -> Option<(u32, u32)> {
    let mut words = value.split_ascii_whitespace();
    let mut number = || u32::try_from(decimal(words.next()?)?).ok();
    let named = (number()?, number()?);
    (words.next() == Some(Method::Invite.as_str()) && words.next().is_none()).then_some(named)
}
