//! What the agent tells its driver.

use std::fmt;
use std::time::Duration;

use crate::call::{Body, CallId, CallState, Cause, Remote};
use crate::transaction::Flow;
use crate::{Instant, Uri};

/// Where the registration stands. One line for each way between the states:
///
/// ```text
///             register()                 2xx
///   Offline ─────────────► Registering ───────► Registered ◄─┐ refresh, unseen
///    ▲  ▲                   ▲   │  ▲               │   └─────┘
///    │  │ connection lost   │   │  └── new flow ───┤
///    │  └───────────────────┼───┼──────────────────┤ unregister()
///    │ answer, or none      │   ▼ refusal          ▼
///    │                      └─ Failed        Unregistering
///    └─── unregister() ────────┘                   │
///    └─────────────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationState {
    /// Not registered and not trying: not asked to, or without a connection.
    Offline,
    /// REGISTER sent.
    Registering,
    /// Calls reach us.
    Registered,
    /// REGISTER with an expiry of zero sent.
    Unregistering,
    /// Refused; tried again at the time the event says, or never without a command.
    Failed,
}

impl RegistrationState {
    /// The name the contract uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            RegistrationState::Offline => "offline",
            RegistrationState::Registering => "registering",
            RegistrationState::Registered => "registered",
            RegistrationState::Unregistering => "unregistering",
            RegistrationState::Failed => "failed",
        }
    }
}

impl fmt::Display for RegistrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The agent's own name for a request of ours that has an answer: OPTIONS, INFO, MESSAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// The agent's own name for a transfer that the other end of a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

/// The agent's own name for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// The agent's own name for a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub u64);

/// Where a subscription (RFC 6665 §4.1.2), or a publication (RFC 3903), stands.
///
/// ```text
///               NOTIFY active; 2xx to PUBLISH
///   Pending ───────────────────────────────► Active
///      │  ▲                                   │  ▲
///      │  └───────── NOTIFY pending ──────────┤  │ made again
///      │                                      ▼  │
///      ├── may pass, or ended by accident ──► Waiting
///      ▼                                      ▼
///   Terminated ◄── for good, or by command ───┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionState {
    /// Asked for, or asked and not decided yet.
    Pending,
    /// It is told what changes; what we publish is known.
    Active,
    /// Not at the moment; tried again by itself.
    Waiting,
    /// Over and forgotten.
    Terminated,
}

impl SubscriptionState {
    /// The name that RFC 6665 uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            SubscriptionState::Pending => "pending",
            SubscriptionState::Active => "active",
            SubscriptionState::Waiting => "waiting",
            SubscriptionState::Terminated => "terminated",
        }
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something happened. Events come in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The registration moved, or was refreshed with another expiry.
    Registration {
        /// Where it stands now.
        state: RegistrationState,
        /// Why, when it failed or was lost.
        cause: Option<Cause>,
        /// The final answer's status, when there was one.
        status: Option<u16>,
        /// The final answer's reason phrase.
        reason: Option<String>,
        /// When it is tried again without a command; `None`: not by itself.
        retry_at: Option<Instant>,
        /// The time the registrar granted, when registered.
        expires: Option<Duration>,
    },
    /// The answer to [`Agent::query_bindings`](crate::Agent::query_bindings).
    Bindings {
        /// The request.
        query: QueryId,
        /// The final answer's status; `None`: none came, or the connection was lost.
        status: Option<u16>,
    },
    /// The server wants a keep-alive on a connection at least that often (`Flow-Timer`, RFC 5626 §4.4): the driver sends
    /// one after 80 to 100 % of it, at random. Told once for each connection and value.
    KeepAlive {
        /// The connection.
        flow: Flow,
        /// The longest time without one.
        every: Duration,
    },
    /// The registrar sends us to another host (301, 302), or wants another first hop (305). Follows the `Registration`
    /// that failed with [`Cause::Redirected`]. Nothing goes there by itself: connections are the driver's, and so is
    /// whom it trusts. The next connection is registered on.
    RegistrationRedirect {
        /// The connection that it came over.
        flow: Flow,
        /// Where to.
        target: Uri,
        /// 301: for ever.
        permanent: bool,
    },
    /// Somebody calls. [`Agent::get`](crate::Agent::get) knows who.
    Incoming {
        /// The new call.
        call: CallId,
        /// What the caller offers; `None`: it wants our offer in the answer (RFC 3261 §13.2.1).
        offer: Option<Body>,
    },
    /// A provisional answer other than 100 to our call.
    Progress {
        /// The call.
        call: CallId,
        /// 101 to 199.
        status: u16,
        /// A session description: early media.
        answer: Option<Body>,
        /// Which of the phones that the call was forked to, counted from 0 as they show up. Each one's descriptions
        /// belong to a session of its own.
        fork: u32,
    },
    /// Outbound: the 2xx came and was acknowledged. Inbound: the ACK of our 2xx came.
    Answered {
        /// The call.
        call: CallId,
        /// Outbound: the session description of the 2xx, if it has one; else the last early one of `fork` holds.
        /// Inbound: that of the ACK, when our 2xx made the offer.
        answer: Option<Body>,
        /// Outbound: the phone that answered, as counted in `Progress`; inbound: 0.
        fork: u32,
    },
    /// Our call was sent elsewhere (3xx) and goes there ([`CallOptions::redirects`](crate::CallOptions::redirects)): early
    /// media of those before are over, and `fork` counts anew.
    Redirected {
        /// The call.
        call: CallId,
        /// Where to.
        target: Uri,
    },
    /// The peer wants to change the session (re-INVITE). Owed:
    /// [`Agent::accept_offer`](crate::Agent::accept_offer) or [`Agent::reject_offer`](crate::Agent::reject_offer).
    Offer {
        /// The call.
        call: CallId,
        /// The new session description; `None`: the peer wants ours.
        offer: Option<Body>,
    },
    /// The peer took its re-INVITE back before we answered: nothing is owed any more, the session stays as it was.
    OfferWithdrawn {
        /// The call.
        call: CallId,
    },
    /// The peer's answer to our [`Agent::offer`](crate::Agent::offer), or to the one that we made in the 2xx of a
    /// re-INVITE without one; or its changed answer to a refresh of the session.
    Answer {
        /// The call.
        call: CallId,
        /// The session description.
        answer: Body,
    },
    /// Our [`Agent::offer`](crate::Agent::offer) was refused, or the connection took it along: the session stays as it
    /// was.
    OfferFailed {
        /// The call.
        call: CallId,
        /// The final answer's status; 491 also when the peer's offer came before ours had left; `None`: none came.
        status: Option<u16>,
        /// The final answer's reason phrase.
        reason: Option<String>,
    },
    /// The peer put us on hold, or took us off it, by the direction of its description (RFC 3264 §8.4).
    RemoteHold {
        /// The call.
        call: CallId,
        /// On hold now.
        held: bool,
    },
    /// The connection of an established call is another one from now on. Owed: [`Agent::offer`](crate::Agent::offer), so
    /// that the other end learns where we are (a new REGISTER does not tell it) and the media find their way.
    Recover {
        /// The call.
        call: CallId,
    },
    /// A call moved from one state to another.
    State {
        /// The call.
        call: CallId,
        /// Where it stands now.
        state: CallState,
        /// Where it stood before.
        previous: CallState,
    },
    /// A call is over and forgotten. The last event of a call.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        cause: Cause,
        /// The final answer that ended it, if one did.
        status: Option<u16>,
        /// That answer's reason phrase, or the text of the `Reason` header (RFC 3326) of the request that ended it.
        reason: Option<String>,
    },
    /// How a transfer that we asked for goes ([`Agent::transfer`](crate::Agent::transfer),
    /// [`Agent::transfer_to`](crate::Agent::transfer_to)): what the target answers, as the other end reports it.
    TransferProgress {
        /// The call that is transferred.
        call: CallId,
        /// The target's answer, 100 to 699; or the refusal of the transfer itself; 408 when nothing was reported for
        /// too long.
        status: u16,
        /// Its reason phrase; text of a stranger, at most 256 bytes.
        reason: String,
        /// Nothing more comes. With a status of 200 to 299 the call with us is ended by the agent; with another one it
        /// stays as it was.
        done: bool,
    },
    /// The other end asks us to call somebody in its place. Nothing happens until
    /// [`Agent::accept_transfer`](crate::Agent::accept_transfer) or
    /// [`Agent::reject_transfer`](crate::Agent::reject_transfer), one of which is owed within 60 s.
    Transfer {
        /// The call whose other end asks.
        call: CallId,
        /// The transfer.
        transfer: TransferId,
        /// Whom to call.
        target: Remote,
        /// Whether the new call takes the place of one that the target has (RFC 3891): an attended transfer.
        replaces: bool,
        /// Who asks, as it says itself (RFC 3892).
        referred_by: Option<Box<Remote>>,
    },
    /// An INFO came (RFC 6086) and was accepted.
    Info {
        /// The call.
        call: CallId,
        /// Its package; `None`: of the time before packages.
        package: Option<String>,
        /// What it says; opaque here.
        body: Body,
    },
    /// The answer to [`Agent::info`](crate::Agent::info) or [`Agent::dtmf`](crate::Agent::dtmf).
    InfoAnswered {
        /// The request.
        query: QueryId,
        /// The final answer's status; `None`: none came, or the call is over.
        status: Option<u16>,
    },
    /// The other end pressed a key, and said so by INFO.
    Dtmf {
        /// The call.
        call: CallId,
        /// `0` to `9`, `*`, `#`, `A` to `D`.
        tone: char,
        /// For how many milliseconds, 1 to 10,000.
        duration: u16,
    },
    /// Somebody has sent a text (RFC 3428).
    Message {
        /// Who, as the network asserts it, else as it calls itself.
        from: Remote,
        /// The call in whose dialog it came.
        call: Option<CallId>,
        /// `text/plain` or `text/html`, with the character set if it says one; a stranger's text, never trusted markup.
        body: Body,
    },
    /// What became of a message ([`Agent::message`](crate::Agent::message)).
    MessageSent {
        /// The message.
        query: QueryId,
        /// The final answer's status, 408 when none came in time; `None`: the connection was lost, and nobody knows.
        status: Option<u16>,
        /// The final answer's reason phrase.
        reason: Option<String>,
    },
    /// Where a subscription stands now ([`Agent::subscribe`](crate::Agent::subscribe)).
    Subscription {
        /// The subscription.
        subscription: SubscriptionId,
        /// Where it stands.
        state: SubscriptionState,
        /// The refusal's status, when there was one.
        status: Option<u16>,
        /// The refusal's reason phrase, or the reason of RFC 6665 §4.1.3 that the notifier gave.
        reason: Option<String>,
        /// When it is tried again, while it waits.
        retry_at: Option<Instant>,
    },
    /// What was subscribed to says so.
    Notify {
        /// The subscription.
        subscription: SubscriptionId,
        /// Which of the phones that the SUBSCRIBE was forked to, counted from 0 as they show up;
        /// [`Forks`](crate::Forks) makes one state of theirs.
        fork: u32,
        /// The state, in one of the types that were asked for; `None`: nothing is known (yet, or any more).
        body: Option<Body>,
    },
    /// A `message-summary` that was not subscribed to, from the server that we are registered with.
    Unsolicited {
        /// `message-summary`.
        package: String,
        /// The state.
        body: Body,
    },
    /// Where a publication stands now ([`Agent::publish`](crate::Agent::publish)).
    Publication {
        /// The publication.
        publication: PublicationId,
        /// Where it stands.
        state: SubscriptionState,
        /// The final answer's status, when there was one.
        status: Option<u16>,
        /// When it is tried again, while it waits.
        retry_at: Option<Instant>,
    },
    /// The answer to [`Agent::options`](crate::Agent::options).
    Options {
        /// The request.
        query: QueryId,
        /// The final answer's status; `None`: none came, or the connection was lost.
        status: Option<u16>,
        /// The methods its `Allow` header lists, as they stand there.
        allow: Vec<String>,
    },
}
