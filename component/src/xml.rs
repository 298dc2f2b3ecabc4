//! XML by the browser's own parser: one in the wasm would be 14 kB more for every page to download.

use std::cell::RefCell;

#[cfg(not(test))]
use js_sys::Array;
use js_sys::Function;
use soft_phone_sip::xml::Element;
#[cfg(not(test))]
use soft_phone_sip::xml::{MAX_DEPTH, checked};
#[cfg(not(test))]
use wasm_bindgen::JsValue;

#[cfg(not(test))]
use crate::js;

thread_local! {
    static PARSER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Tells how a text is parsed: `(text) => {name, attributes, text, children} | null`, where `attributes` is a list of
/// names and values in turns.
pub fn set_parser(parser: Function) {
    PARSER.with(|known| known.replace(Some(parser)));
}

/// The tree of a body; `None` for what is no document, or too large a one.
#[cfg(not(test))]
pub fn parse(body: &[u8]) -> Option<Element> {
    let parser = PARSER.with(|parser| parser.borrow().clone())?;
    let tree = parser.call1(&JsValue::UNDEFINED, &checked(body)?.into()).ok()?;
    tree.is_object().then(|| element(&tree, MAX_DEPTH))
}

#[cfg(not(test))]
fn element(node: &JsValue, depth: usize) -> Element {
    let text = |name| js::get(node, name).as_string().unwrap_or_default();
    let words: Vec<String> =
        Array::from(&js::get(node, "attributes")).iter().filter_map(|word| word.as_string()).collect();
    let children = Array::from(&js::get(node, "children"));
    Element {
        name: text("name"),
        text: text("text"),
        attributes: words.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        children: match depth {
            0 | 1 => Vec::new(),
            _ => children.iter().map(|child| element(&child, depth - 1)).collect(),
        },
    }
}

/// The same without a browser.
#[cfg(test)]
pub fn parse(body: &[u8]) -> Option<Element> {
    soft_phone_sip::xml::parse(body).ok()
}
