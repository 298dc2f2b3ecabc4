//! Calls that we make: INVITE, what it brings back, and giving it up (RFC 3261 §9.1, §13.2).

use super::auth::Tried;
use super::compose::{add_options, asserted, description};
use super::info::note_packages;
use super::redirect::Redirects;
use super::{Acknowledged, Agent, CallOptions, MAX_ACKS, Pending, Purpose, Timer};
use crate::call::{Body, Call, CallId, CallState, Cause, Direction, Ending};
use crate::dialog::Dialog;
use crate::message::Response;
use crate::session::Session;
use crate::transaction::{ClientKey, Flow};
use crate::{Error, Event, Instant, Method, NameAddr};

/// Early dialogs of one call; a proxy that forks to more phones gets no ring-back from the rest.
const MAX_FORKS: usize = 16;

impl Agent {
    /// Calls `target`: `600`, `sip:600@example.com`, `tel:+7…`, `"A" <sip:…>`.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Injection`] for a target, body type or header that cannot be sent,
    /// [`Error::Reserved`] for a header that the agent writes itself, [`Error::NotConnected`], [`Error::TooLong`] for too
    /// many calls or transactions and for a target of more than 1,024 bytes.
    pub fn call(&mut self, now: Instant, target: &str, offer: Body, options: CallOptions) -> Result<CallId, Error> {
        let to = self.identity.target(target)?;
        self.place(now, to, offer, options, Vec::new())
    }

    /// The same, with headers of the agent's own.
    pub(super) fn place(
        &mut self,
        now: Instant,
        to: NameAddr,
        offer: Body,
        options: CallOptions,
        headers: Vec<(&'static str, String)>,
    ) -> Result<CallId, Error> {
        if self.calls.len() >= self.max_calls {
            return Err(Error::TooLong { what: "calls", limit: self.max_calls });
        }
        let (sip_call_id, tag) = (self.entropy.token(), self.entropy.token());
        let mut request = self.identity.request(Method::Invite, to.uri.clone(), &to, &sip_call_id, &tag, 1);
        self.identity.offer_contact(&mut request.headers);
        if let Some(interval) = self.session_expires {
            super::session_timer::ask(&mut request.headers, interval, None, None);
        }
        for (name, value) in headers {
            request.headers.push(name, value)?;
        }
        let redirects = (options.redirects > 0).then(|| Redirects::new(options.redirects, to.uri.clone()));
        self.identity.add_wishes(&mut request, &options, &tag)?;
        add_options(&mut request, options)?;
        let session = Session::offering(offer.clone());
        request.headers.push("Content-Type", offer.content_type)?;
        request.body = offer.bytes;
        let id = CallId(self.take_id());
        let pending = Pending { purpose: Purpose::Invite(id), request, tried: Tried::default() };
        let key = self.send_request(now, pending)?;
        let mut call = Call::new(id, sip_call_id, Direction::Outbound, to.into());
        call.flow = self.flow;
        call.session = session;
        call.invite = Some(key);
        call.redirects = redirects;
        self.calls.insert(id, call);
        self.timers.set(Timer::Ring(id), now + self.ring_timeout);
        Ok(id)
    }

    /// Gives up a call that is not answered: CANCEL, once a provisional answer allows it.
    pub(super) fn abandon(&mut self, now: Instant, id: CallId, cause: Cause) {
        let Some(key) = self.calls.get(id).and_then(|call| call.invite) else { return };
        if self.shift(id, CallState::Ending).is_err() {
            return;
        }
        self.timers.stop(Timer::Ring(id));
        let mut reason = None;
        if let Some(call) = self.calls.get_mut(id) {
            call.ending = Some(Ending::local(cause));
            reason = call.reason.take();
        }
        // Refused when the INVITE's transaction is over already: then nothing more is to come.
        if self.layer.cancel(now, &key, reason.as_deref()).is_err() {
            self.finish(now, id, Ending::local(cause));
        }
    }

    /// 1xx and 2xx to our INVITE. The call may be over: a 2xx is acknowledged all the same.
    pub(super) fn on_invite_progress(
        &mut self,
        now: Instant,
        key: ClientKey,
        flow: Flow,
        id: CallId,
        response: &Response,
    ) {
        match response.status {
            100 => {}
            101..=199 => self.on_provisional(now, key, id, response),
            _ => self.on_invite_accepted(now, key, flow, id, response),
        }
    }

    fn on_provisional(&mut self, now: Instant, key: ClientKey, id: CallId, response: &Response) {
        let Some(invite) = self.layer.client_request(&key) else { return };
        let Some(call) = self.calls.get_mut(id) else { return };
        if call.state == CallState::Ending || call.dialog.is_some() {
            return;
        }
        // RFC 3261 §12.1: a To tag makes an early dialog; each phone that the call was forked to has its own.
        let Ok(dialog) = Dialog::of_response(invite, response) else { return };
        let fork = match call.early.iter().position(|early| early.remote.tag() == dialog.remote.tag()) {
            Some(fork) => fork,
            None if dialog.remote.tag().is_none() => 0,
            None if call.early.len() >= MAX_FORKS => return,
            None => {
                call.early.push(dialog);
                call.early.len() - 1
            }
        };
        if !self.acknowledge_provisional(now, id, fork, response) {
            return;
        }
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Some(remote) = asserted(&response.headers) {
            call.remote = remote;
            call.facts.asserted = true;
        }
        note_packages(call, &response.headers);
        call.session.learn(&response.headers);
        let answer = description(&response.headers, &response.body);
        if let Some(answer) = answer.clone() {
            call.session.set_remote(answer, true);
        }
        let next = match (answer.is_some(), response.status) {
            (true, _) => Some(CallState::Early),
            (false, 180) => Some(CallState::Ringing),
            (false, _) => None,
        };
        if let Some(next) = next {
            // Ringing after early media, or early media twice, is no move.
            let _ = self.shift(id, next);
        }
        let fork = u32::try_from(fork).unwrap_or(u32::MAX);
        self.events.push_back(Event::Progress { call: id, status: response.status, answer, fork });
        self.tell_transferor(now, id, response.status, &response.reason);
    }

    fn on_invite_accepted(&mut self, now: Instant, key: ClientKey, flow: Flow, id: CallId, response: &Response) {
        if self.repeat_ack(key, flow, response) {
            return;
        }
        let Some(mut dialog) = self.acknowledge(key, flow, response) else { return };
        let same = |call: &Call| call.dialog.as_ref().is_some_and(|own| own.remote.tag() == dialog.remote.tag());
        if self.calls.get(id).is_some_and(same) {
            // The call's own 2xx again, after its ACK was forgotten for those of many later calls.
            return;
        }
        let waits = self.calls.get(id).is_some_and(|call| call.dialog.is_none() && call.invite == Some(key));
        let Some(call) = self.calls.get_mut(id).filter(|_| waits) else {
            // Another phone was faster, or we have hung up: this one has a dialog of its own, and only that one ends.
            return self.dismiss(now, dialog);
        };
        let fork = call.early.iter().position(|early| early.remote.tag() == dialog.remote.tag());
        let fork = u32::try_from(fork.unwrap_or(call.early.len())).unwrap_or(u32::MAX);
        if let Some(early) = call.early.iter().find(|early| early.remote.tag() == dialog.remote.tag()) {
            // §13.2.2.4: the numbers of requests go on.
            dialog.local_seq = dialog.local_seq.max(early.local_seq);
            dialog.remote_seq = early.remote_seq;
        }
        note_packages(call, &response.headers);
        call.session.learn(&response.headers);
        call.dialog = Some(dialog);
        self.leave_forks(now, id);
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Some(remote) = asserted(&response.headers) {
            call.remote = remote;
            call.facts.asserted = true;
        }
        self.timers.stop(Timer::Ring(id));
        // §9.1: CANCEL came too late; §15: the session that was made is ended by BYE.
        if self.shift(id, CallState::Active).is_err() {
            return self.send_bye(now, id);
        }
        let answer = description(&response.headers, &response.body);
        self.tell_transferor(now, id, response.status, &response.reason);
        if let (Some(answer), Some(call)) = (answer.clone(), self.calls.get_mut(id)) {
            call.session.set_remote(answer, true);
        }
        self.session_agreed(now, id, &response.headers);
        self.events.push_back(Event::Answered { call: id, answer, fork });
        self.tell_hold(id);
    }

    /// 3xx to 6xx, after credentials were tried.
    pub(super) fn on_invite_refused(&mut self, now: Instant, id: CallId, response: &Response) {
        self.finish(
            now,
            id,
            Ending {
                cause: Cause::from_status(response.status),
                status: Some(response.status),
                reason: Some(response.reason.clone()),
            },
        );
    }

    /// §13.2.2.4: the same 2xx again means that the ACK was lost. Whether it was sent again, or cannot be.
    pub(super) fn repeat_ack(&mut self, key: ClientKey, flow: Flow, response: &Response) -> bool {
        let Ok(to) = response.to() else { return true };
        let known = |ack: &&Acknowledged| ack.invite == key && ack.to_tag.as_deref() == to.tag();
        let Some(ack) = self.acks.iter().find(known) else { return false };
        let (flow, payload) = (self.live_or_now(flow), ack.payload.clone());
        self.layer.send_bytes(flow, payload);
        true
    }

    /// Sends the ACK of a 2xx, keeps it for the next time, and makes the dialog.
    pub(super) fn acknowledge(&mut self, key: ClientKey, flow: Flow, response: &Response) -> Option<Dialog> {
        let invite = self.layer.client_request(&key)?;
        let dialog = Dialog::of_response(invite, response).ok()?;
        self.send_ack(key, flow, &dialog, dialog.local_seq);
        Some(dialog)
    }

    /// Sends the ACK of a 2xx to the INVITE with that number, and keeps it for the next time.
    pub(super) fn send_ack(&mut self, key: ClientKey, flow: Flow, dialog: &Dialog, seq: u32) {
        let Some(invite) = self.layer.client_request(&key) else { return };
        let mut ack = dialog.numbered(Method::Ack, seq);
        // RFC 3261 §22.1: an ACK cannot be challenged, it carries what the INVITE did.
        for name in ["Authorization", "Proxy-Authorization"] {
            for value in invite.headers.get_all(name) {
                ack.headers.push_parsed(name, value.to_owned());
            }
        }
        if self.identity.stamp(&mut ack, &mut self.entropy).is_err() {
            return;
        }
        let payload = ack.to_bytes();
        // The connection of the INVITE may be gone.
        self.layer.send_bytes(self.live_or_now(flow), payload.clone());
        if self.acks.len() >= MAX_ACKS {
            self.acks.remove(0);
        }
        let to_tag = dialog.remote.tag().map(str::to_owned);
        self.acks.push(Acknowledged { invite: key, to_tag, payload });
    }

    fn dismiss(&mut self, now: Instant, mut dialog: Dialog) {
        let request = dialog.request(Method::Bye);
        // Without a connection the other phone finds out by itself.
        let _ = self.send_request(now, Pending { purpose: Purpose::Bye(None), request, tried: Tried::default() });
    }
}
