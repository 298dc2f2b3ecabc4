//! A byte stream cut into messages: TCP and TLS have no edges of their own (RFC 3261 §18.3).

use crate::parse::{Fault, Limits};
use crate::value::{decimal, trim};

/// What a stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`crate::parse`].
    Message(Vec<u8>),
    /// A double CRLF: answer it with a single one (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF: the answer to our ping.
    Pong,
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    limits: Limits,
}

impl Framer {
    /// With bounds of its own.
    pub fn new(limits: Limits) -> Framer {
        Framer { buffer: Vec::new(), limits }
    }

    /// Takes what the stream delivered.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole thing, or `None` until more bytes come.
    ///
    /// # Errors
    /// A stream that cannot be cut any more (no or bad `Content-Length`, or a bound passed) has to be closed: the next
    /// message's start cannot be found.
    pub fn poll(&mut self) -> Result<Option<Frame>, Fault> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Ok(Some(Frame::Ping));
        }
        if self.buffer.starts_with(b"\r\n") && self.buffer.len() != 3 {
            self.buffer.drain(..2);
            return Ok(Some(Frame::Pong));
        }
        let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
            return if self.buffer.len() > self.limits.message { Err(Fault::TooLarge) } else { Ok(None) };
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]);
        let length = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| matches!(trim(name).to_ascii_lowercase().as_str(), "content-length" | "l"))
            .and_then(|(_, value)| decimal(trim(value)))
            .ok_or(Fault::Missing("Content-Length"))?;
        let total = usize::try_from(length).ok().and_then(|n| n.checked_add(end + 4)).ok_or(Fault::TooLarge)?;
        if total > self.limits.message {
            return Err(Fault::TooLarge);
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        Ok(Some(Frame::Message(self.buffer.drain(..total).collect())))
    }
}
