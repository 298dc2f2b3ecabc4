//! What every part of the server writes to: transactions, random text, events.

use std::collections::VecDeque;

use soft_phone_sip::transaction::{Flow, Layer, ServerKey};
use soft_phone_sip::{Instant, Request, Response, Timers};

use super::random::Random;
use super::reply::reply;

/// Names a call of extension 600; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EchoId(pub(super) u64);

/// What the owner of a [`Core`](super::Core) has to do beside sending messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call wants its voice back: make a media peer, or give the offer to the one that the call has; then say
    /// [`Core::answer_echo`](super::Core::answer_echo).
    EchoOffer {
        /// The call.
        call: EchoId,
        /// The session description that was offered.
        offer: String,
    },
    /// The call is over: its media peer goes.
    EchoEnded {
        /// The call.
        call: EchoId,
    },
    /// The other end misbehaves: close the connection, then say
    /// [`Core::handle_disconnected`](super::Core::handle_disconnected).
    Close {
        /// The connection.
        flow: Flow,
        /// Why, in words.
        reason: &'static str,
    },
}

pub(super) struct Io {
    pub(super) layer: Layer,
    pub(super) random: Random,
    pub(super) events: VecDeque<Event>,
}

impl Io {
    pub(super) fn new(seed: [u8; 32]) -> Io {
        Io { layer: Layer::new(Timers::default()), random: Random::new(seed), events: VecDeque::new() }
    }

    /// Answers a request.
    pub(super) fn respond(&mut self, now: Instant, server: ServerKey, response: Response) {
        // An error says that the transaction is over, as when the caller's connection has closed: nobody waits.
        let _ = self.layer.respond(now, &server, response);
    }

    /// Answers a request with a status and nothing else.
    pub(super) fn reply(&mut self, now: Instant, server: ServerKey, request: &Request, status: u16) {
        let response = reply(&mut self.random, request, status);
        self.respond(now, server, response);
    }
}
