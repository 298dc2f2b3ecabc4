//! What becomes of one message at a user agent that has no call: parsed, handed to a real [`Agent`], the answer read.
//!
//! Used by `tests/torture.rs` and by the `inspect` example.

use soft_phone_sip::{Agent, Config, Error, Flow, Instant, Message, Transport, parse};

/// What is due for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The message is sound. A request may still be none that this phone serves: then it is answered by one of
    /// [`NOT_SERVED`].
    Accept,
    /// The request is answered by an error for what it says.
    Reject,
    /// It is dropped without an answer.
    Ignore,
}

/// Refusals that say nothing about the message: a method that a phone does not serve (405, 501), a stranger who may
/// not (403), a dialog that is not there (481), an event package that it does not have (489).
pub const NOT_SERVED: [u16; 5] = [403, 405, 481, 489, 501];

/// What a message is and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// `request`, `response`; `None` when the first line is neither's.
    pub kind: Option<&'static str>,
    pub verdict: Verdict,
    /// The status of the answer that the user agent owes at once. `None`: it owes none, or none yet, as for an INVITE,
    /// which rings.
    pub status: Option<u16>,
    /// The request's method, or the one of `CSeq` in a response.
    pub method: Option<String>,
    pub call_id: Option<String>,
    /// Why it is not accepted, or what the phone answers to a sound request.
    pub reason: Option<String>,
}

/// Judges the bytes of one datagram or one WebSocket message.
///
/// # Errors
/// None that a message could cause: the account's own.
pub fn judge(bytes: &[u8]) -> Result<Judgement, Error> {
    let sent = answers(bytes)?;
    let mut judgement = Judgement {
        kind: kind(bytes),
        verdict: Verdict::Ignore,
        status: None,
        method: None,
        call_id: None,
        reason: None,
    };
    let parsed = parse(bytes);
    let headers = match &parsed {
        Ok(message) => Some(message.headers()),
        Err(error) => error.request.as_ref().map(|request| &request.headers),
    };
    if let Some(headers) = headers {
        judgement.call_id = Some(headers.call_id().to_owned()).filter(|id| !id.is_empty());
        judgement.method = headers.cseq().ok().map(|cseq| cseq.method.to_string());
    }
    match &parsed {
        Ok(Message::Request(request)) => judgement.method = Some(request.method.to_string()),
        Err(error) => {
            judgement.reason = Some(error.kind.to_string());
            if let Some(request) = &error.request {
                judgement.method = Some(request.method.to_string());
            }
        }
        Ok(Message::Response(_)) => {}
    }
    match &parsed {
        // RFC 3261 §8.1.3.3: it went astray.
        Ok(Message::Response(response)) if response.headers.get_list("Via").count() > 1 => {
            judgement.reason = Some("more than one Via in a response to this user agent".to_owned());
        }
        Ok(Message::Response(_)) => judgement.verdict = Verdict::Accept,
        Ok(Message::Request(_)) => {
            judgement.verdict = Verdict::Accept;
            judgement.status = sent;
            match sent {
                Some(status) if status >= 300 && !NOT_SERVED.contains(&status) => {
                    judgement.verdict = Verdict::Reject;
                    judgement.reason = Some(soft_phone_sip::reason_phrase(status).to_owned());
                }
                Some(status) if status >= 300 => {
                    let phrase = soft_phone_sip::reason_phrase(status);
                    judgement.reason = Some(format!("a sound request, answered by {status} {phrase}"));
                }
                _ => {}
            }
        }
        Err(_) => {
            judgement.status = sent;
            if sent.is_some() {
                judgement.verdict = Verdict::Reject;
            }
        }
    }
    Ok(judgement)
}

/// The final status that an agent sends at once when these bytes come in.
fn answers(bytes: &[u8]) -> Result<Option<u16>, Error> {
    let now = Instant::from_millis(1_000);
    let mut agent = Agent::new(Config::new("sip:user@example.com".parse()?, Transport::Udp), [7; 32])?;
    agent.handle_connected(now, Flow(1));
    agent.handle_input(now, Flow(1), bytes);
    let mut last = None;
    while let Some(transmit) = agent.poll_transmit() {
        // The answer to a broken request repeats what was broken in it: its first line is all that can be read.
        let line = transmit.payload.strip_prefix(b"SIP/2.0 ").and_then(|rest| rest.get(..3));
        if let Some(status) = line.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()) {
            last = Some(status).filter(|status: &u16| *status >= 200);
        }
    }
    Ok(last)
}

/// What the first line looks like.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    let line = bytes.split(|byte| *byte == b'\n').next()?.trim_ascii().to_ascii_uppercase();
    if line.starts_with(b"SIP/") {
        return Some("response");
    }
    let last = line.rsplit(|byte| *byte == b' ').next()?;
    (line.contains(&b' ') && last.starts_with(b"SIP/")).then_some("request")
}
