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
pub mod url;

use std::collections::VecDeque;
use std::time::Duration;

use soft_phone_sip::Instant;

/// How long a WebSocket may take to open.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// First and longest wait after a round in which no server answered.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Keep-alives leave at a random time in this range (RFC 5626 §4.4.1 asks for jitter; proxies cut at 30 to 60 s).
const PING_AFTER: (Duration, Duration) = (Duration::from_secs(25), Duration::from_secs(30));
/// No server needs them more often.
const SHORTEST_PING: Duration = Duration::from_secs(5);
/// How long an answer to a keep-alive may take (RFC 5626 §4.4.1).
const PONG_DEADLINE: Duration = Duration::from_secs(10);
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
    Opening { deadline: Instant },
    Open { since: Instant, ping_at: Instant, pong_by: Option<Instant>, pings: Pings, heard: bool },
    Waiting { until: Instant },
}

/// What this server does with keep-alives: to answer them is optional (RFC 5626 §5.4), and Asterisk does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pings {
    Untried,
    /// One had no answer, yet the connection need not be dead.
    Unanswered,
    Answered,
}

/// Decides about the connection.
#[derive(Debug)]
pub struct Plan {
    servers: Vec<String>,
    index: usize,
    /// Rounds over all servers that failed since the last steady connection.
    rounds: u32,
    state: State,
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
            self.state = State::Open { since: now, ping_at, pong_by: None, pings: Pings::Untried, heard: false };
        }
    }

    /// The WebSocket closed or could not be opened.
    pub fn handle_closed(&mut self, now: Instant) {
        match self.state {
            State::Open { since, .. } => {
                if now.saturating_duration_since(since) >= STEADY_AFTER {
                    self.rounds = 0;
                }
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

    /// A request went out. The first of a connection must have some answer: a server that has just been started may take
    /// connections before it takes requests, and on a connection nothing is sent twice (RFC 3261 §17.1.2.2).
    pub fn handle_sent(&mut self, now: Instant) {
        if let State::Open { pong_by, heard: false, .. } = &mut self.state {
            pong_by.get_or_insert(now + PONG_DEADLINE);
        }
    }

    /// Something came in. `pong`: it was the answer to a keep-alive, so this server gives such answers.
    pub fn handle_data(&mut self, now: Instant, pong: bool) {
        let next = now + self.ping_after();
        if let State::Open { ping_at, pong_by, pings, heard, .. } = &mut self.state {
            *heard = true;
            *pong_by = None;
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
            self.state = State::Opening { deadline: now };
            self.handle_closed(now);
        }
    }

    /// The network is back: no use in waiting.
    pub fn handle_online(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting { .. }) {
            self.rounds = 0;
            self.open(now, 0);
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
            State::Opening { deadline } if now >= *deadline => {
                self.actions.push_back(Action::Close);
                self.handle_closed(now);
            }
            State::Open { pong_by: Some(by), .. } if now >= *by => {
                self.actions.push_back(Action::Close);
                self.handle_closed(now);
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
            State::Opening { deadline } => Some(deadline),
            State::Open { since, ping_at, pong_by, .. } => {
                let next = pong_by.map_or(ping_at, |by| by.min(ping_at));
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

    fn open(&mut self, now: Instant, index: usize) {
        self.index = index;
        if let Some(url) = self.servers.get(index) {
            self.actions.push_back(Action::Open(url.clone()));
            self.state = State::Opening { deadline: now + CONNECT_DEADLINE };
        }
    }

    fn wait(&mut self, now: Instant, wait: Duration) {
        self.index = 0;
        self.state = State::Waiting { until: now + wait };
    }

    /// 1, 2, 4 … 60 s, each shortened by a random part of up to a half.
    fn back_off(&mut self) -> Duration {
        let (first, longest) = BACK_OFF;
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

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "wss://a/";
    const B: &str = "wss://b/";

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn plan(servers: &[&str]) -> Plan {
        Plan::new(servers.iter().map(|&s| s.to_owned()).collect(), 7)
    }

    fn actions(plan: &mut Plan) -> Vec<Action> {
        std::iter::from_fn(|| plan.poll_action()).collect()
    }

    fn opens(url: &str) -> Vec<Action> {
        vec![Action::Open(url.to_owned())]
    }

    #[test]
    fn the_next_server_is_tried_at_once_and_the_first_after_a_wait() {
        let mut plan = plan(&[A, B]);
        plan.start(at(0));
        assert_eq!(actions(&mut plan), opens(A));
        plan.handle_closed(at(5));
        assert_eq!(actions(&mut plan), opens(B));
        plan.handle_closed(at(9));
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        assert!(until >= at(509) && until <= at(1009), "{until:?}");
        plan.handle_timeout(until);
        assert_eq!(actions(&mut plan), opens(A));
    }

    #[test]
    fn the_wait_grows_to_a_minute_and_starts_anew_after_a_steady_connection() {
        let mut plan = plan(&[A]);
        let mut now = at(0);
        let mut longest = Duration::ZERO;
        plan.start(now);
        for _ in 0..12 {
            plan.handle_closed(now);
            let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
            longest = longest.max(until.saturating_duration_since(now));
            now = until;
            plan.handle_timeout(now);
        }
        assert!(longest > Duration::from_secs(30) && longest <= Duration::from_secs(60), "{longest:?}");
        plan.handle_opened(now);
        plan.handle_closed(now + STEADY_AFTER);
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        assert!(until <= now + STEADY_AFTER + Duration::from_secs(1), "{until:?}");
    }

    #[test]
    fn a_server_that_accepts_and_drops_is_not_hammered() {
        let mut plan = plan(&[A]);
        let mut now = at(0);
        plan.start(now);
        for _ in 0..8 {
            plan.handle_opened(now);
            plan.handle_closed(now);
            let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
            now = until;
            plan.handle_timeout(now);
        }
        assert!(now > at(60_000), "{now:?}");
    }

    #[test]
    fn a_websocket_that_never_opens_is_given_up_after_ten_seconds() {
        let mut plan = plan(&[A, B]);
        plan.start(at(0));
        assert_eq!(plan.poll_timeout(), Some(at(10_000)));
        actions(&mut plan);
        plan.handle_timeout(at(10_000));
        assert_eq!(actions(&mut plan), [Action::Close, Action::Open(B.to_owned())]);
    }

    /// A connection that was just opened, and when its first keep-alive is due.
    fn opened() -> (Plan, Instant) {
        let mut plan = plan(&[A]);
        plan.start(at(0));
        plan.handle_opened(at(0));
        actions(&mut plan);
        let ping = plan.poll_timeout().unwrap();
        assert!(ping >= at(25_000) && ping <= at(30_000), "{ping:?}");
        (plan, ping)
    }

    /// Nothing comes in after `action` is due: the connection is dropped when the deadline passes.
    fn assert_silence_is_death(mut plan: Plan, due: Instant, action: Action) {
        plan.handle_timeout(due);
        assert_eq!(actions(&mut plan), [action]);
        assert_eq!(plan.poll_timeout(), Some(due + PONG_DEADLINE));
        plan.handle_timeout(due + PONG_DEADLINE);
        assert_eq!(actions(&mut plan), [Action::Close]);
        assert!(matches!(plan.phase(), Phase::Waiting { .. }));
    }

    #[test]
    fn a_first_request_without_any_answer_ends_the_connection() {
        let (mut plan, _) = opened();
        plan.handle_sent(at(100));
        assert_eq!(plan.poll_timeout(), Some(at(100) + PONG_DEADLINE));
        plan.handle_timeout(at(100) + PONG_DEADLINE);
        assert_eq!(actions(&mut plan), [Action::Close]);
        assert!(matches!(plan.phase(), Phase::Waiting { .. }));

        let (mut plan, _) = opened();
        plan.handle_sent(at(100));
        plan.handle_data(at(200), false);
        plan.handle_sent(at(300));
        assert!(plan.poll_timeout() > Some(at(300) + PONG_DEADLINE), "later requests have deadlines of their own");
    }

    #[test]
    fn a_server_that_answers_keep_alives_must_go_on_to() {
        let (mut plan, ping) = opened();
        plan.handle_timeout(ping);
        assert_eq!(actions(&mut plan), [Action::Ping]);
        plan.handle_data(ping, true);
        let second = plan.poll_timeout().unwrap();
        assert!(second >= ping + PING_AFTER.0, "{second:?}");
        assert_silence_is_death(plan, second, Action::Ping);
    }

    #[test]
    fn a_server_that_ignores_keep_alives_is_asked_something_it_must_answer() {
        let (mut plan, ping) = opened();
        plan.handle_timeout(ping);
        assert_eq!(actions(&mut plan), [Action::Ping]);
        // No answer, no deadline: the next thing is the next keep-alive.
        let second = plan.poll_timeout().unwrap();
        assert!(second >= ping + PING_AFTER.0, "{second:?}");
        plan.handle_timeout(second);
        assert_eq!(actions(&mut plan), [Action::Probe]);
        plan.handle_data(second, false);
        let third = plan.poll_timeout().unwrap();
        assert!(third >= second + PING_AFTER.0, "{third:?}");
        assert_silence_is_death(plan, third, Action::Probe);
    }

    #[test]
    fn the_servers_flow_timer_brings_keep_alives_forward_but_never_back() {
        for (every, earliest, latest) in [(10, 8_000, 10_000), (600, 25_000, 30_000), (0, 5_000, 5_000)] {
            let (mut plan, _) = opened();
            plan.handle_flow_timer(at(0), Duration::from_secs(every));
            for round in 0..20 {
                let now = plan.poll_timeout().unwrap();
                let before = if round == 0 { at(0) } else { at(100_000 * round) };
                let pause = now.saturating_duration_since(before).as_millis();
                assert!((earliest..=latest).contains(&pause), "{every} s: {pause} ms");
                plan.handle_data(at(100_000 * (round + 1)), true);
            }
        }
        // The next connection has its own.
        let (mut plan, _) = opened();
        plan.handle_flow_timer(at(0), Duration::from_secs(10));
        plan.handle_closed(at(1));
        let Phase::Waiting { until } = plan.phase() else { panic!("{plan:?}") };
        plan.handle_timeout(until);
        plan.handle_opened(until);
        assert!(plan.poll_timeout().unwrap() >= until + PING_AFTER.0);
    }

    #[test]
    fn keep_alives_that_come_faster_than_their_deadline_do_not_put_it_off() {
        let (mut plan, _) = opened();
        plan.handle_flow_timer(at(0), Duration::from_secs(5));
        plan.handle_timeout(at(5_000));
        plan.handle_data(at(5_010), true);
        plan.handle_timeout(at(10_010));
        plan.handle_timeout(at(15_010));
        assert_eq!(actions(&mut plan), [Action::Ping, Action::Ping, Action::Ping]);
        plan.handle_timeout(at(20_010));
        assert_eq!(actions(&mut plan), [Action::Close]);
    }

    #[test]
    fn the_network_coming_back_ends_the_wait() {
        let mut plan = plan(&[A]);
        plan.start(at(0));
        plan.handle_closed(at(0));
        actions(&mut plan);
        plan.handle_online(at(100));
        assert_eq!(actions(&mut plan), opens(A));
    }

    #[test]
    fn a_substitute_is_left_for_the_first_server() {
        let mut plan = plan(&[A, B]);
        plan.start(at(0));
        plan.handle_closed(at(0));
        plan.handle_opened(at(0));
        actions(&mut plan);
        assert!(!plan.wants_to_return(at(119_999)));
        assert!(plan.wants_to_return(at(120_000)));
        plan.return_to_first(at(120_000));
        assert_eq!(actions(&mut plan), [Action::Close, Action::Open(A.to_owned())]);
    }

    #[test]
    fn a_server_without_sip_is_left_like_one_that_cannot_be_reached() {
        let mut plan = plan(&[A, B]);
        plan.start(at(0));
        plan.handle_opened(at(1));
        actions(&mut plan);
        plan.give_up_server(at(2));
        assert_eq!(actions(&mut plan), [Action::Close, Action::Open(B.to_owned())]);
        plan.give_up_server(at(3));
        assert_eq!(actions(&mut plan), [Action::Close]);
        assert!(matches!(plan.phase(), Phase::Waiting { .. }));
    }

    #[test]
    fn stopping_closes_and_forgets() {
        let mut plan = plan(&[A]);
        plan.start(at(0));
        plan.handle_opened(at(0));
        actions(&mut plan);
        plan.stop();
        assert_eq!((actions(&mut plan), plan.phase(), plan.poll_timeout()), (vec![Action::Close], Phase::Idle, None));
    }
}
