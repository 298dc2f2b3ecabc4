//! MESSAGE in both directions (RFC 3428): text outside a call or in one, a queue for each receiver.

use super::auth::Tried;
use super::compose::asserted;
use super::transfer::{of_token, param};
use super::{Agent, Pending, Purpose};
use crate::call::{Body, CallId};
use crate::event::QueryId;
use crate::message::Request;
use crate::scan::{cut, unquote};
use crate::transaction::{Failure, ServerKey};
use crate::value::check_text;
use crate::{Error, Event, Instant, Method, NameAddr, Remote};

/// MESSAGEs that wait or run.
const MAX_MESSAGES: usize = 64;

/// What we read.
const TEXTS: [&str; 2] = ["text/plain", "text/html"];

/// What we read the text of.
const PARTS: &str = "multipart/mixed";

/// Parts of a body that are looked at.
const MAX_PARTS: usize = 16;

/// A MESSAGE of ours without an answer.
#[derive(Debug)]
pub(super) struct Outgoing {
    query: QueryId,
    to: NameAddr,
    request: Request,
    running: bool,
}

impl Agent {
    /// Sends a message, such as a text of type `text/plain`, to `target` (RFC 3428). Those to one target go one after the
    /// other, in order (§8); without a connection they wait for one. [`Event::MessageSent`] says what became of it. A
    /// message whose connection is lost before its answer is not sent again: it may have arrived.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Injection`] and [`Error::TooLong`] for a target that is none, as in
    /// [`Agent::call`]; [`Error::Injection`] for a body type with control characters; [`Error::TooLong`] for more than
    /// [`Config::max_message`](super::Config::max_message) bytes, and for too many that wait.
    pub fn message(&mut self, now: Instant, target: &str, body: Body) -> Result<QueryId, Error> {
        let to = self.identity.target(target)?;
        check_text("body type", &body.content_type)?;
        if self.messages.len() >= MAX_MESSAGES {
            return Err(Error::TooLong { what: "messages", limit: MAX_MESSAGES });
        }
        let (call_id, tag) = (self.entropy.token(), self.entropy.token());
        // RFC 3428 §4: no Contact, for there is no dialog.
        let mut request = self.identity.request(Method::Message, to.uri.clone(), &to, &call_id, &tag, 1);
        request.headers.push_parsed("Content-Type", body.content_type);
        request.body = body.bytes;
        let mut whole = request.clone();
        self.identity.stamp(&mut whole, &mut self.entropy)?;
        // §8: no longer than a datagram may be, as nobody knows what it passes.
        if whole.to_bytes().len() > self.max_message {
            return Err(Error::TooLong { what: "message", limit: self.max_message });
        }
        let query = QueryId(self.take_id());
        self.messages.push(Outgoing { query, to, request, running: false });
        self.send_messages(now);
        self.drain(now);
        Ok(query)
    }

    /// Sends what may go: for each receiver the first that waits, if none runs.
    pub(super) fn send_messages(&mut self, now: Instant) {
        for at in 0..self.messages.len() {
            let message = &self.messages[at];
            let earlier = &self.messages[..at];
            let behind = earlier.iter().any(|before| before.to.uri.equivalent(&message.to.uri));
            if behind || message.running || self.flow.is_none() {
                continue;
            }
            let request = message.request.clone();
            let pending = Pending { purpose: Purpose::Message(message.query), request, tried: Tried::default() };
            // Refused when all transactions are taken: it waits for the next that ends.
            self.messages[at].running = self.send_request(now, pending).is_ok();
        }
    }

    /// The final answer to a MESSAGE and its reason phrase.
    pub(super) fn on_message_answer(&mut self, now: Instant, query: QueryId, status: u16, reason: &str) {
        self.message_done(now, query, Some(status), Some(reason.to_owned()));
    }

    /// A MESSAGE will not be answered.
    pub(super) fn on_message_failed(&mut self, now: Instant, query: QueryId, failure: Failure) {
        // RFC 3261 §8.1.3.1: no answer in time is treated as a 408; what became of a lost connection's nobody knows.
        let status = (failure == Failure::Timeout).then_some(408);
        self.message_done(now, query, status, None);
    }

    fn message_done(&mut self, now: Instant, query: QueryId, status: Option<u16>, reason: Option<String>) {
        let Some(place) = self.messages.iter().position(|message| message.query == query) else { return };
        self.messages.remove(place);
        self.events.push_back(Event::MessageSent { query, status, reason });
        self.send_messages(now);
    }

    /// The page closes: what has not left does not.
    pub(super) fn forget_messages(&mut self) {
        for message in std::mem::take(&mut self.messages) {
            self.events.push_back(Event::MessageSent { query: message.query, status: None, reason: None });
        }
    }

    /// A MESSAGE of somebody, in the dialog of a call or outside (RFC 3428 §7).
    pub(super) fn on_message(
        &mut self,
        now: Instant,
        call: Option<CallId>,
        key: ServerKey,
        request: &Request,
        tag: &str,
    ) {
        let Ok(from) = request.from() else { return self.reply_status(now, key, request, 400, tag) };
        let encoded = |coding: &str| !coding.eq_ignore_ascii_case("identity");
        let readable = !request.headers.get("Content-Encoding").is_some_and(encoded);
        let content_type = request.headers.get("Content-Type").unwrap_or(TEXTS[0]);
        let Some(body) = text_of(content_type, &request.body, true).filter(|_| readable) else {
            let mut refusal = self.identity.response(request, 415, None, tag);
            refusal.headers.push_parsed("Accept", [TEXTS[0], ", ", TEXTS[1], ", ", PARTS].concat());
            refusal.headers.push_parsed("Accept-Encoding", "identity".to_owned());
            return self.reply(now, key, refusal);
        };
        // §7: 200 says that it arrived, not that somebody has read it; no Contact, no body.
        self.reply_status(now, key, request, 200, tag);
        let from = asserted(&request.headers).unwrap_or_else(|| Remote::from(from));
        self.events.push_back(Event::Message { from, call, body });
    }
}

/// Where `needle` begins. A message is short; a searcher that is fast in long ones is 2 kB more in a page.
fn find(body: &[u8], needle: &[u8]) -> Option<usize> {
    body.windows(needle.len()).position(|window| window == needle)
}

/// The text of a body, with its type as it stands there (it may say a character set); of several parts the first that
/// we read (RFC 5621 §3.1), as the others may be whatever they like.
fn text_of(content_type: &str, body: &[u8], whole: bool) -> Option<Body> {
    if TEXTS.iter().any(|known| of_token(content_type, known)) {
        return Some(Body { content_type: content_type.to_owned(), bytes: body.to_vec() });
    }
    if !whole || !of_token(content_type, PARTS) {
        return None;
    }
    // RFC 2046 §5.1.1.
    let boundary = unquote(param(content_type, "boundary")?);
    let delimiter = ["\r\n--", &boundary].concat();
    // The first may stand at the very start.
    let starts =
        (0..body.len()).filter(|at| body[*at..].starts_with(delimiter.as_bytes())).map(|at| at + delimiter.len());
    let first = body.starts_with(&delimiter.as_bytes()[2..]).then_some(delimiter.len() - 2);
    for start in first.into_iter().chain(starts).take(MAX_PARTS) {
        let part = &body[start..];
        let part = &part[..find(part, delimiter.as_bytes()).unwrap_or(part.len())];
        let Some(end) = find(part, b"\r\n\r\n") else { continue };
        let Ok(lines) = std::str::from_utf8(&part[..end]) else { continue };
        let of = |name: &str| {
            let mut fields = lines.lines().map(|line| cut(line, b':'));
            fields.find_map(|(field, value)| value.filter(|_| field.trim().eq_ignore_ascii_case(name))).map(str::trim)
        };
        // SIP is clean for 8 bits; what is wrapped for mail is not read.
        let plain = |coding: &str| ["7bit", "8bit", "binary"].iter().any(|known| known.eq_ignore_ascii_case(coding));
        if of("Content-Transfer-Encoding").is_none_or(plain)
            && let Some(text) = text_of(of("Content-Type").unwrap_or(TEXTS[0]), &part[end + 4..], false)
        {
            return Some(text);
        }
    }
    None
}
