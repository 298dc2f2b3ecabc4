//! INFO in both directions (RFC 6086): packages, and the keypad digits that were sent with it before there were packages.

use super::auth::Tried;
use super::{Agent, Pending, Purpose};
use crate::call::{Body, Call, CallId, CallState};
use crate::event::QueryId;
use crate::message::Request;
use crate::scan::{cut, decimal, is_token};
use crate::transaction::ServerKey;
use crate::value::check_text;
use crate::{Error, Event, Instant, Method};

/// The package and the option tag of RFC 8840.
pub(super) const TRICKLE: &str = "trickle-ice";

/// Packages of the other end that are remembered.
const MAX_PACKAGES: usize = 16;

/// INFOs that wait or run, of all calls.
const MAX_INFOS: usize = 256;

/// Digits of a keypad: a signal and its length.
const RELAY: &str = "application/dtmf-relay";

/// A digit and nothing else.
const DIGIT: &str = "application/dtmf";

/// Asks for a whole picture (RFC 5168).
const MEDIA_CONTROL: &str = "application/media_control+xml";

/// Length of a digit that does not say its own, and the longest, in milliseconds.
const DIGIT_MS: u16 = 100;
const MAX_DIGIT_MS: u16 = 10_000;

/// An INFO of ours without an answer.
#[derive(Debug)]
pub(super) struct Info {
    query: QueryId,
    call: CallId,
    package: Option<String>,
    body: Body,
    running: bool,
}

impl Agent {
    /// Sends `body` to the other end of a call by INFO, as that `package` defines it (RFC 6086); `None` is for what was
    /// in use before there were packages. INFOs of one call go one after the other, in order.
    /// [`Event::InfoAnswered`] follows.
    ///
    /// # Errors
    /// [`Error::UnknownCall`]; [`Error::WrongState`] before there is a dialog and once the call ends;
    /// [`Error::Missing`] when the other end does not list the package in `Recv-Info` ([`Call::takes`]);
    /// [`Error::Injection`] for a package that is no token or a body type with control characters; [`Error::TooLong`]
    /// for too many that wait.
    pub fn info(&mut self, now: Instant, call: CallId, body: Body, package: Option<&str>) -> Result<QueryId, Error> {
        if package.is_some_and(|package| !is_token(package)) {
            return Err(Error::Injection { field: "package".to_owned() });
        }
        check_text("body type", &body.content_type)?;
        if self.infos.len() >= MAX_INFOS {
            return Err(Error::TooLong { what: "INFOs", limit: MAX_INFOS });
        }
        let of = self.calls.get(call).ok_or(Error::UnknownCall)?;
        let (state, has_dialog) = (of.state, of.dialog.is_some() || !of.early.is_empty());
        let ending = matches!(state, CallState::Ending | CallState::Ended);
        if ending || !has_dialog {
            return Err(Error::WrongState { state: state.as_str() });
        }
        if package.is_some_and(|package| !of.takes(package)) {
            // RFC 6086 §4.2.1.
            return Err(Error::Missing { header: "Recv-Info" });
        }
        let query = QueryId(self.take_id());
        self.infos.push(Info { query, call, package: package.map(str::to_owned), body, running: false });
        self.send_infos(now);
        self.drain(now);
        Ok(query)
    }

    /// Presses a key of the keypad for `duration` milliseconds, by INFO `application/dtmf-relay`, for those that cannot
    /// hear it in the media (RFC 4733). [`Event::InfoAnswered`] follows.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a tone that is none of `0` to `9`, `*`, `#`, `A` to `D`, and for a duration of zero or
    /// more than 10,000 ms; else as [`Agent::info`].
    pub fn dtmf(&mut self, now: Instant, call: CallId, tone: char, duration: u16) -> Result<QueryId, Error> {
        let tone = tone.to_ascii_uppercase();
        if !is_tone(tone) || !(1..=MAX_DIGIT_MS).contains(&duration) {
            return Err(Error::Malformed { what: "tone" });
        }
        let mut text = String::from("Signal=");
        text.push(tone);
        text.push_str("\r\nDuration=");
        text.push_str(&duration.to_string());
        text.push_str("\r\n");
        self.info(now, call, Body { content_type: RELAY.to_owned(), bytes: text.into_bytes() }, None)
    }

    /// Sends what may go: of each call the first that waits, if none of it runs.
    pub(super) fn send_infos(&mut self, now: Instant) {
        let mut at = 0;
        while let Some(info) = self.infos.get(at) {
            let (query, call) = (info.query, info.call);
            at += 1;
            if self.infos[..at - 1].iter().any(|before| before.call == call) || info.running || self.flow.is_none() {
                continue;
            }
            let (package, body) = (info.package.clone(), info.body.clone());
            let Some(dialogs) = self.calls.get_mut(call).map(|call| match &mut call.dialog {
                Some(dialog) => std::slice::from_mut(dialog),
                // RFC 8840 §4.3: to every phone that the call was forked to. What the first says counts.
                None => call.early.as_mut_slice(),
            }) else {
                continue;
            };
            let requests: Vec<Request> = dialogs.iter_mut().map(|dialog| dialog.request(Method::Info)).collect();
            for (fork, mut request) in requests.into_iter().enumerate() {
                let headers = &mut request.headers;
                if let Some(package) = &package {
                    headers.push_parsed("Info-Package", package.clone());
                    // RFC 6086 §4.2.1.
                    headers.push_parsed("Content-Disposition", "Info-Package".to_owned());
                }
                headers.push_parsed("Content-Type", body.content_type.clone());
                request.body.clone_from(&body.bytes);
                let purpose = Purpose::Info(if fork == 0 { query } else { QueryId(0) });
                let sent = self.send_request(now, Pending { purpose, request, tried: Tried::default() }).is_ok();
                // Refused when all transactions are taken: it waits for the next that ends.
                self.infos[at - 1].running |= sent && fork == 0;
            }
        }
    }

    /// The final answer to an INFO; `None`: there will be none.
    pub(super) fn on_info_answer(&mut self, now: Instant, query: QueryId, status: Option<u16>) {
        let Some(place) = self.infos.iter().position(|info| info.query == query) else { return };
        let info = self.infos.remove(place);
        self.events.push_back(Event::InfoAnswered { query, status });
        if status == Some(481) && self.established(info.call).is_ok() {
            // RFC 6086 §4.2.4, RFC 3261 §12.2.1.2: the other end knows nothing of this call.
            self.end_with_bye(now, info.call, crate::Cause::Network);
        }
        self.send_infos(now);
    }

    /// A call is over, and what it had to say is too.
    pub(super) fn forget_infos(&mut self, call: CallId) {
        while let Some(place) = self.infos.iter().position(|info| info.call == call) {
            let info = self.infos.remove(place);
            self.events.push_back(Event::InfoAnswered { query: info.query, status: None });
        }
    }

    /// An INFO of the other end.
    pub(super) fn on_info(&mut self, now: Instant, call: CallId, key: ServerKey, request: &Request, tag: &str) {
        let content_type = request.content_type().unwrap_or("");
        let is = |known: &str| content_type.eq_ignore_ascii_case(known);
        let event = match request.headers.get("Info-Package") {
            Some(package) => {
                let package = cut(package, b';').0.trim();
                if !self.identity.trickle || !package.eq_ignore_ascii_case(TRICKLE) {
                    // RFC 6086 §4.3.2: with what we do take.
                    let mut refusal = self.identity.response(request, 469, None, tag);
                    refusal.headers.push_parsed("Recv-Info", self.identity.packages().to_owned());
                    return self.reply(now, key, refusal);
                }
                let body = Body { content_type: content_type.to_owned(), bytes: request.body.clone() };
                Event::Info { call, package: Some(TRICKLE.to_owned()), body }
            }
            None if is(RELAY) || is(DIGIT) => match tone_of(&request.body) {
                Some((tone, duration)) => Event::Dtmf { call, tone, duration },
                None => return self.reply_status(now, key, request, 400, tag),
            },
            None if is(MEDIA_CONTROL) => {
                let body = Body { content_type: content_type.to_owned(), bytes: request.body.clone() };
                Event::Info { call, package: None, body }
            }
            // RFC 2976 §2.2: without a body it asks nothing.
            None if request.body.is_empty() => return self.reply_status(now, key, request, 200, tag),
            None => {
                let mut refusal = self.identity.response(request, 415, None, tag);
                refusal.headers.push_parsed("Accept", [RELAY, ", ", DIGIT, ", ", MEDIA_CONTROL].concat());
                return self.reply(now, key, refusal);
            }
        };
        self.reply_status(now, key, request, 200, tag);
        self.events.push_back(event);
    }
}

/// Takes note of the packages that the other end takes: what it said last holds (RFC 6086 §4.2.2).
pub(super) fn note_packages(call: &mut Call, headers: &crate::Headers) {
    if headers.get("Recv-Info").is_some() {
        let packages = headers.get_list("Recv-Info").map(|package| cut(package, b';').0.trim().to_owned());
        call.packages = packages.take(MAX_PACKAGES).collect();
    }
}

const fn is_tone(tone: char) -> bool {
    matches!(tone, '0'..='9' | '*' | '#' | 'A'..='D')
}

/// The key that was pressed and for how many milliseconds: `Signal=5` and `Duration=160` in lines of their own, or the
/// key alone.
fn tone_of(body: &[u8]) -> Option<(char, u16)> {
    let text = std::str::from_utf8(body).ok()?;
    let (mut tone, mut duration) = (None, DIGIT_MS);
    for line in text.lines() {
        let (name, value) = cut(line, b'=');
        let (name, value) = (name.trim(), value.map(str::trim));
        match value {
            Some(value) if name.eq_ignore_ascii_case("Signal") => tone = Some(value),
            Some(value) if name.eq_ignore_ascii_case("Duration") => {
                let length = decimal(value)?.clamp(1, u64::from(MAX_DIGIT_MS));
                duration = u16::try_from(length).unwrap_or(MAX_DIGIT_MS);
            }
            None if tone.is_none() && !name.is_empty() => tone = Some(name),
            _ => {}
        }
    }
    // RFC 4733 §3.2 numbers the keys; some senders write the number.
    let tone = match tone? {
        "10" => '*',
        "11" => '#',
        text => {
            let mut letters = text.chars();
            letters.next().filter(|_| letters.as_str().is_empty())?.to_ascii_uppercase()
        }
    };
    is_tone(tone).then_some((tone, duration))
}
