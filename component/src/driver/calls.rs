//! Calls: what the page asks of them, what `sip` and the media report of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use soft_phone_sip::{self as sip, Agent, Body, CallId, CallOptions, Instant, TransferId};
use wasm_bindgen::JsValue;

use super::lines::Line;
use super::messages::remote_of;
use super::output::{self, Output};
use super::phone::Phone;
use super::repair::Repair;
use crate::call::{Shared, SoftPhoneCall};
use crate::failure::{CLOSED, Failure};
use crate::js::{self, Deferred};
use crate::media::meter::Meter;
use crate::media::quality::Sample;
use crate::media::{Report, Session};
use crate::record::{KEPT, Record};
use crate::state::{Call, CallState, Cause, Direction, Problem, RegistrationState, Remote};
use crate::{clock, names};

/// How long the busy tone is heard.
const BUSY_TONE: Duration = Duration::from_secs(3);
/// Calls at one time, ringing ones included.
const MOST: usize = 8;
/// Not Acceptable Here: the offer does not fit (RFC 3261 §21.4.26).
const NOT_ACCEPTABLE: u16 = 488;
/// Temporarily Unavailable: no microphone (RFC 3261 §21.4.18).
const UNAVAILABLE: u16 = 480;
/// Busy Here.
const BUSY: u16 = 486;

/// A live call.
pub struct Entry {
    pub(super) key: u64,
    /// `sip`'s name for it; none until the INVITE is sent.
    pub(super) sip: Option<CallId>,
    pub(super) shared: Rc<Shared>,
    pub(super) object: JsValue,
    pub(super) media: Option<Session>,
    /// Runs while both can speak.
    meter: Option<Meter>,
    /// What is dialled.
    target: String,
    /// The far end of another call asked for this one.
    pub(super) transfer: Option<TransferId>,
    /// Hold, conference, transfer.
    pub(super) line: Line,
    /// When it is answered by itself.
    pub(super) answer_at: Option<Instant>,
    /// Candidates that were found after the description had left.
    pub(super) candidates: Vec<Option<String>>,
    /// The way of its packets.
    pub(super) repair: Repair,
    /// What the INVITE brings along.
    options: CallOptions,
    /// Waits for the INVITE.
    dialled: Option<Deferred>,
    /// Wait for the call to be active.
    answered: Vec<Deferred>,
    /// Wait for the end.
    ended: Vec<Deferred>,
    /// Wait for the last keypad tone.
    pub(super) tones: Vec<Deferred>,
    /// The statistics as they were seen last.
    pub(super) sample: Option<Sample>,
    /// Why we end it, when it is not what `sip` will say.
    verdict: Option<(Cause, Option<Problem>)>,
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

    /// Whether its microphone's level is measured.
    pub(super) fn is_measured(&self) -> bool {
        self.meter.is_some()
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
        if self.agent.is_none() {
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
        let media = self
            .driver_settings()
            .map(|settings| Session::ring(&settings, offer.map(text_of), self.media_reports(key)));
        let Some(entry) = self.entry(key) else { return };
        match media {
            Some(Ok(session)) => entry.media = Some(session),
            Some(Err(problem)) => return self.fail(key, Some(problem)),
            None => return self.fail(key, None),
        }
        let object = entry.object.clone();
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
        self.outputs.push_back(Output::Incoming { call: object, answer: answer.then_some(key) });
    }

    pub(super) fn on_progress(&mut self, call: CallId, fork: u32, answer: Option<Body>) {
        if let (Some(answer), Some(media)) = (answer, self.media(call)) {
            media.progress(fork, text_of(answer));
        }
    }

    pub(super) fn on_answered(&mut self, call: CallId, fork: u32, answer: Option<Body>) {
        let outbound = self.agent.as_ref().and_then(|agent| agent.get(call)).map(sip::Call::direction)
            == Some(sip::Direction::Outbound);
        // Inbound: only when our 200 made the offer does the ACK bring an answer.
        if let Some(media) = self.media(call).filter(|_| outbound || answer.is_some()) {
            media.answered(fork, answer.map(text_of));
        }
    }

    /// Our call goes elsewhere: what the phones so far have answered is void.
    pub(super) fn on_redirected(&mut self, call: CallId) {
        if let Some(media) = self.media(call) {
            media.forget_answers();
        }
    }

    pub(super) fn on_offer(&mut self, now: Instant, call: CallId, offer: Option<Body>) {
        match self.media(call) {
            Some(media) => media.renew(offer.map(text_of)),
            None => self.with_agent(|agent| agent.reject_offer(now, call, NOT_ACCEPTABLE)),
        }
    }

    pub(super) fn on_answer(&mut self, call: CallId, answer: Body) {
        if let Some(media) = self.media(call) {
            media.renewed(text_of(answer));
        }
    }

    pub(super) fn on_state(&mut self, call: CallId, state: sip::CallState) {
        let Some(entry) = self.calls.iter().find(|entry| entry.sip == Some(call)) else { return };
        // The end is told when it is complete, with its cause.
        if state != sip::CallState::Ended {
            let key = entry.key;
            self.move_to(key, state.into());
        }
    }

    pub(super) fn on_ended(
        &mut self,
        now: Instant,
        call: CallId,
        cause: sip::Cause,
        status: Option<u16>,
        reason: Option<String>,
    ) {
        if let Some(key) = self.key_of_sip(call) {
            self.finish(now, key, cause.into(), status, reason);
        }
    }

    // What the media say.

    fn handle_media(&mut self, now: Instant, key: u64, report: Report) {
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
                if entry.meter.take().is_some() {
                    self.measure(key);
                }
                self.remix();
            }
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

    /// There can be no media; a problem of ours is told.
    fn fail(&mut self, key: u64, problem: Option<Problem>) {
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

    fn fail_with(&mut self, now: Instant, key: u64, cause: Cause) {
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
    fn refuse_unseen(&mut self, call: CallId, status: u16) {
        self.calls.retain(|entry| entry.sip != Some(call));
        let now = clock::now();
        self.with_agent(|agent| agent.reject(now, call, status, None));
    }

    /// What is asked of a call that ended meanwhile is moot; its end is told by an event of its own.
    fn with_agent(&mut self, ask: impl FnOnce(&mut Agent) -> Result<(), sip::Error>) {
        if let Some(agent) = &mut self.agent {
            let _ = ask(agent);
        }
    }

    fn add(
        &mut self,
        sip: Option<CallId>,
        direction: Direction,
        state: CallState,
        remote: Remote,
        sip_call_id: String,
    ) -> u64 {
        let key = self.next_call;
        self.next_call += 1;
        let facts = Call { sip_call_id, ..Call::new(clock::uuid(), direction, state, remote, clock::epoch_millis()) };
        let shared =
            Rc::new(Shared { key, facts: RefCell::new(facts), local: RefCell::new(None), remote: RefCell::new(None) });
        self.calls.push(Entry {
            key,
            sip,
            object: SoftPhoneCall::new(shared.clone(), self.me.clone()).into(),
            shared,
            media: None,
            meter: None,
            target: String::new(),
            transfer: None,
            line: Line::default(),
            answer_at: None,
            candidates: Vec::new(),
            repair: Repair::default(),
            options: CallOptions::default(),
            dialled: None,
            answered: Vec::new(),
            ended: Vec::new(),
            tones: Vec::new(),
            sample: None,
            verdict: None,
        });
        if direction == Direction::Outbound {
            self.front = Some(key);
        }
        self.last_ended = None;
        self.busy_until = None;
        self.notice = None;
        if direction == Direction::Outbound {
            self.tell_change_from(key, JsValue::NULL);
        }
        key
    }

    fn move_to(&mut self, key: u64, state: CallState) {
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
            let measured = entry.meter.is_some();
            for promise in std::mem::take(&mut entry.answered) {
                self.settle(promise, Ok(JsValue::UNDEFINED));
            }
            if !measured {
                self.measure(key);
            }
            self.look_at_quality();
        }
        if state != previous {
            self.tell_change(key, previous);
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

    /// Measures the call's microphone.
    fn measure(&mut self, key: u64) {
        let me = self.me.clone();
        let measured = move |level| {
            if let Some(driver) = me.upgrade() {
                driver.run(|phone, _| phone.level_dbfs = Some(level));
            }
        };
        if let Some(entry) = self.entry(key) {
            entry.meter = entry.shared.local.borrow().as_ref().map(|stream| Meter::attach(stream, measured));
        }
    }

    /// The call is over: media closed, promises settled, record kept, page told.
    fn finish(&mut self, now: Instant, key: u64, cause: Cause, status: Option<u16>, reason: Option<String>) {
        let Some(index) = self.calls.iter().position(|entry| entry.key == key) else { return };
        let mut entry = self.calls.remove(index);
        // Microphone and connection first: nothing below may keep them.
        entry.media = None;
        entry.meter = None;
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
        let own = self.account.as_ref().and_then(|account| account.uri.user_text());
        let record = Record::new(facts.clone(), own.unwrap_or_default().into_owned());
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

    fn driver_settings(&self) -> Option<crate::media::Settings> {
        self.me.upgrade().map(|driver| self.media_settings(&driver))
    }

    fn media_reports(&self, key: u64) -> Rc<dyn Fn(Report)> {
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

    fn tell_change_from(&mut self, key: u64, previous: JsValue) {
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

/// A session description is text (RFC 8866 §5: UTF-8); what is not fails in the browser's parser.
fn text_of(body: Body) -> String {
    String::from_utf8(body.bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Rejects what waits when the phone goes away.
pub(super) fn closed() -> Failure {
    Failure::new(CLOSED, "the phone was removed from the page")
}
