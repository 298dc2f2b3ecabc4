//! XML bodies of notifications: a small tree, which whoever has a parser makes, and what is read from it.
//!
//! With the feature `xml` the parser is ours, with bounds: no document type (so no entities to expand), a limit on bytes,
//! on nodes and on depth. A browser has one of its own.

use crate::Error;

/// Bytes of a document: as many as a message may have.
pub const MAX_BYTES: usize = 64 * 1024;
/// Elements within each other; what lies deeper is left out.
pub const MAX_DEPTH: usize = 32;

/// An element of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name without a prefix. The namespace is not looked at: servers get it wrong, and the type of the body says
    /// what it is.
    pub name: String,
    /// Names and values of those attributes that have no namespace.
    pub attributes: Vec<(String, String)>,
    /// The text that is its own, not its children's.
    pub text: String,
    /// The elements within it.
    pub children: Vec<Element>,
}

impl Element {
    /// That the document is of the kind that its root names.
    pub(crate) fn is(&self, root: &'static str) -> Result<(), Error> {
        if self.name == root { Ok(()) } else { Err(Error::Malformed { what: root }) }
    }

    /// The child elements of this name.
    pub(crate) fn children<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its own text without white space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// The text of the first child of this name, unless there is none in it.
    pub(crate) fn child_text(&self, name: &'static str) -> Option<String> {
        self.children(name).map(Element::text).find(|text| !text.is_empty()).map(str::to_owned)
    }

    /// An attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An attribute, to be kept.
    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.attribute(name).map(str::to_owned)
    }

    /// `version` and `state` of a document that may tell changes only.
    pub(crate) fn version(&self, what: &'static str) -> Result<(u32, bool), Error> {
        let version = self.attribute("version").and_then(|version| version.trim().parse().ok());
        Ok((version.ok_or(Error::Malformed { what })?, self.attribute("state") != Some("partial")))
    }

    /// The first elements of this name within it, at any depth, `most` at most.
    pub(crate) fn find_all<'a>(&'a self, name: &'static str, most: usize, found: &mut Vec<&'a Element>) {
        for child in &self.children {
            if found.len() == most {
                return;
            }
            if child.name == name {
                found.push(child);
            }
            child.find_all(name, most, found);
        }
    }
}

/// The text of a document; `None` when it is too long, no text, or has a document type, which may name entities.
pub fn checked(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= MAX_BYTES && !text.contains("<!DOCTYPE"))?;
    // A mark of the byte order is no part of the document, nor are the empty lines that some servers begin with.
    Some(text.trim_start_matches(['\u{feff}', '\r', '\n', ' ']))
}

/// The tree of a document.
///
/// # Errors
/// [`Error::Malformed`] for what is no XML, [`Error::TooLong`] for more than 64 KiB.
#[cfg(feature = "xml")]
pub fn parse(body: &[u8]) -> Result<Element, Error> {
    tree(body, "document")
}

/// The tree of `body`, whose root has this name.
#[cfg(feature = "xml")]
pub(crate) fn read(body: &[u8], root: &'static str) -> Result<Element, Error> {
    let tree = tree(body, root)?;
    tree.is(root)?;
    Ok(tree)
}

#[cfg(feature = "xml")]
fn tree(body: &[u8], what: &'static str) -> Result<Element, Error> {
    use roxmltree::{Document, NodeType, ParsingOptions};

    /// Elements, texts and comments of a document.
    const MAX_NODES: u32 = 4096;

    if body.len() > MAX_BYTES {
        return Err(Error::TooLong { what, limit: MAX_BYTES });
    }
    let malformed = Error::Malformed { what };
    let text = checked(body).ok_or_else(|| malformed.clone())?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|_| malformed.clone())?;
    // Open elements, outermost first; the one at 0 holds the root.
    let mut open = vec![Element::default()];
    let close = |open: &mut Vec<Element>, until: usize| {
        while open.len() > until {
            if let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) {
                parent.children.push(done);
            }
        }
    };
    for node in document.root_element().descendants() {
        let depth = node.ancestors().skip(1).filter(roxmltree::Node::is_element).take(MAX_DEPTH + 1).count();
        if depth > MAX_DEPTH {
            continue;
        }
        close(&mut open, depth + 1);
        match node.node_type() {
            NodeType::Text => {
                if let Some(parent) = open.last_mut() {
                    parent.text.push_str(node.text().unwrap_or_default());
                }
            }
            NodeType::Element if depth < MAX_DEPTH => {
                let plain = node.attributes().filter(|attribute| attribute.namespace().is_none());
                let attributes = plain.map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()));
                open.push(Element {
                    name: node.tag_name().name().to_owned(),
                    attributes: attributes.collect(),
                    ..Element::default()
                });
            }
            _ => {}
        }
    }
    close(&mut open, 1);
    open.pop().and_then(|holder| holder.children.into_iter().next()).ok_or(malformed)
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
