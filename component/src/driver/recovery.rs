//! Calls that outlive their page: what it leaves when it goes, and what the next one does with it.
//!
//! ```text
//! pagehide ─► hand_over: no BYE, no end of the registration ─► sessionStorage
//! next page, within 20 s ─► begin ─► take_up ─► connection ─► Event::Recover ─► take_over ─► sound
//! next page, later       ─► begin ─► take_up ─► BYE
//! next tab               ─► begin ─► take_up ─► the same; what rings rings on
//! ```
//! The next page has another peer connection, and so other keys. A re-INVITE should tell of them (RFC 8842 §4), but Asterisk
//! makes no second handshake in a session, and hangs up a bridged call to which a stream is added. So the page calls anew,
//! in the place of the call that there was (RFC 3891): for who speaks it is the same call. Where nobody knows how to do that, a
//! re-INVITE is tried. A call whose media find no way any more (`repair`) begins anew likewise.

use std::time::Duration;

use soft_phone_sip::{Agent, Body, CallId, CallOptions, Config, Instant, Saved};
use wasm_bindgen::JsValue;

use super::calls::Entry;
use super::phone::Phone;
use super::repair::Repair;
use crate::clock;
use crate::handover::{Handover, Kept, PATIENCE};
use crate::media::Session;
use crate::state::{CallState, Cause, EpochMillis};

/// The call that is to take the place of one that another page began.
pub struct Takeover {
    old: CallId,
    /// The one that is being made.
    call: Option<CallId>,
    /// Whom to call, the last first.
    targets: Vec<String>,
    sdp: String,
}

impl Takeover {
    /// What is still to be given up when all of it ends.
    pub fn call(&self) -> Option<CallId> {
        self.call
    }

    /// Nobody knew how: the session was asked to take it.
    fn asks_session(&self) -> bool {
        self.call.is_none() && self.targets.is_empty()
    }
}

impl Phone {
    /// Leaves the calls that are established to the next page of this tab, and ends the others. Nothing happens where
    /// there are none, or nowhere to leave them.
    pub(super) fn hand_over(&mut self, now: Instant) {
        let heirs = self.tabs.has_heirs();
        let (Some(agent), Some(account)) = (&mut self.agent, &self.account) else { return };
        if !heirs && !self.calls.iter().any(|entry| kept(entry).is_some()) {
            return;
        }
        // Another tab, if there is one, knows all of it already. Should it be dead, too, the next page of this one goes on.
        let saved = if heirs { agent.save().only_calls() } else { agent.hand_over(now) };
        let uri = account.uri.to_string();
        let handover = self.handover(saved.only_answered());
        if !handover.keep(&uri) && !heirs {
            return;
        }
        if !heirs {
            self.drain(now);
        }
        let is_kept = |entry: &Entry| heirs || handover.calls.iter().any(|kept| entry.sip == Some(CallId(kept.sip)));
        let (kept, others): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut self.calls).into_iter().partition(is_kept);
        self.calls = kept;
        self.park();
        self.calls = others;
        if heirs {
            // Before they are told that there is nothing here any more.
            self.quit();
        }
    }

    /// Lets go of the calls, whose microphones and connections close, and of the agent. The objects are found again should the
    /// browser bring this page back, or another tab tell of them.
    pub(super) fn park(&mut self) {
        let parked = std::mem::take(&mut self.calls).into_iter().map(|entry| {
            entry.shared.local.take();
            entry.shared.remote.take();
            (entry.shared, entry.object)
        });
        self.parked = parked.collect();
        // It is not to sign out: what comes for us goes on coming to this address.
        self.agent = None;
    }

    /// What whoever goes on needs.
    pub(super) fn handover(&self, agent: Saved) -> Handover {
        let front = self.calls.iter().find(|entry| Some(entry.key) == self.front).map(Entry::id);
        let is_there = |kept: &Kept| agent.has(CallId(kept.sip));
        let calls = self.calls.iter().filter_map(kept).filter(is_there).collect();
        Handover { agent, calls, front }
    }

    /// Makes the agent, one that goes on where another tab ended, by what it has `told`, or the page before, if that has left
    /// something; false when the account does not make one.
    pub(super) fn begin(&mut self, now: Instant, config: &Config, seed: [u8; 32], told: Option<Handover>) -> bool {
        let left = Handover::take(&config.uri.to_string());
        let left = told.map(|handover| (handover, clock::epoch_millis())).or(left);
        let restored = left.and_then(|(handover, at)| {
            let agent = Agent::restore(now, config.clone(), seed, &handover.agent).ok()?;
            Some((agent, handover, at))
        });
        match restored {
            Some((agent, handover, at)) => {
                self.agent = Some(agent);
                self.take_up(now, handover, at);
            }
            None => self.agent = Agent::new(config.clone(), seed).ok(),
        }
        self.agent.is_some()
    }

    fn take_up(&mut self, now: Instant, handover: Handover, at: EpochMillis) {
        let waited = clock::epoch_millis() - at;
        for kept in handover.calls {
            let (sip, id) = (Some(CallId(kept.sip)), kept.facts.id.clone());
            let parked = self.parked.iter().position(|(shared, _)| shared.facts.borrow().id == id);
            let key = match parked.map(|place| self.parked.remove(place)) {
                Some((shared, object)) => {
                    let key = shared.key;
                    shared.facts.replace(kept.facts);
                    self.push(sip, shared, object);
                    key
                }
                None => self.add_known(sip, kept.facts),
            };
            if handover.front.as_ref() == Some(&id) {
                self.front = Some(key);
            }
            // The page learns of a call that was there before it.
            self.tell_change_from(key, JsValue::NULL);
            self.report_call(key, "taken");
            // A clock that was set back meanwhile does not make it early.
            if self.entry(key).is_some_and(|entry| entry.state() == CallState::Incoming) {
                let offer = sip.and_then(|call| self.agent.as_ref()?.get(call)?.offered().cloned());
                self.prepare(key, offer);
            } else if (0.0..PATIENCE).contains(&waited) {
                self.recover(now, key, kept.hold, PATIENCE - waited);
            } else {
                self.give_up(now, key);
            }
        }
    }

    /// Opens the media of a call anew, in at most `left` ms. The offer leaves when the connection to the server is there.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20,000")]
    fn recover(&mut self, now: Instant, key: u64, hold: bool, left: f64) {
        if let Some(entry) = self.entry(key) {
            entry.line.hold = hold;
            entry.repair = Repair::resumed(now + Duration::from_millis(left as u64));
            self.open_anew(now, key);
        }
    }

    /// The media of a call find their way no more: others may, in another call in its place.
    pub(super) fn begin_anew(&mut self, now: Instant, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        entry.repair.anew = true;
        entry.line.forget_offer();
        let before = entry.takeover.take().and_then(|takeover| takeover.call);
        if let Some(call) = before {
            self.with_agent(|agent| agent.hangup(now, call));
        }
        self.open_anew(now, key);
        self.restart_at(key);
    }

    fn open_anew(&mut self, now: Instant, key: u64) {
        let (settings, reports) = (self.driver_settings(), self.media_reports(key));
        let Some(entry) = self.entry(key) else { return };
        let (muted, hold) = (entry.shared.facts.borrow().muted, entry.line.hold);
        match settings.map(|settings| Session::resume(&settings, muted || hold, reports)) {
            Some(Ok(media)) => {
                media.measure();
                entry.media = Some(media);
                self.look_at_quality();
            }
            Some(Err(problem)) => self.fail_at(now, key, Some(problem)),
            None => self.fail_at(now, key, None),
        }
    }

    /// The offer of a call that was taken up is ready.
    pub(super) fn take_over(&mut self, now: Instant, key: u64, sdp: Option<String>) {
        let own = self.account.as_ref().map(|account| account.uri.to_string());
        let Some(entry) = self.entry(key) else { return };
        let (Some(old), Some(sdp)) = (entry.sip, sdp) else { return self.fail_at(now, key, None) };
        // An offer leaves to the answerer who begins the handshake (RFC 5763 §5). Asterisk begins it before Firefox listens,
        // and again after a second of silence: here it is to wait for us.
        let sdp = sdp.replace("a=setup:actpass", "a=setup:active");
        // Whoever we speak with, and where their number cannot be called from here, ourselves: a switchboard looks at the
        // dialog that is named, not at the number. Any other phone refuses it (`Require: replaces`).
        let remote = entry.shared.facts.borrow().remote.uri.clone();
        entry.takeover = Some(Takeover { old, call: None, targets: own.into_iter().chain([remote]).collect(), sdp });
        self.take_over_next(now, key);
    }

    fn take_over_next(&mut self, now: Instant, key: u64) {
        let (Some(entry), Some(agent)) = (self.calls.iter_mut().find(|entry| entry.key == key), &mut self.agent) else {
            return;
        };
        let Some(takeover) = &mut entry.takeover else { return };
        takeover.call = None;
        while let (Some(target), Ok(replaces)) = (takeover.targets.pop(), agent.replaces(takeover.old)) {
            let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
            if let Ok(call) = agent.call(now, &target, Body::sdp(takeover.sdp.clone()), options) {
                takeover.call = Some(call);
                return;
            }
        }
        // Nobody knows how to put one call in the place of another: perhaps the session takes it (RFC 8842 §4).
        takeover.targets.clear();
        if agent.offer(now, takeover.old, Body::sdp(std::mem::take(&mut takeover.sdp))).is_ok() {
            return;
        }
        entry.takeover = None;
        if entry.repair.has_tries() {
            return;
        }
        entry.verdict.get_or_insert((Cause::Network, None));
        self.fail_with(now, key, Cause::Network);
    }

    /// Whether what the far end says of our offer is not of the one of the media that there are: those before them made it.
    pub(super) fn is_of_the_past(&mut self, call: CallId) -> bool {
        let Some(entry) = self.calls.iter_mut().find(|entry| entry.sip == Some(call)) else { return false };
        entry.repair.anew && entry.takeover.take_if(|takeover| takeover.asks_session()).is_none()
    }

    /// Whether another call is about to take the place of this one.
    pub(super) fn is_taken_over(&self, call: CallId) -> bool {
        self.calls.iter().any(|entry| entry.sip == Some(call) && entry.takeover.is_some())
    }

    fn taken_over_by(&self, call: CallId) -> Option<u64> {
        let by = |entry: &&Entry| entry.takeover.as_ref().is_some_and(|takeover| takeover.call == Some(call));
        self.calls.iter().find(by).map(|entry| entry.key)
    }

    /// Whether a call that was answered is one that takes the place of another: then it has it now.
    pub(super) fn on_taken_over(&mut self, now: Instant, call: CallId, answer: Option<&Body>) -> bool {
        let Some(key) = self.taken_over_by(call) else { return false };
        let sip_call_id =
            self.agent.as_ref().and_then(|agent| agent.get(call)).map(|known| known.sip_call_id().to_owned());
        let Some(entry) = self.entry(key) else { return false };
        let Some(takeover) = entry.takeover.take() else { return false };
        entry.sip = Some(call);
        entry.shared.facts.borrow_mut().sip_call_id = sip_call_id.unwrap_or_default();
        if let (Some(answer), Some(media)) = (answer, &entry.media) {
            media.renewed(String::from_utf8_lossy(&answer.bytes).into_owned());
        }
        // It ends by itself, unless nobody there does it.
        self.with_agent(|agent| agent.hangup(now, takeover.old));
        true
    }

    /// Whether a call that has ended is one of those: the next way is tried.
    pub(super) fn on_takeover_ended(&mut self, now: Instant, call: CallId) -> bool {
        if let Some(key) = self.taken_over_by(call) {
            self.take_over_next(now, key);
            return true;
        }
        // The one before may be told of its end first.
        self.calls.iter().any(|entry| entry.takeover.as_ref().is_some_and(|it| it.old == call && it.call.is_some()))
    }

    /// Packets find their way for the first time: what was held is held again.
    pub(super) fn on_resumed(&mut self, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        let (held, muted) = (entry.state() == CallState::Held, entry.shared.facts.borrow().muted);
        if held && entry.line.hold {
            entry.line.offer_hold(entry.media.as_ref());
        } else if held {
            self.move_to(key, CallState::Active);
        }
        if let Some(media) = self.entry(key).and_then(|entry| entry.media.as_ref()) {
            media.mute(muted);
        }
    }

    /// Nobody took it up in time. The BYE leaves with the next connection.
    fn give_up(&mut self, now: Instant, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        entry.verdict = Some((Cause::Network, None));
        if let Some(call) = entry.sip {
            self.with_agent(|agent| agent.hangup(now, call));
        }
    }
}

/// What the next page needs of a call; `None` for one of ours that is not established.
fn kept(entry: &Entry) -> Option<Kept> {
    let CallId(sip) = entry.sip.filter(|_| entry.is_established() || entry.state() == CallState::Incoming)?;
    Some(Kept { sip, facts: entry.shared.facts.borrow().clone(), hold: entry.line.hold })
}
