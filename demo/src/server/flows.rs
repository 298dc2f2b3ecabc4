//! The open connections and the tokens that lead to them.
//!
//! A phone in a browser cannot be dialled: its Contact is `….invalid`, and only the connection that it opened reaches it
//! (RFC 7118 §5). So each connection has a token that nobody can guess, and the proxy writes the tokens of both ends of
//! a call into Record-Route, the caller's below the callee's (the idea of RFC 5626 §5.2). Each end sends both back as its
//! route set, its own first: whoever pops them all finds the other end in the last.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use soft_phone_sip::transaction::Flow;
use soft_phone_sip::{Instant, NameAddr, Request, Uri};

use super::{DOMAIN, is_ours};

/// How long the token of a closed connection still finds the phone's next one.
const MEMORY: Duration = Duration::from_secs(3_600);

/// Closed connections that are remembered.
const MAX_CLOSED: usize = 256;

/// A phone's identity beyond one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The user's number.
    pub(super) number: String,
    /// `+sip.instance` of its registration.
    pub(super) instance: String,
}

/// Where the route of a request leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// No token of ours in it.
    Absent,
    /// To this connection.
    Open(Flow),
    /// To a connection that was closed; its phone, if it told who it is, may have another one now.
    Closed(Option<Owner>),
    /// A token that was never given out, or long ago.
    Unknown,
}

struct Connection {
    token: String,
    owner: Option<Owner>,
    strikes: u32,
}

struct Token {
    flow: Flow,
    owner: Option<Owner>,
    closed: Option<Instant>,
}

/// All connections and tokens.
#[derive(Default)]
pub(super) struct Flows {
    connections: BTreeMap<Flow, Connection>,
    tokens: BTreeMap<String, Token>,
    closed: VecDeque<String>,
}

impl Flows {
    /// A connection was opened.
    pub(super) fn open(&mut self, flow: Flow, token: String) {
        self.tokens.insert(token.clone(), Token { flow, owner: None, closed: None });
        self.connections.insert(flow, Connection { token, owner: None, strikes: 0 });
    }

    /// A connection was closed. False when it was not open.
    pub(super) fn close(&mut self, now: Instant, flow: Flow) -> bool {
        let Some(connection) = self.connections.remove(&flow) else { return false };
        if let Some(token) = self.tokens.get_mut(&connection.token) {
            token.closed = Some(now);
            token.owner = connection.owner;
            self.closed.push_back(connection.token);
        }
        while let Some(oldest) = self.closed.front() {
            let closed = self.tokens.get(oldest).and_then(|token| token.closed);
            let forgotten = closed.is_none_or(|closed| now.saturating_duration_since(closed) > MEMORY);
            if !forgotten && self.closed.len() <= MAX_CLOSED {
                break;
            }
            self.tokens.remove(oldest);
            self.closed.pop_front();
        }
        true
    }

    pub(super) fn is_open(&self, flow: Flow) -> bool {
        self.connections.contains_key(&flow)
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// A phone registered over this connection and said who it is.
    pub(super) fn claim(&mut self, flow: Flow, owner: Owner) {
        if let Some(connection) = self.connections.get_mut(&flow) {
            connection.owner = Some(owner);
        }
    }

    /// Counts a fault of the other end; returns how many there were.
    pub(super) fn strike(&mut self, flow: Flow) -> u32 {
        self.connections.get_mut(&flow).map_or(0, |connection| {
            connection.strikes = connection.strikes.saturating_add(1);
            connection.strikes
        })
    }

    /// The Record-Route value that leads to this connection (RFC 3261 §16.6 step 4).
    pub(super) fn record_route(&self, flow: Flow) -> Option<String> {
        let token = &self.connections.get(&flow)?.token;
        Some(format!("<sip:{token}@{DOMAIN};transport=ws;lr>"))
    }

    /// Takes this server's own entries off the front of the Route (§16.4) and says where they lead.
    pub(super) fn pop_route(&self, request: &mut Request) -> Route {
        let mut route = Route::Absent;
        loop {
            let top = request.headers.get_list("Route").next().map(str::parse::<NameAddr>);
            let Some(top) = top else { break };
            let Ok(top) = top else { return Route::Unknown };
            if !is_ours(&top.uri.host) {
                break;
            }
            if request.headers.pop_front("Route").is_none() {
                break;
            }
            // An entry without a user part is a phone's preloaded outbound proxy: this server, no end of a call.
            if top.uri.user.is_some() {
                route = self.resolve(&top.uri);
            }
        }
        route
    }

    fn resolve(&self, uri: &Uri) -> Route {
        match uri.user.as_ref().and_then(|token| self.tokens.get(token)) {
            None => Route::Unknown,
            Some(Token { closed: None, flow, .. }) => Route::Open(*flow),
            Some(Token { owner, .. }) => Route::Closed(owner.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use soft_phone_sip::Method;

    use super::*;

    fn routed(route: &[&str]) -> Request {
        let mut request = Request::new(Method::Bye, "sip:x@y.invalid".parse().unwrap());
        for value in route {
            request.headers.push("Route", *value).unwrap();
        }
        request
    }

    fn flows() -> Flows {
        let mut flows = Flows::default();
        flows.open(Flow(1), "aaaa".into());
        flows.open(Flow(2), "bbbb".into());
        flows
    }

    #[test]
    fn the_last_of_our_entries_decides_and_all_of_them_go() {
        let flows = flows();
        let (a, b) = (flows.record_route(Flow(1)).unwrap(), flows.record_route(Flow(2)).unwrap());
        assert_eq!(a, "<sip:aaaa@soft-phone.test;transport=ws;lr>");
        let mut request = routed(&[&format!("{a}, {b}"), "<sip:elsewhere.example;lr>"]);
        assert_eq!(flows.pop_route(&mut request), Route::Open(Flow(2)));
        assert_eq!(request.headers.get_all("Route").collect::<Vec<_>>(), ["<sip:elsewhere.example;lr>"]);
        assert_eq!(flows.pop_route(&mut routed(&[&b, &a])), Route::Open(Flow(1)));
    }

    #[test]
    fn what_is_not_a_token_leads_nowhere() {
        let flows = flows();
        assert_eq!(flows.pop_route(&mut routed(&[])), Route::Absent);
        assert_eq!(flows.pop_route(&mut routed(&["<sip:127.0.0.1:8080;transport=ws;lr>"])), Route::Absent);
        assert_eq!(flows.pop_route(&mut routed(&["<sip:cccc@soft-phone.test;lr>"])), Route::Unknown);
        assert_eq!(flows.pop_route(&mut routed(&["<<>>"])), Route::Unknown);
    }

    #[test]
    fn a_closed_connection_remembers_its_phone_for_an_hour() {
        let mut flows = flows();
        let owner = Owner { number: "1001".into(), instance: "i".into() };
        flows.claim(Flow(1), owner.clone());
        let route = flows.record_route(Flow(1)).unwrap();
        assert!(flows.close(Instant::ZERO, Flow(1)));
        assert!(!flows.close(Instant::ZERO, Flow(1)));
        assert_eq!(flows.pop_route(&mut routed(&[&route])), Route::Closed(Some(owner)));
        flows.close(Instant::ZERO + MEMORY + Duration::from_secs(1), Flow(2));
        assert_eq!(flows.pop_route(&mut routed(&[&route])), Route::Unknown);
    }

    #[test]
    fn closed_connections_are_bounded() {
        let mut flows = Flows::default();
        for index in 0..3 * MAX_CLOSED as u64 {
            flows.open(Flow(index), format!("{index:08}"));
            flows.close(Instant::ZERO, Flow(index));
        }
        assert_eq!((flows.connections.len(), flows.tokens.len(), flows.closed.len()), (0, MAX_CLOSED, MAX_CLOSED));
    }
}
