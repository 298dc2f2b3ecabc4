//! Offers before a call is answered: by UPDATE in the early dialog, of both ends, and by PRACK (RFC 3311 §5, RFC 3262 §5,
//! RFC 6337 §3.1).

use super::Agent;
use super::compose::description;
use crate::call::{Body, Call, CallId, CallState, Offer};
use crate::message::{Request, Response};
use crate::transaction::{Flow, ServerKey};
use crate::{Error, Event, Instant, Method};

impl Call {
    /// Whether an offer after the first one has no answer, of whichever end.
    pub(super) fn changes_early(&self) -> bool {
        self.early_offer.is_some() || self.session.changes()
    }

    /// Whether the INVITE of the peer has had no final answer.
    pub(super) fn is_called(&self) -> bool {
        self.state == CallState::Incoming || (self.state == CallState::Answering && self.offer.is_some())
    }

    /// Whether an UPDATE of ours may go out before the call is answered; with an offer only once a reliable answer to the
    /// INVITE has had a description (RFC 3311 §5.1).
    pub(super) fn takes_early_update(&self, offer: bool) -> bool {
        if self.state == CallState::Incoming {
            return !offer || self.reliable.as_ref().is_some_and(|reliable| reliable.described());
        }
        // To one phone, not to all that ring.
        match self.early.as_slice() {
            [only] if self.dialog.is_none() && self.state != CallState::Ending => {
                !offer || (only.rseq.is_some() && self.session.remote.is_some())
            }
            _ => false,
        }
    }

    /// Whether an UPDATE with an offer has to wait for the PRACK of the peer, which may bring the answer to our first one.
    pub(super) fn awaits_prack(&self) -> bool {
        let ours = self.offer.as_ref().is_some_and(|invite| invite.answer_in_ack);
        self.state == CallState::Incoming
            && (ours || !self.reliable.as_ref().is_some_and(|reliable| reliable.settled()))
    }

    /// What an UPDATE of the peer with an offer is refused with before the call is answered (RFC 3311 §5.2).
    fn refuses_early_offer(&self) -> Option<u16> {
        let reliable = self.reliable.as_ref();
        match &self.offer {
            _ if matches!(self.state, CallState::Ending | CallState::Ended) => Some(481),
            // "has received an offer … to which it has not yet generated an answer".
            _ if self.early_offer.is_some() => Some(500),
            // "has generated an offer … to which it has not yet received an answer".
            _ if self.session.changes() => Some(491),
            // The INVITE wants our offer, which is to come, or on its way.
            Some(invite) if invite.answer_in_ack => Some(491),
            // The INVITE's own offer. An answer in what may be lost is none.
            Some(_) if !reliable.is_some_and(|reliable| reliable.described()) => Some(500),
            Some(_) => None,
            None if self.session.remote.is_none() => Some(491),
            None => None,
        }
    }
}

impl Agent {
    /// An UPDATE with an offer before the call is answered. Owed: an answer, as to any [`Event::Offer`].
    pub(super) fn on_early_offer(
        &mut self,
        now: Instant,
        id: CallId,
        key: ServerKey,
        flow: Flow,
        request: Request,
        tag: &str,
    ) {
        if let Some(status) = self.calls.get(id).and_then(Call::refuses_early_offer) {
            let response = self.not_now(&request, status, tag);
            return self.reply(now, key, response);
        }
        if let Some(refusal) = self.too_short(&request, tag) {
            return self.reply(now, key, refusal);
        }
        self.yield_offer(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session.learn(&request.headers);
        let offer = description(&request.headers, &request.body);
        call.early_offer = Some(Offer::new(key, flow, request, offer.clone()));
        self.events.push_back(Event::Offer { call: id, offer });
    }

    /// One phone has answered our call: what was open with others is over.
    pub(super) fn leave_forks(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let winner = call.dialog.as_ref().and_then(|dialog| dialog.remote.tag());
        let theirs = call.early_offer.as_ref().and_then(|offer| offer.request.from().ok());
        let other = theirs.is_some_and(|from| from.tag() != winner);
        let ours = call.session.changes() && call.early.first().is_some_and(|early| early.remote.tag() != winner);
        call.early.clear();
        if ours {
            call.session.exchange = None;
            self.events.push_back(Event::OfferFailed { call: id, status: None, reason: None });
        }
        if other && self.answer_early(now, id, 487, None).is_ok() {
            self.events.push_back(Event::OfferWithdrawn { call: id });
        }
    }

    /// A refusal of an offer that comes at the wrong time.
    pub(super) fn not_now(&mut self, request: &Request, status: u16, tag: &str) -> Response {
        let mut response = self.identity.response(request, status, None, tag);
        if status == 500 {
            // RFC 3261 §14.2, RFC 3311 §5.2: "between 0 and 10 seconds", at random.
            response.headers.push_parsed("Retry-After", self.entropy.below(11).to_string());
        }
        response
    }

    /// Answers the UPDATE or PRACK that made an offer before the call was answered. `Ok(false)`: there is none.
    pub(super) fn answer_early(
        &mut self,
        now: Instant,
        id: CallId,
        status: u16,
        body: Option<Body>,
    ) -> Result<bool, Error> {
        let call = self.calls.get(id).ok_or(Error::UnknownCall)?;
        let Some(offer) = &call.early_offer else { return Ok(false) };
        let (key, request) = (offer.key, offer.request.clone());
        let tag = call.any_dialog().and_then(|dialog| dialog.local.tag()).unwrap_or("");
        let update = request.method == Method::Update;
        let mut response = if update && status < 300 {
            self.identity.dialog_response(&request, status, tag, body.clone())?
        } else {
            let mut response = self.identity.response(&request, status, None, tag);
            if let Some(body) = &body {
                response.headers.push("Content-Type", body.content_type.clone())?;
                response.body.clone_from(&body.bytes);
            }
            response
        };
        if update && status < 300 {
            self.agree(now, id, &request, &mut response);
        }
        self.layer.respond(now, &key, response)?;
        let Some(call) = self.calls.get_mut(id) else { return Ok(true) };
        let Some(offer) = call.early_offer.take() else { return Ok(true) };
        if let Some(ours) = body {
            call.session.agree(offer.description, ours);
        }
        if update && status < 300 {
            let from = request.from().ok();
            let tag = from.as_ref().and_then(|from| from.tag());
            let early = call.early.iter_mut().find(|early| early.remote.tag() == tag);
            if let Some(dialog) = call.dialog.as_mut().or(early) {
                dialog.refresh_target(request.contacts());
            }
        }
        self.tell_hold(id);
        self.release(now, id);
        self.drain(now);
        Ok(true)
    }
}
