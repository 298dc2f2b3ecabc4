//! What a call is to the user of this crate: its state machine, why it ended, who is at the other end.

mod facts;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::redirect::Redirects;
use crate::agent::reliable::Reliable;
use crate::dialog::Dialog;
use crate::message::Request;
use crate::session::Session;
use crate::transaction::{ClientKey, Flow, ServerKey};
use crate::{Error, Method, NameAddr, Uri};

pub use facts::Facts;

/// The agent's own name for a call; never used twice by one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// We were called.
    Inbound,
    /// We called.
    Outbound,
}

impl Direction {
    /// The word that a page uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
    }
}

/// Where a call stands. It can be left only along these lines:
///
/// ```text
///   outbound                       inbound
///
///   Dialing ─────┬────────┐        Incoming ─────────┐
///      │ 180     │ 18x    │           │ answer()     │
///      ▼         │ + SDP  │           ▼              │
///   Ringing ──►  ▼        │        Answering ────────┤
///      │       Early ─────┤           │ ACK          │
///      │ 2xx     │ 2xx    │           ▼              │
///      └─────────┴──► Active ◄──► Held               │
///                         │        │                 │
///   every state above ────┴────────┴──► Ending ◄─────┘
///                                         │
///                                         ▼
///                                       Ended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallState {
    /// INVITE sent, nothing heard but 100.
    Dialing,
    /// The other end rings (180).
    Ringing,
    /// The network or the other end plays something before the answer (18x with a session description).
    Early,
    /// INVITE came, our end rings.
    Incoming,
    /// 2xx sent, its ACK has not come yet.
    Answering,
    /// Answered and acknowledged.
    Active,
    /// Answered, and on hold.
    Held,
    /// CANCEL, BYE or a refusal is under way.
    Ending,
    /// Over; the agent forgets the call with the event that says so.
    Ended,
}

impl CallState {
    /// The name the contract uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            CallState::Dialing => "dialing",
            CallState::Ringing => "ringing",
            CallState::Early => "early",
            CallState::Incoming => "incoming",
            CallState::Answering => "answering",
            CallState::Active => "active",
            CallState::Held => "held",
            CallState::Ending => "ending",
            CallState::Ended => "ended",
        }
    }

    /// Whether the drawing above has a line from `self` to `next`.
    pub const fn allows(self, next: CallState) -> bool {
        use CallState::{Active, Answering, Dialing, Early, Ended, Ending, Held, Incoming, Ringing};
        match (self, next) {
            (Ending, Ended) => true,
            (Ending | Ended, _) => false,
            (_, Ending) => true,
            (Dialing, Ringing | Early | Active) => true,
            (Ringing, Early | Active) => true,
            (Early | Answering | Held, Active) => true,
            (Incoming, Answering) => true,
            (Active, Held) => true,
            _ => false,
        }
    }

    /// The one way from state to state.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the drawing above has no such line; the state stays as it was.
    pub fn transition(&mut self, next: CallState) -> Result<CallState, Error> {
        if !self.allows(next) {
            return Err(Error::WrongState { state: self.as_str() });
        }
        Ok(std::mem::replace(self, next))
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a call, or a registration, is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// Another phone of the same user answered.
    AnsweredElsewhere,
    /// The other end is in a call.
    Busy,
    /// We gave up before an answer.
    Cancelled,
    /// The other end, or ours, refused.
    Declined,
    /// Any other refusal.
    Failed,
    /// The two ends have no common media.
    MediaFailed,
    /// The caller gave up before we answered.
    Missed,
    /// The connection or the other end was lost.
    Network,
    /// It rang, and nobody answered.
    NoAnswer,
    /// No such number.
    NotFound,
    /// The number has moved; we do not follow by ourselves.
    Redirected,
    /// The other end hung up.
    RemoteHangup,
    /// We hung up.
    LocalHangup,
    /// The number exists and cannot be reached now.
    Unavailable,
    /// The server does not accept our name and password.
    Unauthorized,
}

impl Cause {
    /// The name the contract uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::AnsweredElsewhere => "answered-elsewhere",
            Cause::Busy => "busy",
            Cause::Cancelled => "cancelled",
            Cause::Declined => "declined",
            Cause::Failed => "failed",
            Cause::MediaFailed => "media-failed",
            Cause::Missed => "missed",
            Cause::Network => "network",
            Cause::NoAnswer => "no-answer",
            Cause::NotFound => "not-found",
            Cause::Redirected => "redirected",
            Cause::RemoteHangup => "remote-hangup",
            Cause::LocalHangup => "local-hangup",
            Cause::Unavailable => "unavailable",
            Cause::Unauthorized => "unauthorized",
        }
    }

    /// What a final answer other than 2xx to our INVITE means to the caller (RFC 3261 §21).
    ///
    /// 403 is `Declined`, not `Unauthorized`: "authorization will not help" (§21.4.4), so a phone that asked its user
    /// for the password again would only send it round in circles.
    pub const fn from_status(status: u16) -> Cause {
        match status {
            300..=399 => Cause::Redirected,
            401 | 407 => Cause::Unauthorized,
            403 | 603 | 607 | 608 => Cause::Declined,
            404 | 410 | 484 | 485 | 604 => Cause::NotFound,
            408 => Cause::NoAnswer,
            415 | 488 | 606 => Cause::MediaFailed,
            430 | 480 => Cause::Unavailable,
            486 | 600 => Cause::Busy,
            487 => Cause::Cancelled,
            _ => Cause::Failed,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of a message and its type. Session descriptions are opaque to this crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The media type, such as `application/sdp`.
    pub content_type: String,
    /// The body as it stands on the wire.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A session description.
    pub fn sdp(text: impl Into<Vec<u8>>) -> Body {
        Body { content_type: "application/sdp".to_owned(), bytes: text.into() }
    }
}

/// The other end: as the network asserts it (`P-Asserted-Identity`, RFC 3325), else as it calls itself (`From`), else
/// as we called it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its address of record.
    pub uri: Uri,
    /// Its name, unescaped; text of a stranger, never markup.
    pub display_name: Option<String>,
}

impl From<NameAddr> for Remote {
    fn from(name: NameAddr) -> Remote {
        Remote { uri: name.uri, display_name: name.display_name }
    }
}

/// One call, from INVITE to the event that it ended.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) id: CallId,
    pub(crate) sip_call_id: String,
    pub(crate) direction: Direction,
    pub(crate) state: CallState,
    pub(crate) remote: Remote,
    /// The connection of its dialog; left only when it is gone (RFC 5626 §4.3).
    pub(crate) flow: Option<Flow>,
    /// Outbound: the INVITE transaction that runs. It is gone with the final answer.
    pub(crate) invite: Option<ClientKey>,
    /// Outbound: the early dialogs of a call that may have been forked, in the order in which they showed up.
    pub(crate) early: Vec<Dialog>,
    /// The dialog, once there is exactly one: from the INVITE on (inbound), from the 2xx on (outbound).
    pub(crate) dialog: Option<Dialog>,
    /// The descriptions in force, and what changes them.
    pub(crate) session: Session,
    /// The hold that was told of.
    pub(crate) remote_held: bool,
    /// The peer's INVITE, first or later, or UPDATE once the call is answered, that waits for an answer of ours.
    pub(crate) offer: Option<Offer>,
    /// The peer's UPDATE or PRACK that offers something else before the call is answered: beside the INVITE.
    pub(crate) early_offer: Option<Offer>,
    /// It was answered without a key being pressed (RFC 5373).
    pub(crate) automatic: bool,
    /// Our 2xx that waits for its ACK.
    pub(crate) unacknowledged: Option<Unacknowledged>,
    /// Why we end the call, while that takes time.
    pub(crate) ending: Option<Ending>,
    /// BYE is due and could not leave: it does with the next connection.
    pub(crate) owes_bye: bool,
    /// The peer has sent a REFER in this dialog before.
    pub(crate) referred: bool,
    /// The INFO packages that the peer takes.
    pub(crate) packages: Vec<String>,
    pub(crate) facts: Facts,
    /// Inbound: the call whose place this one takes.
    pub(crate) replaces: Option<CallId>,
    /// Inbound: our provisional answers that want a PRACK.
    pub(crate) reliable: Option<Box<Reliable>>,
    /// Outbound: where it may go when it is redirected.
    pub(crate) redirects: Option<Redirects>,
    /// Why we end it, in words for the other end (RFC 3326).
    pub(crate) reason: Option<String>,
}

/// A request of the peer with an offer, or one that wants ours, without a final answer.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) key: ServerKey,
    pub(crate) flow: Flow,
    /// Without its body.
    pub(crate) request: Request,
    /// Its session description.
    pub(crate) description: Option<Body>,
    /// Ours goes out first, and the ACK, or a PRACK, brings the answer.
    pub(crate) answer_in_ack: bool,
}

impl Offer {
    pub(crate) fn new(key: ServerKey, flow: Flow, request: Request, description: Option<Body>) -> Offer {
        let request = Request { body: Vec::new(), ..request };
        Offer { key, flow, request, answer_in_ack: description.is_none(), description }
    }
}

/// A 2xx to an INVITE: ours to send again until the ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug, Clone)]
pub(crate) struct Unacknowledged {
    pub(crate) flow: Flow,
    pub(crate) payload: Vec<u8>,
    pub(crate) seq: u32,
    pub(crate) interval: Duration,
    /// Our offer, which the ACK answers.
    pub(crate) offered: Option<Body>,
}

/// What the event at the end will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) cause: Cause,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<String>,
}

impl Ending {
    pub(crate) const fn local(cause: Cause) -> Self {
        Ending { cause, status: None, reason: None }
    }
}

impl Call {
    pub(crate) fn new(id: CallId, sip_call_id: String, direction: Direction, remote: Remote) -> Call {
        let state = match direction {
            Direction::Inbound => CallState::Incoming,
            Direction::Outbound => CallState::Dialing,
        };
        Call {
            id,
            sip_call_id,
            direction,
            state,
            remote,
            flow: None,
            invite: None,
            early: Vec::new(),
            dialog: None,
            session: Session::default(),
            remote_held: false,
            offer: None,
            early_offer: None,
            automatic: false,
            unacknowledged: None,
            ending: None,
            owes_bye: false,
            referred: false,
            packages: Vec::new(),
            facts: Facts::default(),
            replaces: None,
            reliable: None,
            redirects: None,
            reason: None,
        }
    }

    /// Whether it is answered, and not over.
    pub(crate) const fn is_answered(&self) -> bool {
        matches!(self.state, CallState::Active | CallState::Held)
    }

    /// Its dialog, or the first of those that it may have once it is answered.
    pub(crate) fn any_dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref().or(self.early.first())
    }

    /// The agent's own name for the call.
    pub const fn id(&self) -> CallId {
        self.id
    }

    /// The `Call-ID` on the wire, the same at both ends unless a back-to-back user agent stands between.
    pub fn sip_call_id(&self) -> &str {
        &self.sip_call_id
    }

    /// Who called whom.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Where the call stands.
    pub const fn state(&self) -> CallState {
        self.state
    }

    /// Whether the other end has put us on hold, or plays us something instead of listening.
    pub const fn remote_held(&self) -> bool {
        self.remote_held
    }

    /// Whether the other end has said in an `Allow` header that it takes such requests.
    pub fn allows(&self, method: &Method) -> bool {
        self.session.allows(method)
    }

    /// Whether the other end takes candidates one by one (RFC 8840): by [`Agent::info`](crate::Agent::info) with the
    /// package `trickle-ice`. Known from its INVITE or its first answer on.
    pub fn trickle(&self) -> bool {
        self.takes("trickle-ice")
    }

    /// Whether the other end takes an INFO package, as its `Recv-Info` says (RFC 6086 §4.2.2).
    pub fn takes(&self, package: &str) -> bool {
        self.packages.iter().any(|known| known.eq_ignore_ascii_case(package))
    }

    /// What the call says about itself, and the network about it. Of an outbound call only whether the network says who
    /// answers.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The call whose place this one takes (RFC 3891): a transfer that ends here, or a call that was picked up. Its user
    /// is in that call already and has consented to it, so the driver answers at once; the other call then ends by
    /// itself.
    pub const fn replaces(&self) -> Option<CallId> {
        self.replaces
    }

    /// The description that the caller offers, as long as the call rings.
    pub fn offered(&self) -> Option<&Body> {
        self.offer.as_ref().filter(|_| self.state == CallState::Incoming)?.description.as_ref()
    }

    /// The other end.
    pub const fn remote(&self) -> &Remote {
        &self.remote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [CallState; 9] = [
        CallState::Dialing,
        CallState::Ringing,
        CallState::Early,
        CallState::Incoming,
        CallState::Answering,
        CallState::Active,
        CallState::Held,
        CallState::Ending,
        CallState::Ended,
    ];

    #[test]
    fn only_the_drawn_lines_can_be_walked() {
        let mut lines = String::new();
        for from in ALL {
            for to in ALL {
                let mut state = from;
                match state.transition(to) {
                    Ok(previous) => {
                        assert_eq!((previous, state), (from, to));
                        lines += &format!("{from}>{to} ");
                    }
                    Err(error) => {
                        assert_eq!(error, Error::WrongState { state: from.as_str() });
                        assert_eq!(state, from);
                    }
                }
            }
        }
        assert_eq!(
            lines,
            "dialing>ringing dialing>early dialing>active dialing>ending ringing>early ringing>active \
             ringing>ending early>active early>ending incoming>answering incoming>ending answering>active \
             answering>ending active>held active>ending held>active held>ending ending>ended "
        );
    }

    #[test]
    fn every_final_answer_has_a_cause() {
        let named = [
            (302, Cause::Redirected),
            (401, Cause::Unauthorized),
            (407, Cause::Unauthorized),
            (403, Cause::Declined),
            (603, Cause::Declined),
            (404, Cause::NotFound),
            (410, Cause::NotFound),
            (484, Cause::NotFound),
            (604, Cause::NotFound),
            (408, Cause::NoAnswer),
            (480, Cause::Unavailable),
            (430, Cause::Unavailable),
            (486, Cause::Busy),
            (600, Cause::Busy),
            (487, Cause::Cancelled),
            (488, Cause::MediaFailed),
            (606, Cause::MediaFailed),
            (500, Cause::Failed),
            (999, Cause::Failed),
        ];
        for (status, cause) in named {
            assert_eq!(Cause::from_status(status), cause, "{status}");
        }
    }
}
