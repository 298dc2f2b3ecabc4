//! The user agent: one account, its registration and its calls, over whatever connection the driver has.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::call::{Body, Call, CallId};
use crate::event::{Event, QueryId, RegistrationState};
use crate::transaction::{Flow, Layer, Timers, Transmit};
use crate::{Error, Instant, NameAddr, Uri, digest};

/// What carries the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams: the only one over which the agent retransmits.
    Udp,
    /// RFC 3261 §18.
    Tcp,
    /// RFC 3261 §26.2.
    Tls,
    /// WebSocket without TLS (RFC 7118).
    Ws,
    /// WebSocket over TLS (RFC 7118).
    Wss,
}

/// Who the agent is.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of record, such as `sip:1001@example.com`.
    pub uri: Uri,
    /// Name shown to others.
    pub display_name: Option<String>,
    /// Answers the challenges of registrar and proxies.
    pub credentials: Option<digest::Credentials>,
    /// What carries the messages.
    pub transport: Transport,
    /// Host and port for `Via` and `Contact`; `None`: a random name in `.invalid`, as a browser has none (RFC 7118 §5).
    pub sent_by: Option<String>,
    /// A URN that stays the same over restarts, such as `urn:uuid:…` (RFC 5626 §4.1).
    pub instance_id: Option<String>,
    /// Registration time that is asked for.
    pub expires: Duration,
    /// How long an outbound call may go unanswered.
    pub ring_timeout: Duration,
    /// Answer an incoming call with 180 at once; else [`Agent::ring`] does.
    pub auto_ring: bool,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// Time constants of the transactions.
    pub timers: Timers,
}

impl Config {
    /// An account with the usual values: no credentials, 600 s registration, 180 s of ringing.
    pub fn new(uri: Uri, transport: Transport) -> Config {
        Config {
            uri,
            display_name: None,
            credentials: None,
            transport,
            sent_by: None,
            instance_id: None,
            expires: Duration::from_secs(600),
            ring_timeout: Duration::from_secs(180),
            auto_ring: true,
            user_agent: concat!("soft-phone/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: Timers::default(),
        }
    }
}

/// What a call may bring along.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// More headers for the INVITE, name and value. Those that the agent writes itself are refused.
    pub headers: Vec<(String, String)>,
}

/// A user agent without clock, entropy or socket.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    layer: Layer,
    calls: BTreeMap<CallId, Call>,
    events: VecDeque<Event>,
}

impl Agent {
    /// `seed` is the source of everything that must not be guessed or must differ between agents: tags, branches,
    /// client nonces, jitter. Never use one seed twice.
    ///
    /// # Errors
    /// [`Error::Injection`] for control characters in the account.
    pub fn new(config: Config, _seed: [u8; 32]) -> Result<Agent, Error> {
        NameAddr::new(config.display_name.as_deref(), config.uri.clone())?;
        let layer = Layer::new(config.timers);
        Ok(Agent { config, layer, calls: BTreeMap::new(), events: VecDeque::new() })
    }

    /// Where the registration stands.
    pub fn registration(&self) -> RegistrationState {
        RegistrationState::Offline
    }

    /// A call that lives.
    pub fn get(&self, call: CallId) -> Option<&Call> {
        self.calls.get(&call)
    }

    /// The calls that live, oldest first.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// A connection is there: the one to use from now on. A registration that is wanted is made, or renewed, on it.
    pub fn handle_connected(&mut self, _now: Instant, _flow: Flow) {}

    /// A connection is gone. What runs on it fails with [`Cause::Network`](crate::Cause::Network); established calls
    /// stay.
    pub fn handle_disconnected(&mut self, now: Instant, flow: Flow) {
        self.layer.handle_flow_closed(now, flow);
    }

    /// One message off the network.
    pub fn handle_input(&mut self, _now: Instant, _flow: Flow, _bytes: &[u8]) {}

    /// Lets every timer that is due at `now` expire.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
    }

    /// Wants to be registered: REGISTER leaves at once, or as soon as there is a connection.
    ///
    /// # Errors
    /// [`Error::TooLong`] when there are too many transactions.
    pub fn register(&mut self, _now: Instant) -> Result<(), Error> {
        Err(Error::NotConnected)
    }

    /// Wants to be registered no more.
    ///
    /// # Errors
    /// As [`Agent::register`].
    pub fn unregister(&mut self, _now: Instant) -> Result<(), Error> {
        Err(Error::NotConnected)
    }

    /// Replaces the credentials; a registration that failed for want of them is tried again.
    pub fn set_credentials(&mut self, _now: Instant, credentials: Option<digest::Credentials>) {
        self.config.credentials = credentials;
    }

    /// Calls `target`: `600`, `sip:600@example.com`, `tel:+7…`, `"A" <sip:…>`.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Injection`] for a target or header that cannot be sent, [`Error::Reserved`] for
    /// a header that the agent writes itself, [`Error::NotConnected`], [`Error::TooLong`] for too many calls.
    pub fn call(&mut self, _now: Instant, _target: &str, _offer: Body, _options: CallOptions) -> Result<CallId, Error> {
        Err(Error::NotConnected)
    }

    /// Tells the caller that it rings (180).
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] unless the call is incoming and not answered.
    pub fn ring(&mut self, _now: Instant, _call: CallId) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Answers an incoming call (200).
    ///
    /// # Errors
    /// As [`Agent::ring`].
    pub fn answer(&mut self, _now: Instant, _call: CallId, _answer: Body) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Refuses an incoming call with a status from 300 to 699.
    ///
    /// # Errors
    /// As [`Agent::ring`], and [`Error::Status`].
    pub fn reject(&mut self, _now: Instant, _call: CallId, _status: u16, _reason: Option<&str>) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Ends a call by CANCEL, BYE or refusal, whichever its state needs.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when it is ending already.
    pub fn hangup(&mut self, _now: Instant, _call: CallId) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Accepts the peer's [`Event::Offer`] with our answer (or our offer, when it made none).
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] when no offer waits.
    pub fn accept_offer(&mut self, _now: Instant, _call: CallId, _answer: Body) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Refuses the peer's [`Event::Offer`]; the session stays as it was. 488 says that the media do not fit.
    ///
    /// # Errors
    /// As [`Agent::accept_offer`], and [`Error::Status`].
    pub fn reject_offer(&mut self, _now: Instant, _call: CallId, _status: u16) -> Result<(), Error> {
        Err(Error::UnknownCall)
    }

    /// Asks what `target` can do; [`Event::Options`] answers.
    ///
    /// # Errors
    /// As [`Agent::call`].
    pub fn options(&mut self, _now: Instant, _target: &str) -> Result<QueryId, Error> {
        Err(Error::NotConnected)
    }

    /// Ends every call and the registration at once, without waiting for what is under way: the page closes.
    pub fn shutdown(&mut self, _now: Instant) {}

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.layer.poll_transmit()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Agent::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.layer.poll_timeout()
    }
}
