//! The two server machines: RFC 3261 §17.2 with RFC 6026's Accepted state; how a request finds its transaction.

use std::time::Duration;

use super::client::has_cookie;
use super::{Event, Failure, Flow, Out, ServerKey, TRYING_AFTER, Timer, Transmit};
use crate::message::{Request, Response};
use crate::{Error, Instant, Method};

/// ```text
///   INVITE                                     any other method
///
///   Proceeding ────┬────────────┐              Trying ────────┐
///    │  ▲ 1xx, 100 │ 300–699    │ 2xx            │ 1xx        │ final
///    │  └──────────┤            ▼                ▼            ▼
///    │             ▼         Accepted         Proceeding ─► Completed
///    │         Completed        │ L                           │ J
///    │          │ H    │ ACK    │                             │
///    │          │      ▼        │                             │
///    │          │   Confirmed   │                             │
///    │          │      │ I      │                             │
///    └──────────┴──────┴────────┴──── Terminated ─────────────┘
///   (transport failure)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not INVITE, no answer yet: retransmissions are absorbed.
    Trying,
    /// Retransmissions get the last provisional answer, if there was one.
    Proceeding,
    /// 2xx to INVITE: the transaction user repeats it; retransmissions are absorbed until L.
    Accepted,
    /// Final answer: to INVITE repeated by G until the ACK or H; else repeated for each retransmission until J.
    Completed,
    /// ACK of a refusal: more of them are absorbed until I.
    Confirmed,
    Terminated,
}

/// The timers of both machines, by their use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerTimer {
    /// The transaction user is slow: 100.
    Trying,
    /// G.
    Retransmit,
    /// H.
    GiveUp,
    /// I, J, L.
    Linger,
}

/// What makes two requests one (RFC 3261 §17.2.3).
///
/// Call-ID and CSeq are compared also where the branch alone would do: some clients use a branch twice, and a new
/// INVITE must never be swallowed by an old transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// INVITE for an ACK.
    pub(super) method: Method,
    branch: Branch,
    call_id: String,
    seq: u32,
    from_tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Branch {
    /// RFC 3261: branch and sent-by, both without regard to case.
    Unique(String, String),
    /// RFC 2543: Request-URI and top Via as they stand. The To tag is left out: the ACK's comes from our response, and
    /// what remains is not shared by two requests.
    Old(String, String),
}

impl Identity {
    /// `None` when the request lacks what a transaction is found by.
    pub(super) fn of(request: &Request) -> Option<Identity> {
        let via = request.top_via().ok()?;
        let branch = match via.branch().filter(|branch| has_cookie(branch)) {
            Some(branch) => Branch::Unique(branch.to_ascii_lowercase(), via.sent_by().to_ascii_lowercase()),
            None => Branch::Old(request.uri.to_string(), via.to_string()),
        };
        let method = if request.method == Method::Ack { Method::Invite } else { request.method.clone() };
        Some(Identity {
            method,
            branch,
            call_id: request.call_id().to_owned(),
            seq: request.cseq().ok()?.seq,
            from_tag: request.from().ok()?.tag().map(str::to_owned),
        })
    }

    /// The same request by another path (RFC 3261 §8.2.2.2).
    pub(super) fn is_same_request(&self, other: &Identity) -> bool {
        self.method == other.method
            && self.from_tag == other.from_tag
            && self.call_id == other.call_id
            && self.seq == other.seq
    }
}

#[derive(Debug)]
pub(super) struct Server {
    /// Without its body.
    pub(super) request: Request,
    pub(super) identity: Identity,
    pub(super) flow: Flow,
    reliable: bool,
    state: State,
    /// The last response; empty before the first, and in Accepted.
    payload: Vec<u8>,
    interval: Duration,
}

impl Server {
    pub(super) fn start(
        now: Instant,
        key: ServerKey,
        flow: Flow,
        reliable: bool,
        identity: Identity,
        request: &Request,
        out: &mut Out,
    ) -> Server {
        let state = if request.method == Method::Invite {
            out.timers.set(Timer::Server(key, ServerTimer::Trying), now + TRYING_AFTER);
            State::Proceeding
        } else {
            State::Trying
        };
        let request = Request {
            method: request.method.clone(),
            uri: request.uri.clone(),
            headers: request.headers.clone(),
            body: Vec::new(),
        };
        Server { request, identity, flow, reliable, state, payload: Vec::new(), interval: out.times.t1 }
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    pub(super) fn respond(
        &mut self,
        now: Instant,
        key: ServerKey,
        response: &Response,
        out: &mut Out,
    ) -> Result<(), Error> {
        let invite = self.request.method == Method::Invite;
        let payload = response.to_bytes();
        match (self.state, response.status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                self.payload.clone_from(&payload);
            }
            (State::Proceeding, 200..=299) if invite => {
                // RFC 6026 §7.1: timer L, on reliable transports too, as a proxy may stand before an unreliable one.
                self.state = State::Accepted;
                self.payload = Vec::new();
                out.timers.set(Timer::Server(key, ServerTimer::Linger), now + out.times.give_up());
            }
            // The transaction user repeats its 2xx (RFC 3261 §13.3.1.4).
            (State::Accepted, 200..=299) => {}
            (State::Proceeding, _) if invite => {
                self.state = State::Completed;
                self.payload.clone_from(&payload);
                if !self.reliable {
                    out.timers.set(Timer::Server(key, ServerTimer::Retransmit), now + self.interval);
                }
                out.timers.set(Timer::Server(key, ServerTimer::GiveUp), now + out.times.give_up());
            }
            (State::Trying | State::Proceeding, _) => {
                self.payload.clone_from(&payload);
                self.linger(now, key, State::Completed, out.times.give_up(), out);
            }
            _ => return Err(Error::WrongState { state: "answered" }),
        }
        out.timers.stop(Timer::Server(key, ServerTimer::Trying));
        out.transmits.push_back(Transmit { flow: self.flow, payload });
        Ok(())
    }

    pub(super) fn on_retransmission(&mut self, out: &mut Out) {
        let answers = match self.state {
            State::Proceeding | State::Completed => !self.payload.is_empty(),
            State::Trying | State::Accepted | State::Confirmed | State::Terminated => false,
        };
        if answers {
            out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
        }
    }

    /// Whether the ACK was for this transaction; if not it is the transaction user's.
    pub(super) fn on_ack(&mut self, now: Instant, key: ServerKey, out: &mut Out) -> bool {
        match self.state {
            State::Completed => {
                out.timers.stop(Timer::Server(key, ServerTimer::Retransmit));
                out.timers.stop(Timer::Server(key, ServerTimer::GiveUp));
                self.linger(now, key, State::Confirmed, out.times.t4, out);
                true
            }
            State::Confirmed | State::Trying | State::Proceeding | State::Terminated => true,
            // RFC 6026 §8.7: "the ACK MUST be passed" on.
            State::Accepted => false,
        }
    }

    pub(super) fn on_timer(&mut self, now: Instant, key: ServerKey, timer: ServerTimer, out: &mut Out) {
        match timer {
            ServerTimer::Trying => {
                if self.state == State::Proceeding && self.payload.is_empty() {
                    // §8.2.6.1: a 100 has no To tag of its own.
                    self.payload = Response::to_request(&self.request, 100, None, None).to_bytes();
                    out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
                }
            }
            ServerTimer::Retransmit => {
                out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
                // §17.2.1: G doubles up to T2.
                self.interval = self.interval.saturating_mul(2).min(out.times.t2);
                out.timers.set(Timer::Server(key, timer), now + self.interval);
            }
            ServerTimer::GiveUp => self.fail(key, Failure::Timeout, out),
            ServerTimer::Linger => self.state = State::Terminated,
        }
    }

    pub(super) fn on_flow_closed(&mut self, key: ServerKey, out: &mut Out) {
        match self.state {
            State::Trying | State::Proceeding => self.fail(key, Failure::Transport, out),
            _ => self.state = State::Terminated,
        }
    }

    fn linger(&mut self, now: Instant, key: ServerKey, state: State, wait: Duration, out: &mut Out) {
        self.state = state;
        // Timers I and J are zero on reliable transports.
        if self.reliable {
            self.state = State::Terminated;
        } else {
            out.timers.set(Timer::Server(key, ServerTimer::Linger), now + wait);
        }
    }

    fn fail(&mut self, key: ServerKey, failure: Failure, out: &mut Out) {
        self.state = State::Terminated;
        out.events.push_back(Event::ServerFailed { key, failure });
    }
}
