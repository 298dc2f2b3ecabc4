//! The one owner of a phone's cores: everything that happens comes in through [`Driver::run`].
//!
//! ```text
//! click, method, frame, timer, media ─► run: mutate once ─► drain ─► borrow ends ─► events, promises, view, timer
//! ```
//! User code (listeners, promise handlers) only ever runs after the borrow has ended, so it may call back in.

mod calls;
mod controls;
mod facts;
mod journal;
mod lines;
mod messages;
pub(crate) mod output;
mod package;
mod page;
mod phone;
mod presence;
mod recovery;
mod repair;
mod reports;
mod sign_in;
mod tabs;
mod transfer;
mod trickle;
mod wake;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use js_sys::{Array, Function, Promise};
use soft_phone_sip::{CallOptions, Instant};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{CustomEvent, CustomEventInit, HtmlElement, ShadowRoot};

use crate::account::Value;
use crate::clock::{self, Timer};
use crate::failure::{Failure, VETOED};
use crate::js::{self, Deferred};
use crate::listener::Listener;
use crate::names;
use crate::number;
use crate::request::Request;
use crate::state::{CallState, DeviceKind, Direction, PhoneState, Problem};
use crate::tones::{Tone, Tones};
use crate::view::View;

use output::Output;
use phone::Phone;
use transfer::Target;

/// 603: the user says no, for all of the user's phones (RFC 3261 §21.6.2).
const DECLINE: u16 = 603;
/// Where a call was asked for that no script wanted: in the window.
const WINDOW: &str = "window";

/// One phone.
pub struct Driver {
    me: Weak<Driver>,
    host: HtmlElement,
    root: ShadowRoot,
    phone: RefCell<Phone>,
    view: RefCell<Option<Rc<View>>>,
    tones: Tones,
    /// The page's property `account`.
    account: RefCell<Option<Rc<Value>>>,
    /// The page's property `credentials`.
    credentials: RefCell<Option<Function>>,
    /// Takes what the application's server is to learn: `(state, call) => void`.
    reporter: RefCell<Option<Function>>,
    /// Opens the way to the other tabs: `(key) => tabs | null`.
    opener: RefCell<Option<Function>>,
    /// Counts loads of the account: only the last one counts.
    round: Cell<u32>,
    /// A change of the markup waits to be looked at.
    changed: Cell<bool>,
    /// Outputs are being delivered, by a frame further up the stack.
    delivering: Cell<bool>,
    /// Outputs wait until a report is kept.
    held: Cell<bool>,
    timer: RefCell<Option<(Instant, Timer)>>,
    drawn: RefCell<Option<PhoneState>>,
    listeners: RefCell<Vec<Listener>>,
    /// Looks whether the machine slept.
    beat: RefCell<Option<Timer>>,
    /// Waits for a gesture while the browser plays nothing.
    gesture: RefCell<Vec<Listener>>,
}

impl Driver {
    /// The phone of `host`, not running yet.
    pub fn new(host: HtmlElement, root: ShadowRoot) -> Rc<Driver> {
        Rc::new_cyclic(|me: &Weak<Driver>| {
            let blocked = me.clone();
            let on_blocked = Rc::new(move |silent| {
                if let Some(driver) = blocked.upgrade() {
                    // A tone may be started while its outcome is being told.
                    spawn_local(async move { driver.run(|phone, _| phone.block_sound(silent)) });
                }
            });
            Driver {
                me: me.clone(),
                host,
                root,
                phone: RefCell::new(Phone::new(me.clone())),
                view: RefCell::new(None),
                tones: Tones::new(on_blocked),
                account: RefCell::new(None),
                credentials: RefCell::new(None),
                reporter: RefCell::new(None),
                opener: RefCell::new(None),
                round: Cell::new(0),
                changed: Cell::new(false),
                delivering: Cell::new(false),
                held: Cell::new(false),
                timer: RefCell::new(None),
                drawn: RefCell::new(None),
                listeners: RefCell::default(),
                beat: RefCell::default(),
                gesture: RefCell::default(),
            }
        })
    }

    /// Changes the phone once, then does everything that follows from it.
    pub fn run<R>(self: &Rc<Self>, mutate: impl FnOnce(&mut Phone, Instant) -> R) -> R {
        let result = mutate(&mut self.phone.borrow_mut(), clock::now());
        self.settle();
        result
    }

    /// Apart from [`Driver::run`], which is compiled once for each caller.
    fn settle(self: &Rc<Self>) {
        let deadline = {
            let mut phone = self.phone.borrow_mut();
            phone.drain(clock::now());
            phone.part(clock::now());
            phone.deadline()
        };
        self.set_timer(deadline);
        self.keep_watch();
        // Before the events that tell of it.
        self.tell();
        self.deliver();
    }

    // Methods.

    /// Signs in.
    pub fn register(self: &Rc<Self>) -> Promise {
        if let Some(asked) = self.elsewhere(None, "register", &[]) {
            return asked;
        }
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.register(now, end));
        promise
    }

    /// Signs out.
    pub fn unregister(self: &Rc<Self>) -> Promise {
        if let Some(asked) = self.elsewhere(None, "unregister", &[]) {
            return asked;
        }
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.unregister(now, end));
        promise
    }

    /// Calls; the promise brings the call object once the INVITE is sent.
    pub fn call(self: &Rc<Self>, typed: &str, options: &JsValue, source: &str) -> Promise {
        // Getters of the page's object run here, with no borrow held.
        self.call_with(typed, None, source, options, || controls::call_options(&js::read(options)))
    }

    /// Calls what was read on the page, as a click in the window would; listeners are told `number`.
    pub fn call_from(self: &Rc<Self>, target: &str, number: &str, source: &str) -> Promise {
        self.show(true);
        self.call_with(target, Some(number), source, &JsValue::UNDEFINED, || self.window_options())
    }

    /// What a call from the window brings along.
    fn window_options(&self) -> CallOptions {
        let anonymous = self.phone.borrow().anonymous;
        CallOptions { anonymous, ..controls::call_options(&Value::Null) }
    }

    /// The same; `options` are asked for when nobody objects, to `number` where it is not what is dialled. `asked` is what they
    /// are read from. Where the phone is to be in a window of its own, that comes first.
    fn call_with(
        self: &Rc<Self>,
        typed: &str,
        number: Option<&str>,
        source: &str,
        asked: &JsValue,
        options: impl FnOnce() -> CallOptions,
    ) -> Promise {
        let Some(target) = number::normalise(typed) else {
            self.run(|phone, _| phone.notify(Problem::NumberInvalid));
            return js::rejected(&Problem::NumberInvalid.into());
        };
        let detail = js::object(&[("number", number.unwrap_or(&target).into()), ("source", source.into())]);
        if !self.dispatch(names::DIAL, &detail, true) {
            return js::rejected(&Failure::new(VETOED, "a listener of soft-phone-dial prevented the call"));
        }
        let source = if number.is_some() { WINDOW } else { source };
        let (asked, options) = (asked.clone(), options());
        let Some(hosting) = self.find_host() else { return self.dial_there(target, options, &asked, source) };
        let (end, promise) = Deferred::new();
        let (driver, source) = (self.clone(), source.to_owned());
        spawn_local(async move {
            // Where no window came the call is made here.
            let _ = JsFuture::from(hosting).await;
            end.settle(Ok(driver.dial_there(target, options, &asked, &source).into()));
        });
        promise
    }

    /// Calls by way of whoever has the phone.
    fn dial_there(self: &Rc<Self>, target: String, options: CallOptions, asked: &JsValue, source: &str) -> Promise {
        match self.elsewhere(None, "dialled", &[target.as_str().into(), asked.clone(), source.into()]) {
            Some(asked) => asked,
            None => self.dial_now(target, options),
        }
    }

    /// The same, whoever objects.
    fn dial_now(self: &Rc<Self>, target: String, options: CallOptions) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| {
            if let Some(key) = phone.dial(target, options, end) {
                phone.speak_in(key);
            }
        });
        promise
    }

    /// Answers a call.
    pub fn answer(self: &Rc<Self>, call: u64) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, _| phone.answer(call, end));
        promise
    }

    /// Refuses a call.
    pub fn reject(self: &Rc<Self>, call: u64, status: u16) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.reject(now, call, status, end));
        promise
    }

    /// Ends a call.
    pub fn hangup(self: &Rc<Self>, call: u64) -> Promise {
        let (end, promise) = Deferred::new();
        self.run(|phone, now| phone.hangup(now, call, end));
        promise
    }

    /// Cuts a call's microphone off, or lets it through.
    pub fn mute(self: &Rc<Self>, call: u64, muted: bool) {
        self.run(|phone, _| phone.mute(call, muted));
    }

    /// Shows or hides the window.
    pub fn show(self: &Rc<Self>, open: bool) {
        self.run(|phone, _| phone.open = open);
    }

    /// Fills the number field and shows it.
    pub fn set_number(self: &Rc<Self>, number: &str) {
        self.show(true);
        let view = self.view.borrow().clone();
        if let Some(view) = view {
            view.set_number(number);
        }
    }

    /// The state of the sign-in.
    pub fn registration(&self) -> &'static str {
        self.phone.borrow().registration.state.as_str()
    }

    /// The live calls' objects, oldest first.
    pub fn calls(&self) -> Array {
        self.phone.borrow().calls.iter().map(|entry| &entry.object).collect()
    }

    /// The records of finished calls, oldest first.
    pub fn history(&self) -> Array {
        self.phone.borrow().history.iter().map(output::record).collect()
    }

    /// What a ticket needs: no secrets in it.
    pub fn diagnostics(&self) -> JsValue {
        let phone = self.phone.borrow();
        let trace: Array = phone
            .trace
            .entries()
            .map(|entry| {
                js::object(&[
                    ("at", js::iso_or_null(Some(entry.at))),
                    ("direction", if entry.sent { "sent" } else { "received" }.into()),
                    ("message", entry.text.as_str().into()),
                ])
            })
            .collect();
        js::object(&[
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("registration", output::registration(&phone.registration).into()),
            ("uri", js::text_or_null(phone.account.as_ref().map(|account| account.uri.to_string()).as_deref())),
            ("engine", phone.engine().as_str().into()),
            ("voice", phone.diagnose_voices().into()),
            ("contacts", output::contacts(phone.agent.as_ref())),
            ("calls", phone.calls.len().into()),
            ("history", phone.history.iter().map(output::record).collect::<Array>().into()),
            ("trace", trace.into()),
        ])
        .into()
    }

    // Inside.

    fn request(self: &Rc<Self>, request: Request) {
        let Some(request) = self.request_elsewhere(request) else { return };
        let with = |id: &str, act: &dyn Fn(u64) -> Promise| {
            let key = self.phone.borrow().key_of(id);
            if let Some(key) = key {
                quietly(act(key));
            }
        };
        match request {
            Request::Register => quietly(self.register()),
            Request::Unregister => quietly(self.unregister()),
            Request::Call { number } => {
                quietly(self.call_with(&number, None, WINDOW, &JsValue::UNDEFINED, || self.window_options()));
            }
            Request::Answer { call } => with(&call, &|key| self.answer(key)),
            Request::Decline { call } => with(&call, &|key| self.reject(key, DECLINE)),
            Request::Hangup { call } => with(&call, &|key| self.hangup(key)),
            Request::Mute { call, muted } => {
                let key = self.phone.borrow().key_of(&call);
                if let Some(key) = key {
                    self.mute(key, muted);
                }
            }
            Request::Hold { call, held } => {
                with(&call, &|key| if held { self.hold(key) } else { self.resume(key) });
            }
            Request::Switch { call } => {
                let key = self.phone.borrow().key_of(&call);
                if let Some(key) = key {
                    self.run(|phone, _| phone.speak_in(key));
                }
            }
            Request::Transfer { call, target } => with(&call, &|key| self.transfer(key, &target)),
            Request::Redirect { call, target } => with(&call, &|key| self.redirect(key, &target)),
            Request::TransferTo { call, other } => {
                let other = self.phone.borrow().key_of(&other);
                if let Some(other) = other {
                    with(&call, &|key| self.begin_transfer(key, Target::Call(other)));
                }
            }
            Request::Conference => quietly(self.connect_all()),
            Request::Dtmf { call, tone } => with(&call, &|key| self.send_dtmf(key, &tone, None)),
            Request::Device { kind, id } => self.choose_device(kind, id),
            Request::DoNotDisturb { on } => {
                let _ = self.host.toggle_attribute_with_force(names::DO_NOT_DISTURB, on);
            }
            Request::AutoAnswer { on } => {
                let _ = self.host.toggle_attribute_with_force(names::AUTO_ANSWER, on);
            }
            Request::Anonymous { on } => self.run(|phone, _| phone.anonymous = on),
            Request::Codec { name } => self.choose_codec(&name),
            Request::Message { target, text } => quietly(self.send_message(&target, &text)),
            Request::ReadMessages => self.read_messages(),
            Request::Lamp { key } => self.press_lamp(key),
            Request::Watch { target, package } => {
                if self.subscribe(&target, &package, true).is_err() {
                    self.run(|phone, _| phone.notify(Problem::NumberInvalid));
                }
            }
            Request::Unwatch { key } => self.unsubscribe(key),
            Request::Publish { status } => quietly(self.publish(Some(&status), "")),
            Request::Mailbox => self.call_mailbox(),
            Request::Open => self.show(true),
            Request::Close => self.show(false),
            Request::UserGesture => self.gesture(),
            Request::DismissNotice => self.run(|phone, _| {
                phone.notice = None;
                phone.last_ended = None;
            }),
        }
    }

    fn set_timer(self: &Rc<Self>, deadline: Option<Instant>) {
        let set = self.timer.borrow().as_ref().map(|(at, _)| *at);
        if set == deadline {
            return;
        }
        let timer = deadline.and_then(|at| {
            let me = self.me.clone();
            // A timer may be early by a fraction of a millisecond: rounding up saves a turn for nothing.
            let wait = at.as_micros().saturating_sub(clock::now().as_micros()).div_ceil(1000);
            let timer = Timer::new(wait, move || {
                if let Some(driver) = me.upgrade() {
                    driver.timer.take();
                    driver.tick();
                }
            })?;
            Some((at, timer))
        });
        self.timer.replace(timer);
    }

    fn tick(self: &Rc<Self>) {
        let reload = self.run(|phone, now| {
            phone.handle_timeout(now);
            phone.reload_at.take_if(|at| now >= *at).is_some()
        });
        if reload {
            sign_in::load_account(self, self.source());
        }
    }

    /// Tells the page and the view, with no borrow held. What happens meanwhile is appended.
    fn deliver(self: &Rc<Self>) {
        if self.delivering.replace(true) {
            return;
        }
        while !self.held.get() {
            let next = self.phone.borrow_mut().outputs.pop_front();
            match next {
                None => break,
                Some(Output::Event { name, detail }) => {
                    self.fire_elsewhere(name, &detail);
                    self.dispatch(name, &detail, false);
                }
                Some(Output::Incoming { call, answer }) => {
                    let detail = js::object(&[("call", call)]);
                    self.fire_elsewhere(names::INCOMING, &detail);
                    if self.dispatch(names::INCOMING, &detail, true) {
                        self.phone.borrow_mut().open = true;
                    }
                    if let Some(call) = answer {
                        self.run(|phone, _| phone.answer_automatically(call));
                    }
                }
                Some(Output::Transfer { call, transfer, number, target }) => {
                    self.follow(call, transfer, &number, target);
                }
                Some(Output::Report { state, call }) => {
                    if let Some(kept) = self.report(state, &call) {
                        self.wait_for(kept);
                    }
                }
                Some(Output::Settle { promise, result }) => promise.settle(result),
            }
        }
        self.delivering.set(false);
        self.draw();
    }

    /// Nobody is told of a call before its report is kept: what a page has heard of is never lost, even if the browser
    /// dies in that very moment.
    fn wait_for(self: &Rc<Self>, kept: Promise) {
        self.held.set(true);
        let driver = self.clone();
        spawn_local(async move {
            // What cannot be kept is told by whoever keeps.
            let _ = JsFuture::from(kept).await;
            driver.held.set(false);
            driver.deliver();
        });
    }

    /// The page goes: nothing can be waited for any more. What was delivering is not, either: nothing of ours is further up
    /// the stack, but a browser may have ended it in the middle (Firefox does, when somebody types another address).
    fn deliver_now(self: &Rc<Self>) {
        self.delivering.set(false);
        while !self.phone.borrow().outputs.is_empty() {
            self.held.set(false);
            self.deliver();
        }
    }

    fn draw(self: &Rc<Self>) {
        let state = self.phone.borrow().snapshot();
        if self.drawn.borrow().as_ref() == Some(&state) {
            return;
        }
        self.tones.set_devices(state.devices.used(DeviceKind::Ringer), state.devices.used(DeviceKind::Speaker));
        self.tones.set(self.tone(&state));
        self.wait_for_gesture(state.notice == Some(Problem::SoundBlocked));
        let view = self.view.borrow().clone();
        self.drawn.replace(Some(state.clone()));
        if let Some(view) = view {
            view.update(&state);
        }
    }

    /// What is heard besides voices: nothing may ring into a conversation.
    fn tone(&self, state: &PhoneState) -> Option<Tone> {
        let any = |wanted: CallState| state.calls.iter().any(|call| call.state == wanted);
        if state.follows && !(self.phone.borrow().tabs.rings_instead() && any(CallState::Incoming)) {
            return None;
        }
        if any(CallState::Active) || any(CallState::Early) || any(CallState::Answering) {
            None
        } else if any(CallState::Incoming) {
            Some(Tone::Ring)
        } else if state
            .calls
            .iter()
            .any(|call| call.state == CallState::Ringing && call.direction == Direction::Outbound)
        {
            Some(Tone::RingBack)
        } else if self.phone.borrow().busy_until.is_some() && state.calls.is_empty() {
            Some(Tone::Busy)
        } else {
            None
        }
    }

    /// Dispatches an event at the element; false when a listener prevented the default.
    fn dispatch(&self, name: &str, detail: &JsValue, cancelable: bool) -> bool {
        let init = CustomEventInit::new();
        init.set_bubbles(true);
        init.set_composed(true);
        init.set_cancelable(cancelable);
        init.set_detail(detail);
        CustomEvent::new_with_event_init_dict(name, &init)
            .and_then(|event| self.host.dispatch_event(&event))
            .unwrap_or(true)
    }
}

/// For the window, which learns the outcome from the facts: no "unhandled rejection" in the console.
pub(crate) fn quietly(promise: Promise) {
    spawn_local(async move {
        let _ = JsFuture::from(promise).await;
    });
}
