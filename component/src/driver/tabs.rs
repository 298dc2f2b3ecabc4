//! One phone for all tabs of an account (`js/tabs.js` has the protocol): who leads, what is told to those who follow, and what
//! these ask for.
//!
//! ```text
//! account ─► Joining ─► Leading    agent, connection, media ─► Mirror, events ─► all who follow
//!                    └► Following  facts of the leader ─► same window, objects, events; what is asked for goes to the leader
//!                        └─ the leader is gone ─► Leading, with what it has told last: its calls are taken up
//! Leading ─ a window of the phone's own wants to lead ─► Following, as if it had been closed and opened again
//! ```
//! A follower keeps the leader's facts where its own would be, so that all that reads them is the same.

use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise, Uint8Array};
use soft_phone_sip::presence::Availability;
use soft_phone_sip::{Agent, Instant};
use wasm_bindgen::{JsCast, JsValue};

use super::controls::call_options;
use super::output::Output;
use super::phone::Phone;
use super::{Driver, WINDOW, quietly};
use crate::call::Shared;
use crate::handover::Handover;
use crate::js;
use crate::mirror::{self, Mirror, Past};
use crate::names;
use crate::record::Record;
use crate::request::Request;
use crate::state::messages::Messages;
use crate::state::{Call, CallState, Cause, Problem};

/// Calls that have ended in the leader, and of which events are still to come.
const MOST_ENDED: usize = 8;

/// What this tab is among those of its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// No account, or a browser that knows no others.
    #[default]
    Alone,
    /// It is being found out.
    Joining,
    /// It has the phone.
    Leading,
    /// Another one has it.
    Following,
}

/// What is known of the other tabs.
#[derive(Default)]
pub struct Tabs {
    pub(super) role: Role,
    /// `js/tabs.js`'s object.
    link: Option<JsValue>,
    /// Those who follow.
    followers: u32,
    /// What was told last.
    told: (Vec<u8>, Vec<u8>),
    /// What the leader has told last.
    pub(super) heard: Option<Box<Mirror>>,
    /// Calls that have ended there, the last ones.
    ended: Vec<(Rc<Shared>, JsValue)>,
}

impl Tabs {
    /// Whether this tab is to ring in the place of the one that has the phone: the browser keeps that silent, and the user
    /// looks at this one.
    pub(super) fn rings_instead(&self) -> bool {
        let seen = || web_sys::window().and_then(|window| window.document()).is_some_and(|document| !document.hidden());
        self.heard.as_ref().is_some_and(|heard| heard.sound_blocked) && seen()
    }

    /// Whether others go on with the phone when this one goes.
    pub(super) fn has_heirs(&self) -> bool {
        self.role == Role::Leading && self.followers > 0
    }
}

impl Driver {
    /// What opens the way to the other tabs.
    pub fn set_tabs(&self, opener: Function) {
        self.opener.replace(Some(opener));
    }

    /// Whether this tab has the phone.
    pub fn leads(&self) -> bool {
        matches!(self.phone.borrow().tabs.role, Role::Alone | Role::Leading)
    }

    /// This tab has it from now on.
    pub fn lead(self: &Rc<Self>) {
        self.run(Phone::lead);
    }

    /// Another tab has it.
    pub fn begin_to_follow(self: &Rc<Self>) {
        self.run(|phone, _| {
            phone.tabs.role = Role::Following;
            // What this tab has left behind is the leader's now.
            if let Some(account) = &phone.account {
                let _ = Handover::take(&account.uri.to_string());
            }
        });
        self.want();
    }

    /// Another one is to have it, as soon as nothing is under way here that would be lost; at once where it is `forced`. False
    /// while it cannot be.
    pub fn cede(self: &Rc<Self>, forced: bool) -> bool {
        let done = self.run(|phone, _| phone.cede(forced));
        if done {
            self.want();
        }
        done
    }

    /// A window for the phone, if a call is to wait for one: a promise that settles when it has the phone, or will not.
    pub(super) fn find_host(&self) -> Option<Promise> {
        let link = self.phone.borrow().tabs.link.clone()?;
        js::call(&link, "host", &[])?.dyn_into().ok()
    }

    /// The browser has opened no window.
    pub fn popup_blocked(self: &Rc<Self>) {
        self.run(|phone, _| phone.notify(Problem::PopupBlocked));
    }

    /// So many follow: each of them is told everything.
    pub fn followers(self: &Rc<Self>, count: u32) {
        self.run(|phone, _| {
            phone.tabs.followers = count;
            phone.tabs.told = Default::default();
        });
    }

    /// Tells those who follow what is new.
    pub(super) fn tell(&self) {
        let (link, state, past) = {
            let mut phone = self.phone.borrow_mut();
            let Some(link) = phone.tabs.link.clone().filter(|_| phone.tabs.has_heirs()) else { return };
            let (state, past) = (mirror::encode(&phone.mirror()), mirror::encode(&phone.past()));
            let news = |told: &mut Vec<u8>, now: Vec<u8>| {
                let bytes = if *told == now { JsValue::UNDEFINED } else { Uint8Array::from(now.as_slice()).into() };
                *told = now;
                bytes
            };
            let told = &mut phone.tabs.told;
            (link, news(&mut told.0, state), news(&mut told.1, past))
        };
        if !(state.is_undefined() && past.is_undefined()) {
            js::call(&link, "tell", &[state, past]);
        }
    }

    /// Fires an event at those who follow.
    pub(super) fn fire_elsewhere(&self, name: &str, detail: &JsValue) {
        let link = self.phone.borrow().tabs.link.clone().filter(|_| self.phone.borrow().tabs.has_heirs());
        // A follower sees the sign-in move by what it is told.
        if let Some(link) = link.filter(|_| name != names::REGISTRATION) {
            js::call(&link, "fire", &[name.into(), detail.clone()]);
        }
    }

    /// Asks the leader, where that is another tab: `method` of the element or of a call.
    pub(crate) fn elsewhere(&self, call: Option<&str>, method: &str, arguments: &[JsValue]) -> Option<Promise> {
        let link = self.phone.borrow().tabs.leader()?;
        let list = arguments.iter().collect::<Array>();
        let asked = js::call(&link, "ask", &[js::text_or_null(call), method.into(), list.into()])?;
        Some(asked.into())
    }

    /// What the user wants in the window of a tab that follows; gives it back where this tab has to do it.
    pub(super) fn request_elsewhere(&self, request: Request) -> Option<Request> {
        // The page is asked first, sound and window are the tab's.
        if matches!(request, Request::Call { .. } | Request::Open | Request::Close | Request::UserGesture) {
            return Some(request);
        }
        let bytes = Uint8Array::from(mirror::encode(&request).as_slice()).into();
        match self.elsewhere(None, "request", &[bytes]) {
            Some(asked) => quietly(asked),
            None => return Some(request),
        }
        None
    }

    /// Does what the user of another tab wants.
    pub fn perform(self: &Rc<Self>, request: &[u8]) {
        if let Some(request) = mirror::decode(request) {
            self.request(request);
        }
    }

    /// Calls for another tab, whose page has been asked.
    pub fn dialled(self: &Rc<Self>, target: &str, options: &JsValue, source: &str) -> Promise {
        let options = if source == WINDOW { self.window_options() } else { call_options(&js::read(options)) };
        self.dial_now(target.to_owned(), options)
    }

    /// What the leader tells.
    pub fn hear(self: &Rc<Self>, state: &[u8], past: &[u8]) {
        let (state, past) = (mirror::decode::<Mirror>(state), mirror::decode::<Past>(past));
        let attributes = state.as_ref().map(|state| state.attributes.clone()).unwrap_or_default();
        let wanted = self.run(|phone, _| {
            if let Some(past) = past {
                phone.hear_past(past);
            }
            state.is_some_and(|state| phone.hear(state))
        });
        if wanted {
            quietly(self.register());
        }
        for (name, value) in names::SHARED.into_iter().zip(attributes) {
            if self.host.get_attribute(name) != value {
                let _ = match value {
                    Some(value) => self.host.set_attribute(name, &value),
                    None => self.host.remove_attribute(name),
                };
            }
        }
    }

    /// An attribute that is the phone's has changed in this tab.
    pub(super) fn share_attribute(&self, name: &str) {
        let value = self.host.get_attribute(name);
        let place = names::SHARED.iter().position(|shared| *shared == name);
        let known =
            place.and_then(|place| Some(self.phone.borrow().tabs.heard.as_ref()?.attributes.get(place)? == &value));
        if known == Some(false)
            && let Some(asked) = self.elsewhere(None, "attribute", &[name.into(), js::text_or_null(value.as_deref())])
        {
            quietly(asked);
        }
    }

    /// The object of a call.
    pub fn call_of(&self, id: &str) -> JsValue {
        let phone = self.phone.borrow();
        let live = phone.calls.iter().map(|entry| (&entry.shared, &entry.object));
        let ended = phone.tabs.ended.iter().map(|(shared, object)| (shared, object));
        let found = live.chain(ended).find(|(shared, _)| shared.facts.borrow().id == id);
        found.map_or(JsValue::UNDEFINED, |(_, object)| object.clone())
    }

    /// An event of the leader's.
    pub fn replay(self: &Rc<Self>, name: &str, detail: Object) {
        let Some(name) = names::EVENTS.iter().copied().find(|known| *known == name) else { return };
        let output = match name {
            names::INCOMING => Output::Incoming { call: js::get(&detail, "call"), answer: None },
            _ => Output::Event { name, detail },
        };
        self.run(|phone, _| phone.outputs.push_back(output));
    }

    /// Tells the leader what this tab's page wants to be told.
    pub(super) fn want(&self) {
        let Some(link) = self.phone.borrow().tabs.leader() else { return };
        let wants = self.phone.borrow().watches.wishes(false);
        let pairs = wants.iter().map(|(target, package)| Array::of2(&target.into(), &package.into()));
        js::call(&link, "want", &[pairs.collect::<Array>().into()]);
    }
}

impl Tabs {
    /// The way to the tab that leads, where it is another.
    fn leader(&self) -> Option<JsValue> {
        self.link.clone().filter(|_| self.role == Role::Following)
    }
}

impl Phone {
    /// Finds out who has the phone of this account; false where this tab can know of no other.
    pub(super) fn meet_others(&mut self) -> bool {
        let (Some(driver), Some(account)) = (self.me.upgrade(), &self.account) else { return false };
        let key = [mirror::FORMAT, &account.uri.to_string(), &account.servers.join(" ")].join(" ");
        let opener = driver.opener.borrow().clone();
        // It calls back later, never from within.
        let link = opener.and_then(|opener| opener.call1(&JsValue::UNDEFINED, &key.into()).ok());
        self.tabs.link = link.filter(JsValue::is_object);
        self.tabs.role = if self.tabs.link.is_some() { Role::Joining } else { Role::Alone };
        self.tabs.link.is_some()
    }

    /// Leaves the phone to the others.
    pub(super) fn quit(&mut self) {
        let Tabs { role, link, .. } = std::mem::take(&mut self.tabs);
        if role == Role::Following {
            // They go on.
            self.calls.clear();
        }
        if let Some(link) = link {
            js::call(&link, "leave", &[]);
        }
    }

    /// This tab has the phone: goes on where the one before, or the page before, has ended.
    pub(super) fn lead(&mut self, now: Instant) {
        if self.account.is_none() || self.agent.is_some() {
            return;
        }
        let role = self.tabs.role;
        if self.tabs.link.is_some() {
            self.tabs.role = Role::Leading;
        }
        self.tabs.ended.clear();
        let heard = self.tabs.heard.take();
        if role == Role::Following {
            let known = std::mem::take(&mut self.calls);
            self.parked = known.into_iter().map(|entry| (entry.shared, entry.object)).collect();
        }
        for (target, package) in heard.iter().flat_map(|heard| &heard.wishes) {
            self.watches.keep(target, package);
        }
        if let Some(own) = heard.as_ref().and_then(|heard| Availability::from_word(heard.published.as_ref()?)) {
            self.watches.keep_own(own);
        }
        let (instance, handover) = heard.map(|heard| (heard.instance, heard.handover)).unwrap_or_default();
        if let (Some(urn), Some(own)) = (instance, &mut self.instance) {
            own.urn = urn;
        }
        self.start(now, handover);
        // What was neither left nor told of in time is lost, and its card is to say so.
        if role != Role::Following {
            return self.end_parked();
        }
        for (shared, object) in std::mem::take(&mut self.parked) {
            let key = shared.key;
            self.push(None, shared, object);
            self.report_call(key, "taken");
            self.finish(now, key, Cause::Network, None, None);
        }
    }

    fn cede(&mut self, forced: bool) -> bool {
        if self.tabs.role != Role::Leading {
            return true;
        }
        let asked =
            [self.queries.len(), self.registering.len(), self.unregistering.len()].iter().any(|count| *count > 0);
        if !forced && (asked || !self.calls.iter().all(super::calls::Entry::is_quiet)) {
            return false;
        }
        // Should the other one be gone before it has begun, this one goes on with it.
        let mirror = self.mirror();
        let (followed, front) = (mirror.calls.clone(), self.front);
        for key in self.calls.iter().map(|entry| entry.key).collect::<Vec<_>>() {
            self.report_call(key, "left");
        }
        self.tabs.role = Role::Following;
        self.tabs.followers = 0;
        self.tabs.told = Default::default();
        self.tabs.heard = Some(Box::new(mirror));
        let (last_ended, notice) = (self.last_ended.take(), self.notice.take());
        self.park();
        self.hear_calls(&followed, false);
        (self.front, self.last_ended, self.notice) = (front, last_ended, notice);
        self.forget_messages();
        self.forget_subscriptions();
        self.watches.give_up();
        if let Some(plan) = &mut self.plan {
            plan.stop();
        }
        self.plan = None;
        self.connection = None;
        self.link_fault = None;
        self.sample_at = None;
        true
    }

    /// Calls that this page has left have ended elsewhere.
    fn end_parked(&mut self) {
        for (shared, _) in std::mem::take(&mut self.parked) {
            shared.facts.borrow_mut().state = CallState::Ended;
        }
    }

    fn mirror(&self) -> Mirror {
        let front = self.calls.iter().find(|entry| Some(entry.key) == self.front).map(super::calls::Entry::id);
        let driver = self.me.upgrade();
        let attribute = |name| driver.as_ref().and_then(|driver| driver.host.get_attribute(name));
        Mirror {
            registration: self.registration.clone(),
            wanted: self.wanted,
            calls: self.calls.iter().map(|entry| entry.shared.facts.borrow().clone()).collect(),
            front,
            last_ended: self.last_ended.clone(),
            lamps: self.watches.lamps(),
            mailbox: self.watches.mailbox(),
            published: self.watches.own().map(|own| own.as_str().to_owned()),
            wishes: self.watches.wishes(true),
            anonymous: self.anonymous,
            notice: self.notice,
            sound_blocked: self.sound_blocked,
            attributes: names::SHARED.map(attribute).to_vec(),
            chosen: self.devices.chosen.clone(),
            instance: self.instance.as_ref().map(|instance| instance.urn.clone()),
            handover: self.agent.as_ref().map(Agent::save).map(|saved| self.handover(saved.only_calls())),
        }
    }

    fn past(&self) -> Past {
        Past {
            own: self.own_number(),
            calls: self.history.iter().map(|record| record.call.clone()).collect(),
            messages: self.texts.known.list.to_vec(),
            unread: self.texts.known.unread,
        }
    }

    fn hear_past(&mut self, past: Past) {
        let Past { own, calls, messages, unread } = past;
        self.history = calls.into_iter().map(|call| Record::new(call, own.clone())).collect();
        self.texts.known = Messages::known(messages, unread);
    }

    /// True when this tab's page wants to be signed in, and the phone is not to be.
    fn hear(&mut self, mirror: Mirror) -> bool {
        if self.tabs.role != Role::Following {
            return false;
        }
        let first = self.tabs.heard.is_none();
        let wanted = first && self.wanted && !mirror.wanted;
        self.hear_calls(&mirror.calls, first);
        self.front = self.calls.iter().find(|entry| Some(entry.id()) == mirror.front).map(|entry| entry.key);
        self.last_ended.clone_from(&mirror.last_ended);
        self.wanted = mirror.wanted;
        self.anonymous = mirror.anonymous;
        self.notice = mirror.notice;
        self.devices.chosen.clone_from(&mirror.chosen);
        self.take_registration(mirror.registration.clone());
        self.tabs.heard = Some(Box::new(mirror));
        wanted
    }

    fn hear_calls(&mut self, calls: &[Call], first: bool) {
        let mut before = std::mem::take(&mut self.calls);
        for call in calls {
            match before.iter().position(|entry| entry.id() == call.id) {
                Some(place) => {
                    let entry = before.remove(place);
                    entry.shared.facts.replace(call.clone());
                    self.calls.push(entry);
                }
                None => {
                    let known = self.parked.iter().position(|(shared, _)| shared.facts.borrow().id == call.id);
                    let key = match known.map(|place| self.parked.remove(place)) {
                        Some((shared, object)) => {
                            let key = shared.key;
                            shared.facts.replace(call.clone());
                            self.push(None, shared, object);
                            key
                        }
                        None => self.add_known(None, call.clone()),
                    };
                    if first {
                        // The page learns of a call that was there before it.
                        self.tell_change_from(key, JsValue::NULL);
                    }
                }
            }
        }
        self.end_parked();
        for entry in before {
            let id = entry.id();
            if let Some(record) = self.history.iter().rev().find(|record| record.call.id == id) {
                entry.shared.facts.replace(record.call.clone());
            }
            entry.shared.facts.borrow_mut().state = CallState::Ended;
            if self.tabs.ended.len() == MOST_ENDED {
                self.tabs.ended.remove(0);
            }
            self.tabs.ended.push((entry.shared, entry.object));
        }
    }
}
