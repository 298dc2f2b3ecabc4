//! Bytes to messages: tolerant of odd spacing, strict where a wrong guess would be dangerous, bounded everywhere.

use std::fmt;

use crate::header::Headers;
use crate::value::{decimal, is_token, trim};
use crate::{Message, Method, Request, Response};

/// Bounds of what is read. A message that passes one is refused, not cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Whole message, in bytes.
    pub message: usize,
    /// Header lines, after unfolding.
    pub headers: usize,
    /// Start line or header line, after unfolding, in bytes.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { message: 65_536, headers: 256, line: 8_192 }
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
    /// Not SIP/2.0.
    Version,
    /// The Request-URI has a scheme that is not `sip` or `sips`.
    Scheme,
    /// A header (its name) that cannot be read.
    Header(&'static str),
    /// A mandatory header (its name) is not there.
    Missing(&'static str),
    /// A header (its name) that may stand once stands more than once.
    Duplicate(&'static str),
    /// `Content-Length` promises more than came.
    Truncated,
    /// The method of `CSeq` is not that of the request.
    CSeqMethod,
}

/// Why bytes are not a message, and what is owed for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was wrong.
    pub kind: Fault,
    /// The status that a user agent server owes the sender; `None`: drop silently (responses, ACK, noise).
    pub status: Option<u16>,
    /// The request as far as it could be read, enough to answer; `None` when it cannot be answered.
    pub request: Option<Box<Request>>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Fault::TooLarge => f.write_str("message too large"),
            Fault::StartLine => f.write_str("malformed start line"),
            Fault::Version => f.write_str("not SIP/2.0"),
            Fault::Scheme => f.write_str("unsupported URI scheme"),
            Fault::Header(name) => write!(f, "malformed {name}"),
            Fault::Missing(name) => write!(f, "missing {name}"),
            Fault::Duplicate(name) => write!(f, "more than one {name}"),
            Fault::Truncated => f.write_str("body shorter than Content-Length"),
            Fault::CSeqMethod => f.write_str("CSeq method is not the request's"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads one whole message: a datagram or a WebSocket frame (RFC 3261 §7, RFC 7118 §5).
///
/// # Errors
/// [`ParseError`] with the status that is owed.
pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    let drop = |kind| ParseError { kind, status: None, request: None };
    if bytes.len() > Limits::default().message {
        return Err(drop(Fault::TooLarge));
    }
    let (head, body) = match bytes.windows(4).position(|w| w == b"\r\n\r\n") {
        Some(at) => (&bytes[..at], &bytes[at + 4..]),
        None => (bytes, &bytes[bytes.len()..]),
    };
    let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut lines = head.split("\r\n").skip_while(|line| line.is_empty());
    let start = lines.next().ok_or_else(|| drop(Fault::StartLine))?;
    let mut headers = Headers::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| drop(Fault::Header("header")))?;
        let name = trim(name);
        if !is_token(name) {
            return Err(drop(Fault::Header("header")));
        }
        headers.push_parsed(name, trim(value).to_owned());
    }
    let length = headers.get("Content-Length").and_then(decimal).map_or(body.len(), |n| n as usize);
    let body = body.get(..length).ok_or_else(|| drop(Fault::Truncated))?.to_vec();
    let mut parts = start.splitn(3, ' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("SIP/2.0"), Some(status), reason) => {
            let status = decimal(status).filter(|s| (100..700).contains(s)).ok_or_else(|| drop(Fault::StartLine))?;
            let reason = reason.unwrap_or("").to_owned();
            Ok(Message::Response(Response { status: status as u16, reason, headers, body }))
        }
        (Some(method), Some(uri), Some("SIP/2.0")) => {
            let method: Method = method.parse().map_err(|_| drop(Fault::StartLine))?;
            let uri = uri.parse().map_err(|_| drop(Fault::StartLine))?;
            Ok(Message::Request(Request { method, uri, headers, body }))
        }
        _ => Err(drop(Fault::StartLine)),
    }
}
