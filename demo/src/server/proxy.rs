//! The proxy: forwards requests to one or more phones and chooses the answer (RFC 3261 §16).
//!
//! ```text
//!   forward ─► branch ┐
//!              branch ├─ 1xx ──────────────────► to the caller, at once
//!              branch ┘  2xx ──────────────────► to the caller, at once; the others are cancelled
//!                        6xx ─► the others are cancelled ┐
//!                        3xx–5xx, time-out, closed ──────┴─ all final ─► the best of them to the caller
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use soft_phone_sip::transaction::{ClientKey, Failure, Flow, ServerKey};
use soft_phone_sip::{Instant, Method, Request, Response, Uri};

use super::DOMAIN;
use super::io::Io;
use super::random::Random;
use super::reply::reply;

/// Timer C: how long a phone may ring; "larger than 3 minutes" (§16.6 step 11).
pub(super) const TIMER_C: Duration = Duration::from_secs(181);

/// Requests that are on their way at once.
const MAX_CONTEXTS: usize = 512;

/// Tells a cancelled phone that it has not missed the call (RFC 3326 §2).
const ELSEWHERE: &str = r#"SIP;cause=200;text="Call completed elsewhere""#;

/// One way for a request to go.
pub(super) struct Target {
    /// The connection.
    pub(super) flow: Flow,
    /// The new Request-URI; `None` keeps the one it came with.
    pub(super) uri: Option<Uri>,
    /// Record-Route values, the topmost last.
    pub(super) record_route: Vec<String>,
}

enum Branch {
    /// No final answer yet.
    Open {
        key: ClientKey,
        /// When it will have rung for too long; only INVITE rings.
        timer_c: Option<Instant>,
        /// A provisional answer came.
        rings: bool,
        /// It rang for too long, and was cancelled.
        expired: bool,
    },
    Done,
}

struct Context {
    server: ServerKey,
    /// As it came, without its body: what answers of our own are made from.
    request: Request,
    branches: Vec<Branch>,
    /// Final answers that were not forwarded at once.
    answers: Vec<Response>,
    /// A final answer was forwarded, or nobody waits for one.
    done: bool,
    /// The caller has given up.
    cancelled: bool,
    /// Client transactions that may still say something: forked 2xx come late.
    clients: usize,
    server_lives: bool,
}

/// The requests that are being forwarded: the response contexts of §16.
#[derive(Default)]
pub(super) struct Proxy {
    contexts: BTreeMap<u64, Context>,
    by_server: BTreeMap<ServerKey, u64>,
    by_client: BTreeMap<ClientKey, (u64, usize)>,
    next: u64,
}

impl Proxy {
    /// Number of requests on their way.
    pub(super) fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Sends `request` to every target. `original` is the request as it came.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        io: &mut Io,
        server: ServerKey,
        original: &Request,
        request: &Request,
        targets: Vec<Target>,
    ) {
        if self.contexts.len() >= MAX_CONTEXTS {
            return io.reply(now, server, original, 503);
        }
        let id = self.next;
        self.next += 1;
        let mut stripped = original.clone();
        stripped.body = Vec::new();
        let mut context = Context {
            server,
            request: stripped,
            branches: Vec::with_capacity(targets.len()),
            answers: Vec::new(),
            done: false,
            cancelled: false,
            clients: 0,
            server_lives: true,
        };
        for target in targets {
            let flow = target.flow;
            let outgoing = outgoing(&mut io.random, request, target);
            let sent = outgoing.and_then(|outgoing| io.layer.request(now, flow, true, outgoing).ok());
            let Some(key) = sent else {
                context.answers.push(reply(&mut io.random, original, 503));
                context.branches.push(Branch::Done);
                continue;
            };
            let timer_c = (request.method == Method::Invite).then_some(now + TIMER_C);
            self.by_client.insert(key, (id, context.branches.len()));
            context.clients += 1;
            context.branches.push(Branch::Open { key, timer_c, rings: false, expired: false });
        }
        self.by_server.insert(server, id);
        context.conclude(now, io);
        self.contexts.insert(id, context);
    }

    /// A phone answered (§16.7).
    pub(super) fn on_response(&mut self, now: Instant, io: &mut Io, key: ClientKey, mut response: Response) {
        let Some((context, index)) = self.find(key) else { return };
        // Step 3: our own Via goes; a response that has no other is for nobody.
        if response.headers.pop_front("Via").is_none() || response.headers.get("Via").is_none() {
            return;
        }
        match response.status {
            100 => context.ring(now, index),
            101..=199 => {
                context.ring(now, index);
                if !context.done {
                    io.respond(now, context.server, response);
                }
            }
            200..=299 => {
                // Step 5: every 2xx goes to the caller, also the second of a fork: only the caller can end that call.
                context.branches[index] = Branch::Done;
                let first = !std::mem::replace(&mut context.done, true);
                if first || context.request.method == Method::Invite {
                    io.respond(now, context.server, response);
                }
                context.cancel_open(now, io, Some(ELSEWHERE));
            }
            status => {
                let branch = std::mem::replace(&mut context.branches[index], Branch::Done);
                let expired = matches!(branch, Branch::Open { expired: true, .. });
                if status == 487 && expired {
                    // It says that it was cancelled, which was not the caller's doing.
                    response = reply(&mut io.random, &context.request, 408);
                }
                context.answers.push(response);
                if status >= 600 {
                    // Step 5: a global failure ends the search.
                    context.cancel_open(now, io, None);
                }
                context.conclude(now, io);
            }
        }
    }

    /// A phone will not answer: it timed out, or its connection closed.
    pub(super) fn on_client_failed(&mut self, now: Instant, io: &mut Io, key: ClientKey, failure: Failure) {
        let Some((context, index)) = self.find(key) else { return };
        let status = match failure {
            _ if context.cancelled => 487,
            // §16.8: as if it had answered 408.
            Failure::Timeout => 408,
            Failure::Transport => 480,
        };
        context.branches[index] = Branch::Done;
        context.answers.push(reply(&mut io.random, &context.request, status));
        context.conclude(now, io);
    }

    /// The caller cancels its INVITE (§16.10). False when it is none of the proxy's.
    pub(super) fn cancel(&mut self, now: Instant, io: &mut Io, server: ServerKey, reason: Option<&str>) -> bool {
        let Some(context) = self.by_server.get(&server).and_then(|id| self.contexts.get_mut(id)) else { return false };
        context.cancelled = true;
        context.cancel_open(now, io, reason);
        true
    }

    /// Nobody waits for an answer any more: what rings is told to stop.
    pub(super) fn on_server_failed(&mut self, now: Instant, io: &mut Io, server: ServerKey) {
        if let Some(context) = self.by_server.get(&server).and_then(|id| self.contexts.get_mut(id)) {
            context.done = true;
            context.cancelled = true;
            context.cancel_open(now, io, None);
        }
    }

    /// The transaction with the caller is over.
    pub(super) fn on_server_terminated(&mut self, server: ServerKey) {
        let Some(id) = self.by_server.remove(&server) else { return };
        if let Some(context) = self.contexts.get_mut(&id) {
            context.server_lives = false;
            self.sweep(id);
        }
    }

    /// A transaction with a phone is over.
    pub(super) fn on_client_terminated(&mut self, key: ClientKey) {
        let Some((id, _)) = self.by_client.remove(&key) else { return };
        if let Some(context) = self.contexts.get_mut(&id) {
            context.clients -= 1;
            self.sweep(id);
        }
    }

    /// Phones that rang for too long are cancelled (§16.8).
    pub(super) fn handle_timeout(&mut self, now: Instant, io: &mut Io) {
        for context in self.contexts.values_mut() {
            let mut gone = 0;
            for branch in &mut context.branches {
                let Branch::Open { key, timer_c, rings, expired } = branch else { continue };
                if timer_c.is_none_or(|at| at > now) {
                    continue;
                }
                *timer_c = None;
                *expired = true;
                // A phone that has not even said 180 cannot be cancelled: it counts as one that timed out.
                if !*rings || io.layer.cancel(now, key, None).is_err() {
                    *branch = Branch::Done;
                    gone += 1;
                }
            }
            for _ in 0..gone {
                context.answers.push(reply(&mut io.random, &context.request, 408));
            }
            if gone > 0 {
                context.conclude(now, io);
            }
        }
    }

    /// When the next phone has rung for too long.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let branches = self.contexts.values().flat_map(|context| &context.branches);
        branches
            .filter_map(|branch| match branch {
                Branch::Open { timer_c, .. } => *timer_c,
                Branch::Done => None,
            })
            .min()
    }

    fn find(&mut self, key: ClientKey) -> Option<(&mut Context, usize)> {
        let (id, index) = *self.by_client.get(&key)?;
        Some((self.contexts.get_mut(&id)?, index))
    }

    fn sweep(&mut self, id: u64) {
        if self.contexts.get(&id).is_some_and(|context| context.clients == 0 && !context.server_lives) {
            self.contexts.remove(&id);
        }
    }
}

impl Context {
    /// §16.7 step 2: each provisional answer but 100 starts Timer C again; 100 shows at least that CANCEL may go.
    fn ring(&mut self, now: Instant, index: usize) {
        if let Branch::Open { timer_c: Some(timer_c), rings, .. } = &mut self.branches[index] {
            *timer_c = now + TIMER_C;
            *rings = true;
        }
    }

    fn cancel_open(&self, now: Instant, io: &mut Io, reason: Option<&str>) {
        if self.request.method != Method::Invite {
            return;
        }
        for branch in &self.branches {
            if let Branch::Open { key, .. } = branch {
                // An error says that its final answer is on its way up as an event.
                let _ = io.layer.cancel(now, key, reason);
            }
        }
    }

    /// Once every branch is final: the best answer goes to the caller (§16.7 steps 6 to 9).
    fn conclude(&mut self, now: Instant, io: &mut Io) {
        if self.done || self.branches.iter().any(|branch| matches!(branch, Branch::Open { .. })) {
            return;
        }
        self.done = true;
        let response = match best(std::mem::take(&mut self.answers)) {
            // Step 6: 503 says that the next hop is overloaded, which the caller must not take for this server.
            Some(response) if response.status == 503 => reply(&mut io.random, &self.request, 500),
            Some(response) => response,
            None => reply(&mut io.random, &self.request, 480),
        };
        io.respond(now, self.server, response);
    }
}

/// The request that goes to one target (§16.6 steps 2, 4 and 8); `None` when it has no Via to add to.
fn outgoing(random: &mut Random, request: &Request, target: Target) -> Option<Request> {
    let mut outgoing = request.clone();
    if let Some(uri) = target.uri {
        outgoing.uri = uri;
    }
    for value in &target.record_route {
        outgoing.headers.push_front("Record-Route", value.as_str()).ok()?;
    }
    push_via(random, &mut outgoing)?;
    Some(outgoing)
}

/// Puts this server's Via on top.
pub(super) fn push_via(random: &mut Random, request: &mut Request) -> Option<()> {
    let via = format!("SIP/2.0/WS {DOMAIN};branch={}", random.branch());
    request.headers.push_front("Via", via).ok()
}

/// The answer that tells the caller most (§16.7 step 6): a 6xx; else the lowest class, in it first what the caller can
/// do something about, then what a person or phone said, last what only says that nobody did.
fn best(answers: Vec<Response>) -> Option<Response> {
    let rank = |status: u16| match status {
        600.. => (0, 0),
        401 | 407 | 415 | 420 | 484 => (status / 100, 0),
        408 | 480 | 487 => (status / 100, 2),
        _ => (status / 100, 1),
    };
    let place = (0..answers.len()).min_by_key(|&index| rank(answers[index].status))?;
    let mut answers = answers;
    let mut chosen = answers.swap_remove(place);
    if matches!(chosen.status, 401 | 407) {
        // Step 7: the caller can answer every challenge at once.
        for name in ["WWW-Authenticate", "Proxy-Authenticate"] {
            let others = answers.iter().filter(|other| matches!(other.status, 401 | 407));
            for value in others.flat_map(|other| other.headers.get_all(name)) {
                // It was a header's value a moment ago.
                let _ = chosen.headers.push(name, value);
            }
        }
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(statuses: &[u16]) -> Option<u16> {
        let request = Request::new(Method::Invite, "sip:a@b".parse().unwrap());
        let answer = |status: &u16| Response::to_request(&request, *status, None, None);
        best(statuses.iter().map(answer).collect()).map(|response| response.status)
    }

    #[test]
    fn the_best_answer() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[480, 486]), Some(486));
        assert_eq!(chosen(&[487, 486, 404]), Some(486));
        assert_eq!(chosen(&[500, 408]), Some(408));
        assert_eq!(chosen(&[302, 407]), Some(302));
        assert_eq!(chosen(&[486, 407, 503]), Some(407));
        assert_eq!(chosen(&[302, 603]), Some(603));
    }

    #[test]
    fn challenges_are_joined() {
        let request = Request::new(Method::Invite, "sip:a@b".parse().unwrap());
        let challenged = |realm: &str| {
            let mut response = Response::to_request(&request, 401, None, None);
            response.headers.push("WWW-Authenticate", format!("Digest realm=\"{realm}\"")).unwrap();
            response
        };
        let joined = best(vec![challenged("a"), challenged("b")]).unwrap();
        assert_eq!(
            joined.headers.get_all("WWW-Authenticate").collect::<Vec<_>>(),
            [r#"Digest realm="a""#, r#"Digest realm="b""#]
        );
    }
}
