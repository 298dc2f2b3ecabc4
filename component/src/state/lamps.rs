//! What others do, as far as they let us know: lamps, and the mailbox.

use serde::{Deserialize, Serialize};
use soft_phone_sip::dialog_info::{DialogInfo, Line};
use soft_phone_sip::message_summary::Summary;
use soft_phone_sip::presence::{Availability, Presence};

/// Somebody whose lines or presence the user wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lamp {
    /// The driver's own name for the subscription behind it.
    pub key: u64,
    /// Whom it is about, as it was asked for.
    pub target: String,
    /// What it shows.
    pub state: LampState,
    /// What they say of themselves, or empty; text of a stranger.
    pub note: String,
    /// The user, not the page, asked for it, and may take it away.
    pub own: bool,
}

/// What a lamp shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LampState {
    /// Nothing is known yet.
    Unknown,
    /// The server does not tell.
    Refused,
    /// Free, or available.
    Free,
    /// A call comes in there.
    Ringing,
    /// In a call, or busy with something else.
    Busy,
    /// Not there.
    Away,
    /// Cannot be reached.
    Offline,
}

impl LampState {
    /// The word for pages and for the style sheet.
    pub const fn as_str(self) -> &'static str {
        match self {
            LampState::Unknown => "unknown",
            LampState::Refused => "refused",
            LampState::Free => "free",
            LampState::Ringing => "ringing",
            LampState::Busy => "busy",
            LampState::Away => "away",
            LampState::Offline => "offline",
        }
    }
}

impl From<&DialogInfo> for LampState {
    fn from(info: &DialogInfo) -> Self {
        match info.line() {
            Line::Free => LampState::Free,
            Line::Ringing => LampState::Ringing,
            Line::Busy => LampState::Busy,
        }
    }
}

impl From<&Presence> for LampState {
    fn from(presence: &Presence) -> Self {
        match presence.availability() {
            None => LampState::Unknown,
            Some(Availability::Available) => LampState::Free,
            Some(Availability::Busy) => LampState::Busy,
            Some(Availability::Away) => LampState::Away,
            Some(Availability::Offline) => LampState::Offline,
        }
    }
}

/// The user's voice messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Not heard yet; 0 when the server does not count.
    pub new: u32,
    /// Something new is there.
    pub waiting: bool,
    /// What to call to hear it.
    pub account: Option<String>,
}

impl From<&Summary> for Mailbox {
    fn from(summary: &Summary) -> Self {
        Mailbox { new: summary.voice.new, waiting: summary.waiting, account: summary.account.clone() }
    }
}
