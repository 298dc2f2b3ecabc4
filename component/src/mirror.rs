//! What the tab that leads tells those that follow, so that they show the same phone (`js/tabs.js`), and can go on with it
//! when that tab is gone: no password is in it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::handover::Handover;
use crate::state::lamps::{Lamp, Mailbox};
use crate::state::messages::Message;
use crate::state::{Call, Problem, Registration};

/// Tabs that speak otherwise are other phones. To be changed with each change of what is told.
pub const FORMAT: &str = "3";

/// What changes often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mirror {
    /// The sign-in.
    pub registration: Registration,
    /// Somebody wants it.
    pub wanted: bool,
    /// Live calls, oldest first.
    pub calls: Vec<Call>,
    /// [`Call::id`] of the one that the user speaks in.
    pub front: Option<String>,
    /// The call that ended last.
    pub last_ended: Option<Call>,
    /// Who is busy, who is there.
    pub lamps: Vec<Lamp>,
    /// Voice messages.
    pub mailbox: Option<Mailbox>,
    /// The word for what we have told of ourselves.
    pub published: Option<String>,
    /// Target and package of the lamps that the user has set up.
    pub wishes: Vec<(String, String)>,
    /// Calls from the window do not say who calls.
    pub anonymous: bool,
    /// What the user must be told.
    pub notice: Option<Problem>,
    /// The browser keeps that tab silent.
    pub sound_blocked: bool,
    /// The attributes that are the phone's and not the tab's, in the order of [`crate::names::SHARED`].
    pub attributes: Vec<Option<String>>,
    /// Devices that are chosen.
    pub chosen: [String; 3],
    /// The URN that the registrar knows the phone by.
    pub instance: Option<String>,
    /// What whoever goes on needs.
    pub handover: Option<Handover>,
}

/// What changes seldom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Our own number.
    pub own: String,
    /// Finished calls, oldest first.
    pub calls: Vec<Call>,
    /// Texts, oldest first.
    pub messages: Vec<Message>,
    /// Of them, those that nobody has seen.
    pub unread: usize,
}

/// As bytes; none where there is no memory for them.
pub fn encode(what: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(what).unwrap_or_default()
}

/// What was encoded by the same version; another tab may have an older or a newer one.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Request;
    use crate::state::messages::Delivery;
    use crate::state::{CallState, Direction, RegistrationState, Remote};

    #[test]
    fn what_one_tab_tells_another_one_hears() {
        let remote = Remote { name: "Žofie".to_owned(), ..Remote::default() };
        let call = Call::new("7".to_owned(), Direction::Inbound, CallState::Incoming, remote.clone(), 1.5);
        let registration = Registration { state: RegistrationState::Registered, ..Registration::default() };
        let mirror = Mirror {
            registration,
            wanted: true,
            calls: vec![call.clone()],
            front: Some("7".to_owned()),
            last_ended: None,
            lamps: Vec::new(),
            mailbox: None,
            published: Some("away".to_owned()),
            wishes: vec![("1002".to_owned(), "dialog".to_owned())],
            anonymous: true,
            notice: Some(Problem::NumberInvalid),
            sound_blocked: true,
            attributes: vec![None, Some(String::new())],
            chosen: Default::default(),
            instance: Some("urn:uuid:1".to_owned()),
            handover: None,
        };
        assert_eq!(decode::<Mirror>(&encode(&mirror)), Some(mirror));
        let direction = Direction::Outbound;
        let message = Message { id: 3, direction, remote, text: "Hi".to_owned(), at: 2.0, delivery: Delivery::Done };
        let past = Past { own: "100".to_owned(), calls: vec![call], messages: vec![message], unread: 1 };
        assert_eq!(decode::<Past>(&encode(&past)), Some(past));
        let request = Request::Hold { call: "7".to_owned(), held: true };
        assert_eq!(decode::<Request>(&encode(&request)), Some(request));
        assert_eq!(decode::<Past>(&[]), None);
    }
}
