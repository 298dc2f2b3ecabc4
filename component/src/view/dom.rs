//! Making and changing nodes: a few lean helpers, nothing that parses markup (Trusted Types, CSP).

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement};

/// A list of attributes, name and value.
pub type Attributes<'a> = &'a [(&'a str, &'a str)];

const SVG: &str = "http://www.w3.org/2000/svg";

/// A new HTML element with these attributes.
pub fn element<T: JsCast>(document: &Document, tag: &str, attributes: Attributes) -> Result<T, JsValue> {
    let element = document.create_element(tag)?;
    for (name, value) in attributes {
        element.set_attribute(name, value)?;
    }
    element.dyn_into().map_err(Into::into)
}

/// A new `<button type="button">`.
pub fn button(document: &Document, attributes: Attributes) -> Result<HtmlElement, JsValue> {
    let button: HtmlElement = element(document, "button", attributes)?;
    button.set_attribute("type", "button")?;
    Ok(button)
}

/// A new picture of 24 × 24 units drawn with one path; invisible to screen readers.
pub fn icon(document: &Document, class: &str, path: &str) -> Result<Element, JsValue> {
    let svg = document.create_element_ns(Some(SVG), "svg")?;
    for (name, value) in [("viewBox", "0 0 24 24"), ("aria-hidden", "true"), ("class", class)] {
        svg.set_attribute(name, value)?;
    }
    let shape = document.create_element_ns(Some(SVG), "path")?;
    shape.set_attribute("d", path)?;
    svg.append_child(&shape)?;
    Ok(svg)
}

/// Appends all children in order.
pub fn append(parent: &Element, children: &[&Element]) -> Result<(), JsValue> {
    for child in children {
        parent.append_child(child)?;
    }
    Ok(())
}

/// Sets the text if it differs, so that live regions speak only when there is news.
pub fn text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

/// Sets the attribute if it differs.
pub fn attribute(element: &Element, name: &str, value: &str) {
    if element.get_attribute(name).as_deref() != Some(value) {
        // Fails only for a name that is no name; ours are constants.
        let _ = element.set_attribute(name, value);
    }
}

/// Sets or removes a boolean attribute.
pub fn flag(element: &Element, name: &str, on: bool) {
    let _ = element.toggle_attribute_with_force(name, on);
}
