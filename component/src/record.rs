//! What remains of a call: the record of contract §7.

use crate::state::{Call, CallState, Cause, Direction, EpochMillis};

/// Records kept in `history`.
pub const KEPT: usize = 100;

/// A call as it stands; what is kept of it is a finished one.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The call.
    pub call: Call,
    /// Our own number: the user part of the address of record.
    pub own: String,
    /// What it came to, in the words of the contract; `None` while it goes on.
    pub disposition: Option<&'static str>,
    /// From dialling or ringing to the end, whole seconds.
    pub total_seconds: u32,
    /// From the answer to the end, whole seconds.
    pub talk_seconds: u32,
}

impl Record {
    /// The record of a call. While it goes on its times are those up to now, as far as they are over: none.
    pub fn new(call: Call, own: String) -> Self {
        let ended = call.ended_at.unwrap_or(call.started_at);
        Record {
            disposition: call.ended_at.map(|_| disposition(&call)),
            total_seconds: seconds(call.started_at, ended),
            talk_seconds: call.answered_at.map_or(0, |answered| seconds(answered, call.ended_at.unwrap_or(answered))),
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

/// What the application's server is told of a move of a call, in the words of contract §7.
///
/// ```text
/// dialing ─► ringing | early ─► active ⇄ held ─► ended
/// dialing    ringing            answered  held, resumed   (ended: told with its cause)
/// incoming ─► answering ─► active
/// ringing                  answered
/// ```
/// `dialing` is no state of the contract: it is noted, so that the call ends as a card whatever happens, and not sent.
pub fn report_of(previous: Option<CallState>, state: CallState) -> Option<&'static str> {
    match (previous, state) {
        (None, CallState::Dialing) => Some("dialing"),
        (None, CallState::Incoming) | (Some(CallState::Dialing), CallState::Ringing | CallState::Early) => {
            Some("ringing")
        }
        (Some(CallState::Held), CallState::Active) => Some("resumed"),
        (Some(previous), CallState::Active) if previous != CallState::Active => Some("answered"),
        (Some(CallState::Active), CallState::Held) => Some("held"),
        _ => None,
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
    use crate::state::Remote;

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
        assert_eq!((record.total_seconds, record.talk_seconds, record.disposition), (60, 55, Some("answered")));
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
            assert_eq!(Record::new(call(cause, None), String::new()).disposition, Some(unanswered), "{cause:?}");
            assert_eq!(Record::new(call(cause, Some(2_000.0)), String::new()).disposition, Some(answered), "{cause:?}");
        }
    }

    #[test]
    fn a_call_that_goes_on_has_come_to_nothing_yet() {
        let call = Call { ended_at: None, cause: None, ..call(Cause::Failed, Some(6_000.0)) };
        let record = Record::new(call, "1001".to_owned());
        assert_eq!((record.total_seconds, record.talk_seconds, record.disposition), (0, 0, None));
    }

    #[test]
    fn each_move_is_told_once() {
        use CallState::{Active, Answering, Dialing, Early, Ended, Ending, Held, Incoming, Ringing};
        let told = |moves: &[CallState]| {
            let mut previous = None;
            let mut told = Vec::new();
            for &state in moves {
                told.extend(report_of(previous, state));
                previous = Some(state);
            }
            told
        };
        assert_eq!(told(&[Dialing, Ringing, Early, Active]), ["dialing", "ringing", "answered"]);
        assert_eq!(told(&[Dialing, Active, Held, Active, Ending]), ["dialing", "answered", "held", "resumed"]);
        assert_eq!(told(&[Incoming, Answering, Active, Active]), ["ringing", "answered"]);
        assert_eq!(told(&[Dialing, Ending, Ended]), ["dialing"]);
    }
}
