//! Calls: what the page asks of them, what `sip` and the media report of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use soft_phone_sip::{self as sip, Agent, CallId, CallOptions, Instant, TransferId};
use wasm_bindgen::JsValue;

use super::lines::Line;
use super::messages::remote_of;
use super::output::{self, Output};
use super::phone::Phone;
use super::recovery::Takeover;
use super::repair::Repair;
use super::tabs::Role;
use crate::call::{Shared, SoftPhoneCall};
use crate::failure::{CLOSED, Failure};
use crate::js::{self, Deferred};
use crate::media::quality::Sample;
use crate::media::{Report, Session};
use crate::record::{KEPT, Record};
use crate::state::{Call, CallState, Cause, Direction, Problem, RegistrationState, Remote};
use crate::{clock, names};

/// How long the busy tone is heard.
const BUSY_TONE: Duration = Duration::from_secs(3);
/// Calls at one time, ringing ones included.
pub(super) const MOST: usize = 8;
/// Not Acceptable Here: the offer does not fit (RFC 3261 §21.4.26).
pub(super) const NOT_ACCEPTABLE: u16 = 488;
/// Temporarily Unavailable: no microphone (RFC 3261 §21.4.18).
const UNAVAILABLE: u16 = 480;
/// Busy Here.
pub(super) const BUSY: u16 = 486;

/// A live call.
pub struct Entry {
    pub(super) key: u64,
    /// `sip`'s name for it; none until the INVITE is sent.
    pub(super) sip: Option<CallId>,
    pub(super) shared: Rc<Shared>,
    pub(super) object: JsValue,
    pub(super) media: Option<Session>,
    /// What is dialled.
    pub(super) target: String,
    /// The far end of another call asked for this one.
    pub(super) transfer: Option<TransferId>,
    /// Hold, conference, transfer.
    pub(super) line: Line,
    /// When it is answered by itself.
    pub(super) answer_at: Option<Instant>,
    /// Nobody touched the phone to answer it.
    pub(super) automatic: bool,
    /// Candidates that were found after the description had left.
    pub(super) candidates: Vec<Option<String>>,
    /// The call that is to take its place.
    pub(super) takeover: Option<Takeover>,
    /// The way of its packets.
    pub(super) repair: Repair,
    /// What the INVITE brings along.
    pub(super) options: CallOptions,
    /// Waits for the INVITE.
    pub(super) dialled: Option<Deferred>,
    /// Wait for the call to be active.
    pub(super) answered: Vec<Deferred>,
    /// Wait for the end.
    ended: Vec<Deferred>,
    /// Wait for the last keypad tone.
    pub(super) tones: Vec<Deferred>,
    /// The statistics as they were seen last.
    pub(super) sample: Option<Sample>,
    /// Why we end it, when it is not what `sip` will say.
    pub(super) verdict: Option<(Cause, Option<Problem>)>,
}

impl Entry {
    pub(super) fn state(&self) -> CallState {
        self.shared.facts.borrow().state
    }

    pub(super) fn is_established(&self) -> bool {
        self.shared.facts.borrow().is_established()
    }

    pub(super) fn in_conference(&self) -> bool {
        self.shared.facts.borrow().in_conference
    }

    pub(super) fn id(&self) -> String {
        self.shared.facts.borrow().id.clone()
    }

    /// Whether packets find their way, as far as the browser knows.
    pub(super) fn has_way(&self) -> bool {
        self.media.as_ref().is_some_and(Session::is_connected)
    }

    /// Whether another tab can go on with it without anything being lost: it stands or rings, and nobody waits for anything.
    pub(super) fn is_quiet(&self) -> bool {
        let stands = matches!(self.state(), CallState::Incoming | CallState::Active | CallState::Held);
        let waiting = [self.answered.len(), self.ended.len(), self.tones.len()].iter().any(|count| *count > 0);
        stands && !waiting && self.verdict.is_none() && self.takeover.is_none() && self.transfer.is_none()
    }

    /// Whether its microphone's level is measured.
    pub(super) fn is_measured(&self) -> bool {
        self.media.as_ref().is_some_and(Session::is_measured)
    }
}

impl Phone {
    /// Begins a call. `promise` settles when the INVITE is sent, or cannot be; then there is no call.
    pub(super) fn dial(&mut self, target: String, options: CallOptions, promise: Deferred) -> Option<u64> {
        if let Err(failure) = self.may_call() {
            // The window's user learns it by a notice, the page by the promise.
            if let Some(problem) = [Problem::NotConfigured, Problem::NotRegistered, Problem::Network]
                .into_iter()
                .find(|problem| problem.as_str() == failure.code)
            {
                self.notify(problem);
            }
            self.settle(promise, Err(failure));
            return None;
        }
        let remote = remote_of(&target);
        let key = self.add(None, Direction::Outbound, CallState::Dialing, remote, String::new());
        let media = self.driver_settings().map(|settings| Session::dial(&settings, self.media_reports(key)));
        let entry = self.entry(key)?;
        entry.target = target;
        entry.options = options;
        entry.dialled = Some(promise);
        match media {
            Some(Ok(session)) => entry.media = Some(session),
            Some(Err(problem)) => self.fail(key, Some(problem)),
            None => self.fail(key, None),
        }
        Some(key)
    }

    fn may_call(&self) -> Result<(), Failure> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        if self.agent.is_none() && self.tabs.role != Role::Joining {
            return Err(Problem::NotConfigured.into());
        }
        if self.wanted && self.registration.state != RegistrationState::Registered {
            return Err(Problem::NotRegistered.into());
        }
        if self.connection.is_none() {
            return Err(Problem::Network.into());
        }
        if self.calls.len() >= MOST {
            return Err(Failure::wrong_state("so many calls are going on"));
        }
        Ok(())
    }

    /// Answers a call that comes in.
    pub(super) fn answer(&mut self, key: u64, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        if entry.state() != CallState::Incoming || entry.verdict.is_some() {
            let failure = Failure::wrong_state(entry.state().as_str());
            return self.settle(promise, Err(failure));
        }
        // It rings on until there is a connection again, or too long.
        if self.connection.is_none() {
            self.notify(Problem::Network);
            return self.settle(promise, Err(Problem::Network.into()));
        }
        let Some(entry) = self.entry(key) else { return };
        let first = entry.answered.is_empty();
        entry.answered.push(promise);
        self.speak_in(key);
        let Some(entry) = self.entry(key) else { return };
        let asked = if first { entry.media.as_ref().map(Session::answer) } else { None };
        if let Some(Err(problem)) = asked {
            self.fail(key, Some(problem));
        }
    }

    /// Refuses a call that comes in.
    pub(super) fn reject(&mut self, now: Instant, key: u64, status: u16, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        if entry.state() != CallState::Incoming {
            let failure = Failure::wrong_state(entry.state().as_str());
            return self.settle(promise, Err(failure));
        }
        let Some(call) = entry.sip else { return };
        let refused = self.agent.as_mut().map(|agent| agent.reject(now, call, status, None));
        match refused {
            Some(Err(error)) => self.settle(promise, Err(error.into())),
            _ => self.wait_for_end(key, promise),
        }
    }

    /// Sends a call that comes in elsewhere.
    pub(super) fn redirect(&mut self, now: Instant, key: u64, target: &str, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        if entry.state() != CallState::Incoming {
            let failure = Failure::wrong_state(entry.state().as_str());
            return self.settle(promise, Err(failure));
        }
        let Some(call) = entry.sip else { return };
        match self.agent.as_mut().map(|agent| agent.redirect(now, call, target)) {
            Some(Err(error)) => self.settle(promise, Err(error.into())),
            _ => self.wait_for_end(key, promise),
        }
    }

    /// Ends a call, whatever its state.
    pub(super) fn hangup(&mut self, now: Instant, key: u64, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        entry.ended.push(promise);
        match entry.sip {
            // The microphone is being asked for: nothing is on the wire yet.
            None => self.finish(now, key, Cause::Cancelled, None, None),
            Some(call) => self.with_agent(|agent| agent.hangup(now, call)),
        }
    }

    /// Cuts the microphone off or lets it through.
    pub(super) fn mute(&mut self, key: u64, muted: bool) {
        let Some(entry) = self.entry(key) else { return };
        entry.shared.facts.borrow_mut().muted = muted;
        if let Some(media) = &entry.media {
            media.mute(muted);
        }
        let state = entry.state();
        self.tell_change(key, state);
    }

    /// Plays again what the browser kept silent.
    pub(super) fn play_all(&mut self) {
        self.sound_blocked = false;
        for entry in &self.calls {
            if let Some(media) = &entry.media {
                media.play();
            }
        }
    }

    pub(super) fn key_of(&self, id: &str) -> Option<u64> {
        self.calls.iter().find(|entry| entry.shared.facts.borrow().id == id).map(|entry| entry.key)
    }

    /// Ends every call at once, without waiting for anybody: the phone goes away.
    pub(super) fn abandon_calls(&mut self, now: Instant) {
        while let Some(entry) = self.calls.first() {
            let cause = match entry.state() {
                CallState::Dialing | CallState::Ringing | CallState::Early => Cause::Cancelled,
                CallState::Incoming => Cause::Declined,
                _ => Cause::LocalHangup,
            };
            let key = entry.key;
            self.finish(now, key, cause, None, None);
        }
    }

    /// There can be no media; a problem of ours is told.
    pub(super) fn fail(&mut self, key: u64, problem: Option<Problem>) {
        self.fail_at(clock::now(), key, problem);
    }

    pub(super) fn fail_at(&mut self, now: Instant, key: u64, problem: Option<Problem>) {
        if let Some(problem) = problem {
            self.tell_error(&problem.into());
        }
        if let Some(entry) = self.entry(key)
            && entry.verdict.is_none()
        {
            entry.verdict = Some((Cause::MediaFailed, problem));
        }
        self.fail_with(now, key, Cause::MediaFailed);
    }

    pub(super) fn fail_with(&mut self, now: Instant, key: u64, cause: Cause) {
        let Some(entry) = self.entry(key) else { return };
        let Some(call) = entry.sip else { return self.finish(now, key, cause, None, None) };
        let ours = entry.verdict.is_some_and(|(_, problem)| problem.is_some());
        let status = if ours { UNAVAILABLE } else { NOT_ACCEPTABLE };
        let incoming = entry.state() == CallState::Incoming;
        self.with_agent(|agent| match incoming {
            true => agent.reject(now, call, status, None),
            false => agent.hangup(now, call),
        });
    }

    /// A call that the page never hears of.
    pub(super) fn refuse_unseen(&mut self, call: CallId, status: u16) {
        self.calls.retain(|entry| entry.sip != Some(call));
        let now = clock::now();
        self.with_agent(|agent| agent.reject(now, call, status, None));
    }

    /// What is asked of a call that ended meanwhile is moot; its end is told by an event of its own.
    pub(super) fn with_agent(&mut self, ask: impl FnOnce(&mut Agent) -> Result<(), sip::Error>) {
        if let Some(agent) = &mut self.agent {
            let _ = ask(agent);
        }
    }

    pub(super) fn add(
        &mut self,
        sip: Option<CallId>,
        direction: Direction,
        state: CallState,
        remote: Remote,
        sip_call_id: String,
    ) -> u64 {
        let facts = Call { sip_call_id, ..Call::new(clock::uuid(), direction, state, remote, clock::epoch_millis()) };
        let key = self.add_known(sip, facts);
        if direction == Direction::Outbound {
            self.front = Some(key);
            self.tell_change_from(key, JsValue::NULL);
            self.report_move(key, None, state);
        }
        key
    }

    /// A call of which these facts are known.
    pub(super) fn add_known(&mut self, sip: Option<CallId>, facts: Call) -> u64 {
        let key = self.next_call;
        self.next_call += 1;
        let shared =
            Rc::new(Shared { key, facts: RefCell::new(facts), local: RefCell::new(None), remote: RefCell::new(None) });
        let object = SoftPhoneCall::new(shared.clone(), self.me.clone()).into();
        self.push(sip, shared, object);
        key
    }

    /// A call, by the object that the page has of it.
    pub(super) fn push(&mut self, sip: Option<CallId>, shared: Rc<Shared>, object: JsValue) {
        self.calls.push(Entry {
            key: shared.key,
            sip,
            object,
            shared,
            media: None,
            target: String::new(),
            transfer: None,
            line: Line::default(),
            answer_at: None,
            automatic: false,
            candidates: Vec::new(),
            takeover: None,
            repair: Repair::default(),
            options: CallOptions::default(),
            dialled: None,
            answered: Vec::new(),
            ended: Vec::new(),
            tones: Vec::new(),
            sample: None,
            verdict: None,
        });
        self.last_ended = None;
        self.busy_until = None;
        self.notice = None;
    }

    pub(super) fn move_to(&mut self, key: u64, state: CallState) {
        let Some(entry) = self.entry(key) else { return };
        let previous = entry.state();
        {
            let mut facts = entry.shared.facts.borrow_mut();
            facts.state = state;
            if state == CallState::Active && facts.answered_at.is_none() {
                facts.answered_at = Some(clock::epoch_millis());
            }
        }
        if state == CallState::Active {
            if let Some(media) = &entry.media {
                media.measure();
            }
            for promise in std::mem::take(&mut entry.answered) {
                self.settle(promise, Ok(JsValue::UNDEFINED));
            }
            self.look_at_quality();
        }
        if state != previous {
            self.tell_change(key, previous);
            self.report_move(key, Some(previous), state);
        }
        if state == CallState::Active && matches!(previous, CallState::Held | CallState::Active) {
            self.pursue(key);
        } else if state == CallState::Active {
            self.join(key);
        } else if state == CallState::Held {
            self.pursue(key);
        }
    }

    /// A call was answered: there is one conversation at a time. Whoever waited in the meantime waits on hold.
    fn join(&mut self, key: u64) {
        let elsewhere =
            self.front.is_some_and(|front| front != key && self.calls.iter().any(|entry| entry.key == front));
        match (elsewhere, self.entry(key)) {
            (true, Some(entry)) if entry.shared.facts.borrow().transferred_from.is_none() => {
                entry.line.hold = true;
                self.pursue(key);
            }
            (true, _) => {}
            (false, _) => self.speak_in(key),
        }
    }

    /// The call is over: media closed, promises settled, record kept, page told.
    pub(super) fn finish(&mut self, now: Instant, key: u64, cause: Cause, status: Option<u16>, reason: Option<String>) {
        let Some(index) = self.calls.iter().position(|entry| entry.key == key) else { return };
        let mut entry = self.calls.remove(index);
        // Microphone and connection first: nothing below may keep them.
        entry.media = None;
        let previous = entry.state();
        let (cause, problem) = entry.verdict.unwrap_or((cause, None));
        let facts = {
            let mut facts = entry.shared.facts.borrow_mut();
            facts.state = CallState::Ended;
            facts.ended_at = Some(clock::epoch_millis());
            facts.cause = Some(cause);
            facts.sip_status = status;
            facts.problem = problem;
            facts.clone()
        };
        entry.shared.local.take();
        if let Some(call) = entry.takeover.take().and_then(|takeover| takeover.call()) {
            self.with_agent(|agent| agent.hangup(now, call));
        }
        if let Some(transfer) = entry.transfer {
            self.refuse_transfer(transfer);
        }
        let waiting = std::mem::take(&mut entry.line).into_promises();
        let failure = match problem {
            Some(problem) => Failure::from(problem),
            None => Failure::from(cause),
        }
        .with_sip(status, reason);
        for promise in
            entry.dialled.take().into_iter().chain(entry.answered.drain(..)).chain(entry.tones.drain(..)).chain(waiting)
        {
            self.settle(promise, Err(failure.clone()));
        }
        for promise in entry.ended.drain(..) {
            self.settle(promise, Ok(JsValue::UNDEFINED));
        }
        let record = Record::new(facts.clone(), self.own_number());
        self.report("ended", &record);
        self.outputs.push_back(change(&entry.object, CallState::Ended, previous.as_str().into()));
        let detail = js::object(&[("call", entry.object), ("record", output::record(&record).into())]);
        self.outputs.push_back(Output::Event { name: names::CALL_END, detail });
        if self.history.len() == KEPT {
            self.history.pop_front();
        }
        self.history.push_back(record);
        self.remix();
        if self.calls.is_empty() {
            self.busy_until = (cause == Cause::Busy).then(|| now + BUSY_TONE);
            self.last_ended = Some(facts);
            self.sound_blocked = false;
        }
    }

    fn wait_for_end(&mut self, key: u64, promise: Deferred) {
        if let Some(entry) = self.entry(key) {
            entry.ended.push(promise);
        }
    }

    pub(super) fn entry(&mut self, key: u64) -> Option<&mut Entry> {
        self.calls.iter_mut().find(|entry| entry.key == key)
    }

    pub(super) fn media(&self, call: CallId) -> Option<&Session> {
        self.calls.iter().find(|entry| entry.sip == Some(call))?.media.as_ref()
    }

    pub(super) fn driver_settings(&self) -> Option<crate::media::Settings> {
        self.me.upgrade().map(|driver| self.media_settings(&driver))
    }

    pub(super) fn media_reports(&self, key: u64) -> Rc<dyn Fn(Report)> {
        let me = self.me.clone();
        Rc::new(move |report| {
            if let Some(driver) = me.upgrade() {
                driver.run(|phone, now| phone.handle_media(now, key, report));
            }
        })
    }

    pub(super) fn tell_change(&mut self, key: u64, previous: CallState) {
        self.tell_change_from(key, previous.as_str().into());
    }

    pub(super) fn tell_change_from(&mut self, key: u64, previous: JsValue) {
        if let Some(entry) = self.entry(key) {
            let change = change(&entry.object, entry.state(), previous);
            self.outputs.push_back(change);
        }
    }

    pub(super) fn settle(&mut self, promise: Deferred, result: Result<JsValue, Failure>) {
        self.outputs.push_back(Output::Settle { promise, result });
    }
}

fn change(call: &JsValue, state: CallState, previous: JsValue) -> Output {
    let detail = js::object(&[("call", call.clone()), ("state", state.as_str().into()), ("previous", previous)]);
    Output::Event { name: names::CALL_CHANGE, detail }
}

pub(super) fn gone() -> Failure {
    Failure::wrong_state(CallState::Ended.as_str())
}

/// Rejects what waits when the phone goes away.
pub(super) fn closed() -> Failure {
    Failure::new(CLOSED, "the phone was removed from the page")
}
