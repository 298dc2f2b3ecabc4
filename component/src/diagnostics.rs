//! The SIP trace that a page may attach to a ticket: bounded, and without secrets.

use std::collections::VecDeque;

use crate::state::EpochMillis;

/// Messages kept.
const KEPT: usize = 200;
/// Bytes kept of each message.
const LONGEST: usize = 6_000;

/// One message on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: EpochMillis,
    /// True: by us.
    pub sent: bool,
    /// The message, redacted.
    pub text: String,
}

/// The last messages.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    entries: VecDeque<Entry>,
}

impl Trace {
    /// Notes a message.
    pub fn note(&mut self, at: EpochMillis, sent: bool, message: &[u8]) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { at, sent, text: redact(message) });
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

/// Takes out what would let a reader sign in, or decrypt or take over the media: the whole of the authentication
/// headers, ICE passwords and SDES keys.
fn redact(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut out = String::with_capacity(text.len().min(LONGEST));
    let mut hidden = false;
    for line in text.split_inclusive('\n') {
        if out.len() + line.len() > LONGEST {
            out.push('…');
            break;
        }
        // A line that begins with a space continues the header before it (RFC 3261 §7.3.1).
        if hidden && line.starts_with([' ', '\t']) {
            continue;
        }
        let secret = secret_prefix(line);
        hidden = secret.is_some();
        match secret {
            Some(shown) => {
                out.push_str(shown);
                out.push_str(" …\r\n");
            }
            None => out.push_str(line),
        }
    }
    out
}

/// The part of a line that may be shown when the rest must not.
fn secret_prefix(line: &str) -> Option<&str> {
    for attribute in ["a=ice-pwd:", "a=crypto:", "k="] {
        if line.starts_with(attribute) {
            return line.get(..attribute.len());
        }
    }
    let colon = line.find(':')?;
    let name = line.get(..colon)?.trim_end();
    ["authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
        .then(|| line.get(..=colon))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        let message = "REGISTER sip:x SIP/2.0\r\nVia: v\r\nAuthorization: Digest username=\"1\", response=\"aa\"\r\n\
            proxy-authorization : Digest\r\n\tresponse=\"bb\"\r\nContent-Length: 1\r\n\r\na=ice-pwd:cc\r\na=ice-ufrag:u\r\n";
        assert_eq!(
            redact(message.as_bytes()),
            "REGISTER sip:x SIP/2.0\r\nVia: v\r\nAuthorization: …\r\nproxy-authorization : …\r\nContent-Length: 1\r\n\r\n\
             a=ice-pwd: …\r\na=ice-ufrag:u\r\n"
        );
    }

    #[test]
    fn the_trace_is_bounded() {
        let mut trace = Trace::default();
        for number in 0..KEPT + 5 {
            trace.note(0.0, true, format!("{number}\r\n").as_bytes());
        }
        assert_eq!(trace.entries().count(), KEPT);
        assert_eq!(trace.entries().next().unwrap().text, "5\r\n");
        trace.note(0.0, false, "x\r\n".repeat(10_000).as_bytes());
        assert!(trace.entries().last().unwrap().text.len() <= LONGEST + 3);
    }
}
