//! Bytes to messages: tolerant of odd spacing, strict where a wrong guess would be dangerous, bounded everywhere.
//!
//! Every message is read to its end whatever is wrong with it, so that what can be answered is answered; the first
//! fault found decides. Work is linear in the length of the message.

mod check;
pub(crate) mod lines;
mod start;

use std::borrow::Cow;
use std::fmt;

use crate::header::{Headers, full_name};
use crate::scan::{cut, is_token, trim};
use crate::{Message, Request, Response};
use lines::{Lines, head_len};
use start::Start;

/// Bounds of what is read. A message that passes one is refused, not cut. Nothing nests: comments and quotes are read
/// in one pass, so that depth needs no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Whole message, in bytes.
    pub message: usize,
    /// Header lines, after unfolding.
    pub headers: usize,
    /// Start line or header line, after unfolding, in bytes.
    pub line: usize,
    /// Elements of all list headers (`Via`, `Route`, `Record-Route`, `Contact`) together.
    pub elements: usize,
}

impl Limits {
    /// What [`parse`] and a new [`crate::frame::Framer`] use.
    pub const DEFAULT: Limits = Limits { message: 65_536, headers: 256, line: 8_192, elements: 256 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

/// What was wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A bound of [`Limits`] was passed.
    TooLarge,
    /// The start line is neither a request's nor a response's.
    StartLine,
    /// The Request-URI cannot be read, or carries headers (RFC 3261 §19.1.1).
    RequestUri,
    /// Not SIP/2.0.
    Version,
    /// The Request-URI has a scheme that is not known here.
    Scheme,
    /// A header (its name) that cannot be read.
    Header(&'static str),
    /// A mandatory header (its name) is not there.
    Missing(&'static str),
    /// A header (its name) that may stand once stands more than once, with other values.
    Duplicate(&'static str),
    /// The message ends before its headers or before `Content-Length`.
    Truncated,
    /// The method of `CSeq` is not that of the request.
    CSeqMethod,
}

impl Fault {
    /// The status that a user agent server owes for a request with this fault.
    fn status(self) -> u16 {
        match self {
            Fault::TooLarge => 513,
            Fault::Version => 505,
            Fault::Scheme => 416,
            _ => 400,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, name) = match self {
            Fault::TooLarge => ("message too large", ""),
            Fault::StartLine => ("malformed start line", ""),
            Fault::RequestUri => ("malformed Request-URI", ""),
            Fault::Version => ("not SIP/2.0", ""),
            Fault::Scheme => ("unsupported URI scheme", ""),
            Fault::Header(name) => ("malformed ", *name),
            Fault::Missing(name) => ("missing ", *name),
            Fault::Duplicate(name) => ("more than one ", *name),
            Fault::Truncated => ("message incomplete", ""),
            Fault::CSeqMethod => ("CSeq method is not the request's", ""),
        };
        f.write_str(text)?;
        f.write_str(name)
    }
}

/// Why bytes are not a message, and what is owed for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was wrong.
    pub kind: Fault,
    /// The status that a user agent server owes the sender; `None`: drop silently (responses, ACK, noise).
    pub status: Option<u16>,
    /// The request as far as it could be read: method, top `Via` and the headers that were legal lines, for
    /// [`Response::to_request`]. Its URI is `sip:unreadable.invalid` when there is none. Always there with a `status`.
    pub request: Option<Box<Request>>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for ParseError {}

/// Reads one whole message: a datagram or a WebSocket frame (RFC 3261 §7, RFC 7118 §5).
///
/// # Errors
/// [`ParseError`] with the status that is owed.
pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    parse_with(bytes, &Limits::DEFAULT)
}

/// [`parse`] with bounds of one's own.
///
/// # Errors
/// [`ParseError`] with the status that is owed.
pub fn parse_with(bytes: &[u8], limits: &Limits) -> Result<Message, ParseError> {
    let mut faults = First(None);
    let whole = bytes.len();
    if whole > limits.message {
        faults.note(Fault::TooLarge);
    }
    let bytes = &bytes[..whole.min(limits.message)];
    // RFC 3261 §7.5: empty lines before the start line are ignored.
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = &bytes[blank..];
    let (head, rest) = match head_len(bytes) {
        Some((head, body)) => (&bytes[..head], &bytes[body..]),
        None => {
            faults.note(Fault::Truncated);
            (bytes, &bytes[bytes.len()..])
        }
    };
    // Bytes that are not UTF-8 become U+FFFD: legal in text for people, a fault in every name, address and token.
    let head = String::from_utf8_lossy(head);
    let mut lines = Lines::new(&head);
    let line = lines.next().unwrap_or(Cow::Borrowed(""));
    if line.len() > limits.line {
        faults.note(Fault::TooLarge);
    }
    let start = start::read(&line, &mut faults);

    let mut headers = Headers::with_capacity(16);
    for line in lines {
        if headers.len() >= limits.headers || line.len() > limits.line {
            faults.note(Fault::TooLarge);
            break;
        }
        match header(&line) {
            Some((name, value)) => headers.push_parsed(name, value.to_owned()),
            None => faults.note(Fault::Header("header line")),
        }
    }

    let method = match &start {
        Start::Request { method, .. } => Some(method),
        _ => None,
    };
    let length = check::headers(&headers, method, limits, &mut faults);
    let body = match length {
        None => rest,
        // RFC 3261 §18.3: what follows the body is noise, a body that is not all there is an error.
        Some(length) => usize::try_from(length).ok().and_then(|length| rest.get(..length)).unwrap_or_else(|| {
            faults.note(Fault::Truncated);
            rest
        }),
    };

    match (start, faults.0) {
        (Start::Request { method, uri }, None) => {
            Ok(Message::Request(Request { method, uri, headers, body: body.to_vec() }))
        }
        (Start::Response { status, reason }, None) => {
            let reason = reason.to_owned();
            Ok(Message::Response(Response { status, reason, headers, body: body.to_vec() }))
        }
        (Start::Request { method, uri }, Some(kind)) => {
            // An ACK is never answered (RFC 3261 §17); without a Via there is no way back.
            let answerable = method != crate::Method::Ack && headers.get("Via").is_some();
            // RFC 4475 §3.1.2.18: of an unknown method, 501 says more than that `CSeq` has another.
            let unknown = kind == Fault::CSeqMethod && matches!(method, crate::Method::Other(_));
            let status = if unknown { 501 } else { kind.status() };
            Err(ParseError {
                kind,
                status: answerable.then_some(status),
                request: answerable.then(|| Box::new(Request { method, uri, headers, body: Vec::new() })),
            })
        }
        (Start::Response { .. } | Start::Noise, kind) => {
            Err(ParseError { kind: kind.unwrap_or(Fault::StartLine), status: None, request: None })
        }
    }
}

/// The fault that counts: the first one, unless a later one says that the whole message is of another language.
struct First(Option<Fault>);

impl First {
    fn note(&mut self, fault: Fault) {
        // Another version may have another grammar: 505 says more than 400 (RFC 4475 §3.1.2.16).
        if self.0.is_none() || fault == Fault::Version {
            self.0 = Some(fault);
        }
    }
}

/// Cuts a header line; `None` when it is none.
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = cut(line, b':');
    let (name, value) = (trim(name), trim(value?));
    (is_token(name) && controls_are_quoted(value)).then(|| (full_name(name), value))
}

/// RFC 3261 §25.1: control characters stand in quoted pairs only (`"\` and the character), CR and LF nowhere.
fn controls_are_quoted(value: &str) -> bool {
    let control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    let bytes = value.as_bytes();
    if !bytes.iter().any(|&byte| control(byte)) {
        return true;
    }
    let (mut quoted, mut at) = (false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                at += 1;
                if matches!(bytes.get(at), None | Some(b'\r' | b'\n')) {
                    return false;
                }
            }
            byte if control(byte) => return false,
            _ => {}
        }
        at += 1;
    }
    true
}
