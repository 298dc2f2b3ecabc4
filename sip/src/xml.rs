//! XML bodies of notifications, read with bounds: no document type (so no entities to expand), a limit on bytes and on
//! nodes. The library's parser and what is done with its tree loop and never recurse, so depth needs no bound.

use roxmltree::{Document, Node, ParsingOptions};

use crate::Error;

/// Bytes of a document: as many as a message may have.
const MAX_BYTES: usize = 64 * 1024;
/// Elements, texts and comments of a document.
const MAX_NODES: u32 = 4096;

/// The tree of `body`, whose root has this name.
pub(crate) fn read<'a>(body: &'a [u8], root: &'static str) -> Result<Document<'a>, Error> {
    if body.len() > MAX_BYTES {
        return Err(Error::TooLong { what: root, limit: MAX_BYTES });
    }
    let malformed = Error::Malformed { what: root };
    let text = std::str::from_utf8(body).map_err(|_| malformed.clone())?;
    // A mark of the byte order is no part of the document, nor are the empty lines that some servers begin with.
    let text = text.trim_start_matches(['\u{feff}', '\r', '\n', ' ']);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| malformed.clone())?;
    // The namespace is not looked at: servers get it wrong, and the type of the body says what it is.
    if document.root_element().tag_name().name() == root { Ok(document) } else { Err(malformed) }
}

/// The child elements of this name.
pub(crate) fn children<'a>(node: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The text of a node that has nothing but text.
pub(crate) fn text<'a>(node: Node<'a, 'a>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

/// The text of the first child of this name, unless there is none in it.
pub(crate) fn child_text(node: Node, name: &'static str) -> Option<String> {
    children(node, name).map(text).find(|text| !text.is_empty()).map(str::to_owned)
}

/// An attribute.
pub(crate) fn attribute(node: Node, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

/// `version` and `state` of a document that may tell changes only.
pub(crate) fn version(root: Node, what: &'static str) -> Result<(u32, bool), Error> {
    let version = root.attribute("version").and_then(|version| version.trim().parse().ok());
    Ok((version.ok_or(Error::Malformed { what })?, root.attribute("state") != Some("partial")))
}

/// Appends text so that it is text in XML, too. Characters that XML 1.0 cannot hold are left out.
pub(crate) fn escape(out: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            char if char < ' ' => {}
            char => out.push(char),
        }
    }
}

/// What a document did to what was known before (RFC 4235 §4.3, RFC 3680 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is known now.
    Done,
    /// It is older than what is known: nothing changed.
    Stale,
    /// It is known now, but one before it was lost: the subscription is to be refreshed, which brings the full state.
    Gap,
}

impl Applied {
    /// What follows on version `known` when `next` comes.
    pub(crate) fn of(known: u32, next: u32, full: bool) -> Applied {
        match next.checked_sub(known) {
            // A full one is good by itself.
            Some(1..) if full => Applied::Done,
            Some(1) => Applied::Done,
            Some(2..) => Applied::Gap,
            _ => Applied::Stale,
        }
    }
}
