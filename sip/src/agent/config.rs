//! Who an agent is, what carries its messages, and what a call of it may bring along.

use std::time::Duration;

#[cfg(doc)]
use super::Agent;
#[cfg(doc)]
use crate::Cause;
use crate::session::MIN_SE;
use crate::transaction::Timers;
use crate::{Replaces, Uri, digest};

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
    /// Connections to be registered over at a time, 1 to 4 (RFC 5626 §4.2). More than one needs an `instance_id`; the
    /// driver then names each with [`Agent::handle_connected_as`].
    pub flows: u8,
    /// Registration time that is asked for.
    pub expires: Duration,
    /// How long an outbound call may go unanswered.
    pub ring_timeout: Duration,
    /// Answer an incoming call with 180 at once; else [`Agent::ring`] does.
    pub auto_ring: bool,
    /// Take ICE candidates one by one, by INFO (RFC 8840): says so in INVITE and its answers, and hands on what comes.
    pub trickle: bool,
    /// Provisional answers that are sure to arrive (RFC 3262): ours where the caller wants that, those of others always.
    pub reliable: bool,
    /// Calls at a time. Further ones are refused: ours with an error, those of others with 486.
    pub max_calls: usize,
    /// How long a session may last without a refresh (RFC 4028), as we ask for it; `None`: for ever, unless the other
    /// end asks.
    pub session_expires: Option<Duration>,
    /// The shortest time between refreshes that we agree to; 90 s at least.
    pub min_se: Duration,
    /// Longest MESSAGE in bytes, with all its headers but credentials. 1,300 is for networks that are not known (RFC 3428
    /// §8); more is for who knows that no datagram is on the way.
    pub max_message: usize,
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
            flows: 1,
            expires: Duration::from_secs(600),
            ring_timeout: Duration::from_secs(180),
            auto_ring: true,
            trickle: false,
            reliable: true,
            session_expires: Some(Duration::from_secs(1_800)),
            min_se: MIN_SE,
            max_calls: 32,
            max_message: 1_300,
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
    /// How many targets of redirections (3xx) are tried, each once; with none the call ends with
    /// [`Cause::Redirected`].
    pub redirects: u8,
    /// Whose place the call is to take (RFC 3891), such as that of a ringing one which `dialog` information tells about.
    /// Without that dialog the call fails.
    pub replaces: Option<Replaces>,
    /// Does not say who calls (RFC 3323, RFC 3325): to the other end, not to our own server.
    pub anonymous: bool,
    /// Asks that nobody needs to press a key at the other end (RFC 5373).
    pub auto_answer: bool,
}
