//! Colleagues: a lamp for each whose lines or presence are watched, our own presence, and the mailbox.

use std::cell::{Cell, RefCell};

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, HtmlElement, HtmlInputElement};

use super::dom::{self, append, button, element};
use crate::js;
use crate::request::Request;
use crate::state::PhoneState;
use crate::state::lamps::{Lamp, Mailbox};
use crate::strings::{Lang, Text};
use soft_phone_sip::presence::Availability;

/// What our own presence can be, in the order of the list; the first is not to tell it.
const OWN: [Option<Availability>; 5] = [
    None,
    Some(Availability::Available),
    Some(Availability::Busy),
    Some(Availability::Away),
    Some(Availability::Offline),
];

type Drawn = (Vec<Lamp>, Option<Mailbox>, Option<Availability>, Lang);

/// The section and the button that opens it.
pub struct Lamps {
    /// Opens it.
    pub button: HtmlElement,
    /// Says how many voice messages wait, and calls them.
    pub mailbox: HtmlElement,
    /// Part `lamps`.
    pub section: HtmlElement,
    document: Document,
    list: HtmlElement,
    field: HtmlInputElement,
    kind: HtmlElement,
    watch: HtmlElement,
    own: HtmlElement,
    own_label: HtmlElement,
    drawn: RefCell<Option<Drawn>>,
    open: Cell<bool>,
    /// The user has opened or closed it: it opens by itself no more.
    decided: Cell<bool>,
}

impl Lamps {
    /// Builds it, closed.
    pub fn new(document: &Document) -> Result<Lamps, JsValue> {
        let opener = button(document, &[("class", "tool"), ("data-do", "lamps"), ("aria-expanded", "false")])?;
        let mailbox = button(document, &[("class", "tool mailbox"), ("data-do", "mailbox"), ("hidden", "")])?;
        let section: HtmlElement =
            element(document, "div", &[("class", "panel"), ("part", "lamps"), ("role", "group"), ("hidden", "")])?;
        let list: HtmlElement = element(document, "div", &[("class", "lamps"), ("aria-live", "polite")])?;
        let add: HtmlElement = element(document, "div", &[("class", "write")])?;
        let field: HtmlInputElement = element(
            document,
            "input",
            &[("class", "field-watch"), ("autocomplete", "off"), ("maxlength", "256"), ("enterkeyhint", "done")],
        )?;
        let kind: HtmlElement = element(document, "select", &[("class", "kind")])?;
        for package in ["dialog", "presence"] {
            let option: Element = element(document, "option", &[("value", package)])?;
            append(&kind, &[&option])?;
        }
        let watch = button(document, &[("class", "small"), ("data-do", "watch")])?;
        append(&add, &[&field, &kind, &watch])?;
        let row: HtmlElement = element(document, "label", &[("class", "row")])?;
        let own_label: HtmlElement = element(document, "span", &[("class", "label")])?;
        let own: HtmlElement = element(document, "select", &[("data-own", "")])?;
        for status in OWN {
            let word = status.map_or("", Availability::as_str);
            let option: Element = element(document, "option", &[("value", word)])?;
            append(&own, &[&option])?;
        }
        append(&row, &[&own_label, &own])?;
        append(&section, &[&list, &add, &row])?;
        Ok(Lamps {
            button: opener,
            mailbox,
            section,
            document: document.clone(),
            list,
            field,
            kind,
            watch,
            own,
            own_label,
            drawn: RefCell::default(),
            open: Cell::new(false),
            decided: Cell::new(false),
        })
    }

    /// Draws what changed.
    pub fn update(&self, state: &PhoneState, lang: Lang) {
        let now = (state.lamps.clone(), state.mailbox.clone(), state.published, lang);
        if self.drawn.borrow().as_ref() == Some(&now) {
            return;
        }
        // What the page wants to be seen is seen.
        if !self.decided.get() && !state.lamps.is_empty() {
            self.show(true);
        }
        dom::text(&self.button, lang.text(Text::Colleagues));
        dom::attribute(&self.section, "aria-label", lang.text(Text::Colleagues));
        dom::attribute(&self.field, "aria-label", lang.text(Text::WatchHint));
        dom::attribute(&self.field, "placeholder", lang.text(Text::WatchHint));
        dom::attribute(&self.kind, "aria-label", lang.text(Text::WatchKind));
        dom::text(&self.watch, lang.text(Text::Watch));
        dom::text(&self.own_label, lang.text(Text::OwnStatus));
        label_options(&self.kind, &[lang.text(Text::WatchLine), lang.text(Text::WatchPresence)]);
        label_options(&self.own, &OWN.map(|status| lang.text(Text::Status(status))));
        js::set(&self.own, "value", &state.published.map_or("", Availability::as_str).into());
        self.draw_mailbox(state.mailbox.as_ref(), lang);
        self.draw_lamps(&state.lamps, lang);
        self.drawn.replace(Some(now));
    }

    fn draw_mailbox(&self, mailbox: Option<&Mailbox>, lang: Lang) {
        let waiting = mailbox.filter(|mailbox| mailbox.waiting);
        dom::flag(&self.mailbox, "hidden", waiting.is_none());
        let Some(mailbox) = waiting else { return };
        let label = match mailbox.new {
            0 => lang.text(Text::MailboxNew).to_owned(),
            new => lang.fill(Text::MailboxCount, &new.to_string()),
        };
        dom::text(&self.mailbox, &label);
        // Without an address there is nothing to press, but something to read.
        dom::flag(&self.mailbox, "disabled", mailbox.account.is_none());
    }

    /// Rewritten in place: a button that has the keyboard keeps it.
    fn draw_lamps(&self, lamps: &[Lamp], lang: Lang) {
        while self.list.child_element_count() as usize > lamps.len() {
            self.list.last_element_child().iter().for_each(Element::remove);
        }
        for (at, lamp) in lamps.iter().enumerate() {
            let line = self.list.children().item(at as u32).or_else(|| self.line().ok());
            let Some((press, drop)) = line.and_then(|line| {
                let parts = line.children();
                Some((parts.item(0)?, parts.item(1)?))
            }) else {
                return;
            };
            let key = lamp.key.to_string();
            let says = [lang.text(Text::Lamp(lamp.state)), if lamp.note.is_empty() { "" } else { ": " }, &lamp.note];
            dom::text(&press, &[&lamp.target, " — ", &says.concat()].concat());
            dom::attribute(&press, "data-lamp", &key);
            dom::attribute(&press, "data-state", lamp.state.as_str());
            dom::attribute(&drop, "data-lamp", &key);
            let label = lang.fill(Text::Unwatch, &lamp.target);
            dom::attribute(&drop, "aria-label", &label);
            dom::attribute(&drop, "title", &label);
            dom::flag(&drop, "hidden", !lamp.own);
        }
    }

    fn line(&self) -> Result<Element, JsValue> {
        let line: Element = element(&self.document, "div", &[("class", "lamp-row")])?;
        let press = button(&self.document, &[("class", "lamp"), ("data-do", "lamp")])?;
        let drop = button(&self.document, &[("class", "plain"), ("data-do", "unwatch")])?;
        drop.set_text_content(Some("×"));
        append(&line, &[&press, &drop])?;
        append(&self.list, &[&line])?;
        Ok(line)
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

    /// What a click on one of its buttons asks for; `None` when it is none of them.
    pub fn clicked(&self, action: &str, button: &Element) -> Option<Request> {
        let key = || button.get_attribute("data-lamp")?.parse().ok();
        match action {
            "lamps" => {
                self.decided.set(true);
                self.show(!self.open.get());
                None
            }
            "lamp" => Some(Request::Lamp { key: key()? }),
            "unwatch" => {
                let _ = self.field.focus();
                Some(Request::Unwatch { key: key()? })
            }
            "watch" => self.wanted(),
            "mailbox" => Some(Request::Mailbox),
            _ => None,
        }
    }

    /// `Enter` in its field.
    pub fn entered(&self, field: &Element) -> Option<Request> {
        if field == &**self.field { self.wanted() } else { None }
    }

    fn wanted(&self) -> Option<Request> {
        let target = self.field.value().trim().to_owned();
        if target.is_empty() {
            let _ = self.field.focus();
            return None;
        }
        self.field.set_value("");
        Some(Request::Watch { target, package: js::get(&self.kind, "value").as_string()? })
    }

    /// What a change of its list asks for; `None` when it was another one.
    pub fn changed(&self, event: &Event) -> Option<Request> {
        let field = event.target()?.dyn_into::<Element>().ok()?;
        field
            .has_attribute("data-own")
            .then(|| Request::Publish { status: js::get(&field, "value").as_string().unwrap_or_default() })
    }
}

fn label_options(select: &Element, labels: &[&str]) {
    let options = select.children();
    for (at, label) in labels.iter().enumerate() {
        if let Some(option) = options.item(at as u32) {
            dom::text(&option, label);
        }
    }
}
