//! What `sip` and the media report of calls, and what follows from it.

use soft_phone_sip::{self as sip, Body, CallId, Instant};
use wasm_bindgen::JsValue;

use super::calls::{BUSY, MOST, NOT_ACCEPTABLE};
use super::lines::REQUEST_PENDING;
use super::output::Output;
use super::phone::Phone;
use crate::failure::Failure;
use crate::media::{Report, Session};
use crate::names;
use crate::state::{CallState, Cause, Direction, Problem, Remote};

impl Phone {
    // What `sip` says.

    pub(super) fn on_incoming(&mut self, now: Instant, call: CallId, offer: Option<Body>) {
        let Some(known) = self.agent.as_ref().and_then(|agent| agent.get(call)) else { return };
        let told = known.facts();
        // RFC 3323 §4: who does not want to be known is not shown, even where the network says who it is.
        let remote = if told.privacy { Remote::default() } else { Remote::from(known.remote()) };
        let forwarded_by = told.diversion.first().map(Remote::from);
        let (replaces, after) = (known.replaces().is_some(), told.auto_answer.unwrap_or_default());
        let sip_call_id = known.sip_call_id().to_owned();
        let key = self.add(Some(call), Direction::Inbound, CallState::Incoming, remote, sip_call_id);
        if let Some(entry) = self.entry(key) {
            let by = forwarded_by.map(|by| if by.name.is_empty() { by.number } else { by.name });
            entry.shared.facts.borrow_mut().forwarded_by = by;
        }
        if self.calls.len() > MOST {
            self.refuse_unseen(call, BUSY);
            return;
        }
        if self.has_flag(names::DO_NOT_DISTURB) && !replaces {
            // Not 480: the caller's network may look for other ways to ring who is not there.
            if let Some(entry) = self.entry(key) {
                entry.verdict = Some((Cause::Busy, None));
            }
            return self.with_agent(|agent| agent.reject(now, call, BUSY, None));
        }
        if !self.prepare(key, offer) {
            return;
        }
        let Some(object) = self.entry(key).map(|entry| entry.object.clone()) else { return };
        // Never into a conversation: what is said there is not for the next caller.
        let alone = self.has_flag(names::AUTO_ANSWER) && self.calls.len() == 1;
        if alone && !after.is_zero() {
            // The caller may ask for a pause (RFC 5373); it cannot open a microphone that the page keeps shut.
            if let Some(entry) = self.entry(key) {
                entry.answer_at = Some(now + after);
            }
        }
        // RFC 3891 §3: who takes the place of a call that stands does not ring.
        let answer = replaces || (alone && after.is_zero());
        self.report_move(key, None, CallState::Incoming);
        self.outputs.push_back(Output::Incoming { call: object, answer: answer.then_some(key) });
    }

    /// Makes a call that rings ready to be answered; false when there can be no media.
    pub(super) fn prepare(&mut self, key: u64, offer: Option<Body>) -> bool {
        let media = self
            .driver_settings()
            .map(|settings| Session::ring(&settings, offer.map(text_of), self.media_reports(key)));
        let Some(entry) = self.entry(key) else { return false };
        match media {
            Some(Ok(session)) => entry.media = Some(session),
            Some(Err(problem)) => self.fail(key, Some(problem)),
            None => self.fail(key, None),
        }
        self.entry(key).is_some_and(|entry| entry.media.is_some())
    }

    pub(super) fn on_progress(&mut self, call: CallId, fork: u32, answer: Option<Body>) {
        if let (Some(answer), Some(media)) = (answer, self.media(call)) {
            media.progress(fork, text_of(answer));
        }
    }

    pub(super) fn on_answered(&mut self, now: Instant, call: CallId, fork: u32, answer: Option<Body>) {
        if self.on_taken_over(now, call, answer.as_ref()) {
            return;
        }
        let outbound = self.agent.as_ref().and_then(|agent| agent.get(call)).map(sip::Call::direction)
            == Some(Direction::Outbound);
        // Inbound: only when our 200 made the offer does the ACK bring an answer.
        if let Some(media) = self.media(call).filter(|_| outbound || answer.is_some()) {
            media.answered(fork, answer.map(text_of));
        }
    }

    /// Our call goes elsewhere: what the phones so far have answered is void.
    pub(super) fn on_redirected(&mut self, call: CallId, target: sip::Uri) {
        if let Some(media) = self.media(call) {
            media.forget_answers();
        }
        let Some(entry) = self.calls.iter().find(|entry| entry.sip == Some(call)) else { return };
        entry.shared.facts.borrow_mut().remote = Remote::from(&sip::Remote { uri: target, display_name: None });
        let (key, state) = (entry.key, entry.state());
        self.tell_change(key, state);
    }

    pub(super) fn on_offer(&mut self, now: Instant, call: CallId, offer: Option<Body>) {
        if self.is_taken_over(call) {
            return self.with_agent(|agent| agent.reject_offer(now, call, REQUEST_PENDING));
        }
        match self.media(call) {
            Some(media) => media.renew(offer.map(text_of)),
            None => self.with_agent(|agent| agent.reject_offer(now, call, NOT_ACCEPTABLE)),
        }
    }

    pub(super) fn on_answer(&mut self, call: CallId, answer: Body) {
        if self.is_of_the_past(call) {
            return;
        }
        if let Some(media) = self.media(call) {
            media.renewed(text_of(answer));
        }
    }

    pub(super) fn on_state(&mut self, call: CallId, state: CallState) {
        let Some(entry) = self.calls.iter().find(|entry| entry.sip == Some(call)) else { return };
        // The end is told when it is complete, with its cause; a call that was taken up is what it was before.
        if state != CallState::Ended && !(entry.repair.anew && state == CallState::Active) {
            let key = entry.key;
            self.move_to(key, state);
        }
    }

    pub(super) fn on_ended(
        &mut self,
        now: Instant,
        call: CallId,
        cause: Cause,
        status: Option<u16>,
        reason: Option<String>,
    ) {
        if self.on_takeover_ended(now, call) {
            return;
        }
        if let Some(key) = self.key_of_sip(call) {
            self.finish(now, key, cause, status, reason);
        }
    }

    // What the media say.

    pub(super) fn handle_media(&mut self, now: Instant, key: u64, report: Report) {
        let Some(entry) = self.entry(key) else { return };
        match report {
            Report::Description(sdp) => {
                let local = entry.media.as_ref().and_then(Session::local_stream);
                entry.shared.local.replace(local);
                // The user has said yes: from now on nothing waits for the prompt, and devices have names.
                if !std::mem::replace(&mut self.granted, true)
                    && let Some(driver) = self.me.upgrade()
                {
                    driver.list_devices();
                }
                self.send(now, key, sdp);
            }
            Report::Renewed(sdp) => {
                let Some(call) = entry.sip else { return };
                self.with_agent(|agent| match sdp {
                    Some(sdp) => agent.accept_offer(now, call, Body::sdp(sdp)),
                    None => agent.reject_offer(now, call, NOT_ACCEPTABLE),
                });
            }
            Report::Offer(sdp) => self.on_offer_made(now, key, sdp),
            Report::Settled => self.on_settled(key),
            Report::Remote(stream) => {
                entry.shared.remote.replace(Some(stream));
                self.remix();
            }
            Report::Candidate(candidate) => self.on_candidate(now, key, candidate),
            Report::Path(path) => self.on_path(now, key, path),
            Report::Failed(problem) => self.fail_at(now, key, problem),
            Report::SoundBlocked => self.block_sound(true),
            Report::Playing => self.block_sound(false),
            Report::TonesSent => {
                for promise in std::mem::take(&mut entry.tones) {
                    self.settle(promise, Ok(JsValue::UNDEFINED));
                }
            }
            Report::Sample(sample) => self.take_sample(key, sample),
            Report::Microphone => {
                let local = entry.media.as_ref().and_then(Session::local_stream);
                entry.shared.local.replace(local);
                self.notice.take_if(|notice| notice.is_of_microphone());
                self.remix();
            }
            // The call goes on all the same: the user hears, and can still allow it.
            Report::Unheard(problem) => self.notify(problem),
            Report::Level(level) => self.level_dbfs = Some(level),
        }
    }

    pub(super) fn block_sound(&mut self, blocked: bool) {
        if blocked && !self.sound_blocked {
            self.tell_error(&Problem::SoundBlocked.into());
        }
        self.sound_blocked = blocked;
    }

    /// Our description is ready: the INVITE, or the 200, leaves.
    fn send(&mut self, now: Instant, key: u64, sdp: String) {
        let (Some(entry), Some(agent)) = (self.calls.iter_mut().find(|entry| entry.key == key), &mut self.agent) else {
            return;
        };
        let sent = match entry.sip {
            Some(call) if entry.automatic => agent.answer_automatically(now, call, Body::sdp(sdp)).map(|()| call),
            Some(call) => agent.answer(now, call, Body::sdp(sdp)).map(|()| call),
            None => match (entry.transfer.take(), std::mem::take(&mut entry.options)) {
                (Some(transfer), options) => agent.accept_transfer(now, transfer, Body::sdp(sdp), options),
                (None, options) => agent.call(now, &entry.target, Body::sdp(sdp), options),
            },
        };
        match sent {
            Ok(call) => {
                entry.sip = Some(call);
                if let Some(known) = agent.get(call) {
                    let mut facts = entry.shared.facts.borrow_mut();
                    facts.sip_call_id = known.sip_call_id().to_owned();
                    if facts.direction == Direction::Outbound {
                        facts.remote = Remote::from(known.remote());
                    }
                }
                if let Some(promise) = entry.dialled.take() {
                    let object = entry.object.clone();
                    self.settle(promise, Ok(object));
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                if failure.code == Problem::NumberInvalid.as_str() {
                    entry.verdict = Some((Cause::NotFound, Some(Problem::NumberInvalid)));
                }
                if let Some(promise) = entry.dialled.take() {
                    self.settle(promise, Err(failure));
                }
                self.fail_with(now, key, Cause::Failed);
            }
        }
    }
}

/// A session description is text (RFC 8866 §5: UTF-8); what is not fails in the browser's parser.
fn text_of(body: Body) -> String {
    String::from_utf8(body.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
