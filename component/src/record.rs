//! What remains of a call: the record of contract §7.

use crate::state::{Call, Cause, Direction, EpochMillis};

/// Records kept in `history`.
pub const KEPT: usize = 100;

/// A finished call.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The call as it ended.
    pub call: Call,
    /// Our own number: the user part of the address of record.
    pub own: String,
    /// What it came to, in the words of the contract.
    pub disposition: &'static str,
    /// From dialling or ringing to the end, whole seconds.
    pub total_seconds: u32,
    /// From the answer to the end, whole seconds.
    pub talk_seconds: u32,
}

impl Record {
    /// The record of a call that has ended.
    pub fn new(call: Call, own: String) -> Self {
        let ended = call.ended_at.unwrap_or(call.started_at);
        Record {
            disposition: disposition(&call),
            total_seconds: seconds(call.started_at, ended),
            talk_seconds: call.answered_at.map_or(0, |answered| seconds(answered, ended)),
            own,
            call,
        }
    }

    /// Who called.
    pub fn from(&self) -> &str {
        match self.call.direction {
            Direction::Inbound => &self.call.remote.number,
            Direction::Outbound => &self.own,
        }
    }

    /// Who was called.
    pub fn to(&self) -> &str {
        match self.call.direction {
            Direction::Inbound => &self.own,
            Direction::Outbound => &self.call.remote.number,
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded below by 0; `as` saturates")]
fn seconds(from: EpochMillis, to: EpochMillis) -> u32 {
    ((to - from).max(0.0) / 1000.0).round() as u32
}

fn disposition(call: &Call) -> &'static str {
    let cause = call.cause.unwrap_or(Cause::Failed);
    if call.answered_at.is_some() {
        return match cause {
            Cause::Network | Cause::MediaFailed | Cause::Failed => "interrupted",
            _ => "answered",
        };
    }
    match cause {
        Cause::Busy => "busy",
        Cause::Declined => "rejected",
        Cause::Missed | Cause::NoAnswer => "missed",
        Cause::Cancelled | Cause::AnsweredElsewhere | Cause::LocalHangup | Cause::RemoteHangup => "cancelled",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{CallState, Remote};

    fn call(cause: Cause, answered_at: Option<EpochMillis>) -> Call {
        let remote = Remote { number: "600".to_owned(), ..Remote::default() };
        Call {
            answered_at,
            ended_at: Some(61_400.0),
            cause: Some(cause),
            ..Call::new(String::new(), Direction::Inbound, CallState::Ended, remote, 1_000.0)
        }
    }

    #[test]
    fn times_and_parties_are_told() {
        let record = Record::new(call(Cause::RemoteHangup, Some(6_000.0)), "1001".to_owned());
        assert_eq!((record.total_seconds, record.talk_seconds, record.disposition), (60, 55, "answered"));
        assert_eq!((record.from(), record.to()), ("600", "1001"));
    }

    #[test]
    fn every_cause_has_a_disposition() {
        for (cause, unanswered, answered) in [
            (Cause::AnsweredElsewhere, "cancelled", "answered"),
            (Cause::Busy, "busy", "answered"),
            (Cause::Cancelled, "cancelled", "answered"),
            (Cause::Declined, "rejected", "answered"),
            (Cause::Failed, "failed", "interrupted"),
            (Cause::MediaFailed, "failed", "interrupted"),
            (Cause::Missed, "missed", "answered"),
            (Cause::Network, "failed", "interrupted"),
            (Cause::NoAnswer, "missed", "answered"),
            (Cause::NotFound, "failed", "answered"),
            (Cause::Redirected, "failed", "answered"),
            (Cause::Unavailable, "failed", "answered"),
            (Cause::Unauthorized, "failed", "answered"),
        ] {
            assert_eq!(Record::new(call(cause, None), String::new()).disposition, unanswered, "{cause:?}");
            assert_eq!(Record::new(call(cause, Some(2_000.0)), String::new()).disposition, answered, "{cause:?}");
        }
    }
}
