//! The connection to the SIP server: which server when, how long to wait, whether it still lives.
//!
//! Sans IO: time comes in, actions come out; [`link`] is the WebSocket itself.
//!
//! ```text
//!             start()                opened
//!   Idle ─────────────► Opening ───────────────► Open
//!    ▲                  ▲     │ refused, deadline  │ lost, silent
//!    │ stop()           │     ▼                    │
//!    └────────────── Waiting ◄─────────────────────┘
//!                  (next server at once, after a whole round with back-off)
//! ```

pub mod link;
#[cfg(test)]
mod tests;
pub mod url;

use std::collections::VecDeque;
use std::time::Duration;

use soft_phone_sip::Instant;

/// How long a WebSocket may take to open.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// The same while somebody is in a call, but for each [`PATIENT`]th try: a network that was away for long is back within
/// one of them, and one that is slow has its time all the same.
const CONNECT_IN_CALL: Duration = Duration::from_secs(4);
const PATIENT: u32 = 3;
/// First and longest wait after a round in which no server answered.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Longest wait while somebody is in a call.
const BACK_OFF_IN_CALL: Duration = Duration::from_secs(2);
/// Keep-alives leave at a random time in this range (RFC 5626 §4.4.1 asks for jitter; proxies cut at 30 to 60 s).
const PING_AFTER: (Duration, Duration) = (Duration::from_secs(25), Duration::from_secs(30));
/// No server needs them more often.
const SHORTEST_PING: Duration = Duration::from_secs(5);
/// How long an answer to a keep-alive may take (RFC 5626 §4.4.1).
const PONG_DEADLINE: Duration = Duration::from_secs(10);
/// The same when there is reason to think that the connection is dead.
const DOUBT_DEADLINE: Duration = Duration::from_secs(2);
/// A deadline that is looked at so much later has passed while the machine slept, or the page was stopped: nobody has
/// listened for the answer.
const OVERSLEPT: Duration = Duration::from_secs(1);
/// A try that is younger than this was begun on the network that there is now.
const FRESH: Duration = Duration::from_millis(500);
/// A connection that stood this long was good: the next loss begins a new back-off.
const STEADY_AFTER: Duration = Duration::from_secs(30);
/// How often the first server is tried again while another one serves.
const RETURN_AFTER: Duration = Duration::from_secs(120);

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a WebSocket to this URL; what was open before is closed already.
    Open(String),
    /// Send CRLF CRLF.
    Ping,
    /// Send a request that every SIP server answers: OPTIONS.
    Probe,
    /// Drop the connection, without waiting for the other side.
    Close,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not wanted.
    Idle,
    /// A WebSocket is being opened.
    Opening,
    /// Messages flow.
    Open,
    /// Waiting for the next try.
    Waiting {
        /// When it begins.
        until: Instant,
    },
}

#[derive(Debug)]
enum State {
    Idle,
    Opening {
        since: Instant,
        deadline: Instant,
    },
    Open {
        since: Instant,
        ping_at: Instant,
        pong_by: Option<Instant>,
        pings: Pings,
        /// When the first request must have its answer.
        owed_by: Option<Instant>,
        /// It has.
        answered: bool,
        /// It had to answer at once.
        doubted: bool,
        /// Asked anew as nobody had listened: not twice in a row, as hidden pages are late each time.
        overslept: bool,
    },
    Waiting {
        until: Instant,
    },
}

/// What this server does with keep-alives: to answer them is optional (RFC 5626 §5.4), and Asterisk does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pings {
    Untried,
    /// One had no answer, yet the connection need not be dead.
    Unanswered,
    Answered,
}

/// Whether this answers a keep-alive of ours (RFC 5626 §3.5.1). Two line ends are a keep-alive of the server's own: Asterisk
/// sends one every 90 s, and answers none.
pub fn is_pong(bytes: &[u8]) -> bool {
    bytes == b"\r\n"
}

/// Decides about the connection.
#[derive(Debug)]
pub struct Plan {
    servers: Vec<String>,
    index: usize,
    /// Rounds over all servers that failed since the last steady connection.
    rounds: u32,
    state: State,
    /// Somebody is in a call: the connection is wanted back soon.
    in_call: bool,
    /// The longest time without a keep-alive that the server bears (`Flow-Timer`), on this connection.
    limit: Option<Duration>,
    actions: VecDeque<Action>,
    random: u64,
}

impl Plan {
    /// `servers` in order of preference, not empty; `seed` spreads the clients of a server that comes back.
    pub fn new(servers: Vec<String>, seed: u64) -> Self {
        Plan {
            servers,
            index: 0,
            rounds: 0,
            state: State::Idle,
            in_call: false,
            limit: None,
            actions: VecDeque::new(),
            random: seed | 1,
        }
    }

    /// Where the connection stands.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Opening { .. } => Phase::Opening,
            State::Open { .. } => Phase::Open,
            State::Waiting { until } => Phase::Waiting { until },
        }
    }

    /// Whether the connection has still to show that it lives.
    pub fn is_doubted(&self) -> bool {
        matches!(self.state, State::Open { doubted: true, .. })
    }

    /// The server in use or tried next.
    pub fn server(&self) -> Option<&str> {
        self.servers.get(self.index).map(String::as_str)
    }

    /// Wants a connection.
    pub fn start(&mut self, now: Instant) {
        if matches!(self.state, State::Idle) {
            self.open(now, 0);
        }
    }

    /// Wants none any more.
    pub fn stop(&mut self) {
        if matches!(self.state, State::Opening { .. } | State::Open { .. }) {
            self.actions.push_back(Action::Close);
        }
        self.state = State::Idle;
        self.rounds = 0;
        self.index = 0;
    }

    /// The WebSocket is open.
    pub fn handle_opened(&mut self, now: Instant) {
        if matches!(self.state, State::Opening { .. }) {
            self.limit = None;
            let ping_at = now + self.ping_after();
            self.state = State::Open {
                since: now,
                ping_at,
                pong_by: None,
                pings: Pings::Untried,
                owed_by: None,
                answered: false,
                doubted: false,
                overslept: false,
            };
        }
    }

    /// The WebSocket closed or could not be opened.
    pub fn handle_closed(&mut self, now: Instant) {
        match self.state {
            State::Open { since, .. } => {
                self.forget_rounds(now, since);
                // The first server again, after a moment: a server that restarts must not meet all its phones at once.
                let wait = self.back_off();
                self.wait(now, wait);
            }
            State::Opening { .. } if self.index + 1 < self.servers.len() => self.open(now, self.index + 1),
            State::Opening { .. } => {
                let wait = self.back_off();
                self.wait(now, wait);
            }
            State::Idle | State::Waiting { .. } => {}
        }
    }

    /// A request went out. The first of a connection must have its answer soon: a server that has just been started may take
    /// connections before it takes requests, and on a connection nothing is sent twice (RFC 3261 §17.1.2.2).
    pub fn handle_sent(&mut self, now: Instant) {
        if let State::Open { owed_by, answered: false, .. } = &mut self.state {
            owed_by.get_or_insert(now + PONG_DEADLINE);
        }
    }

    /// The first request has its answer; what else comes is none, as a server that has just been started answers later ones.
    pub fn handle_answered(&mut self) {
        if let State::Open { owed_by, answered, .. } = &mut self.state {
            *owed_by = None;
            *answered = true;
        }
    }

    /// Something came in. `pong`: it was the answer to a keep-alive, so this server gives such answers.
    pub fn handle_data(&mut self, now: Instant, pong: bool) {
        let next = now + self.ping_after();
        if let State::Open { ping_at, pong_by, pings, doubted, overslept, .. } = &mut self.state {
            *pong_by = None;
            *doubted = false;
            *overslept = false;
            *ping_at = next;
            if pong {
                *pings = Pings::Answered;
            }
        }
    }

    /// The server wants keep-alives at least that often (`Flow-Timer`, RFC 5626 §4.4).
    pub fn handle_flow_timer(&mut self, now: Instant, every: Duration) {
        self.limit = Some(every);
        let sooner = now + self.ping_after();
        if let State::Open { ping_at, .. } = &mut self.state {
            *ping_at = sooner.min(*ping_at);
        }
    }

    /// The server is not what it should be: drop it and go on to the next one.
    pub fn give_up_server(&mut self, now: Instant) {
        if matches!(self.state, State::Opening { .. } | State::Open { .. }) {
            self.actions.push_back(Action::Close);
            self.state = State::Opening { since: now, deadline: now };
            self.handle_closed(now);
        }
    }

    /// Whether somebody is in a call. Then the server is tried more often: a call whose media have lost their way finds
    /// another one by the server only. Of phones without a call there are many, and they wait as ever.
    pub fn set_in_call(&mut self, now: Instant, in_call: bool) {
        self.in_call = in_call;
        if let State::Waiting { until } = &mut self.state
            && in_call
        {
            *until = (*until).min(now + BACK_OFF_IN_CALL);
        }
    }

    /// There is reason to think that the connection is dead, though nobody has said so: the network is another one, the
    /// machine has slept. It must answer at once.
    pub fn handle_doubt(&mut self, now: Instant) {
        if let State::Open { pong_by, pings, doubted, .. } = &mut self.state {
            *doubted = true;
            let by = now + DOUBT_DEADLINE;
            // Asked already, and no later.
            if pong_by.is_some_and(|asked| asked <= by) {
                return;
            }
            *pong_by = Some(by);
            let action = if *pings == Pings::Answered { Action::Ping } else { Action::Probe };
            self.actions.push_back(action);
        }
    }

    /// Somebody wants the connection now: a wait ends.
    pub fn retry(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting { .. }) {
            self.rounds = 0;
            self.open(now, 0);
        }
    }

    /// The network is back, or another one: no use in waiting, nor in a try that was begun on the one before.
    pub fn handle_online(&mut self, now: Instant) {
        match self.state {
            State::Waiting { .. } => self.retry(now),
            State::Opening { since, .. } if now.saturating_duration_since(since) >= FRESH => {
                self.actions.push_back(Action::Close);
                self.open(now, self.index);
            }
            State::Idle | State::Opening { .. } => {}
            State::Open { .. } => self.handle_doubt(now),
        }
    }

    /// Whether this is a good time to leave a substitute server for the first one, when no call would suffer.
    pub fn wants_to_return(&self, now: Instant) -> bool {
        match self.state {
            State::Open { since, .. } => self.index > 0 && now >= since + RETURN_AFTER,
            _ => false,
        }
    }

    /// Leaves the substitute for the first server.
    pub fn return_to_first(&mut self, now: Instant) {
        self.actions.push_back(Action::Close);
        self.open(now, 0);
    }

    /// Lets what is due at `now` happen.
    pub fn handle_timeout(&mut self, now: Instant) {
        let next_ping = now + self.ping_after();
        match &mut self.state {
            State::Opening { deadline, .. } if now >= *deadline => {
                self.actions.push_back(Action::Close);
                self.handle_closed(now);
            }
            State::Open { ping_at, pong_by, owed_by, overslept: overslept @ false, .. }
                if [*pong_by, *owed_by].into_iter().flatten().any(|by| now >= by + OVERSLEPT) =>
            {
                *ping_at = next_ping;
                *pong_by = None;
                *owed_by = None;
                *overslept = true;
                self.handle_doubt(now);
            }
            State::Open { since, pong_by, owed_by, doubted, .. }
                if [*pong_by, *owed_by].into_iter().flatten().any(|by| now >= by) =>
            {
                let (since, doubted) = (*since, *doubted);
                self.actions.push_back(Action::Close);
                if doubted {
                    // What has happened has happened here: no other phone is about to do the same.
                    self.forget_rounds(now, since);
                    self.open(now, 0);
                } else {
                    self.handle_closed(now);
                }
            }
            State::Open { ping_at, pong_by, pings, .. } if now >= *ping_at => {
                *ping_at = next_ping;
                let action = match pings {
                    // Silence may mean that the server does not know keep-alives: no deadline yet.
                    Pings::Untried => {
                        *pings = Pings::Unanswered;
                        Action::Ping
                    }
                    // One that leaves before the deadline of the last does not put it off.
                    Pings::Unanswered => {
                        pong_by.get_or_insert(now + PONG_DEADLINE);
                        Action::Probe
                    }
                    Pings::Answered => {
                        pong_by.get_or_insert(now + PONG_DEADLINE);
                        Action::Ping
                    }
                };
                self.actions.push_back(action);
            }
            State::Waiting { until } if now >= *until => self.open(now, 0),
            _ => {}
        }
    }

    /// When [`Plan::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Opening { deadline, .. } => Some(deadline),
            State::Open { since, ping_at, pong_by, owed_by, .. } => {
                let next = [pong_by, owed_by].into_iter().flatten().fold(ping_at, Instant::min);
                Some(if self.index > 0 && since + RETURN_AFTER > ping_at {
                    next.min(since + RETURN_AFTER)
                } else {
                    next
                })
            }
            State::Waiting { until } => Some(until),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The connection that is lost was there since then.
    fn forget_rounds(&mut self, now: Instant, since: Instant) {
        if now.saturating_duration_since(since) >= STEADY_AFTER {
            self.rounds = 0;
        }
    }

    fn open(&mut self, now: Instant, index: usize) {
        self.index = index;
        if let Some(url) = self.servers.get(index) {
            self.actions.push_back(Action::Open(url.clone()));
            let hurries = self.in_call && self.rounds % PATIENT != PATIENT - 1;
            let longest = if hurries { CONNECT_IN_CALL } else { CONNECT_DEADLINE };
            self.state = State::Opening { since: now, deadline: now + longest };
        }
    }

    fn wait(&mut self, now: Instant, wait: Duration) {
        self.index = 0;
        self.state = State::Waiting { until: now + wait };
    }

    /// 1, 2, 4 … 60 s, at most 2 in a call, each shortened by a random part of up to a half.
    fn back_off(&mut self) -> Duration {
        let (first, longest) = BACK_OFF;
        let longest = if self.in_call { BACK_OFF_IN_CALL } else { longest };
        let full = first.saturating_mul(1 << self.rounds.min(6)).min(longest);
        self.rounds = self.rounds.saturating_add(1);
        self.between((full / 2, full))
    }

    /// RFC 5626 §4.4: 80 to 100 % of the server's time. Never later than without one: what lies between us and the
    /// server knows nothing of it.
    fn ping_after(&mut self) -> Duration {
        let limit = self.limit.map_or(PING_AFTER, |every| (every * 4 / 5, every));
        self.between((limit.0.min(PING_AFTER.0).max(SHORTEST_PING), limit.1.min(PING_AFTER.1).max(SHORTEST_PING)))
    }

    fn between(&mut self, (low, high): (Duration, Duration)) -> Duration {
        // xorshift64: spreading needs no better one.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let permille = u32::try_from(self.random % 1000).unwrap_or(0);
        low + (high - low) * permille / 1000
    }
}
