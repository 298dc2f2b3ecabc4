//! The two client machines: RFC 3261 §17.1 with RFC 6026's Accepted state.

use std::time::Duration;

use super::{ClientKey, Event, Failure, Flow, Out, Timer, Timers, Transmit};
use crate::message::{Request, Response};
use crate::{Error, Instant, Method};

/// ```text
///   INVITE                                    any other method
///
///   Calling ───────────┬─────────┐            Trying ──────────┐
///      │ 1xx           │ 2xx     │ 300–699       │ 1xx         │ final
///      ▼               ▼         ▼               ▼             ▼
///   Proceeding ──► Accepted  Completed        Proceeding ──► Completed
///      │               │ M       │ D             │ F           │ K
///      └───────────────┴─────────┴── Terminated ─┴─────────────┘
///   (B in Calling; 64·T1 after CANCEL, and once nobody waits)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// INVITE sent: A repeats it (unreliable transport), B gives up.
    Calling,
    /// Another request sent: E repeats it (unreliable transport), F gives up.
    Trying,
    /// A provisional answer came.
    Proceeding,
    /// 2xx to INVITE: every further one goes to the transaction user, until M.
    Accepted,
    /// Final answer: its retransmissions are absorbed, those to INVITE with another ACK, until D or K.
    Completed,
    Terminated,
}

/// The timers of both machines, by their use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientTimer {
    /// A, E.
    Retransmit,
    /// B, F, and the wait after CANCEL or the end of the dialog.
    GiveUp,
    /// D, K, M.
    Linger,
}

/// How far a wish to cancel has come (RFC 3261 §9.1).
#[derive(Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Waits for a provisional answer; with the value of its Reason header.
    Wanted(Option<String>),
    Sent,
}

#[derive(Debug)]
pub(super) struct Client {
    /// Without its body.
    pub(super) request: Request,
    pub(super) branch: String,
    pub(super) flow: Flow,
    pub(super) reliable: bool,
    /// A CANCEL that the layer sent by itself: nobody knows its key.
    pub(super) quiet: bool,
    state: State,
    /// The request as sent; after a refusal of INVITE, the ACK.
    payload: Vec<u8>,
    interval: Duration,
    cancel: Cancel,
    /// Nobody waits for its answer.
    abandoned: bool,
}

impl Client {
    pub(super) fn start(
        now: Instant,
        key: ClientKey,
        flow: Flow,
        reliable: bool,
        mut request: Request,
        out: &mut Out,
    ) -> Result<Client, Error> {
        let via = request.top_via()?;
        let branch = via.branch().filter(|branch| has_cookie(branch)).ok_or(Error::Malformed { what: "Via branch" })?;
        let branch = branch.to_owned();
        let payload = request.to_bytes();
        request.body = Vec::new();
        let state = if request.method == Method::Invite { State::Calling } else { State::Trying };
        let interval = out.times.t1;
        out.transmits.push_back(Transmit { flow, payload: payload.clone() });
        if !reliable {
            out.timers.set(Timer::Client(key, ClientTimer::Retransmit), now + interval);
        }
        out.timers.set(Timer::Client(key, ClientTimer::GiveUp), now + out.times.give_up());
        Ok(Client {
            request,
            branch,
            flow,
            reliable,
            quiet: false,
            state,
            payload,
            interval,
            cancel: Cancel::No,
            abandoned: false,
        })
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    pub(super) fn on_response(&mut self, now: Instant, key: ClientKey, flow: Flow, response: Response, out: &mut Out) {
        let invite = self.request.method == Method::Invite;
        match (self.state, response.status) {
            (State::Terminated, _) => return,
            (State::Calling | State::Trying | State::Proceeding, 100..=199) => {
                if invite {
                    // §17.1.1.2: Proceeding lasts as long as it rings. Only a CANCEL ends the patience.
                    if self.state == State::Calling {
                        out.timers.stop(Timer::Client(key, ClientTimer::Retransmit));
                        if !self.abandoned {
                            out.timers.stop(Timer::Client(key, ClientTimer::GiveUp));
                        }
                    }
                } else {
                    // §17.1.2.2: in Proceeding, E fires every T2.
                    self.interval = out.times.t2;
                }
                self.state = State::Proceeding;
            }
            // RFC 6026 §8.4: 2xx, the first and every other, go to the transaction user, which sends the ACK.
            (State::Calling | State::Proceeding, 200..=299) if invite => {
                self.linger(now, key, State::Accepted, out.times.give_up(), out);
                self.payload = Vec::new();
            }
            (State::Accepted, 200..=299) => {}
            (State::Accepted, _) => return,
            (State::Completed, _) => {
                // §17.1.1.2: each refusal that comes again means that the ACK was lost.
                if invite && response.status >= 300 {
                    out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
                }
                return;
            }
            (State::Calling | State::Trying | State::Proceeding, _) => {
                let wait = match (invite, self.reliable) {
                    (_, true) => Duration::ZERO,
                    // Timer D: at least 32 s on unreliable transports.
                    (true, false) => out.times.give_up().max(Duration::from_secs(32)),
                    (false, false) => out.times.t4,
                };
                self.payload = Vec::new();
                if invite {
                    self.payload = acknowledge_refusal(&self.request, &response);
                    out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
                }
                self.linger(now, key, State::Completed, wait, out);
            }
        }
        if !self.quiet {
            out.events.push_back(Event::Response { key, flow, response });
        }
    }

    pub(super) fn on_timer(&mut self, now: Instant, key: ClientKey, timer: ClientTimer, out: &mut Out) {
        match timer {
            ClientTimer::Retransmit => {
                if matches!(self.state, State::Calling | State::Trying | State::Proceeding) {
                    out.transmits.push_back(Transmit { flow: self.flow, payload: self.payload.clone() });
                    self.interval = next_interval(&self.request.method, self.state, self.interval, &out.times);
                    out.timers.set(Timer::Client(key, timer), now + self.interval);
                }
            }
            ClientTimer::GiveUp => self.fail(key, Failure::Timeout, out),
            ClientTimer::Linger => self.state = State::Terminated,
        }
    }

    pub(super) fn on_flow_closed(&mut self, key: ClientKey, out: &mut Out) {
        match self.state {
            State::Calling | State::Trying | State::Proceeding => self.fail(key, Failure::Transport, out),
            State::Accepted | State::Completed | State::Terminated => self.state = State::Terminated,
        }
    }

    pub(super) fn want_cancel(&mut self, reason: Option<&str>) -> Result<(), Error> {
        if self.request.method != Method::Invite || !matches!(self.state, State::Calling | State::Proceeding) {
            return Err(Error::WrongState { state: "answered" });
        }
        crate::value::check_text("Reason", reason.unwrap_or(""))?;
        if self.cancel == Cancel::No {
            self.cancel = Cancel::Wanted(reason.map(str::to_owned));
        }
        Ok(())
    }

    /// The CANCEL, once it is wanted and may leave.
    pub(super) fn take_cancel(&mut self, now: Instant, key: ClientKey, out: &mut Out) -> Option<Request> {
        if self.state != State::Proceeding || !matches!(self.cancel, Cancel::Wanted(_)) {
            return None;
        }
        let Cancel::Wanted(reason) = std::mem::replace(&mut self.cancel, Cancel::Sent) else { return None };
        // §9.1: 64·T1 after the CANCEL the INVITE counts as cancelled.
        out.timers.set(Timer::Client(key, ClientTimer::GiveUp), now + out.times.give_up());
        let to = self.request.headers.get("To").unwrap_or("");
        let mut cancel = derive(&self.request, Method::Cancel, to);
        if let Some(reason) = reason {
            cancel.headers.push_parsed("Reason", reason);
        }
        Some(cancel)
    }

    /// Bounds the wait for the final answer, where it has no bound.
    pub(super) fn give_up(&mut self, now: Instant, key: ClientKey, out: &mut Out) {
        self.abandoned = true;
        if self.state == State::Proceeding && !out.timers.is_set(&Timer::Client(key, ClientTimer::GiveUp)) {
            out.timers.set(Timer::Client(key, ClientTimer::GiveUp), now + out.times.give_up());
        }
    }

    fn linger(&mut self, now: Instant, key: ClientKey, state: State, wait: Duration, out: &mut Out) {
        out.timers.stop(Timer::Client(key, ClientTimer::Retransmit));
        out.timers.stop(Timer::Client(key, ClientTimer::GiveUp));
        self.state = state;
        if wait.is_zero() {
            self.state = State::Terminated;
        } else {
            out.timers.set(Timer::Client(key, ClientTimer::Linger), now + wait);
        }
    }

    fn fail(&mut self, key: ClientKey, failure: Failure, out: &mut Out) {
        self.state = State::Terminated;
        if !self.quiet {
            out.events.push_back(Event::ClientFailed { key, failure });
        }
    }
}

/// Whether a branch is one that RFC 3261 §8.1.1.7 lets us compare.
pub(super) fn has_cookie(branch: &str) -> bool {
    const COOKIE: &str = "z9hG4bK";
    branch.get(..COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE)) && branch.len() > COOKIE.len()
}

fn next_interval(method: &Method, state: State, last: Duration, times: &Timers) -> Duration {
    match (method, state) {
        // §17.1.1.2: A doubles without a bound; B comes first.
        (Method::Invite, _) => last.saturating_mul(2),
        (_, State::Proceeding) => times.t2,
        // §17.1.2.2: E doubles up to T2.
        _ => last.saturating_mul(2).min(times.t2),
    }
}

/// A request that goes the same way as `request`, hop by hop: same URI, top Via, Route, From, Call-ID and CSeq number.
fn derive(request: &Request, method: Method, to: &str) -> Request {
    let mut derived = Request::new(method, request.uri.clone());
    let headers = &mut derived.headers;
    if let Some(via) = request.headers.get_list("Via").next() {
        headers.push_parsed("Via", via.to_owned());
    }
    for route in request.headers.get_all("Route") {
        headers.push_parsed("Route", route.to_owned());
    }
    headers.push_parsed("Max-Forwards", "70".to_owned());
    headers.push_parsed("From", request.headers.get("From").unwrap_or("").to_owned());
    headers.push_parsed("To", to.to_owned());
    headers.push_parsed("Call-ID", request.call_id().to_owned());
    let seq = request.cseq().map_or(0, |cseq| cseq.seq);
    headers.push_parsed("CSeq", crate::CSeq { seq, method: derived.method.clone() }.to_string());
    derived
}

/// The ACK of a refusal is part of the INVITE's transaction (RFC 3261 §17.1.1.3): its To is the response's.
fn acknowledge_refusal(invite: &Request, response: &Response) -> Vec<u8> {
    derive(invite, Method::Ack, response.headers.get("To").unwrap_or("")).to_bytes()
}
