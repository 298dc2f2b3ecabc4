//! Texts: a section of the window with what was written, a field for whom and one for what.

use std::cell::{Cell, RefCell};

use wasm_bindgen::JsValue;
use web_sys::{Document, Element, HtmlElement, HtmlInputElement};

use super::dom::{self, append, button, element};
use crate::request::Request;
use crate::state::messages::{Delivery, Message, Messages as Facts};
use crate::state::{Direction, PhoneState};
use crate::strings::{Lang, Text};

/// The section and the button that opens it.
pub struct Messages {
    /// Opens it; says how many texts are unread.
    pub button: HtmlElement,
    /// Part `messages`.
    pub section: HtmlElement,
    document: Document,
    log: HtmlElement,
    to: HtmlInputElement,
    text: HtmlInputElement,
    send: HtmlElement,
    /// Where an answer goes: whom the last text was from or to.
    proposed: RefCell<String>,
    drawn: RefCell<Option<(Facts, Lang)>>,
    open: Cell<bool>,
}

impl Messages {
    /// Builds it, closed.
    pub fn new(document: &Document) -> Result<Messages, JsValue> {
        let opener = button(document, &[("class", "tool"), ("data-do", "messages"), ("aria-expanded", "false")])?;
        let section: HtmlElement = element(
            document,
            "div",
            &[("class", "panel messages"), ("part", "messages"), ("role", "group"), ("hidden", "")],
        )?;
        // New texts are read out as they come; the keyboard can scroll it.
        let log: HtmlElement = element(document, "div", &[("class", "log"), ("role", "log"), ("tabindex", "0")])?;
        let field = |class: &str, longest: &str| {
            element::<HtmlInputElement>(
                document,
                "input",
                &[("class", class), ("autocomplete", "off"), ("maxlength", longest), ("dir", "auto")],
            )
        };
        let (to, text) = (field("field-to", "256")?, field("field-text", "1300")?);
        text.set_attribute("enterkeyhint", "send")?;
        let send = button(document, &[("class", "small"), ("data-do", "send")])?;
        let write: HtmlElement = element(document, "div", &[("class", "write")])?;
        append(&write, &[&text, &send])?;
        append(&section, &[&log, &to, &write])?;
        Ok(Messages {
            button: opener,
            section,
            document: document.clone(),
            log,
            to,
            text,
            send,
            proposed: RefCell::default(),
            drawn: RefCell::default(),
            open: Cell::new(false),
        })
    }

    /// What follows from the user's looking at it, if it is in sight while the window is.
    pub fn seen(&self, state: &PhoneState, window: bool) -> Option<Request> {
        (self.open.get() && window && state.messages.unread > 0).then_some(Request::ReadMessages)
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Opens or closes it.
    pub fn show(&self, open: bool) {
        self.open.set(open);
        dom::flag(&self.section, "hidden", !open);
        dom::attribute(&self.button, "aria-expanded", if open { "true" } else { "false" });
    }

    /// Draws what changed.
    pub fn update(&self, facts: &Facts, lang: Lang) {
        if self.drawn.borrow().as_ref() == Some(&(facts.clone(), lang)) {
            return;
        }
        let label = match facts.unread {
            0 => lang.text(Text::Messages).to_owned(),
            unread => lang.fill(Text::MessagesUnread, &unread.to_string()),
        };
        dom::text(&self.button, &label);
        dom::flag(&self.button, "data-unread", facts.unread > 0);
        for (node, label) in [
            (&*self.section, Text::Messages),
            (&*self.log, Text::Messages),
            (&**self.to, Text::MessageTo),
            (&**self.text, Text::MessageText),
        ] {
            dom::attribute(node, "aria-label", lang.text(label));
        }
        dom::attribute(&self.to, "placeholder", lang.text(Text::MessageTo));
        dom::attribute(&self.text, "placeholder", lang.text(Text::MessageText));
        dom::text(&self.send, lang.text(Text::Send));
        self.list(&facts.list, lang);
        if let Some(last) = facts.list.last() {
            // What could not be sent stays, to be changed.
            if last.direction == Direction::Outbound
                && last.delivery == Delivery::Sending
                && self.text.value() == last.text
            {
                self.text.set_value("");
            }
            // The field follows the talk, unless the user wrote into it, or writes a text to somebody else.
            let number = if last.remote.number.is_empty() { &last.remote.uri } else { &last.remote.number };
            let before = self.proposed.replace(number.clone());
            if self.to.value().trim() == before && self.text.value().is_empty() {
                self.to.set_value(number);
            }
        }
        self.drawn.replace(Some((facts.clone(), lang)));
    }

    fn list(&self, list: &[Message], lang: Lang) {
        // Only what is new is appended, so that only that is read out.
        let known = |message: &Message| {
            let id = message.id.to_string();
            let children = self.log.children();
            (0..children.length())
                .filter_map(|at| children.item(at))
                .find(|node| node.get_attribute("data-id").as_deref() == Some(id.as_str()))
        };
        while self.log.child_element_count() as usize > 0 {
            let Some(first) = self.log.first_element_child() else { break };
            let oldest = list.first().map(|message| message.id.to_string());
            let number = |id: Option<String>| id.and_then(|id| id.parse::<u64>().ok()).unwrap_or(u64::MAX);
            if number(first.get_attribute("data-id")) >= number(oldest) {
                break;
            }
            first.remove();
        }
        for message in list {
            if let Some(line) = known(message).or_else(|| self.line(message).ok()) {
                self.say(&line, message, lang);
            }
        }
        self.log.set_scroll_top(self.log.scroll_height());
    }

    fn line(&self, message: &Message) -> Result<Element, JsValue> {
        let id = message.id.to_string();
        let direction = message.direction.as_str();
        let line: Element =
            element(&self.document, "p", &[("class", "text"), ("data-id", &id), ("data-way", direction)])?;
        for class in ["who", "what", "fate"] {
            let part: Element = element(&self.document, "span", &[("class", class), ("dir", "auto")])?;
            append(&line, &[&part])?;
            line.append_with_str_1(" ")?;
        }
        append(&self.log, &[&line])?;
        Ok(line)
    }

    fn say(&self, line: &Element, message: &Message, lang: Lang) {
        let remote = &message.remote;
        let name = [&remote.name, &remote.number, &remote.uri].into_iter().find(|name| !name.is_empty());
        let name = name.map_or("", String::as_str);
        let who = match message.direction {
            Direction::Inbound => lang.fill(Text::MessageFrom, name),
            Direction::Outbound => lang.fill(Text::MessageYou, name),
        };
        let fate = match message.delivery {
            Delivery::Sending => lang.text(Text::MessageSending),
            Delivery::Done => "",
            Delivery::Failed(cause) => lang.text(Text::NotDelivered(cause)),
        };
        dom::flag(line, "data-failed", matches!(message.delivery, Delivery::Failed(_)));
        let parts = line.children();
        for (at, text) in [who.as_str(), message.text.as_str(), fate].into_iter().enumerate() {
            if let Some(part) = parts.item(at as u32) {
                dom::text(&part, text);
            }
        }
    }

    /// What a click on one of its buttons asks for; `None` when it is none of them.
    pub fn clicked(&self, action: &str, number: &str) -> Option<Request> {
        match action {
            "messages" => {
                self.show(!self.open.get());
                if !self.open.get() {
                    return None;
                }
                // What stands in the number field is whom the user has in mind.
                if self.to.value().is_empty() {
                    self.to.set_value(number);
                }
                let first = if self.to.value().is_empty() { &self.to } else { &self.text };
                let _ = first.focus();
                self.log.set_scroll_top(self.log.scroll_height());
                Some(Request::ReadMessages)
            }
            "send" => self.written(),
            _ => None,
        }
    }

    /// `Enter` in one of its fields: goes on to the text, or sends it.
    pub fn entered(&self, field: &Element) -> Option<Request> {
        if field == &**self.text {
            return self.written();
        }
        if field == &**self.to {
            let _ = self.text.focus();
        }
        None
    }

    fn written(&self) -> Option<Request> {
        let (target, text) = (self.to.value().trim().to_owned(), self.text.value());
        if target.is_empty() {
            let _ = self.to.focus();
            return None;
        }
        if text.trim().is_empty() {
            let _ = self.text.focus();
            return None;
        }
        let _ = self.text.focus();
        Some(Request::Message { target, text })
    }
}
