//! Which phones are registered for an address: `application/reginfo+xml`, the body of the event package `reg`
//! (RFC 3680).

use crate::Error;
use crate::xml::{Applied, Element};

/// Addresses of a document, and contacts of an address.
const MAX_LIST: usize = 128;

/// Registrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegInfo {
    /// Counts the documents of a subscription.
    pub version: u32,
    /// All registrations are here; else those that changed.
    pub full: bool,
    /// At most 128.
    pub registrations: Vec<Registration>,
}

/// The registration of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The address of record.
    pub aor: String,
    /// The notifier's name for it.
    pub id: String,
    /// Somebody is registered.
    pub active: bool,
    /// At most 128.
    pub contacts: Vec<Contact>,
}

/// One phone (RFC 3680 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The notifier's name for it.
    pub id: String,
    /// It is registered; else it just left.
    pub active: bool,
    /// What happened to it, such as `registered`, `expired`, `deactivated`.
    pub event: String,
    /// Its URI.
    pub uri: String,
    /// Its name; text of a stranger.
    pub name: Option<String>,
    /// Seconds until it expires.
    pub expires: Option<u32>,
}

impl RegInfo {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/reginfo+xml";

    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document, [`Error::TooLong`] for more than 64 KiB.
    #[cfg(feature = "xml")]
    pub fn parse(body: &[u8]) -> Result<RegInfo, Error> {
        RegInfo::read(&crate::xml::read(body, "reginfo")?)
    }

    /// Reads what somebody else has parsed.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document.
    pub fn read(root: &Element) -> Result<RegInfo, Error> {
        root.is("reginfo")?;
        let (version, full) = root.version("reginfo")?;
        let registrations = root.children("registration").take(MAX_LIST).filter_map(|registration| {
            let contacts = registration.children("contact").take(MAX_LIST).filter_map(|contact| {
                Some(Contact {
                    id: contact.owned("id")?,
                    active: contact.attribute("state") == Some("active"),
                    event: contact.owned("event").unwrap_or_default(),
                    uri: contact.child_text("uri")?,
                    name: contact.child_text("display-name"),
                    expires: contact.attribute("expires").and_then(|expires| expires.trim().parse().ok()),
                })
            });
            Some(Registration {
                aor: registration.owned("aor")?,
                id: registration.owned("id")?,
                active: registration.attribute("state") == Some("active"),
                contacts: contacts.collect(),
            })
        });
        let registrations = registrations.collect();
        Ok(RegInfo { version, full, registrations })
    }

    /// Takes over what a later document of the same subscription tells (§4.4): a partial one has the registrations
    /// that changed, and of them the contacts that did.
    pub fn apply(&mut self, update: RegInfo) -> Applied {
        let applied = Applied::of(self.version, update.version, update.full);
        if applied == Applied::Stale {
            return applied;
        }
        self.version = update.version;
        if update.full {
            self.registrations.clear();
        }
        for registration in update.registrations {
            let Some(known) = self.registrations.iter_mut().find(|known| known.id == registration.id) else {
                if self.registrations.len() < MAX_LIST {
                    self.registrations.push(registration);
                }
                continue;
            };
            known.active = registration.active;
            for contact in registration.contacts {
                known.contacts.retain(|old| old.id != contact.id);
                if contact.active && known.contacts.len() < MAX_LIST {
                    known.contacts.push(contact);
                }
            }
        }
        applied
    }
}
