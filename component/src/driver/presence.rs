//! Subscriptions (RFC 6665) and our own presence (RFC 3903): what the page and the window want to know, what comes.

use std::rc::Rc;
use std::time::Duration;

use js_sys::Promise;
use soft_phone_sip::Applied;
use soft_phone_sip::dialog_info::Pickup;
use soft_phone_sip::message_summary::Summary;
use soft_phone_sip::presence::{Availability, Presence};
use soft_phone_sip::{
    self as sip, Body, CallOptions, Instant, PublicationId, Replaces, SubscriptionId, SubscriptionState,
};
use wasm_bindgen::JsValue;

use super::output::Output;
use super::package::{self, Package};
use super::phone::Phone;
use super::{Driver, WINDOW};
use crate::failure::{CLOSED, Failure};
use crate::js::{self, Deferred};
use crate::state::lamps::{Lamp, LampState, Mailbox};
use crate::state::{EpochMillis, Problem};
use crate::{clock, names, number};

/// Subscriptions of a phone.
const MOST: usize = 64;
/// Longest note that is published, bytes.
const LONGEST_NOTE: usize = 256;
/// How long a presence is kept unless it is refreshed, which the agent does.
const PUBLISHED: Duration = Duration::from_secs(3_600);

/// Something that is subscribed to, or will be when we are signed in.
struct Watch {
    key: u64,
    target: String,
    package: Package,
    id: Option<SubscriptionId>,
    stands: SubscriptionState,
    /// For good, as far as this sign-in goes.
    refused: bool,
    /// The user asked for it.
    own: bool,
}

/// What is subscribed to and published.
pub struct Watches {
    list: Vec<Watch>,
    next: u64,
    mailbox: Option<Mailbox>,
    /// Wanted: what we are, and what we say of it.
    own: Option<(Availability, String)>,
    publication: Option<PublicationId>,
    publishing: Vec<Deferred>,
    /// Our tuple's name: other phones of the same user have others.
    tuple: String,
}

impl Watches {
    pub(super) fn new() -> Watches {
        let mut random = [0; 8];
        clock::entropy(&mut random);
        // An XML name begins with a letter.
        let tuple = random.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        Watches {
            list: Vec::new(),
            next: 0,
            mailbox: None,
            own: None,
            publication: None,
            publishing: Vec::new(),
            tuple,
        }
    }

    pub(super) fn lamps(&self) -> Vec<Lamp> {
        let lamp = |watch: &Watch| {
            let (known, note) = match &watch.package {
                Package::Presence(Some(known)) => {
                    let notes = known.notes.iter().chain(known.tuples.iter().flat_map(|tuple| &tuple.notes));
                    (LampState::from(known), notes.into_iter().next().cloned().unwrap_or_default())
                }
                Package::Dialog(known) => {
                    (known.merged().as_ref().map_or(LampState::Unknown, LampState::from), String::new())
                }
                Package::Presence(None) => (LampState::Unknown, String::new()),
                Package::Mailbox(_) | Package::Registrations(_) => return None,
            };
            let state = if watch.refused { LampState::Refused } else { known };
            Some(Lamp { key: watch.key, target: watch.target.clone(), state, note, own: watch.own })
        };
        self.list.iter().filter_map(lamp).collect()
    }

    /// Target and package of the lamps that the user has set up (`own`), or of what the page wants.
    pub(super) fn wishes(&self, own: bool) -> Vec<(String, String)> {
        let wish = |watch: &Watch| (watch.target.clone(), watch.package.name().to_owned());
        self.list.iter().filter(|watch| watch.own == own).map(wish).collect()
    }

    /// The lamp of another tab's user.
    pub(super) fn keep(&mut self, target: &str, package: &str) {
        if let Some(package) = Package::from_name(package) {
            self.add(target.to_owned(), package, true);
        }
    }

    /// Another tab has the phone, and with it what the user has set up; what this page wants it tells by itself.
    pub(super) fn give_up(&mut self) {
        self.list.retain(|watch| !watch.own);
        self.own = None;
    }

    /// What another tab has told of the user.
    pub(super) fn keep_own(&mut self, own: Availability) {
        self.own = Some((own, String::new()));
    }

    fn add(&mut self, target: String, package: Package, own: bool) -> u64 {
        self.next += 1;
        let (key, stands) = (self.next, SubscriptionState::Pending);
        self.list.push(Watch { key, target, package, id: None, stands, refused: false, own });
        key
    }

    pub(super) fn mailbox(&self) -> Option<Mailbox> {
        self.mailbox.clone()
    }

    /// What we have told of ourselves.
    pub(super) fn own(&self) -> Option<Availability> {
        self.own.as_ref().map(|(availability, _)| *availability)
    }
}

impl Driver {
    /// Subscribes as soon as we are signed in, and for as long as the element stays. Returns a name for
    /// [`Driver::unsubscribe`].
    ///
    /// # Errors
    /// A package or target that there is not, or too many.
    pub fn subscribe(self: &Rc<Self>, target: &str, package: &str, own: bool) -> Result<u64, Failure> {
        let package = Package::from_name(package)
            .ok_or_else(|| Failure::new("package-unknown", "presence, dialog, message-summary and reg are known"))?;
        let target = match number::normalise(target) {
            Some(target) => target,
            None if package.is_own() && target.trim().is_empty() => String::new(),
            None => return Err(Problem::NumberInvalid.into()),
        };
        let key = self.run(|phone, now| phone.subscribe(now, target, package, own));
        self.want();
        key
    }

    /// Ends a subscription.
    pub fn unsubscribe(self: &Rc<Self>, key: u64) {
        self.run(|phone, now| phone.unsubscribe(now, key));
        self.want();
    }

    /// Tells the page again what is known of a subscription.
    pub fn tell_watch(self: &Rc<Self>, key: u64) {
        self.run(|phone, _| phone.tell_notify(key, None, None, None));
    }

    /// Tells others how we are; `None` takes it back.
    pub fn publish(self: &Rc<Self>, status: Option<&str>, note: &str) -> Promise {
        if let Some(asked) = self.elsewhere(None, "publish", &[js::text_or_null(status), note.into()]) {
            return asked;
        }
        let wanted = match status {
            None | Some("") => None,
            Some(word) => match Availability::from_word(word) {
                Some(availability) => Some(availability),
                None => {
                    let failure = Failure::new("status-unknown", "status is available, busy, away or offline, or null");
                    return js::rejected(&failure);
                }
            },
        };
        let (end, promise) = Deferred::new();
        let end_of_note = (0..=note.len().min(LONGEST_NOTE)).rev().find(|&at| note.is_char_boundary(at));
        let note = note[..end_of_note.unwrap_or(0)].to_owned();
        self.run(|phone, now| phone.publish(now, wanted.map(|availability| (availability, note)), end));
        promise
    }

    /// A lamp was pressed: calls, or takes the call over that rings there.
    pub fn press_lamp(self: &Rc<Self>, key: u64) {
        let found = self.phone.borrow().watches.list.iter().find(|watch| watch.key == key).map(|watch| {
            let pickup = match &watch.package {
                Package::Dialog(known) => known.merged().and_then(|known| known.pickup()),
                _ => None,
            };
            (watch.target.clone(), pickup)
        });
        match found {
            Some((_, Some(pickup))) => super::quietly(self.take_over(&pickup)),
            Some((target, None)) => super::quietly(self.call(&target, &JsValue::UNDEFINED, WINDOW)),
            None => {}
        }
    }

    /// Calls the caller in the place of the phone that rings, unless that has answered meanwhile.
    fn take_over(self: &Rc<Self>, pickup: &Pickup) -> Promise {
        let replaces = Replaces {
            call_id: pickup.call_id.clone(),
            to_tag: pickup.to_tag.clone(),
            from_tag: pickup.from_tag.clone(),
            early_only: true,
        };
        let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
        self.call_with(&pickup.target, None, WINDOW, &JsValue::UNDEFINED, || options)
    }

    /// The mailbox was pressed: calls it, where the server says how.
    pub fn call_mailbox(self: &Rc<Self>) {
        let account = self.phone.borrow().watches.mailbox.as_ref().and_then(|mailbox| mailbox.account.clone());
        if let Some(account) = account {
            super::quietly(self.call(&account, &JsValue::UNDEFINED, WINDOW));
        }
    }
}

impl Phone {
    fn subscribe(&mut self, now: Instant, target: String, package: Package, own: bool) -> Result<u64, Failure> {
        if self.watches.list.len() >= MOST {
            return Err(Failure::wrong_state("so much is subscribed to"));
        }
        let key = self.watches.add(target, package, own);
        self.watch_all(now);
        Ok(key)
    }

    fn unsubscribe(&mut self, now: Instant, key: u64) {
        let Some(place) = self.watches.list.iter().position(|watch| watch.key == key) else { return };
        let watch = self.watches.list.remove(place);
        if let (Some(id), Some(agent)) = (watch.id, &mut self.agent) {
            // It may be over already.
            let _ = agent.unsubscribe(now, id);
        }
        if matches!(watch.package, Package::Mailbox(_)) {
            self.watches.mailbox = None;
        }
    }

    /// Asks for all that is wanted and not asked for yet. Servers refuse who is not signed in.
    pub(super) fn watch_all(&mut self, now: Instant) {
        let Some(agent) = &mut self.agent else { return };
        let Some(own) = self.account.as_ref().map(|account| account.uri.to_string()) else { return };
        if agent.registration() != sip::RegistrationState::Registered && self.wanted {
            return;
        }
        for watch in self.watches.list.iter_mut().filter(|watch| watch.id.is_none() && !watch.refused) {
            let target = if watch.target.is_empty() { own.as_str() } else { &watch.target };
            match agent.subscribe(now, target, watch.package.name(), watch.package.accept()) {
                Ok(id) => watch.id = Some(id),
                Err(_) => watch.refused = true,
            }
        }
        let Watches { own: wanted, publication, tuple, .. } = &mut self.watches;
        if let (Some((availability, note)), None) = (wanted, &publication) {
            let body = Presence::to_body(&own, tuple, *availability, Some(note));
            *publication = agent.publish(now, "presence", body, PUBLISHED).ok();
        }
    }

    pub(super) fn on_subscription(
        &mut self,
        id: SubscriptionId,
        stands: SubscriptionState,
        status: Option<u16>,
        reason: Option<String>,
        retry_at: Option<EpochMillis>,
    ) {
        let Some(watch) = self.watches.list.iter_mut().find(|watch| watch.id == Some(id)) else { return };
        watch.stands = stands;
        if stands != SubscriptionState::Active {
            // What was known may be wrong by now, and versions begin anew.
            watch.package.forget();
        }
        if stands == SubscriptionState::Terminated {
            watch.id = None;
            watch.refused = true;
        }
        // An active one is told by its state.
        let key = watch.key;
        if stands != SubscriptionState::Active {
            self.tell_notify(key, status, reason, retry_at);
        }
    }

    pub(super) fn on_notify(&mut self, now: Instant, id: SubscriptionId, fork: u32, body: Option<&Body>) {
        let Some(watch) = self.watches.list.iter_mut().find(|watch| watch.id == Some(id)) else { return };
        match watch.package.take(fork, body.map(|body| body.bytes.as_slice())) {
            None | Some(Applied::Stale) => return,
            Some(Applied::Done) => {}
            Some(Applied::Gap) => {
                // RFC 4235 §4.3: what was lost is made up for by the full state, which a new subscription begins with.
                watch.id = None;
                watch.package.forget();
                let _ = self.agent.as_mut().map(|agent| agent.unsubscribe(now, id));
                return self.watch_all(now);
            }
        }
        if let Package::Mailbox(known) = &watch.package
            && let Some(summary) = known.merged()
        {
            self.watches.mailbox = Some((&summary).into());
        }
        let key = watch.key;
        self.tell_notify(key, None, None, None);
    }

    pub(super) fn on_unsolicited(&mut self, body: &Body) {
        let Ok(summary) = Summary::parse(&body.bytes) else { return };
        self.watches.mailbox = Some((&summary).into());
        let own = self.account.as_ref().map(|account| account.uri.to_string()).unwrap_or_default();
        let detail = js::object(&[
            ("package", "message-summary".into()),
            ("target", own.as_str().into()),
            ("state", package::mailbox(&summary).into()),
            ("subscription", JsValue::NULL),
            ("sipStatus", JsValue::NULL),
            ("reason", JsValue::NULL),
            ("retryAt", JsValue::NULL),
        ]);
        self.outputs.push_back(Output::Event { name: names::NOTIFY, detail });
    }

    fn tell_notify(&mut self, key: u64, status: Option<u16>, reason: Option<String>, retry_at: Option<EpochMillis>) {
        let own = || self.account.as_ref().map(|account| account.uri.to_string()).unwrap_or_default();
        let Some(watch) = self.watches.list.iter().find(|watch| watch.key == key) else { return };
        let target = if watch.target.is_empty() { own() } else { watch.target.clone() };
        let detail = js::object(&[
            ("package", watch.package.name().into()),
            ("target", target.as_str().into()),
            ("state", watch.package.to_js()),
            ("subscription", watch.stands.as_str().into()),
            ("sipStatus", js::status_or_null(status)),
            ("reason", js::text_or_null(reason.as_deref())),
            ("retryAt", js::date_or_null(retry_at)),
        ]);
        self.outputs.push_back(Output::Event { name: names::NOTIFY, detail });
    }

    fn publish(&mut self, now: Instant, wanted: Option<(Availability, String)>, promise: Deferred) {
        let (Some(agent), Some(account)) = (&mut self.agent, &self.account) else {
            return self.settle(promise, Err(Problem::NotConfigured.into()));
        };
        let watches = &mut self.watches;
        watches.own = wanted;
        let done = match (&watches.own, watches.publication) {
            (None, None) => return self.settle(promise, Ok(JsValue::UNDEFINED)),
            (None, Some(publication)) => agent.unpublish(now, publication),
            (Some((availability, note)), Some(publication)) => {
                let body = Presence::to_body(&account.uri.to_string(), &watches.tuple, *availability, Some(note));
                agent.modify(now, publication, body)
            }
            (Some(_), None) if self.wanted && agent.registration() != sip::RegistrationState::Registered => Ok(()),
            (Some(_), None) => {
                self.watch_all(now);
                Ok(())
            }
        };
        match done {
            Ok(()) => self.watches.publishing.push(promise),
            Err(error) => self.settle(promise, Err(error.into())),
        }
    }

    pub(super) fn on_publication(&mut self, id: PublicationId, state: SubscriptionState, status: Option<u16>) {
        if self.watches.publication != Some(id) {
            return;
        }
        let result = match state {
            SubscriptionState::Pending => return,
            SubscriptionState::Active => Ok(()),
            // Taken back, as we wanted.
            SubscriptionState::Terminated if self.watches.own.is_none() => Ok(()),
            SubscriptionState::Waiting if status.is_none() => return,
            SubscriptionState::Waiting | SubscriptionState::Terminated => {
                self.notify(Problem::PresenceRefused);
                Err(Failure::from(Problem::PresenceRefused).with_sip(status, None))
            }
        };
        if state == SubscriptionState::Terminated {
            self.watches.publication = None;
            self.watches.own = None;
        }
        for promise in std::mem::take(&mut self.watches.publishing) {
            self.settle(promise, result.clone().map(|()| JsValue::UNDEFINED));
        }
    }

    /// The agent goes: what is wanted is asked for again by the next one.
    pub(super) fn forget_subscriptions(&mut self) {
        for watch in &mut self.watches.list {
            watch.id = None;
            watch.refused = false;
            watch.stands = SubscriptionState::Pending;
            watch.package.forget();
        }
        self.watches.mailbox = None;
        self.watches.publication = None;
        for promise in std::mem::take(&mut self.watches.publishing) {
            self.settle(promise, Err(Failure::new(CLOSED, "the phone went before the presence was published")));
        }
    }
}
