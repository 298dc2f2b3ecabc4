//! Calls that outlive their page: what it leaves in sessionStorage, and the next page of the same tab takes up.
//!
//! ```text
//! pagehide ─► Handover ─► sessionStorage ─► next page ─► sip::Agent::restore ─► INVITE in its place
//!                                             └ more than 20 s later ─► BYE
//! ```
//! No secret is in it: passwords come from the account, which the next page loads itself.

use serde::{Deserialize, Serialize};
use soft_phone_sip::Saved;
use web_sys::Storage;

use crate::clock;
use crate::state::{Call, EpochMillis};

/// How long a call may wait for a page, ms: the far end hears nothing meanwhile.
pub const PATIENCE: f64 = 20_000.0;

/// Key of sessionStorage; the address of record follows.
const KEY: &str = "soft-phone-calls ";

/// What a phone leaves to the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// Dialogs, registration, subscriptions.
    pub agent: Saved,
    /// Calls that are established, and those that come in, oldest first.
    pub calls: Vec<Kept>,
    /// [`Call::id`] of the one that the user speaks in.
    pub front: Option<String>,
}

/// A call that goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// `sip`'s name for it.
    pub sip: u64,
    /// What is known of it.
    pub facts: Call,
    /// It is to be held.
    pub hold: bool,
}

impl Handover {
    /// As text, each character a byte.
    fn encode(&self) -> Option<String> {
        let bytes = postcard::to_allocvec(self).ok()?;
        Some(bytes.into_iter().map(char::from).collect())
    }

    /// What lies in the storage may be of another version, or written by anybody of this origin.
    fn decode(text: &str) -> Option<Handover> {
        let bytes: Vec<u8> = text.chars().map(u8::try_from).collect::<Result<_, _>>().ok()?;
        postcard::from_bytes(&bytes).ok()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970, far below 2^53")]
    /// Leaves it to the next page of this tab; false where there is no storage.
    pub fn keep(&self, uri: &str) -> bool {
        let (Some(storage), Some(text)) = (storage(), self.encode()) else { return false };
        // Whole milliseconds: what reads and writes fractions is 10 kB of wasm.
        let at = (clock::epoch_millis() as u64).to_string();
        storage.set_item(&[KEY, uri].concat(), &[at.as_str(), " ", &text].concat()).is_ok()
    }

    #[expect(clippy::cast_precision_loss, reason = "a time of today's, far below 2^53; any other is none of ours")]
    /// Takes what the page before has left, and when it did. Nobody finds it a second time.
    pub fn take(uri: &str) -> Option<(Handover, EpochMillis)> {
        let (storage, key) = (storage()?, [KEY, uri].concat());
        let text = storage.get_item(&key).ok()??;
        let _ = storage.remove_item(&key);
        let (at, text) = text.split_once(' ')?;
        Some((Handover::decode(text)?, at.parse::<u64>().ok()? as EpochMillis))
    }
}

/// Not there in a sandboxed frame, or where the user forbids it.
fn storage() -> Option<Storage> {
    web_sys::window()?.session_storage().ok()?
}

#[cfg(test)]
mod tests {
    use soft_phone_sip::{Agent, Config, Transport};

    use super::*;
    use crate::state::{CallState, Direction, Remote};

    #[test]
    fn what_was_kept_is_found_again_and_nonsense_is_not() {
        let agent = Agent::new(Config::new("sip:a@b".parse().unwrap(), Transport::Wss), [1; 32]).unwrap();
        let remote = Remote { name: "Žofie".to_owned(), ..Remote::default() };
        let facts = Call::new("7".to_owned(), Direction::Outbound, CallState::Held, remote, 1.5);
        let calls = vec![Kept { sip: 3, facts, hold: true }];
        let handover = Handover { agent: agent.save(), calls, front: Some("7".to_owned()) };
        let text = handover.encode().unwrap();
        assert_eq!(Handover::decode(&text), Some(handover));
        for nonsense in ["", "{}", "\u{1}", &text[..text.len() - 1], "ž"] {
            assert_eq!(Handover::decode(nonsense), None, "{nonsense:?}");
        }
    }
}
