//! Our own offers in a dialog that stands: re-INVITE and UPDATE, what comes back, and meeting an offer of the peer
//! (RFC 3261 §14, RFC 3311, RFC 6141).

use std::time::Duration;

use super::auth::Tried;
use super::compose::description;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::{Body, CallId, CallState, Cause, Direction};
use crate::message::Response;
use crate::session::Exchange;
use crate::transaction::{ClientKey, Failure, Flow};
use crate::value::check_text;
use crate::{Error, Event, Instant, Method};

/// Tries of one offer that meets offers of the peer every time.
const MAX_COLLISIONS: u8 = 8;

impl Agent {
    /// Offers a new session description to the other end of an established call (re-INVITE), or, while it still rings
    /// at either end and early media were agreed in a reliable answer, by UPDATE (RFC 3311). [`Event::Answer`] or
    /// [`Event::OfferFailed`] follows. Where a refresh of the session runs, or an ACK or a PRACK is due, the offer leaves
    /// right after it.
    ///
    /// A description whose first stream is `sendonly` or `inactive` puts the other end on hold once it has agreed
    /// (RFC 3264 §8.4): the call goes to [`CallState::Held`], and back with the next one that is not.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when the call cannot take one, and while another offer of ours or
    /// of the peer is open; [`Error::Injection`] for a body type with control characters; [`Error::NotConnected`].
    pub fn offer(&mut self, now: Instant, call: CallId, body: Body) -> Result<(), Error> {
        check_text("body type", &body.content_type)?;
        self.begin(now, call, Some(body))
    }

    /// Sends an UPDATE that changes nothing but where we are reached, and that shows whether the other end is still
    /// there. [`Event::OfferFailed`] follows if it is not answered by a 2xx.
    ///
    /// # Errors
    /// As [`Agent::offer`]; [`Error::WrongState`] also for a peer that does not allow UPDATE.
    pub fn update(&mut self, now: Instant, call: CallId) -> Result<(), Error> {
        self.begin(now, call, None)
    }

    fn begin(&mut self, now: Instant, id: CallId, body: Option<Body>) -> Result<(), Error> {
        let call = self.calls.get_mut(id).ok_or(Error::UnknownCall)?;
        let established = matches!(call.state, CallState::Active | CallState::Held) && call.dialog.is_some();
        let early = call.takes_early_update(body.is_some());
        let update = body.is_none() || !established;
        let allowed = (established || early) && (!update || call.session.allows(&Method::Update));
        if !allowed {
            return Err(Error::WrongState { state: call.state.as_str() });
        }
        if call.early_offer.is_some() || (established && call.offer.is_some()) {
            return Err(Error::WrongState { state: "offered" });
        }
        match &call.session.exchange {
            Some(running) if running.quiet && running.key.is_some() => {
                if call.session.next.is_some() {
                    return Err(Error::WrongState { state: "offering" });
                }
                call.session.next = body;
                return Ok(());
            }
            Some(waiting) if waiting.quiet => self.timers.stop(Timer::Glare(id)),
            Some(_) => return Err(Error::WrongState { state: "offering" }),
            None => {}
        }
        call.session.exchange = Some(Exchange { body, update, key: None, quiet: false, collisions: 0 });
        let sent = self.send_offer(now, id);
        if sent.is_err()
            && let Some(call) = self.calls.get_mut(id)
        {
            call.session.exchange = None;
        }
        self.drain(now);
        sent
    }

    /// Sends the offer that waits, once no other INVITE of the dialog runs (RFC 3261 §14.1).
    pub(super) fn send_offer(&mut self, now: Instant, id: CallId) -> Result<(), Error> {
        let Some(call) = self.calls.get_mut(id) else { return Ok(()) };
        let Some(exchange) = &call.session.exchange else { return Ok(()) };
        let waits = call.offer.is_some() && call.state != CallState::Incoming;
        let mut busy = call.unacknowledged.is_some() || call.early_offer.is_some() || waits;
        // RFC 3311 §5.1; and a PRACK that the UPDATE overtakes would be refused for its number (RFC 3261 §12.2.2).
        busy |= exchange.body.is_some() && call.awaits_prack();
        busy |= self.pending.find(|pending| pending.purpose == Purpose::Prack(id)).is_some();
        if exchange.key.is_some() || busy || self.timers.is_set(&Timer::Glare(id)) {
            return Ok(());
        }
        let (method, body) = (if exchange.update { Method::Update } else { Method::Invite }, exchange.body.clone());
        let Some(dialog) = call.dialog.as_mut().or(call.early.first_mut()) else { return Ok(()) };
        let mut request = dialog.request(method);
        self.identity.offer_contact(&mut request.headers);
        if let Some(expires) = call.session.expires {
            super::session_timer::ask(&mut request.headers, expires.interval, Some(expires.ours), call.session.min_se);
        }
        if let Some(body) = body {
            request.headers.push("Content-Type", body.content_type)?;
            request.body = body.bytes;
        }
        let pending = Pending { purpose: Purpose::Offer(id), request, tried: Tried::default() };
        let key = self.send_request(now, pending)?;
        self.set_offer_key(id, Some(key));
        Ok(())
    }

    pub(super) fn set_offer_key(&mut self, id: CallId, key: Option<ClientKey>) {
        if let Some(exchange) = self.calls.get_mut(id).and_then(|call| call.session.exchange.as_mut()) {
            exchange.key = key;
        }
    }

    /// 2xx to 6xx to our offer; each 2xx to INVITE, the same one again included, gets its ACK.
    pub(super) fn on_offer_answer(
        &mut self,
        now: Instant,
        key: ClientKey,
        flow: Flow,
        id: CallId,
        response: &Response,
    ) {
        let accepted = (200..300).contains(&response.status);
        let invite = self.layer.client_request(&key).is_some_and(|request| request.method == Method::Invite);
        if accepted && invite {
            if self.repeat_ack(key, flow, response) {
                return;
            }
            self.acknowledge_offer(key, flow, id, response);
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(exchange) = call.session.exchange.take_if(|exchange| exchange.key == Some(key)) else { return };
        if accepted {
            // RFC 3261 §12.2.1.2, RFC 3311 §5.4: the 2xx moves the target.
            if let Some(dialog) = call.dialog.as_mut().or(call.early.first_mut()) {
                dialog.refresh_target(response.contacts());
            }
            call.session.learn(&response.headers);
            self.session_agreed(now, id, &response.headers);
            self.on_offer_accepted(id, exchange, response);
            self.begin_next(now, id);
            return self.release(now, id);
        }
        match response.status {
            491 if exchange.collisions < MAX_COLLISIONS => {
                // RFC 3261 §14.1: who owns the Call-ID waits for 2.1 to 4 s, the other end for 0 to 2 s.
                let owner = call.direction == Direction::Outbound;
                let tens = if owner { 210 + self.entropy.below(191) } else { self.entropy.below(201) };
                let collisions = exchange.collisions + 1;
                call.session.exchange = Some(Exchange { key: None, collisions, ..exchange });
                self.timers.set(Timer::Glare(id), now + Duration::from_millis(u64::from(tens) * 10));
            }
            // §12.2.1.2: the other end knows nothing of this call, or is not there.
            481 | 408 if call.is_answered() => self.end_with_bye(now, id, Cause::Network),
            405 | 501 if exchange.quiet && exchange.update => {
                // It does not do UPDATE after all.
                call.session.forget_update();
                self.refresh_due(now, id);
            }
            status => {
                if exchange.quiet {
                    self.refresh_later(now, id);
                } else {
                    let reason = Some(response.reason.clone());
                    self.events.push_back(Event::OfferFailed { call: id, status: Some(status), reason });
                }
                self.begin_next(now, id);
                self.release(now, id);
            }
        }
    }

    fn on_offer_accepted(&mut self, id: CallId, exchange: Exchange, response: &Response) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(body) = exchange.body else { return };
        let Some(answer) = description(&response.headers, &response.body) else {
            // A 2xx without the answer that it owes.
            let reason = Some(response.reason.clone());
            return self.events.push_back(Event::OfferFailed { call: id, status: Some(response.status), reason });
        };
        let told = exchange.quiet && call.session.remote.as_ref() == Some(&answer);
        call.session.set_local(body, false);
        call.session.set_remote(answer.clone(), true);
        if !told {
            self.events.push_back(Event::Answer { call: id, answer });
        }
        self.tell_hold(id);
    }

    /// Our offer will not be answered.
    pub(super) fn on_offer_failed(&mut self, now: Instant, key: ClientKey, id: CallId, failure: Failure) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(exchange) = call.session.exchange.take_if(|exchange| exchange.key == Some(key)) else { return };
        if failure == Failure::Timeout && call.is_answered() {
            // RFC 3261 §12.2.1.2: no answer at all is as good as 481.
            return self.end_with_bye(now, id, Cause::Network);
        }
        // The connection took it along: the next one begins with an offer of its own.
        call.session.next = None;
        if exchange.quiet {
            self.refresh_later(now, id);
        } else {
            self.events.push_back(Event::OfferFailed { call: id, status: None, reason: None });
        }
        self.release(now, id);
    }

    /// The peer's offer was first: ours, if it waits, is given back.
    pub(super) fn yield_offer(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session.next = None;
        let Some(exchange) = call.session.exchange.take_if(|exchange| exchange.key.is_none()) else { return };
        self.timers.stop(Timer::Glare(id));
        if !exchange.quiet {
            self.events.push_back(Event::OfferFailed { call: id, status: Some(491), reason: None });
        }
    }

    /// Says what the descriptions in force say about hold.
    pub(super) fn tell_hold(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if !matches!(call.state, CallState::Active | CallState::Held) {
            return;
        }
        let (held, remote_held) = (call.session.held, call.session.remote_held);
        let news = std::mem::replace(&mut call.remote_held, remote_held) != remote_held;
        // From Active to Active is no move.
        let _ = self.shift(id, if held { CallState::Held } else { CallState::Active });
        if news {
            self.events.push_back(Event::RemoteHold { call: id, held: remote_held });
        }
    }

    fn begin_next(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let Some(body) = call.session.next.take() else { return };
        if self.begin(now, id, Some(body)).is_err() {
            self.events.push_back(Event::OfferFailed { call: id, status: None, reason: None });
        }
    }

    /// Sends the ACK of a 2xx to a later INVITE.
    fn acknowledge_offer(&mut self, key: ClientKey, flow: Flow, id: CallId, response: &Response) {
        let seq = response.cseq().map_or(0, |cseq| cseq.seq);
        match self.calls.get(id).and_then(|call| call.dialog.clone()) {
            Some(mut dialog) => {
                dialog.refresh_target(response.contacts());
                self.send_ack(key, flow, &dialog, seq);
            }
            // The call is over; the other end has its ACK all the same.
            None => drop(self.acknowledge(key, flow, response)),
        }
    }
}
