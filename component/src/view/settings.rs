//! Devices, codec and what is done with calls by itself: a section of the window that the gear opens.

use std::cell::RefCell;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, HtmlElement};

use super::dom::{self, append, button, element, icon};
use super::icons;
use crate::js;
use crate::request::Request;
use crate::state::{DeviceKind, Devices, PhoneState, RegistrationState};
use crate::strings::{Lang, Text};

/// The codecs of the contract; the first choice leaves it to the browser.
const CODECS: [&str; 5] = ["", "opus", "G722", "PCMA", "PCMU"];
/// What is on or off, and what it is called.
const SWITCHES: [(&str, Text); 3] =
    [("quiet", Text::DoNotDisturb), ("answer", Text::AutoAnswer), ("hide", Text::HideNumber)];

/// The section and the button that opens it.
pub struct Settings {
    /// The gear, in the window's head.
    pub button: HtmlElement,
    /// What it opens.
    pub section: HtmlElement,
    document: Document,
    /// A choice for each kind of device, then the codecs'.
    choices: Vec<Row>,
    switches: Vec<Row>,
    sign_out: HtmlElement,
    drawn: RefCell<Option<(Devices, Lang)>>,
}

/// A label and what it is for; `data-set` names it.
struct Row {
    label: HtmlElement,
    field: HtmlElement,
}

impl Settings {
    /// Builds it, closed.
    pub fn new(document: &Document) -> Result<Settings, JsValue> {
        let gear = button(
            document,
            &[("class", "plain"), ("part", "settings"), ("data-do", "settings"), ("aria-expanded", "false")],
        )?;
        append(&gear, &[&icon(document, "", icons::GEAR)?])?;
        let section: HtmlElement = element(document, "div", &[("class", "settings"), ("hidden", "")])?;
        let row = |tag: &str, attributes: &[(&str, &str)]| -> Result<Row, JsValue> {
            let row: HtmlElement = element(document, "label", &[("class", "row")])?;
            let label: HtmlElement = element(document, "span", &[("class", "label")])?;
            let field: HtmlElement = element(document, tag, attributes)?;
            append(&row, &[&label, &field])?;
            append(&section, &[&row])?;
            Ok(Row { label, field })
        };
        let mut choices = Vec::with_capacity(4);
        for kind in DeviceKind::ALL {
            choices.push(row("select", &[("data-set", kind.as_str())])?);
        }
        choices.push(row("select", &[("data-set", "codec")])?);
        let mut switches = Vec::with_capacity(SWITCHES.len());
        for (name, _) in SWITCHES {
            switches.push(row("input", &[("type", "checkbox"), ("data-set", name)])?);
        }
        let sign_out = button(document, &[("class", "small"), ("data-do", "sign-out")])?;
        append(&section, &[&sign_out])?;
        Ok(Settings {
            button: gear,
            section,
            document: document.clone(),
            choices,
            switches,
            sign_out,
            drawn: RefCell::default(),
        })
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        !self.section.has_attribute("hidden")
    }

    /// Opens or closes it.
    pub fn show(&self, open: bool) {
        dom::flag(&self.section, "hidden", !open);
        dom::attribute(&self.button, "aria-expanded", if open { "true" } else { "false" });
    }

    /// Draws what changed.
    pub fn update(&self, state: &PhoneState, lang: Lang) {
        let on = [state.do_not_disturb, state.auto_answer, state.anonymous];
        for (row, on) in self.switches.iter().zip(on) {
            js::set(&row.field, "checked", &on.into());
        }
        dom::flag(&self.sign_out, "disabled", state.registration.state != RegistrationState::Registered);
        let now = (state.devices.clone(), lang);
        if self.drawn.borrow().as_ref() != Some(&now) {
            self.list(&state.devices, lang);
            self.drawn.replace(Some(now));
        }
        if let Some(codecs) = self.choices.last() {
            let first = state.codecs.split([' ', ',', '\t', '\n']).find(|name| !name.is_empty()).unwrap_or_default();
            let known = CODECS.into_iter().find(|codec| codec.eq_ignore_ascii_case(first));
            js::set(&codecs.field, "value", &known.unwrap_or_default().into());
        }
    }

    /// Writes all that is the same until devices or language change.
    fn list(&self, devices: &Devices, lang: Lang) {
        dom::attribute(&self.button, "aria-label", lang.text(Text::Settings));
        dom::attribute(&self.button, "title", lang.text(Text::Settings));
        dom::text(&self.sign_out, lang.text(Text::SignOut));
        for (row, (_, label)) in self.switches.iter().zip(SWITCHES) {
            dom::text(&row.label, lang.text(label));
        }
        for (kind, row) in DeviceKind::ALL.into_iter().zip(&self.choices) {
            dom::text(&row.label, lang.text(Text::Device(kind)));
            row.field.set_text_content(None);
            self.add(&row.field, "", lang.text(Text::SystemDevice));
            for (number, device) in (1_u32..).zip(devices.list(kind)) {
                if device.label.is_empty() {
                    self.add(&row.field, &device.id, &lang.fill(Text::UnnamedDevice, &number.to_string()));
                } else {
                    self.add(&row.field, &device.id, &device.label);
                }
            }
            js::set(&row.field, "value", &devices.used(kind).into());
        }
        if let Some(row) = self.choices.last() {
            dom::text(&row.label, lang.text(Text::PreferredCodec));
            row.field.set_text_content(None);
            for codec in CODECS {
                self.add(&row.field, codec, if codec.is_empty() { lang.text(Text::AnyCodec) } else { codec });
            }
        }
    }

    fn add(&self, choice: &Element, id: &str, label: &str) {
        if let Ok(option) = element::<Element>(&self.document, "option", &[("value", id)]) {
            option.set_text_content(Some(label));
            let _ = choice.append_child(&option);
        }
    }

    /// What a change of one of the fields asks for.
    pub fn changed(&self, event: &Event) -> Option<Request> {
        let field = event.target()?.dyn_into::<Element>().ok()?;
        let on = js::get(&field, "checked").is_truthy();
        let value = || js::get(&field, "value").as_string();
        Some(match field.get_attribute("data-set")?.as_str() {
            "quiet" => Request::DoNotDisturb { on },
            "answer" => Request::AutoAnswer { on },
            "hide" => Request::Anonymous { on },
            "codec" => Request::Codec { name: value()? },
            device => {
                let kind = DeviceKind::ALL.into_iter().find(|kind| kind.as_str() == device)?;
                Request::Device { kind, id: value()? }
            }
        })
    }
}
