//! The window and its round button: draws [`PhoneState`], sends [`Request`]s, keeps no facts of its own.
//!
//! ```text
//! PhoneState ─► model ─► nodes          click, key ─► Request
//! ```
//! What is shown in which state is decided in [`model`]; here it is only put on the page. A request may change the
//! facts, and so come back as [`View::update`], before it returns: no borrow is held while one is sent.

mod dom;
mod drag;
mod icons;
mod input;
mod lamps;
mod messages;
pub mod model;
mod nodes;
pub mod place;
mod settings;
mod ticker;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CssStyleSheet, Element, Event, HtmlElement, ShadowRoot};

use self::drag::Drag;
use self::model::{Action, Clock, Line, Model, Panel};
use self::nodes::Nodes;
use self::ticker::Ticker;
use crate::listener::Listener;
use crate::notification::IncomingNotice;
use crate::request::Request;
use crate::state::{Call, CallState, PhoneState};
use crate::strings::{Lang, Text};

/// How the phone is shown (contract §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A round button at a corner that opens a window above the page.
    #[default]
    Floating,
    /// The window, in the page's flow.
    Inline,
    /// Nothing.
    Headless,
}

impl Mode {
    /// The attribute's value; anything unknown is the default.
    pub fn from_attribute(value: Option<&str>) -> Mode {
        match value.map(str::trim) {
            Some(value) if value.eq_ignore_ascii_case("inline") => Mode::Inline,
            Some(value) if value.eq_ignore_ascii_case("headless") => Mode::Headless,
            _ => Mode::Floating,
        }
    }

    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Floating => "floating",
            Mode::Inline => "inline",
            Mode::Headless => "headless",
        }
    }
}

/// Where the floating button stands (contract §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corner {
    /// The default.
    #[default]
    BottomRight,
    /// Bottom, left hand.
    BottomLeft,
    /// Top, right hand.
    TopRight,
    /// Top, left hand.
    TopLeft,
}

impl Corner {
    const ALL: [Corner; 4] = [Corner::BottomRight, Corner::BottomLeft, Corner::TopRight, Corner::TopLeft];

    /// The attribute's value; anything unknown is the default.
    pub fn from_attribute(value: Option<&str>) -> Corner {
        let value = value.unwrap_or_default().trim();
        Corner::ALL.into_iter().find(|corner| value.eq_ignore_ascii_case(corner.name())).unwrap_or_default()
    }

    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Corner::BottomRight => "bottom-right",
            Corner::BottomLeft => "bottom-left",
            Corner::TopRight => "top-right",
            Corner::TopLeft => "top-left",
        }
    }
}

/// What the page's author decides about the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewConfig {
    /// How the phone is shown.
    pub mode: Mode,
    /// Where the button stands.
    pub corner: Corner,
    /// The language of its words; see [`Lang::choose`].
    pub lang: Lang,
}

/// How long **0** is held to give **+**, ms.
const LONG_PRESS_MS: f64 = 500.0;

/// The view of one phone. Dropping it takes it off the page.
pub struct View {
    inner: Rc<Inner>,
    _listeners: [Listener; 7],
}

struct Inner {
    nodes: Nodes,
    root: ShadowRoot,
    drag: Drag,
    requests: Rc<dyn Fn(Request)>,
    config: Cell<ViewConfig>,
    /// The facts that were drawn last, to draw them again when the user types.
    facts: RefCell<PhoneState>,
    /// What is on the page now.
    drawn: RefCell<Option<Model>>,
    /// The user, not a call, opened the window: the keyboard goes there.
    asked_to_open: Cell<bool>,
    /// What the user wants to see in the place of the call's card, and of which call.
    panel: RefCell<(Panel, String)>,
    /// When a finger or the mouse went down, by the events' own clock, ms.
    pressed_at: Cell<Option<f64>>,
    /// Drives the clock and the countdown while one is shown.
    ticker: RefCell<Option<Ticker>>,
    notice: RefCell<Option<(String, IncomingNotice)>>,
}

impl View {
    /// Builds the view in the host's shadow root, in floating mode and English until it is configured. `requests`
    /// hears what the user wants.
    ///
    /// # Errors
    /// The browser's exception when it lacks adopted style sheets or refuses a node.
    pub fn new(host: &HtmlElement, root: &ShadowRoot, requests: Rc<dyn Fn(Request)>) -> Result<View, JsValue> {
        let document = host.owner_document().ok_or(JsValue::UNDEFINED)?;
        // An adopted sheet needs no 'unsafe-inline' in the page's policy, a <style> element does.
        let sheet = CssStyleSheet::new()?;
        sheet.replace_sync(include_str!(concat!(env!("OUT_DIR"), "/style.css")))?;
        root.set_adopted_style_sheets(&Array::of1(&sheet));
        let nodes = Nodes::new(&document)?;
        let drag = Drag::new(&nodes);
        root.append_child(&nodes.root)?;
        let inner = Rc::new(Inner {
            nodes,
            root: root.clone(),
            drag,
            requests,
            config: Cell::default(),
            facts: RefCell::default(),
            drawn: RefCell::default(),
            asked_to_open: Cell::new(false),
            panel: RefCell::default(),
            pressed_at: Cell::new(None),
            ticker: RefCell::default(),
            notice: RefCell::default(),
        });
        inner.configure();
        Inner::draw(&inner);
        let on = |name, act: fn(&Rc<Inner>, &Event)| {
            let weak = Rc::downgrade(&inner);
            Listener::new(&inner.nodes.root, name, move |event| {
                if let Some(inner) = weak.upgrade() {
                    act(&inner, &event);
                }
            })
        };
        let listeners = [
            on("click", Inner::clicked),
            on("pointerdown", |inner, event| inner.pressed_at.set(Some(event.time_stamp()))),
            on("keydown", Inner::key_pressed),
            on("keypress", |inner, event| inner.keep_typing(event)),
            on("keyup", |inner, event| inner.keep_typing(event)),
            on("input", |inner, event| {
                // A switch tells of itself by `change`, which comes behind: it must not be drawn anew before.
                if event.target().is_some_and(|target| target == ****inner.nodes.number) {
                    Inner::typed(inner);
                }
            }),
            on("change", |inner, event| {
                let request = inner.nodes.lamps.changed(event).or_else(|| inner.nodes.settings.changed(event));
                inner.ask(request);
            }),
        ];
        Ok(View { inner, _listeners: listeners })
    }

    /// Changes mode, corner or language.
    pub fn configure(&self, config: &ViewConfig) {
        if self.inner.config.replace(*config) != *config {
            self.inner.configure();
            self.inner.drawn.take();
            Inner::draw(&self.inner);
        }
    }

    /// Draws these facts; touches only what changed.
    pub fn update(&self, state: &PhoneState) {
        Inner::update(&self.inner, state);
    }

    /// Writes into the number field, as if the user had typed it.
    pub fn set_number(&self, number: &str) {
        self.inner.nodes.number.set_value(number);
        Inner::draw(&self.inner);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.inner.nodes.root.remove();
    }
}

impl Inner {
    /// Puts mode, corner and the words that are the same in every state on the nodes.
    fn configure(&self) {
        let ViewConfig { mode, corner, lang } = self.config.get();
        let nodes = &self.nodes;
        let say = |text| lang.text(text);
        dom::attribute(&nodes.root, "data-mode", mode.name());
        dom::attribute(&nodes.root, "data-corner", corner.name());
        dom::attribute(&nodes.root, "lang", lang.tag());
        dom::attribute(&nodes.root, "dir", lang.direction());
        let floating = mode == Mode::Floating;
        dom::attribute(&nodes.window, "role", if floating { "dialog" } else { "region" });
        dom::attribute(&nodes.button, "aria-haspopup", "dialog");
        dom::attribute(&nodes.number, "placeholder", say(Text::NumberHint));
        for (node, label) in [
            (&*nodes.window, Text::Phone),
            (&*nodes.grip, Text::MoveWindow),
            (&*nodes.close, Text::ClosePhone),
            (&**nodes.number, Text::Number),
            (&*nodes.erase, Text::Erase),
            (&*nodes.keypad, Text::Keypad),
            (&*nodes.clock, Text::Duration),
            (&*nodes.meter, Text::MicrophoneLevel),
            (&*nodes.tones, Text::TonesSent),
            (&*nodes.lines, Text::OtherCalls),
        ] {
            dom::attribute(node, "aria-label", say(label));
        }
        dom::text(&nodes.mute_label, say(Text::Mute));
        for (node, label) in [
            (&*nodes.show_keypad, Text::ShowKeypad),
            (&*nodes.back, Text::Back),
            (&*nodes.hold, Text::Hold),
            (&*nodes.second, Text::NewCall),
            (&*nodes.connect, Text::ConnectBoth),
            (&*nodes.conference, Text::Conference),
        ] {
            dom::text(node, say(label));
        }
        self.drag.restore(floating.then(|| ["soft-phone:place:", mode.name(), ":", corner.name()].concat()));
    }

    fn update(this: &Rc<Inner>, state: &PhoneState) {
        let was = this.facts.replace(state.clone());
        let nodes = &this.nodes;
        if let Some(level) = state.level_dbfs.filter(|_| was.level_dbfs != state.level_dbfs) {
            let lit = (model::meter(level) * 100.0) as u32;
            let lit = lit.to_string();
            dom::attribute(&nodes.meter, "aria-valuenow", &lit);
            let _ = nodes.meter.style().set_property("--level", &[lit.as_str(), "%"].concat());
        }
        dom::flag(&nodes.meter, "hidden", state.level_dbfs.is_none());
        // The number has done its work once somebody answered; after a failure it stays for the next try.
        let talked = |state: &PhoneState| state.calls.iter().filter(|call| call.answered_at.is_some()).count();
        if talked(state) > talked(&was) {
            nodes.number.set_value("");
        }
        Inner::draw(this);
        Inner::notify(this, state);
        if state.open != was.open {
            this.move_focus(state.open);
        }
        this.ask(this.nodes.messages.seen(state, !this.nodes.window.has_attribute("hidden")));
    }

    /// Draws the facts and what the user typed.
    fn draw(this: &Rc<Inner>) {
        let lang = this.config.get().lang;
        let number = this.nodes.number.value();
        dom::flag(&this.nodes.erase, "hidden", number.is_empty());
        let (model, open) = {
            let facts = this.facts.borrow();
            let mut panel = this.panel.borrow_mut();
            // A panel belongs to one call: the next one begins with its card.
            let call = model::current(&facts).map(|call| call.id.as_str()).unwrap_or_default();
            if panel.1 != call {
                *panel = (Panel::Card, call.to_owned());
            }
            this.nodes.settings.update(&facts, lang);
            this.nodes.lamps.update(&facts, lang);
            this.nodes.messages.update(&facts.messages, lang);
            let waiting = facts.messages.unread > 0 || facts.mailbox.as_ref().is_some_and(|mailbox| mailbox.waiting);
            dom::flag(&this.nodes.root, "data-unread", waiting);
            this.nodes.fold(&facts);
            (model::model(&facts, &number, panel.0, lang), facts.open)
        };
        this.show_window(open || this.config.get().mode == Mode::Inline);
        if this.drawn.borrow().as_ref() == Some(&model) {
            return;
        }
        this.apply(&model, lang);
        let ticks = model.status.retry_at.is_some() || matches!(model.status.clock, Some(Clock::Since(_)));
        this.drawn.replace(Some(model));
        this.tick();
        if ticks && this.ticker.borrow().is_none() {
            let weak = Rc::downgrade(this);
            this.ticker.replace(Ticker::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.tick();
                }
            }));
        } else if !ticks {
            this.ticker.take();
        }
        // A longer sentence makes the window taller.
        this.drag.keep_on_screen();
    }

    fn apply(&self, model: &Model, lang: Lang) {
        let nodes = &self.nodes;
        let show = |node: &Element, on: bool| dom::flag(node, "hidden", !on);
        dom::attribute(&nodes.root, "data-look", model.look.name());
        dom::attribute(&nodes.button, "aria-label", &model.button_label);
        dom::attribute(&nodes.button, "title", &model.button_label);
        dom::text(&nodes.title, &model.title);
        // The role goes first: it decides how the new sentence is announced.
        dom::attribute(&nodes.status, "role", if model.status.urgent { "alert" } else { "status" });
        dom::attribute(&nodes.status, "data-tone", model.status.tone.name());
        dom::text(&nodes.sentence, &model.status.text);
        dom::text(&nodes.spoken, &model.status.spoken);
        show(&nodes.repair, model.repair.is_some());
        if let Some((label, _)) = &model.repair {
            dom::text(&nodes.repair, lang.text(*label));
        }
        show(&nodes.notice, model.notice.is_some());
        if let Some(notice) = &model.notice {
            dom::text(&nodes.notice_text, lang.text(notice.text));
            dom::text(&nodes.notice_button, lang.text(notice.action.0));
        }
        let card = model.peer.is_some() && model.panel == Panel::Card;
        dom::flag(&nodes.dialer, "data-away", card);
        dom::flag(&nodes.card, "data-away", !card);
        let keypad = model.panel == Panel::Keypad;
        show(&nodes.field, !keypad);
        show(&nodes.sent, model.panel != Panel::Card);
        self.list(&model.lines, lang);
        dom::flag(&nodes.hold, "disabled", model.hold.is_none());
        dom::attribute(&nodes.hold, "aria-pressed", if model.held { "true" } else { "false" });
        dom::flag(&nodes.transfer, "disabled", model.transfer.is_none());
        dom::text(&nodes.transfer, lang.text(model.transfer.unwrap_or(Text::Transfer)));
        dom::flag(&nodes.second, "disabled", !model.second);
        show(&nodes.connect, model.connect.is_some());
        show(&nodes.conference, model.conference.is_some());
        dom::text(&nodes.tones, &model.tones);
        dom::flag(&nodes.show_keypad, "disabled", model.tones_to.is_none());
        dom::text(&nodes.note, &model.note);
        if let Some(peer) = &model.peer {
            dom::text(&nodes.initials, &peer.initials);
            dom::text(&nodes.name, &peer.name);
            dom::attribute(&nodes.name, "title", &peer.name);
            dom::text(&nodes.peer_number, &peer.number);
        }
        dom::flag(&nodes.mute, "disabled", model.mute.is_none());
        dom::attribute(&nodes.mute, "aria-pressed", if model.muted { "true" } else { "false" });
        let button = |button: &Element, label: &Element, action: &Action| {
            dom::attribute(button, "part", action.part);
            dom::flag(button, "disabled", action.request.is_none());
            dom::text(label, lang.text(action.label));
        };
        button(&nodes.green, &nodes.green_label, &model.green);
        button(&nodes.red, &nodes.red_label, &model.red);
    }

    /// Lists the other calls, each a button that switches to it.
    fn list(&self, lines: &[Line], lang: Lang) {
        let list = &self.nodes.lines;
        dom::flag(list, "hidden", lines.is_empty());
        // Rewritten in place: a button that has the keyboard keeps it.
        while list.child_element_count() as usize > lines.len() {
            list.last_element_child().iter().for_each(Element::remove);
        }
        let document = list.owner_document();
        let mut next = list.first_element_child();
        for line in lines {
            let known = next.take().map(JsCast::unchecked_into::<HtmlElement>);
            let make = || {
                let button = dom::button(document.as_ref()?, &[("class", "tool line"), ("data-do", "line")]).ok()?;
                list.append_child(&button).ok()?;
                Some(button)
            };
            let Some(button) = known.or_else(make) else { return };
            next = button.next_element_sibling();
            dom::attribute(&button, "data-call", &line.id);
            dom::text(&button, &[line.name.as_str(), " — ", lang.text(line.state)].concat());
        }
    }

    /// Writes the clock and the countdown.
    fn tick(&self) {
        let drawn = self.drawn.borrow();
        let Some(Model { status, .. }) = drawn.as_ref() else { return };
        let now = js_sys::Date::now();
        let clock = match status.clock {
            Some(Clock::Since(from)) => model::duration(now - from),
            Some(Clock::Stopped(millis)) => model::duration(millis),
            None => String::new(),
        };
        dom::text(&self.nodes.clock, &clock);
        let lang = self.config.get().lang;
        let retry = status.retry_at.map(|at| match model::seconds_until(at, now) {
            0 => lang.text(Text::RetryNow).to_owned(),
            seconds => lang.retry_in(seconds),
        });
        dom::text(&self.nodes.retry, &retry.unwrap_or_default());
    }

    fn show_window(&self, shown: bool) {
        dom::attribute(&self.nodes.button, "aria-expanded", if shown { "true" } else { "false" });
        let window = &self.nodes.window;
        if window.has_attribute("hidden") == shown {
            // What is hidden loses the keyboard: it goes back to where it came from.
            let focused = self.root.active_element().is_some_and(|focused| window.contains(Some(&focused)));
            dom::flag(window, "hidden", !shown);
            if focused && !shown {
                let _ = self.nodes.button.focus();
            }
            self.drag.keep_on_screen();
        }
    }

    /// Only a window that the user asked for takes the keyboard; a call that comes in must not, in the middle of a
    /// word that is being typed elsewhere.
    fn move_focus(&self, opened: bool) {
        if self.asked_to_open.take() && opened {
            // On a touch screen the field would raise the keyboard over the keypad.
            let coarse = web_sys::window()
                .and_then(|window| window.match_media("(pointer: coarse)").ok()?)
                .is_some_and(|query| query.matches());
            let _ = if coarse { self.nodes.window.focus() } else { self.nodes.number.focus() };
        }
    }

    /// Shows or takes away the system's notification.
    fn notify(this: &Rc<Inner>, state: &PhoneState) {
        let incoming = state.calls.iter().find(|call| call.state == CallState::Incoming);
        let ViewConfig { mode, lang, .. } = this.config.get();
        // Another one when it becomes known who calls.
        let caller = |call: &Call| [call.id.as_str(), model::caller(call, lang), &call.candidates].join("\n");
        let shown = this.notice.borrow().as_ref().map(|(caller, _)| caller.clone());
        if shown == incoming.map(caller) {
            return;
        }
        this.notice.take();
        // The tab that has the phone says so.
        let Some(call) = incoming.filter(|_| mode != Mode::Headless && !state.follows) else { return };
        let title = lang.fill(Text::IsCalling, model::caller(call, lang));
        let body = if call.candidates.is_empty() { lang.text(Text::IncomingBody) } else { &call.candidates };
        let requests = this.requests.clone();
        let notice = IncomingNotice::show(&call.id, &title, body, move || requests(Request::Open));
        this.notice.replace(notice.map(|notice| (caller(call), notice)));
    }

    fn ask(&self, request: Option<Request>) {
        if let Some(request) = request {
            (self.requests)(request);
        }
    }

    /// A request out of the model; the borrow ends here.
    fn offered(&self, pick: impl Fn(&Model) -> Option<Request>) -> Option<Request> {
        self.drawn.borrow().as_ref().and_then(pick)
    }
}
