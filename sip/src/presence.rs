//! Whether somebody can be reached: `application/pidf+xml`, the body of the event package `presence` (RFC 3856,
//! RFC 3863), with the activities of RFC 4480.

use crate::Error;
use crate::call::Body;
use crate::xml::{self, Element};

/// Tuples, notes and activities of one document, each.
const MAX_LIST: usize = 32;

/// A presence document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// Whose presence, a URI.
    pub entity: String,
    /// One for each way to reach them.
    pub tuples: Vec<Tuple>,
    /// What they say of themselves; text of a stranger.
    pub notes: Vec<String>,
    /// What they do, in the words of RFC 4480 §3.2, such as `on-the-phone`.
    pub activities: Vec<String>,
}

/// One way to reach somebody (RFC 3863 §4.1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Its name in the document.
    pub id: String,
    /// Messages are taken there; `None`: not told.
    pub open: Option<bool>,
    /// The URI.
    pub contact: Option<String>,
    /// What is said of it.
    pub notes: Vec<String>,
    /// When it was so, as RFC 3339 writes it.
    pub timestamp: Option<String>,
}

/// A presence in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Can be reached.
    Available,
    /// Can be reached, but does something else.
    Busy,
    /// Is not there.
    Away,
    /// Cannot be reached.
    Offline,
}

impl Availability {
    /// The word that a page uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Availability::Available => "available",
            Availability::Busy => "busy",
            Availability::Away => "away",
            Availability::Offline => "offline",
        }
    }

    /// The word's meaning.
    pub fn from_word(word: &str) -> Option<Availability> {
        [Availability::Available, Availability::Busy, Availability::Away, Availability::Offline]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

impl Presence {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/pidf+xml";

    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document, [`Error::TooLong`] for more than 64 KiB.
    #[cfg(feature = "xml")]
    pub fn parse(body: &[u8]) -> Result<Presence, Error> {
        Presence::read(&xml::read(body, "presence")?)
    }

    /// Reads what somebody else has parsed.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document.
    pub fn read(root: &Element) -> Result<Presence, Error> {
        root.is("presence")?;
        let notes = |node: &Element| {
            let texts = node.children("note").map(Element::text).filter(|text| !text.is_empty());
            texts.take(MAX_LIST).map(str::to_owned).collect()
        };
        let tuples = root.children("tuple").take(MAX_LIST).map(|tuple| {
            let status = tuple.children("status").next();
            let basic = status.and_then(|status| status.child_text("basic"));
            Tuple {
                id: tuple.owned("id").unwrap_or_default(),
                open: match basic.as_deref() {
                    Some("open") => Some(true),
                    Some("closed") => Some(false),
                    _ => None,
                },
                contact: tuple.child_text("contact"),
                notes: notes(tuple),
                timestamp: tuple.child_text("timestamp"),
            }
        });
        // Of the person, or of a tuple, within its status or beside it: drafts and servers differ.
        let mut activities = Vec::new();
        root.find_all("activities", MAX_LIST, &mut activities);
        let activities = activities.into_iter().flat_map(|list| &list.children);
        Ok(Presence {
            entity: root.owned("entity").unwrap_or_default(),
            tuples: tuples.collect(),
            notes: notes(root),
            activities: activities.take(MAX_LIST).map(|node| node.name.clone()).collect(),
        })
    }

    /// In one word; `None` when the document does not tell.
    pub fn availability(&self) -> Option<Availability> {
        let open = |wanted| self.tuples.iter().any(|tuple| tuple.open == Some(wanted));
        let does = |words: &[&str]| self.activities.iter().any(|activity| words.contains(&activity.as_str()));
        if open(false) && !open(true) {
            Some(Availability::Offline)
        } else if does(&["busy", "on-the-phone", "appointment", "meeting", "presentation", "in-transit"]) {
            Some(Availability::Busy)
        } else if does(&["away", "breakfast", "dinner", "meal", "holiday", "vacation", "sleeping", "permanent-absence"])
        {
            Some(Availability::Away)
        } else {
            open(true).then_some(Availability::Available)
        }
    }

    /// Our own document, to be published (RFC 3903): `entity` is our address, `tuple` a name that stays.
    pub fn to_body(entity: &str, tuple: &str, availability: Availability, note: Option<&str>) -> Body {
        let mut text = String::from(concat!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n",
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\"",
            " xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\"",
            " xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"",
        ));
        xml::escape(&mut text, entity);
        text.push_str("\"><tuple id=\"");
        xml::escape(&mut text, tuple);
        text.push_str("\"><status><basic>");
        text.push_str(if availability == Availability::Offline { "closed" } else { "open" });
        text.push_str("</basic></status><contact>");
        xml::escape(&mut text, entity);
        text.push_str("</contact></tuple>");
        if let Some(note) = note.filter(|note| !note.is_empty()) {
            text.push_str("<note>");
            xml::escape(&mut text, note);
            text.push_str("</note>");
        }
        let activity = match availability {
            Availability::Busy => "<rpid:busy/>",
            Availability::Away => "<rpid:away/>",
            Availability::Available | Availability::Offline => "",
        };
        if !activity.is_empty() {
            // RFC 4480 §3.2 within RFC 4479's person.
            text.push_str("<dm:person id=\"p1\"><rpid:activities>");
            text.push_str(activity);
            text.push_str("</rpid:activities></dm:person>");
        }
        text.push_str("</presence>\r\n");
        Body { content_type: Self::CONTENT_TYPE.to_owned(), bytes: text.into_bytes() }
    }
}
