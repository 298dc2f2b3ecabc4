//! What both ends of an established call do: hang up, wait for the ACK of a 2xx, change the session (RFC 3261 §13.3.1.4,
//! §14.2, §15).

use super::auth::Tried;
use super::compose::description;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::{Body, CallId, CallState, Cause, Ending, Offer, Unacknowledged};
use crate::message::{Request, Response};
use crate::transaction::{Failure, Flow, ServerKey};
use crate::value::check_text;
use crate::{Error, Event, Instant, Method};

impl Agent {
    /// Ends a call by CANCEL, BYE or refusal, whichever its state needs. [`Event::Ended`] follows when the other end has
    /// heard of it.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when it is ending already.
    pub fn hangup(&mut self, now: Instant, call: CallId) -> Result<(), Error> {
        let state = self.calls.get(call).ok_or(Error::UnknownCall)?.state;
        match state {
            CallState::Dialing | CallState::Ringing | CallState::Early => self.abandon(now, call, Cause::Cancelled),
            // 486, not 603: the user's other phones go on ringing.
            CallState::Incoming => return self.reject(now, call, 486, None),
            CallState::Answering if self.holds_answer(call) => {
                self.refuse_offer(now, call, 486, None);
                self.finish(now, call, Ending::local(Cause::LocalHangup));
            }
            CallState::Answering => {
                // §15: not before the ACK has come, or will come no more.
                self.shift(call, CallState::Ending)?;
                if let Some(call) = self.calls.get_mut(call) {
                    call.ending = Some(Ending::local(Cause::LocalHangup));
                }
            }
            CallState::Active | CallState::Held => self.end_with_bye(now, call, Cause::LocalHangup),
            CallState::Ending | CallState::Ended => return Err(Error::WrongState { state: state.as_str() }),
        }
        self.drain(now);
        Ok(())
    }

    /// As [`Agent::hangup`], and tells the other end why: the value of a `Reason` header (RFC 3326 §2), such as
    /// `SIP;cause=200;text="Call completed elsewhere"` or `Q.850;cause=16`. A call that is refused is so without it.
    ///
    /// # Errors
    /// As [`Agent::hangup`]; [`Error::Injection`] for a reason with control characters.
    pub fn hangup_with(&mut self, now: Instant, call: CallId, reason: &str) -> Result<(), Error> {
        check_text("Reason", reason)?;
        if let Some(call) = self.calls.get_mut(call) {
            call.reason = Some(reason.to_owned());
        }
        self.hangup(now, call)
    }

    /// Accepts the peer's [`Event::Offer`] with our answer (or our offer, when it made none).
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when no offer waits; [`Error::Injection`] for a body type with
    /// control characters.
    pub fn accept_offer(&mut self, now: Instant, call: CallId, answer: Body) -> Result<(), Error> {
        if self.answer_early(now, call, 200, Some(answer.clone()))? {
            return Ok(());
        }
        self.waiting_offer(call)?;
        self.send_answer(now, call, answer)?;
        self.drain(now);
        Ok(())
    }

    /// Refuses the peer's [`Event::Offer`]; the session stays as it was. 488 says that the media do not fit.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when no offer waits; [`Error::Status`] outside 300 to 699.
    pub fn reject_offer(&mut self, now: Instant, call: CallId, status: u16) -> Result<(), Error> {
        if !(300..700).contains(&status) {
            return Err(Error::Status(status));
        }
        if self.answer_early(now, call, status, None)? {
            return Ok(());
        }
        self.waiting_offer(call)?;
        self.refuse_offer(now, call, status, None);
        self.drain(now);
        Ok(())
    }

    /// Answers the INVITE that waits with 200 and begins to wait for the ACK; an UPDATE with 200, and that is all.
    pub(super) fn send_answer(&mut self, now: Instant, id: CallId, body: Body) -> Result<(), Error> {
        let body = Some(body).filter(|_| !self.was_described(id));
        let call = self.calls.get_mut(id).ok_or(Error::UnknownCall)?;
        let wrong = Error::WrongState { state: call.state.as_str() };
        let (Some(offer), Some(dialog)) = (&call.offer, call.any_dialog()) else { return Err(wrong) };
        let tag = dialog.local.tag().unwrap_or("");
        let mut response = self.identity.dialog_response(&offer.request, 200, tag, body.clone())?;
        let (key, request, seq) = (offer.key, offer.request.clone(), offer.request.cseq()?.seq);
        let (call_is_new, automatic) = (!call.is_answered(), call.automatic);
        if call_is_new {
            answer_mode(&request, automatic, &mut response);
        }
        self.agree(now, id, &request, &mut response);
        let payload = response.to_bytes();
        self.layer.respond(now, &key, response)?;
        let Some(call) = self.calls.get_mut(id) else { return Ok(()) };
        if let Some(dialog) = &mut call.dialog {
            // RFC 3261 §12.2.2, RFC 3311 §5.2: the peer's target moves when its request is accepted.
            dialog.refresh_target(request.contacts());
        }
        let Some(offer) = call.offer.take() else { return Ok(()) };
        let mut offered = body;
        if !offer.answer_in_ack
            && let Some(ours) = offered.take()
        {
            call.session.agree(offer.description, ours);
        }
        if request.method == Method::Update {
            self.tell_hold(id);
            return Ok(());
        }
        let interval = self.times.t1;
        call.unacknowledged = Some(Unacknowledged { flow: offer.flow, payload, seq, interval, offered });
        self.settle_provisionals(id);
        self.timers.set(Timer::Resend(id), now + interval);
        self.timers.set(Timer::AckWait(id), now + self.times.give_up());
        Ok(())
    }

    /// Answers the INVITE or UPDATE that waits with a refusal.
    pub(super) fn refuse_offer(&mut self, now: Instant, id: CallId, status: u16, reason: Option<&str>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let (Some(offer), Some(dialog)) = (call.offer.take(), call.any_dialog()) else { return };
        let response = self.identity.response(&offer.request, status, reason, dialog.local.tag().unwrap_or(""));
        // Refused only when its connection took the transaction along.
        let _ = self.layer.respond(now, &offer.key, response);
    }

    /// §13.3.1.4: the 2xx goes out again, first after T1, then twice as long each time up to T2, on every transport.
    pub(super) fn resend_answer(&mut self, now: Instant, id: CallId) {
        let Some(answer) = self.calls.get_mut(id).and_then(|call| call.unacknowledged.as_mut()) else { return };
        answer.interval = answer.interval.saturating_mul(2).min(self.times.t2);
        self.timers.set(Timer::Resend(id), now + answer.interval);
        let (flow, payload) = (answer.flow, answer.payload.clone());
        self.layer.send_bytes(self.live_or_now(flow), payload);
    }

    /// §13.3.1.4: no ACK within 64·T1, so the session is ended by BYE.
    pub(super) fn give_up_ack(&mut self, now: Instant, id: CallId) {
        self.forget_answer(id);
        self.end_with_bye(now, id, Cause::Network);
    }

    /// The ACK of a 2xx.
    pub(super) fn on_ack(&mut self, now: Instant, request: &Request) {
        let (Some(id), Ok(cseq)) = (self.find_call(request), request.cseq()) else {
            self.counters.stray += 1;
            return;
        };
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(answered) = call.unacknowledged.take_if(|answer| answer.seq == cseq.seq) else {
            // Of a 2xx that has had its ACK.
            return;
        };
        self.forget_answer(id);
        let answer = description(&request.headers, &request.body).filter(|_| answered.offered.is_some());
        if let (Some(ours), Some(theirs), Some(call)) = (answered.offered, &answer, self.calls.get_mut(id)) {
            call.session.set_local(ours, false);
            call.session.set_remote(theirs.clone(), true);
        }
        match self.calls.get(id).map(|call| call.state) {
            Some(CallState::Answering) if self.shift(id, CallState::Active).is_ok() => {
                self.events.push_back(Event::Answered { call: id, answer, fork: 0 });
                self.take_place(now, id);
            }
            // Hung up while the ACK was on its way.
            Some(CallState::Ending) => self.send_bye(now, id),
            _ => {
                if let Some(answer) = answer {
                    self.events.push_back(Event::Answer { call: id, answer });
                }
            }
        }
        self.tell_hold(id);
        if self.send_offer(now, id).is_err() {
            self.yield_offer(id);
        }
    }

    /// Ends an established call.
    pub(super) fn end_with_bye(&mut self, now: Instant, id: CallId, cause: Cause) {
        // A call that is Ending already only lacked its BYE.
        let _ = self.shift(id, CallState::Ending);
        self.refuse_offer(now, id, 487, None);
        let _ = self.answer_early(now, id, 487, None);
        self.forget_answer(id);
        if let Some(call) = self.calls.get_mut(id) {
            call.ending.get_or_insert(Ending::local(cause));
        }
        self.send_bye(now, id);
    }

    /// Sends BYE, or leaves it to the next connection.
    pub(super) fn send_bye(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(dialog) = call.dialog.as_mut() else { return };
        let mut request = dialog.request(Method::Bye);
        if let Some(reason) = &call.reason {
            request.headers.push_parsed("Reason", reason.clone());
        }
        let waited = call.owes_bye;
        let sent =
            self.send_request(now, Pending { purpose: Purpose::Bye(Some(id)), request, tried: Tried::default() });
        if let Some(call) = self.calls.get_mut(id) {
            call.owes_bye = sent.is_err();
        }
        match sent {
            Ok(_) => self.timers.stop(Timer::Owed(id)),
            Err(_) if waited => {}
            Err(_) => self.timers.set(Timer::Owed(id), now + self.times.give_up()),
        }
    }

    /// The peer has answered our BYE, or never will: over in either case (§15.1.1).
    pub(super) fn on_bye_done(&mut self, now: Instant, id: Option<CallId>) {
        if let Some(id) = id {
            self.finish(now, id, Ending::local(Cause::LocalHangup));
        }
    }

    /// The connection took an INVITE along that we had not answered.
    pub(super) fn on_server_failed(&mut self, now: Instant, key: ServerKey, failure: Failure) {
        if failure == Failure::Transport && self.wait_to_ring(now, key) {
            return;
        }
        let is = |offer: &Option<Offer>| offer.as_ref().is_some_and(|offer| offer.key == key);
        let Some(id) = self.calls.find(|call| is(&call.offer) || is(&call.early_offer)) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if is(&call.offer) {
            return self.withdraw(now, id, Ending::local(Cause::Network));
        }
        call.early_offer = None;
        self.events.push_back(Event::OfferWithdrawn { call: id });
        self.release(now, id);
    }

    /// The INVITE that waited for our answer is over: with the call, or without it when it was a later one.
    pub(super) fn withdraw(&mut self, now: Instant, id: CallId, ending: Ending) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.offer = None;
        if matches!(call.state, CallState::Incoming | CallState::Answering) {
            self.finish(now, id, ending);
        } else {
            self.events.push_back(Event::OfferWithdrawn { call: id });
        }
    }

    /// A later INVITE in the dialog of a call, or an UPDATE with an offer (§14.2, RFC 3311 §5.2).
    pub(super) fn on_reinvite(
        &mut self,
        now: Instant,
        id: CallId,
        key: ServerKey,
        flow: Flow,
        request: Request,
        tag: &str,
    ) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let refusal = match call.state {
            // BYE is under way: for us the dialog is over.
            CallState::Ending | CallState::Ended => 481,
            // "before it has sent the final response to a first INVITE": 500 with Retry-After.
            _ if call.offer.is_some() || call.early_offer.is_some() => 500,
            // Our own offer is open in a 2xx without its ACK: 491, as if an INVITE of ours were.
            _ if call.unacknowledged.is_some() => 491,
            // §14.2: an offer of ours is under way. Theirs is not handed on.
            _ if call.session.changes() => 491,
            CallState::Active | CallState::Held => 0,
            _ => 491,
        };
        if refusal != 0 {
            let response = self.not_now(&request, refusal, tag);
            return self.reply(now, key, response);
        }
        if let Some(refusal) = self.too_short(&request, tag) {
            return self.reply(now, key, refusal);
        }
        self.yield_offer(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session.learn(&request.headers);
        let offer = description(&request.headers, &request.body);
        call.offer = Some(Offer::new(key, flow, request, offer.clone()));
        self.events.push_back(Event::Offer { call: id, offer });
    }

    /// An UPDATE (RFC 3311 §5.2), also before the call is answered.
    pub(super) fn on_update(
        &mut self,
        now: Instant,
        id: CallId,
        key: ServerKey,
        flow: Flow,
        request: Request,
        tag: &str,
    ) {
        if description(&request.headers, &request.body).is_some() {
            let early = self.calls.get(id).is_some_and(|call| call.dialog.is_none() || call.is_called());
            return match early {
                true => self.on_early_offer(now, id, key, flow, request, tag),
                false => self.on_reinvite(now, id, key, flow, request, tag),
            };
        }
        if let Some(refusal) = self.too_short(&request, tag) {
            return self.reply(now, key, refusal);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session.learn(&request.headers);
        if let Some(dialog) = call.dialog.as_mut() {
            dialog.refresh_target(request.contacts());
        }
        // No body, no injection: the headers are ours.
        let Ok(mut response) = self.identity.dialog_response(&request, 200, tag, None) else { return };
        self.agree(now, id, &request, &mut response);
        self.reply(now, key, response);
    }

    fn waiting_offer(&self, id: CallId) -> Result<(), Error> {
        let call = self.calls.get(id).ok_or(Error::UnknownCall)?;
        // The first one is answered and refused with the call.
        let waits = call.offer.is_some() && !call.is_called();
        if waits { Ok(()) } else { Err(Error::WrongState { state: call.state.as_str() }) }
    }

    fn forget_answer(&mut self, id: CallId) {
        self.timers.stop(Timer::Resend(id));
        self.timers.stop(Timer::AckWait(id));
        if let Some(call) = self.calls.get_mut(id) {
            call.unacknowledged = None;
        }
    }
}

/// Tells a caller that asked for an automatic answer, or for none, which it got (RFC 5373 §4.5).
fn answer_mode(invite: &Request, automatic: bool, response: &mut Response) {
    for name in ["Answer-Mode", "Priv-Answer-Mode"] {
        if invite.headers.get(name).is_some() {
            let mode = if automatic { "Auto" } else { "Manual" };
            response.headers.push_parsed(name, mode.to_owned());
        }
    }
}
