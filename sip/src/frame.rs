//! A byte stream cut into messages: TCP and TLS have no edges of their own (RFC 3261 §18.3).

use crate::header::full_name;
use crate::parse::lines::{Lines, head_len_from};
use crate::parse::{Fault, Limits};
use crate::scan::{cut, decimal, trim};

/// What a stream holds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`crate::parse()`].
    Message(Vec<u8>),
    /// A double CRLF: answer it with a single one (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF: the answer to our ping.
    Pong,
}

/// Cuts a stream into messages. It holds one message and what [`Framer::push`] brought beyond it, never more.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where what has not been handed out yet starts.
    start: usize,
    /// How far beyond `start` no end of the head was found.
    searched: usize,
    fault: Option<Fault>,
    limits: Limits,
}

impl Framer {
    /// With bounds of its own.
    pub fn new(limits: Limits) -> Framer {
        Framer { limits, ..Framer::default() }
    }

    /// Takes what the stream delivered.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        // Once a push, not once a message: the bytes that remain are moved once.
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole thing, or `None` until more bytes come.
    ///
    /// # Errors
    /// A stream that cannot be cut any more (no or bad `Content-Length`, or a bound passed) has to be closed: where the
    /// next message starts cannot be known. The error stays.
    pub fn poll(&mut self) -> Result<Option<Frame>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let frame = self.next();
        if let Err(fault) = frame {
            self.fault = Some(fault);
            (self.buffer, self.start) = (Vec::new(), 0);
        }
        frame
    }

    fn next(&mut self) -> Result<Option<Frame>, Fault> {
        let bytes = &self.buffer[self.start..];
        match bytes {
            [b'\r', b'\n', b'\r', b'\n', ..] => return Ok(self.take(4, Frame::Ping)),
            // It may become a ping.
            [] | [b'\r'] | [b'\r', b'\n', b'\r'] => return Ok(None),
            [b'\r', b'\n', ..] => return Ok(self.take(2, Frame::Pong)),
            _ => {}
        }
        let Some((head, body)) = head_len_from(bytes, self.searched) else {
            // The end may be one or two bytes short of complete: `\n\r`.
            self.searched = bytes.len().saturating_sub(3);
            return if bytes.len() > self.limits.message { Err(Fault::TooLarge) } else { Ok(None) };
        };
        self.searched = body.saturating_sub(4);
        let length = content_length(&bytes[..head])?;
        let total = usize::try_from(length).ok().and_then(|length| length.checked_add(body)).ok_or(Fault::TooLarge)?;
        if total > self.limits.message {
            return Err(Fault::TooLarge);
        }
        let Some(message) = bytes.get(..total) else { return Ok(None) };
        let frame = Frame::Message(message.to_vec());
        Ok(self.take(total, frame))
    }

    fn take(&mut self, length: usize, frame: Frame) -> Option<Frame> {
        self.start += length;
        self.searched = 0;
        Some(frame)
    }
}

/// RFC 3261 §20.14: on a stream it is mandatory; two that differ would let a sender hide a message in another's body.
fn content_length(head: &[u8]) -> Result<u64, Fault> {
    let head = String::from_utf8_lossy(head);
    let mut length = None;
    for line in Lines::new(&head) {
        let (name, Some(value)) = cut(&line, b':') else { continue };
        if full_name(trim(name)).eq_ignore_ascii_case("Content-Length") {
            let value = decimal(trim(value)).ok_or(Fault::Header("Content-Length"))?;
            if length.is_some_and(|length| length != value) {
                return Err(Fault::Duplicate("Content-Length"));
            }
            length = Some(value);
        }
    }
    length.ok_or(Fault::Missing("Content-Length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc";

    #[test]
    fn a_stream_in_pieces_gives_the_same_messages() {
        let stream = [MESSAGE, b"\r\n\r\n", MESSAGE, b"\r\n", MESSAGE].concat();
        let message = || Frame::Message(MESSAGE.to_vec());
        let wanted = [message(), Frame::Ping, message(), Frame::Pong, message()];
        for chunk in [1, 2, 3, 7, stream.len()] {
            let mut framer = Framer::default();
            let mut frames = Vec::new();
            for bytes in stream.chunks(chunk) {
                framer.push(bytes);
                while let Some(frame) = framer.poll().unwrap() {
                    frames.push(frame);
                }
            }
            // A ping cut between its CRLFs looks like two pongs.
            if chunk == stream.len() {
                assert_eq!(frames, wanted);
            }
            assert_eq!(frames.iter().filter(|frame| **frame == message()).count(), 3, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_stream_that_cannot_be_cut_stays_broken() {
        for (bytes, fault) in [
            (&b"OPTIONS sip:a SIP/2.0\r\n\r\n"[..], Fault::Missing("Content-Length")),
            (b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", Fault::Header("Content-Length")),
            (b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n", Fault::Duplicate("Content-Length")),
            (b"OPTIONS sip:a SIP/2.0\r\nl: 65537\r\n\r\n", Fault::TooLarge),
            (b"OPTIONS sip:a SIP/2.0\r\nl: 18446744073709551615\r\n\r\n", Fault::TooLarge),
            (&[b'x'; 65_537], Fault::TooLarge),
        ] {
            let mut framer = Framer::default();
            framer.push(bytes);
            assert_eq!(framer.poll(), Err(fault));
            framer.push(MESSAGE);
            assert_eq!(framer.poll(), Err(fault));
        }
    }
}
