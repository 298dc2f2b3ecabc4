//! What the broken input is given to, and what must hold for every input.
//!
//! A new target is a function here and a line in [`TARGETS`].

use std::fmt::Display;
use std::str::FromStr;

use crate::bodies;
use crate::corpus::Corpus;

use soft_phone_sip::digest::{self, Client, Secret};
use soft_phone_sip::frame::{Frame, Framer};
use soft_phone_sip::parse::{Fault, Limits};
use soft_phone_sip::sdp::{Direction, Fragment, Session};
use soft_phone_sip::uri::MAX_LEN;
use soft_phone_sip::{CSeq, Challenge, Error, Message, Method, NameAddr, Request, Response, Uri, Via, parse, value};

/// One part under test.
pub struct Target {
    pub name: &'static str,
    /// Its cases in a hundred.
    pub weight: u64,
    pub corpus: Corpus,
    /// Takes the input and the number of the case. Whether the input was understood, or what did not hold.
    pub run: fn(&[u8], u64) -> Result<bool, String>,
}

const fn target(
    name: &'static str,
    weight: u64,
    corpus: Corpus,
    run: fn(&[u8], u64) -> Result<bool, String>,
) -> Target {
    Target { name, weight, corpus, run }
}

/// A case of the whole agent takes as long as twenty of any other.
pub const TARGETS: &[Target] = &[
    target("parse", 24, Corpus::Messages, message),
    target("digest", 16, Corpus::Challenges, authentication),
    target("uri", 16, Corpus::Lines, values),
    target("sdp", 8, Corpus::Descriptions, description),
    target("presence", 8, Corpus::Presence, bodies::presence),
    target("dialog", 10, Corpus::Dialogs, bodies::dialogs),
    target("mailbox", 8, Corpus::Mailboxes, bodies::mailbox),
    target("reg", 8, Corpus::Registrations, bodies::registrations),
    target("agent", 2, Corpus::Messages, crate::agent::run),
];

/// The target of a case of all: in every hundred cases each has its weight.
pub fn of_case(case: u64) -> &'static Target {
    let mut left = case % 100;
    for target in TARGETS {
        match left.checked_sub(target.weight) {
            Some(rest) => left = rest,
            None => return target,
        }
    }
    &TARGETS[0]
}

pub fn hold(condition: bool, what: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(what.to_owned()) }
}

fn message(input: &[u8], _: u64) -> Result<bool, String> {
    stream(input)?;
    let parsed = match parse(input) {
        Ok(parsed) => parsed,
        Err(error) => {
            hold(error.status.is_some() == error.request.is_some(), "a status without a request to answer")?;
            if let (Some(status), Some(request)) = (error.status, &error.request) {
                // Whatever came, the answer has one header line for each that was copied.
                let response = Response::to_request(request, status, None, Some("t"));
                let bytes = response.to_bytes();
                let lines = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
                hold(lines == response.headers.len() + 3, "the answer to a broken request has lines of its own")?;
            }
            return Ok(false);
        }
    };
    again(&parsed)?;
    let headers = parsed.headers();
    let via = headers.top_via().map_err(|error| format!("top Via: {error}"))?;
    hold(headers.vias().first() == Some(&via), "vias() does not start with top_via()")?;
    let from = headers.from().map_err(|error| format!("From: {error}"))?;
    let to = headers.to().map_err(|error| format!("To: {error}"))?;
    headers.cseq().map_err(|error| format!("CSeq: {error}"))?;
    hold(!headers.call_id().is_empty(), "no Call-ID")?;
    for address in [from, to].into_iter().chain(headers.contacts()).chain(headers.routes("Route")) {
        same_again::<NameAddr>(&address.to_string())?;
        hold(address.uri.equivalent(&address.uri), "a URI is not equivalent to itself")?;
    }
    if let Message::Request(request) = &parsed {
        let response = Response::to_request(request, 486, Some("Занято"), Some("t"));
        again(&Message::Response(response))?;
    }
    let mut popped = headers.clone();
    let count = popped.get_list("Via").count();
    for left in (0..count).rev().take(16) {
        hold(popped.pop_front("Via").is_some(), "a Via that cannot be popped")?;
        hold(popped.get_list("Via").count() == left, "popping one Via took more")?;
    }
    Ok(true)
}

/// What was understood is written and understood again, to the letter.
fn again(message: &Message) -> Result<(), String> {
    let bytes = message.to_bytes();
    match parse(&bytes) {
        Ok(second) => hold(second.to_bytes() == bytes, "written again it differs")?,
        // Escapes make it longer.
        Err(error) if error.kind == Fault::TooLarge => {}
        Err(error) => return Err(format!("what was written is refused: {error}")),
    }
    Ok(())
}

fn stream(input: &[u8]) -> Result<(), String> {
    let mut framer = Framer::default();
    let mut out = 0;
    for chunk in input.chunks(1_460) {
        framer.push(chunk);
        while let Ok(Some(frame)) = framer.poll() {
            out += match frame {
                Frame::Message(message) => {
                    hold(message.len() <= Limits::DEFAULT.message, "a frame beyond the bound")?;
                    message.len()
                }
                Frame::Ping => 4,
                Frame::Pong => 2,
            };
        }
    }
    hold(out <= input.len(), "more came out of a stream than went in")
}

/// The value of a header line, or all of another line.
fn value_of(line: &str) -> &str {
    line.split_once(": ").map_or(line, |(_, value)| value)
}

/// Text that is read must be read again from what it is written as, to the same text.
fn same_again<T: FromStr + Display>(text: &str) -> Result<bool, String> {
    let Ok(first) = text.parse::<T>() else { return Ok(false) };
    let written = first.to_string();
    let second = match written.parse::<T>() {
        Ok(second) => second,
        Err(_) if written.len() > MAX_LEN => return Ok(true),
        Err(_) => return Err(format!("{text:?} was read, {written:?} is not")),
    };
    if second.to_string() == written { Ok(true) } else { Err(format!("{text:?} is written in two ways")) }
}

fn values(input: &[u8], _: u64) -> Result<bool, String> {
    let line = String::from_utf8_lossy(input);
    let text = value_of(&line);
    let word = line.split(' ').nth(1).unwrap_or(text);
    let mut understood = same_again::<Uri>(text)? | same_again::<Uri>(word)?;
    understood |= same_again::<NameAddr>(text)? | same_again::<Via>(text)?;
    understood |= same_again::<CSeq>(text)? | same_again::<Method>(word)?;
    let elements: usize = value::elements(text).map(str::len).sum();
    hold(elements <= text.len(), "elements longer than their list")?;
    hold(value::unquote(&value::quote(text)) == text, "a quoted text does not come back")?;
    if let Ok(uri) = Uri::new(Some(text), "example.com") {
        hold(uri.user_text().as_deref() == Some(text), "an escaped user does not come back")?;
        let written = uri.to_string();
        hold(written.len() > MAX_LEN || written.parse().as_ref() == Ok(&uri), "a built URI is refused")?;
    }
    if let Ok(address) = "sip:a@h".parse().and_then(|uri| NameAddr::new(Some(text), uri)) {
        let written = address.to_string();
        hold(written.len() > MAX_LEN || written.parse().as_ref() == Ok(&address), "a built address is refused")?;
    }
    Ok(understood)
}

fn authentication(input: &[u8], _: u64) -> Result<bool, String> {
    let text = &String::from_utf8_lossy(input);
    same_again::<value::Credentials>(text)?;
    let secret = Secret::Password("secret".to_owned());
    if let Ok(said) = text.parse::<value::Credentials>() {
        // Nobody knows this password.
        hold(!digest::verify(&said, "INVITE", input, &secret), "a stranger was let in")?;
    }
    let Ok(challenge) = text.parse::<Challenge>() else { return Ok(false) };
    same_again::<Challenge>(text)?;
    if digest::choose(std::iter::once(&challenge), &secret).is_none() {
        return Ok(false);
    }
    let who = digest::Credentials { username: "alice".to_owned(), secret: secret.clone() };
    let header = Client::new()
        .authorize(&challenge, &who, "INVITE", "sip:bob@example.com", input, "cnonce")
        .map_err(|error| format!("a chosen challenge is not answered: {error}"))?;
    let mut request = Request::new(Method::Invite, Uri::new(Some("bob"), "example.com").map_err(|e| e.to_string())?);
    request.headers.push("Authorization", header.clone()).map_err(|error| error.to_string())?;
    let said: value::Credentials = header.parse().map_err(|error| format!("our own answer: {error}"))?;
    hold(digest::verify(&said, "INVITE", input, &secret), "our own answer is not accepted")?;
    Ok(true)
}

/// A session description: what is read is written to the letter, what is changed is read again, and candidates come
/// through a fragment.
fn description(input: &[u8], _: u64) -> Result<bool, String> {
    if let Ok(fragment) = Fragment::parse(input) {
        hold(Fragment::parse(fragment.to_string()) == Ok(fragment), "a fragment does not come back")?;
    }
    let Ok(mut session) = Session::parse(input) else { return Ok(false) };
    let text = String::from_utf8_lossy(input);
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|line| !line.is_empty());
    let written = session.to_string();
    hold(written.split_terminator("\r\n").eq(lines), "a description does not come back")?;

    let count = session.media().len();
    for media in 0..count {
        let wanted = session.direction(media).reversed();
        session.set_direction(media, wanted);
        hold(session.direction(media).sends() == wanted.sends(), "a direction is not what was set")?;
        let part = &mut session.media_mut()[media];
        let before = part.formats().count();
        part.prefer(&["opus", "PCMA"]);
        hold(part.formats().count() <= before, "an order makes formats")?;
        part.remove_codec("telephone-event");
        hold(before == 0 || part.formats().next().is_some(), "the last format is gone")?;
        part.remove_candidates();
        part.add_candidate("candidate:1 1 udp 1 192.0.2.1 9 typ host").map_err(|error| error.to_string())?;
        hold(part.candidates().count() == 1, "one candidate")?;
    }
    session.set_directions(Direction::Inactive);
    let version = session.version();
    if session.bump_version().is_ok() {
        hold(session.version() == version.map(|version| version + 1), "the version is not the next")?;
    }
    match Session::parse(session.to_string()) {
        Ok(again) => hold(again == session, "changed, it does not come back")?,
        // What was added may be too much.
        Err(Error::TooLong { .. }) => {}
        Err(error) => return Err(format!("changed, it is refused: {error}")),
    }
    if let Ok(mut fragment) = Fragment::new(&session) {
        for media in 0..count {
            let candidates: Vec<_> = session.media()[media].candidates().collect();
            for candidate in candidates {
                // A medium without a name has no fragment.
                let _ = fragment.add_candidate(&session, media, candidate);
            }
        }
        hold(Fragment::parse(fragment.to_string()).is_ok(), "our own fragment is refused")?;
    }
    Ok(true)
}
