//! Several calls at a time: hold, resume, which of them is spoken in, and the conference.
//!
//! ```text
//! wish (hold, restart, renewal) ─► pursue ─► Session::offer ─► Report::Offer ─► Agent::offer ─► Event::Answer ─► Report::Settled
//!                           ▲                                            └► Event::OfferFailed ──────────────┐ │
//!                           └───────────────────────────────────────────────────────────────────────────────┴─┘
//! ```
//! A wish stands until the facts agree with it or the far end refuses; one exchange of a call runs at a time.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Promise};
use soft_phone_sip::{self as sip, Body, CallId, Instant};
use wasm_bindgen::JsValue;

use super::Driver;
use super::calls::{Entry, gone};
use super::phone::Phone;
use super::transfer::Transfer;
use crate::clock;
use crate::failure::Failure;
use crate::js::{self, Deferred};
use crate::media::Session;
use crate::media::change::Wish;
use crate::media::mixer::Mixer;
use crate::state::{CallState, Cause};

/// An offer that could not be made while the far end's was under way is made again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// The other side's own offer was first (RFC 3261 §21.4.27).
pub(super) const REQUEST_PENDING: u16 = 491;

/// What is wanted of an established call, and what is done about it.
#[derive(Default)]
pub struct Line {
    /// To be held by us.
    pub hold: bool,
    /// ICE is to begin anew.
    pub restart: bool,
    /// The far end is to learn where we are.
    pub renew: bool,
    /// Our offer that is being made, or is on its way.
    exchange: Option<Wish>,
    /// When a wish is pursued again.
    pub again_at: Option<Instant>,
    /// Wait for the call to be held (true) or not.
    waiting: Vec<(bool, Deferred)>,
    /// The transfer that waits for the hold, or runs.
    pub transfer: Option<Transfer>,
}

impl Line {
    /// Holds a call that is held already, by what the user sees.
    pub fn offer_hold(&mut self, media: Option<&Session>) {
        let wish = Wish { held: true, remote_held: false, restart: false };
        if let Some(media) = media {
            self.exchange = Some(wish);
            media.offer(wish);
        }
    }

    /// Our offer is void: the media that made it are gone.
    pub fn forget_offer(&mut self) {
        self.exchange = None;
        self.again_at = None;
    }

    /// All that waits for something of the call.
    pub fn into_promises(self) -> impl Iterator<Item = Deferred> {
        let transfer = self.transfer.and_then(Transfer::into_promise);
        self.waiting.into_iter().map(|(_, promise)| promise).chain(transfer)
    }
}

/// The conference, while its calls are mixed.
#[derive(Default)]
pub struct Conference {
    mixer: Option<Mixer>,
    /// Which streams of which calls are mixed.
    mixed: Vec<(u64, String)>,
    /// Waits until all of it is mixed.
    promise: Option<Deferred>,
}

impl Driver {
    /// Puts a call on hold.
    pub fn hold(self: &Rc<Self>, call: u64) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| phone.want_hold(call, true, end));
        promise
    }

    /// Takes a call back from hold; another one that is spoken in is put on hold.
    pub fn resume(self: &Rc<Self>, call: u64) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| phone.want_hold(call, false, end));
        promise
    }

    /// Connects these calls: each far end hears us and all the others.
    pub fn conference(self: &Rc<Self>, calls: &Array) -> Promise {
        if let Some(asked) = self.elsewhere(None, "conference", &[calls.into()]) {
            return asked;
        }
        let (end, promise) = Deferred::new();
        let ids: Vec<String> = calls.iter().filter_map(|call| js::get(&call, "id").as_string()).collect();
        self.run(|phone, _| {
            let keys = ids.iter().filter_map(|id| phone.key_of(id)).collect();
            phone.confer(keys, end);
        });
        promise
    }

    /// Connects all calls that stand.
    pub fn connect_all(self: &Rc<Self>) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| {
            let keys = phone.calls.iter().filter(|entry| entry.is_established()).map(|entry| entry.key).collect();
            phone.confer(keys, end);
        });
        promise
    }
}

impl Phone {
    fn want_hold(&mut self, key: u64, hold: bool, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        if !entry.is_established() {
            let failure = Failure::wrong_state(entry.state().as_str());
            return self.settle(promise, Err(failure));
        }
        entry.line.waiting.push((hold, promise));
        if hold {
            entry.line.hold = true;
            self.pursue(key);
        } else {
            self.speak_in(key);
        }
    }

    /// The user speaks in this call, and in those of its conference; all others are put on hold.
    pub(super) fn speak_in(&mut self, key: u64) {
        self.front = Some(key);
        let together = self.entry(key).is_some_and(|entry| entry.in_conference());
        let keys: Vec<u64> = self.calls.iter().map(|entry| entry.key).collect();
        for other in keys {
            if let Some(entry) = self.entry(other)
                && (entry.is_established() || other == key)
            {
                entry.line.hold = other != key && !(together && entry.in_conference());
                self.pursue(other);
            }
        }
    }

    /// Does what is wanted of a call and is not so yet, unless that is going on.
    pub(super) fn pursue(&mut self, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        if !entry.is_established() || entry.line.exchange.is_some() || entry.line.again_at.is_some() {
            return;
        }
        let held = entry.state() == CallState::Held;
        if entry.line.hold == held {
            let waiting = std::mem::take(&mut entry.line.waiting);
            for (wanted, promise) in waiting {
                let result = if wanted == held { Ok(JsValue::UNDEFINED) } else { Err(superseded()) };
                self.settle(promise, result);
            }
            self.send_transfer(key);
        }
        let Some(entry) = self.entry(key) else { return };
        if entry.line.hold == held && !entry.line.restart && !entry.line.renew {
            return self.remix();
        }
        let Some(media) = &entry.media else { return };
        if !entry.line.restart && !media.is_connected() {
            // Firefox never connects when a second offer comes while DTLS begins; later is soon enough.
            entry.line.again_at = Some(clock::now() + AGAIN);
            return;
        }
        let remote_held = entry.shared.facts.borrow().remote_held;
        // A call begins anew before it is held again.
        let held = entry.line.hold && !entry.repair.anew;
        let wish = Wish { held, remote_held, restart: std::mem::take(&mut entry.line.restart) };
        // Any offer tells.
        entry.line.renew = false;
        entry.line.exchange = Some(wish);
        media.offer(wish);
        self.remix();
    }

    /// Our offer is ready to be sent.
    pub(super) fn on_offer_made(&mut self, now: Instant, key: u64, sdp: Option<String>) {
        if self.entry(key).is_some_and(|entry| entry.repair.anew) {
            return self.take_over(now, key, sdp);
        }
        let (Some(entry), Some(agent)) = (self.calls.iter_mut().find(|entry| entry.key == key), &mut self.agent) else {
            return;
        };
        let sent = match (entry.sip, sdp) {
            (Some(call), Some(sdp)) => agent.offer(now, call, Body::sdp(sdp)),
            _ => Err(sip::Error::UnknownCall),
        };
        match sent {
            Ok(()) => {}
            // The far end's own offer goes first.
            Err(sip::Error::WrongState { .. }) if entry.is_established() => self.wait_for_peer(key),
            Err(error) => self.give_up_wish(key, &error.into()),
        }
    }

    /// The answer to our offer is in force.
    pub(super) fn on_settled(&mut self, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        let Some(wish) = entry.line.exchange.take() else { return };
        entry.repair.handle_answer(clock::now());
        if entry.repair.anew {
            return;
        }
        if wish.held != (entry.state() == CallState::Held) {
            return self.give_up_wish(key, &Failure::new(Cause::Failed.as_str(), "the hold was not agreed on"));
        }
        self.pursue(key);
    }

    /// The far end refused our offer, or never answered it.
    pub(super) fn on_offer_failed(&mut self, call: CallId, status: Option<u16>, reason: Option<String>) {
        if self.is_of_the_past(call) {
            return;
        }
        if let Some(key) = self.key_of_sip(call) {
            if status == Some(REQUEST_PENDING) {
                return self.wait_for_peer(key);
            }
            let failure =
                Failure::new(Cause::Failed.as_str(), "the far end refused the change").with_sip(status, reason);
            self.give_up_wish(key, &failure);
        }
    }

    /// Tries again when the far end's own offer is over.
    fn wait_for_peer(&mut self, key: u64) {
        let Some(entry) = self.entry(key) else { return };
        let held = entry.state() == CallState::Held;
        entry.line.restart |= entry.line.exchange.take().is_some_and(|wish| wish.restart);
        entry.line.again_at = Some(clock::now() + AGAIN);
        if let Some(media) = &entry.media {
            media.roll_back(held);
        }
    }

    fn give_up_wish(&mut self, key: u64, failure: &Failure) {
        let Some(entry) = self.entry(key) else { return };
        let held = entry.state() == CallState::Held;
        entry.line.exchange = None;
        entry.line.hold = held;
        if let Some(media) = &entry.media {
            media.roll_back(held);
        }
        for (_, promise) in std::mem::take(&mut entry.line.waiting) {
            self.settle(promise, Err(failure.clone()));
        }
        // Who will not be held may still be transferred.
        self.send_transfer(key);
    }

    /// The far end holds us, or no more.
    pub(super) fn on_remote_hold(&mut self, call: CallId, held: bool) {
        let Some(key) = self.key_of_sip(call) else { return };
        let Some(entry) = self.entry(key) else { return };
        entry.shared.facts.borrow_mut().remote_held = held;
        let state = entry.state();
        self.tell_change(key, state);
    }

    /// The call has to find its way anew: ICE begins again, and the far end learns by our offer where we are.
    pub(super) fn restart_at(&mut self, key: u64) {
        if let Some(entry) = self.entry(key) {
            entry.line.restart = true;
            // No offer that waits for a way holds up the one that finds it. Behind an offer of the far end's it waits again.
            entry.line.again_at = None;
            self.pursue(key);
        }
    }

    /// What waited for the far end's offer to be over.
    pub(super) fn pursue_again(&mut self, now: Instant) {
        let due = |entry: &mut Entry| entry.line.again_at.take_if(|at| now >= *at).map(|_| entry.key);
        let keys: Vec<u64> = self.calls.iter_mut().filter_map(due).collect();
        for key in keys {
            self.pursue(key);
        }
    }

    fn confer(&mut self, keys: Vec<u64>, promise: Deferred) {
        let standing = |key: &u64| self.calls.iter().any(|entry| entry.key == *key && entry.is_established());
        if keys.len() < 2 || !keys.iter().all(standing) {
            return self.settle(promise, Err(Failure::wrong_state("fewer than two of the calls stand")));
        }
        for entry in &self.calls {
            entry.shared.facts.borrow_mut().in_conference = keys.contains(&entry.key);
        }
        if let Some(before) = self.conference.promise.replace(promise) {
            self.settle(before, Err(superseded()));
        }
        self.speak_in(keys[0]);
        for key in keys {
            if let Some(entry) = self.entry(key) {
                let state = entry.state();
                self.tell_change(key, state);
            }
        }
        self.remix();
    }

    /// Mixes what is to be mixed now, if that is not what is mixed already.
    pub(super) fn remix(&mut self) {
        let members = self.calls.iter().filter(|entry| entry.in_conference()).count();
        if members < 2 {
            for entry in &self.calls {
                entry.shared.facts.borrow_mut().in_conference = false;
            }
        }
        let mut wanted = Vec::new();
        let mut streams = Vec::new();
        for entry in self.calls.iter().filter(|entry| entry.in_conference() && entry.state() == CallState::Active) {
            let local = entry.media.as_ref().and_then(Session::sent_stream);
            let remote = entry.shared.remote.borrow().clone();
            if let (Some(local), Some(remote)) = (local, remote) {
                wanted.push((entry.key, [local.id(), remote.id()].concat()));
                streams.push((local, remote));
            }
        }
        if wanted.len() < 2 {
            wanted.clear();
        }
        if wanted != self.conference.mixed {
            let mixer = if wanted.is_empty() { None } else { Mixer::new(&streams).ok() };
            for entry in &self.calls {
                let place = wanted.iter().position(|(key, _)| *key == entry.key);
                let was_mixed = self.conference.mixed.iter().any(|(key, _)| *key == entry.key);
                if let Some(media) = entry.media.as_ref().filter(|_| place.is_some() || was_mixed) {
                    media.send_instead(place.and_then(|place| mixer.as_ref()?.track(place)));
                }
            }
            self.conference.mixer = mixer;
            self.conference.mixed = wanted;
        }
        let ready = self.conference.mixed.len() == members && self.conference.mixer.is_some();
        if (ready || members < 2)
            && let Some(promise) = self.conference.promise.take()
        {
            self.settle(promise, if ready { Ok(JsValue::UNDEFINED) } else { Err(gone()) });
        }
    }

    pub(super) fn key_of_sip(&self, call: CallId) -> Option<u64> {
        self.calls.iter().find(|entry| entry.sip == Some(call)).map(|entry| entry.key)
    }
}

/// What was asked for was taken back by what was asked for later.
fn superseded() -> Failure {
    Failure::wrong_state("something else is wanted")
}
