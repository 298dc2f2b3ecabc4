//! What the user does in the window: clicks, keys, typing.

use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlElement, KeyboardEvent};

use super::model::{self, Panel};
use super::nodes::Section;
use super::{Inner, LONG_PRESS_MS, Mode};
use crate::request::Request;

impl Inner {
    pub(super) fn clicked(this: &Rc<Inner>, event: &Event) {
        this.ask(Some(Request::UserGesture));
        let button = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
            .and_then(|target| target.closest("[data-do]").ok()?);
        let Some(button) = button else { return };
        let request = match button.get_attribute("data-do").as_deref() {
            Some("toggle") => {
                let open = this.facts.borrow().open;
                this.asked_to_open.set(!open);
                Some(if open { Request::Close } else { Request::Open })
            }
            Some("close") => Some(Request::Close),
            Some("green") => {
                let request = this.offered(|model| model.green.request.clone());
                // What was typed for has been said: the card shows how it goes.
                this.panel.borrow_mut().0 = Panel::Card;
                request
            }
            Some("red") => this.offered(|model| model.red.request.clone()),
            Some("mute") => this.offered(|model| model.mute.clone()),
            Some("repair") => this.offered(|model| model.repair.clone().map(|(_, request)| request)),
            Some("notice") => this.offered(|model| model.notice.clone().map(|notice| notice.action.1)),
            Some("settings") => {
                this.unfold(Section::Settings, !this.nodes.settings.is_open());
                None
            }
            Some("sign-out") => {
                this.unfold(Section::Settings, false);
                Some(Request::Unregister)
            }
            Some("keypad") => {
                Inner::show_panel(this, Panel::Keypad);
                None
            }
            Some("transfer") => {
                Inner::show_panel(this, Panel::Transfer);
                None
            }
            Some("second") => {
                Inner::show_panel(this, Panel::Call);
                None
            }
            Some("hold") => this.offered(|model| model.hold.clone()),
            Some("connect") => this.offered(|model| model.connect.clone()),
            Some("conference") => this.offered(|model| model.conference.clone()),
            Some("line") => button.get_attribute("data-call").map(|call| Request::Switch { call }),
            Some("back") => {
                Inner::show_panel(this, Panel::Card);
                None
            }
            Some("erase") => {
                this.edit(None);
                return Inner::typed(this);
            }
            Some("key") => {
                if let Some(request) = this.tone(&button.get_attribute("data-key").unwrap_or_default()) {
                    return this.ask(Some(request));
                }
                let held = this.pressed_at.take().is_some_and(|since| event.time_stamp() - since >= LONG_PRESS_MS);
                let key = button.get_attribute("data-key");
                this.edit(if held && key.as_deref() == Some("0") { Some("+") } else { key.as_deref() });
                return Inner::typed(this);
            }
            Some(action) => {
                let number = this.nodes.number.value();
                let request = this.nodes.messages.clicked(action, &number);
                let request = request.or_else(|| this.nodes.lamps.clicked(action, &button));
                match action {
                    "messages" => this.unfold(Section::Messages, this.nodes.messages.is_open()),
                    "lamps" => this.unfold(Section::Lamps, this.nodes.lamps.is_open()),
                    _ => {}
                }
                request
            }
            None => None,
        };
        this.ask(request);
    }

    /// One section is open at a time.
    fn unfold(&self, section: Section, open: bool) {
        self.nodes.unfold(section, open);
        self.nodes.fold(&self.facts.borrow());
        self.drag.keep_on_screen();
    }

    /// Shows the card or what stands in its place, and moves the keyboard there.
    fn show_panel(this: &Rc<Inner>, panel: Panel) {
        let before = std::mem::replace(&mut this.panel.borrow_mut().0, panel);
        if matches!(panel, Panel::Call | Panel::Transfer) {
            this.nodes.number.set_value("");
        }
        Inner::draw(this);
        let nodes = &this.nodes;
        let first = nodes.keypad.first_element_child().and_then(|key| key.dyn_into::<HtmlElement>().ok());
        let _ = match (panel, before, first) {
            (Panel::Keypad, _, Some(key)) => key.focus(),
            (Panel::Call | Panel::Transfer, ..) => nodes.number.focus(),
            (_, Panel::Transfer, _) => nodes.transfer.focus(),
            (_, Panel::Call, _) => nodes.second.focus(),
            _ => nodes.show_keypad.focus(),
        };
    }

    /// The tone that a key means while the keypad sends tones.
    fn tone(&self, key: &str) -> Option<Request> {
        let known = key.len() == 1 && key.bytes().all(|key| key.is_ascii_digit() || key == b'*' || key == b'#');
        self.offered(|model| {
            let call = model.tones_to.clone().filter(|_| known && model.panel == Panel::Keypad)?;
            Some(Request::Dtmf { call, tone: key.to_owned() })
        })
    }

    /// Puts a digit at the caret, or takes the selection or the character before the caret away.
    fn edit(&self, digit: Option<&str>) {
        let field = &self.nodes.number;
        let length = field.value().encode_utf16().count() as u32;
        let caret = |at: Result<Option<u32>, JsValue>| at.ok().flatten().unwrap_or(length);
        let (mut start, end) = (caret(field.selection_start()), caret(field.selection_end()));
        if digit.is_none() && start == end {
            start = start.saturating_sub(1);
        }
        let mode = web_sys::SelectionMode::End;
        // Refused only where the field has no caret; then nothing is typed, and nothing is lost.
        let _ = field.set_range_text_with_start_and_end_and_selection_mode(digit.unwrap_or_default(), start, end, mode);
    }

    /// The user typed: what was said about the last call or number is read.
    pub(super) fn typed(this: &Rc<Inner>) {
        Inner::draw(this);
        let read = {
            let facts = this.facts.borrow();
            facts.notice.is_some() || (facts.last_ended.is_some() && facts.calls.is_empty())
        };
        this.ask(read.then_some(Request::DismissNotice));
    }

    pub(super) fn key_pressed(this: &Rc<Inner>, event: &Event) {
        this.keep_typing(event);
        let Some(key) = event.dyn_ref::<KeyboardEvent>().filter(|key| !key.is_composing()) else { return };
        let in_field = event.target().is_some_and(|target| target == ****this.nodes.number);
        let shortcut = key.ctrl_key() || key.alt_key() || key.meta_key();
        if let Some(request) = this.tone(&key.key()).filter(|_| !shortcut && !key.repeat() && !is_field(event)) {
            // The page would take the digit for its hot key.
            event.stop_propagation();
            return this.ask(Some(request));
        }
        match key.key().as_str() {
            "Escape" if this.panel.borrow().0 != Panel::Card => {
                event.stop_propagation();
                Inner::show_panel(this, Panel::Card);
            }
            "Escape" if this.config.get().mode == Mode::Floating && this.facts.borrow().open => {
                event.stop_propagation();
                this.ask(Some(Request::Close));
            }
            "Enter" if in_field => {
                event.prevent_default();
                let panel = this.panel.borrow().0;
                let request = model::enter_request(&this.facts.borrow(), &this.nodes.number.value(), panel);
                this.ask(Some(Request::UserGesture));
                if request.is_some() {
                    this.panel.borrow_mut().0 = Panel::Card;
                }
                this.ask(request);
                Inner::draw(this);
            }
            "Enter" => {
                let field = event.target().and_then(|target| target.dyn_into::<Element>().ok());
                let request = field
                    .and_then(|field| this.nodes.messages.entered(&field).or_else(|| this.nodes.lamps.entered(&field)));
                this.ask(request);
            }
            _ => {}
        }
    }

    /// Keeps typed characters from the page: it sees them come from `<soft-phone>`, which is no field, and would
    /// take them for its hot keys.
    pub(super) fn keep_typing(&self, event: &Event) {
        let shortcut =
            event.dyn_ref::<KeyboardEvent>().is_some_and(|key| key.ctrl_key() || key.alt_key() || key.meta_key());
        if !shortcut && is_field(event) {
            event.stop_propagation();
        }
    }
}

/// Whether a key was pressed in a field that takes text.
fn is_field(event: &Event) -> bool {
    event.target().is_some_and(|target| target.is_instance_of::<web_sys::HtmlInputElement>())
}
