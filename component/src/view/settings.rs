//! Which devices are used, and whether calls come in: a section of the window that the gear opens.

use std::cell::RefCell;

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, HtmlElement};

use super::dom::{self, append, button, element, icon};
use super::icons;
use crate::js;
use crate::request::Request;
use crate::state::{DeviceKind, Devices};
use crate::strings::{Lang, Text};

/// The section and the button that opens it.
pub struct Settings {
    /// The gear, in the window's head.
    pub button: HtmlElement,
    /// What it opens.
    pub section: HtmlElement,
    document: Document,
    labels: [HtmlElement; 3],
    choices: [HtmlElement; 3],
    quiet: HtmlElement,
    quiet_label: HtmlElement,
    drawn: RefCell<Option<(Devices, Lang)>>,
}

impl Settings {
    /// Builds it, closed.
    pub fn new(document: &Document) -> Result<Settings, JsValue> {
        let gear = button(document, &[("class", "plain"), ("part", "settings"), ("data-do", "settings")])?;
        append(&gear, &[&icon(document, "", icons::GEAR)?])?;
        let section: HtmlElement = element(document, "div", &[("class", "settings"), ("hidden", "")])?;
        let span = || element::<HtmlElement>(document, "span", &[("class", "label")]);
        let mut labels = Vec::with_capacity(3);
        let mut choices = Vec::with_capacity(3);
        for kind in DeviceKind::ALL {
            let row: HtmlElement = element(document, "label", &[("class", "row")])?;
            let (label, choice) =
                (span()?, element::<HtmlElement>(document, "select", &[("data-device", kind.as_str())])?);
            append(&row, &[&label, &choice])?;
            append(&section, &[&row])?;
            labels.push(label);
            choices.push(choice);
        }
        let row: HtmlElement = element(document, "label", &[("class", "row")])?;
        let quiet: HtmlElement = element(document, "input", &[("type", "checkbox"), ("data-device", "none")])?;
        let quiet_label = span()?;
        append(&row, &[&quiet_label, &quiet])?;
        append(&section, &[&row])?;
        let three = |nodes: Vec<HtmlElement>| <[HtmlElement; 3]>::try_from(nodes).map_err(|_| JsValue::UNDEFINED);
        Ok(Settings {
            button: gear,
            section,
            document: document.clone(),
            labels: three(labels)?,
            choices: three(choices)?,
            quiet,
            quiet_label,
            drawn: RefCell::default(),
        })
    }

    /// Opens or closes it.
    pub fn toggle(&self) {
        let open = self.section.has_attribute("hidden");
        dom::flag(&self.section, "hidden", !open);
        dom::attribute(&self.button, "aria-expanded", if open { "true" } else { "false" });
    }

    /// Draws what changed.
    pub fn update(&self, devices: &Devices, do_not_disturb: bool, lang: Lang) {
        js::set(&self.quiet, "checked", &do_not_disturb.into());
        let now = (devices.clone(), lang);
        if self.drawn.borrow().as_ref() == Some(&now) {
            return;
        }
        dom::attribute(&self.button, "aria-label", lang.text(Text::Settings));
        dom::attribute(&self.button, "title", lang.text(Text::Settings));
        dom::text(&self.quiet_label, lang.text(Text::DoNotDisturb));
        for (kind, (label, choice)) in DeviceKind::ALL.into_iter().zip(self.labels.iter().zip(&self.choices)) {
            dom::text(label, lang.text(Text::Device(kind)));
            choice.set_text_content(None);
            self.add(choice, "", lang.text(Text::SystemDevice));
            for (number, device) in (1_u32..).zip(devices.list(kind)) {
                if device.label.is_empty() {
                    self.add(choice, &device.id, &lang.fill(Text::UnnamedDevice, &number.to_string()));
                } else {
                    self.add(choice, &device.id, &device.label);
                }
            }
            js::set(choice, "value", &devices.used(kind).into());
        }
        self.drawn.replace(Some(now));
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
        let device = field.get_attribute("data-device")?;
        let Some(kind) = DeviceKind::ALL.into_iter().find(|kind| kind.as_str() == device) else {
            return Some(Request::DoNotDisturb { on: js::get(&field, "checked").is_truthy() });
        };
        Some(Request::Device { kind, id: js::get(&field, "value").as_string()? })
    }
}
