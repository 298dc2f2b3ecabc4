//! What the phone of somebody else is doing: `application/dialog-info+xml`, the body of the event package `dialog`
//! (RFC 4235). Behind a busy lamp.

use crate::Error;
use crate::call::Direction;
use crate::xml::{Applied, Element};

/// Dialogs of one phone.
const MAX_DIALOGS: usize = 128;

/// The dialogs of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialogInfo {
    /// Counts the documents of a subscription.
    pub version: u32,
    /// All dialogs are here; else those that changed.
    pub full: bool,
    /// Whose dialogs.
    pub entity: String,
    /// At most 128.
    pub dialogs: Vec<Dialog>,
}

/// One dialog. Tags are seen from the phone that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// The notifier's name for it.
    pub id: String,
    /// Its Call-ID; servers may keep it to themselves.
    pub call_id: Option<String>,
    /// The tag of the phone that is watched.
    pub local_tag: Option<String>,
    /// The tag of the other end.
    pub remote_tag: Option<String>,
    /// Who began it: outbound is the phone that is watched.
    pub direction: Option<Direction>,
    /// Where it stands.
    pub state: DialogState,
    /// Why it ended, such as `remote-bye` (§3.7.1).
    pub event: Option<String>,
    /// The answer that ended it.
    pub code: Option<u16>,
    /// The phone that is watched.
    pub local: Party,
    /// The other end.
    pub remote: Party,
}

/// One end of a dialog, as far as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// Its address of record, a URI.
    pub identity: Option<String>,
    /// Its name; text of a stranger.
    pub name: Option<String>,
    /// The URI of its contact.
    pub target: Option<String>,
}

/// RFC 4235 §3.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState {
    /// INVITE without an answer.
    Trying,
    /// 1xx without a tag.
    Proceeding,
    /// 1xx with a tag: it rings.
    Early,
    /// 2xx.
    Confirmed,
    /// Over.
    Terminated,
}

/// What a busy lamp shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// No call.
    Free,
    /// A call comes in.
    Ringing,
    /// In a call, or making one.
    Busy,
}

/// How a call that rings elsewhere is taken over: an INVITE to the caller that replaces its dialog (RFC 5359 §2.16,
/// RFC 3891).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pickup {
    /// The caller.
    pub target: String,
    /// The dialog's Call-ID.
    pub call_id: String,
    /// The caller's tag: `to-tag` of `Replaces`.
    pub to_tag: String,
    /// The tag of the phone that rings: `from-tag` of `Replaces`.
    pub from_tag: String,
}

impl DialogInfo {
    /// The media type.
    pub const CONTENT_TYPE: &'static str = "application/dialog-info+xml";

    /// Reads a document.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document, [`Error::TooLong`] for more than 64 KiB.
    #[cfg(feature = "xml")]
    pub fn parse(body: &[u8]) -> Result<DialogInfo, Error> {
        DialogInfo::read(&crate::xml::read(body, "dialog-info")?)
    }

    /// Reads what somebody else has parsed.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no such document.
    pub fn read(root: &Element) -> Result<DialogInfo, Error> {
        root.is("dialog-info")?;
        let (version, full) = root.version("dialog-info")?;
        let dialogs = root.children("dialog").take(MAX_DIALOGS).filter_map(|dialog| {
            let state = dialog.children("state").next()?;
            let attribute = |name| dialog.owned(name);
            let party = |name| {
                let Some(party) = dialog.children(name).next() else { return Party::default() };
                let identity = party.children("identity").next();
                Party {
                    identity: party.child_text("identity"),
                    name: identity.and_then(|identity| identity.owned("display")),
                    target: party.children("target").next().and_then(|target| target.owned("uri")),
                }
            };
            Some(Dialog {
                id: attribute("id")?,
                call_id: attribute("call-id"),
                local_tag: attribute("local-tag"),
                remote_tag: attribute("remote-tag"),
                direction: match dialog.attribute("direction") {
                    Some("initiator") => Some(Direction::Outbound),
                    Some("recipient") => Some(Direction::Inbound),
                    _ => None,
                },
                state: match state.text() {
                    "trying" => DialogState::Trying,
                    "proceeding" => DialogState::Proceeding,
                    "early" => DialogState::Early,
                    "confirmed" => DialogState::Confirmed,
                    "terminated" => DialogState::Terminated,
                    _ => return None,
                },
                event: state.owned("event"),
                code: state.attribute("code").and_then(|code| code.trim().parse().ok()),
                local: party("local"),
                remote: party("remote"),
            })
        });
        let dialogs = dialogs.collect();
        Ok(DialogInfo { version, full, entity: root.owned("entity").unwrap_or_default(), dialogs })
    }

    /// Takes over what a later document of the same subscription tells (§4.3). The first one of a subscription is not
    /// applied but kept as it is.
    pub fn apply(&mut self, update: DialogInfo) -> Applied {
        let applied = Applied::of(self.version, update.version, update.full);
        if applied == Applied::Stale {
            return applied;
        }
        self.version = update.version;
        if update.full {
            self.dialogs = update.dialogs;
            return applied;
        }
        for dialog in update.dialogs {
            self.dialogs.retain(|known| known.id != dialog.id);
            // What is over is forgotten once it was told.
            if dialog.state != DialogState::Terminated && self.dialogs.len() < MAX_DIALOGS {
                self.dialogs.push(dialog);
            }
        }
        applied
    }

    /// What a lamp shows. What rings goes before what speaks: it can be helped.
    pub fn line(&self) -> Line {
        if self.dialogs.iter().any(Dialog::rings) {
            Line::Ringing
        } else if self.dialogs.iter().any(|dialog| dialog.state != DialogState::Terminated) {
            Line::Busy
        } else {
            Line::Free
        }
    }

    /// How the call that rings can be taken over; `None` where the server keeps to itself what is needed for it.
    pub fn pickup(&self) -> Option<Pickup> {
        self.dialogs.iter().filter(|dialog| dialog.rings()).find_map(|dialog| {
            let caller = &dialog.remote;
            Some(Pickup {
                target: caller.target.clone().or_else(|| caller.identity.clone())?,
                call_id: dialog.call_id.clone()?,
                to_tag: dialog.remote_tag.clone()?,
                from_tag: dialog.local_tag.clone()?,
            })
        })
    }
}

impl Dialog {
    /// A call comes in. Without a direction, `early` is taken for one: servers that leave it out mean that.
    pub fn rings(&self) -> bool {
        self.state == DialogState::Early && self.direction != Some(Direction::Outbound)
    }
}

impl DialogState {
    /// The RFC's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            DialogState::Trying => "trying",
            DialogState::Proceeding => "proceeding",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
            DialogState::Terminated => "terminated",
        }
    }
}
