//! What is done to a call that stands, and with which devices: keypad tones, microphone and loudspeaker, quality.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Promise};
use soft_phone_sip::{CallId, CallOptions, Instant, QueryId};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::Driver;
use super::calls::gone;
use super::output::{self, Output};
use super::phone::Phone;
use crate::account::Value;
use crate::failure::Failure;
use crate::js::{self, Deferred};
use crate::media::processing::Ladder;
use crate::media::quality::{self, Sample};
use crate::media::{Session, devices, graph, keypad};
use crate::request::Request;
use crate::state::{CallState, Cause, DeviceKind, Devices, Engine, Problem, TONES_KEPT};
use crate::{clock, names, number};

/// Between two looks at the statistics (contract §4).
const SAMPLE: Duration = Duration::from_secs(2);
/// The same while it is in question whether packets come.
const SOON: Duration = Duration::from_millis(500);
/// Length of a tone that is sent by INFO.
const INFO_TONE_MS: u16 = 160;
/// Targets of redirections that are tried for one call.
const REDIRECTS: u8 = 5;
/// Headers that a page may add to a call.
const MOST_HEADERS: usize = 32;

impl Driver {
    /// Sends keypad tones: in the media where the far end takes them there, else by INFO, unless `transport` says.
    pub fn send_dtmf(self: &Rc<Self>, call: u64, tones: &str, transport: Option<&str>) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.send_dtmf(now, call, tones, transport, end));
        promise
    }

    /// Sends a call that comes in to `target`.
    pub fn redirect(self: &Rc<Self>, call: u64, target: &str) -> Promise {
        let Some(target) = number::normalise(target) else {
            self.run(|phone, _| phone.notify(Problem::NumberInvalid));
            return js::rejected(&Problem::NumberInvalid.into());
        };
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.redirect(now, call, &target, end));
        promise
    }

    /// The property `devices`.
    pub fn devices(&self) -> JsValue {
        let phone = self.phone.borrow();
        let known = &phone.devices;
        let object = js::object(&[
            ("microphones", devices::to_js(&known.microphones)),
            ("speakers", devices::to_js(&known.speakers)),
            ("cameras", devices::to_js(&known.cameras)),
        ]);
        for kind in DeviceKind::ALL {
            js::set(&object, kind.as_str(), &known.used(kind).into());
        }
        object.into()
    }

    /// Chooses those that `wanted` names; what it leaves out stays.
    pub fn set_devices(self: &Rc<Self>, wanted: &JsValue) {
        for kind in DeviceKind::ALL {
            if let Some(id) = js::get(wanted, kind.as_str()).as_string() {
                self.choose_device(kind, id);
            }
        }
    }

    /// Uses this device from now on, in the calls that go on, too; empty: the system's.
    pub fn choose_device(self: &Rc<Self>, kind: DeviceKind, id: String) {
        let _ = self.request_elsewhere(Request::Device { kind, id: id.clone() });
        self.run(|phone, _| {
            let mut wanted = phone.devices.clone();
            wanted.chosen[kind as usize] = id;
            devices::remember(&wanted.chosen);
            phone.use_devices(wanted);
        });
    }

    /// Offers this codec before those that the attribute names; empty: as the browser has them.
    pub fn choose_codec(&self, name: &str) {
        if name.is_empty() {
            let _ = self.host.remove_attribute(names::CODECS);
            return;
        }
        let before = self.host.get_attribute(names::CODECS).unwrap_or_default();
        let others = before.split_whitespace().filter(|other| !other.eq_ignore_ascii_case(name));
        let list: Vec<&str> = std::iter::once(name).chain(others).collect();
        let _ = self.host.set_attribute(names::CODECS, &list.join(" "));
    }

    /// The choice of an earlier visit, and what is plugged in.
    pub fn recall_devices(self: &Rc<Self>) {
        self.phone.borrow_mut().devices.chosen = devices::remembered();
        self.list_devices();
    }

    /// Lists the devices anew, which takes a moment.
    pub fn list_devices(self: &Rc<Self>) {
        let me = self.me.clone();
        spawn_local(async move {
            let found = devices::list().await;
            if let (Some(found), Some(driver)) = (found, me.upgrade()) {
                driver.run(|phone, _| {
                    let chosen = phone.devices.chosen.clone();
                    phone.use_devices(Devices { chosen, ..found });
                });
            }
        });
    }
}

impl Phone {
    /// Whether the element has this boolean attribute.
    pub(super) fn has_flag(&self, name: &str) -> bool {
        self.me.upgrade().is_some_and(|driver| driver.host.has_attribute(name))
    }

    /// The element's attribute of that name; empty when it has none.
    pub(super) fn text_attribute(&self, name: &str) -> String {
        self.me.upgrade().and_then(|driver| driver.host.get_attribute(name)).unwrap_or_default()
    }

    fn send_dtmf(&mut self, now: Instant, key: u64, tones: &str, transport: Option<&str>, promise: Deferred) {
        let Some(entry) = self.entry(key) else { return self.settle(promise, Err(gone())) };
        let Some(tones) = keypad::normalise(tones) else {
            let failure = Failure::new(Problem::NumberInvalid.as_str(), "tones are 0 to 9, A to D, *, # and ,");
            return self.settle(promise, Err(failure));
        };
        let state = entry.state();
        let (Some(media), true) = (&entry.media, matches!(state, CallState::Early | CallState::Active)) else {
            return self.settle(promise, Err(Failure::wrong_state(state.as_str())));
        };
        let in_media = transport != Some("info") && (transport.is_some() || media.takes_tones());
        if in_media {
            if !media.send_tones(&tones) {
                return self.settle(promise, Err(Failure::wrong_state("the far end takes no tones in the media")));
            }
            entry.tones.push(promise);
        } else {
            let call = entry.sip;
            match self.send_infos(now, call, &tones) {
                Ok(last) => self.queries.push((last, promise)),
                Err(failure) => return self.settle(promise, Err(failure)),
            }
        }
        let Some(entry) = self.entry(key) else { return };
        let mut facts = entry.shared.facts.borrow_mut();
        facts.tones.push_str(&tones);
        let surplus = facts.tones.len().saturating_sub(TONES_KEPT);
        facts.tones.drain(..surplus);
    }

    /// Sends tones by INFO, one each; the last one's name. There are no pauses by INFO.
    fn send_infos(&mut self, now: Instant, call: Option<CallId>, tones: &str) -> Result<QueryId, Failure> {
        let (Some(call), Some(agent)) = (call, &mut self.agent) else { return Err(gone()) };
        let mut last = Err(Failure::new(Problem::NumberInvalid.as_str(), "only pauses"));
        for tone in tones.chars().filter(|tone| *tone != ',') {
            last = Ok(agent.dtmf(now, call, tone, INFO_TONE_MS)?);
        }
        last
    }

    /// The answer to a request that a promise waits for.
    pub(super) fn on_query(&mut self, query: QueryId, status: Option<u16>) {
        let Some(place) = self.queries.iter().position(|(of, _)| *of == query) else { return };
        let (_, promise) = self.queries.remove(place);
        let result = match status {
            Some(200..=299) => Ok(JsValue::UNDEFINED),
            _ => Err(Failure::new(Cause::Failed.as_str(), "the far end refused it").with_sip(status, None)),
        };
        self.settle(promise, result);
    }

    /// Answers what is to be answered by itself now.
    pub(super) fn answer_due(&mut self, now: Instant) {
        let due = |entry: &mut super::calls::Entry| entry.answer_at.take_if(|at| now >= *at).map(|_| entry.key);
        let keys: Vec<u64> = self.calls.iter_mut().filter_map(due).collect();
        for key in keys {
            self.answer_automatically(key);
        }
    }

    /// Answers a call that nobody has touched the phone for.
    pub(super) fn answer_automatically(&mut self, key: u64) {
        if let Some(entry) = self.entry(key) {
            entry.automatic = true;
        }
        let (end, promise) = Deferred::new();
        super::quietly(promise);
        self.answer(key, end);
    }

    /// Takes over a list and a choice; calls change over to what is used now.
    fn use_devices(&mut self, wanted: Devices) {
        let before = std::mem::replace(&mut self.devices, wanted);
        let changed = |kind| before.used(kind) != self.devices.used(kind);
        let (microphone, speaker) = (changed(DeviceKind::Microphone), changed(DeviceKind::Speaker));
        for media in self.calls.iter().filter_map(|entry| entry.media.as_ref()) {
            if microphone || media.has_lost_microphone() {
                media.use_microphone(self.devices.used(DeviceKind::Microphone));
            }
            if speaker {
                media.use_speaker(self.devices.used(DeviceKind::Speaker));
            }
        }
    }

    /// Processes the microphone otherwise, in the calls that go on, too.
    pub(super) fn use_processing(&mut self) {
        let processing = self.processing();
        for media in self.calls.iter().filter_map(|entry| entry.media.as_ref()) {
            media.set_processing(processing);
        }
    }

    /// Buffers what is received otherwise, in the calls that go on, too.
    pub(super) fn use_jitter_buffer(&mut self) {
        let mode = self.jitter_buffer();
        for media in self.calls.iter().filter_map(|entry| entry.media.as_ref()) {
            media.set_jitter_buffer(mode);
        }
    }

    /// Who processes the microphone: of the call that the user speaks in, else as the next call would begin.
    pub(super) fn engine(&self) -> Engine {
        let front = self.calls.iter().find(|entry| Some(entry.key) == self.front).or(self.calls.first());
        match front.and_then(|entry| entry.media.as_ref()) {
            Some(media) => media.engine(),
            None if graph::is_possible() && Ladder::new(self.processing(), graph::overloaded()).wants_engine() => {
                Engine::Rust
            }
            None => Engine::Browser,
        }
    }

    /// How each call's microphone is processed.
    pub(super) fn diagnose_voices(&self) -> Array {
        let diagnose = |entry: &super::calls::Entry| {
            let voice = entry.media.as_ref()?.diagnose_voice();
            js::set(&voice, "call", &entry.id().into());
            Some(voice)
        };
        self.calls.iter().filter_map(diagnose).collect()
    }

    /// Begins to look at the statistics, unless that goes on.
    pub(super) fn look_at_quality(&mut self) {
        self.sample_at.get_or_insert(clock::now() + SAMPLE);
    }

    pub(super) fn sample(&mut self) {
        let mut any = false;
        for entry in self.calls.iter().filter(|entry| entry.shared.facts.borrow().is_established()) {
            entry.media.iter().for_each(Session::sample);
            any = true;
        }
        let urgent = self.calls.iter().any(|entry| entry.repair.is_urgent());
        self.sample_at = any.then(|| clock::now() + if urgent { SOON } else { SAMPLE });
    }

    /// Looks now, and soon again.
    pub(super) fn look_soon(&mut self) {
        self.sample_at = Some(clock::now());
    }

    pub(super) fn take_sample(&mut self, key: u64, sample: Sample) {
        let Some(entry) = self.entry(key) else { return };
        let before = entry.sample.replace(sample);
        self.watch_for_stall(key, before.as_ref(), &sample);
        let Some(before) = before else { return };
        let Some(entry) = self.entry(key) else { return };
        // On hold there is nothing to hear, good or bad.
        if entry.state() != CallState::Active || entry.shared.facts.borrow().remote_held {
            return;
        }
        let told = quality::quality(&before, &sample);
        entry.shared.facts.borrow_mut().quality = Some(told);
        let detail = output::quality(&told);
        js::set(&detail, "call", &entry.object);
        self.outputs.push_back(Output::Event { name: names::QUALITY, detail });
    }
}

/// The second argument of `call()`: `{headers: {name: value}, anonymous, autoAnswer}`.
pub fn call_options(options: &Value) -> CallOptions {
    let is = |name| matches!(options.field(name), Value::Bool(true));
    let headers = match options.field("headers") {
        Value::Object(headers) => headers.as_slice(),
        _ => &[],
    };
    let headers = headers.iter().take(MOST_HEADERS).filter_map(|(name, value)| match value {
        Value::Text(value) => Some((name.clone(), value.clone())),
        _ => None,
    });
    CallOptions {
        headers: headers.collect(),
        redirects: REDIRECTS,
        anonymous: is("anonymous"),
        auto_answer: is("autoAnswer"),
        ..CallOptions::default()
    }
}
