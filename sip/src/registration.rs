//! The registration's state, and when it is tried again (RFC 3261 §10.2, RFC 5626 §4.5).

use std::time::Duration;

use crate::Cause;
use crate::event::RegistrationState;
use crate::transaction::ClientKey;

/// First pause after a failure that may pass; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// Longest pause, also for a Retry-After.
const LAST_RETRY: Duration = Duration::from_secs(1_800);

/// Shortest time between two REGISTERs of a registration that works.
const SHORTEST_REFRESH: Duration = Duration::from_secs(5);

/// What the registrar knows of us, and what we want it to know.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) state: RegistrationState,
    /// `register()` was the last command.
    pub(crate) wanted: bool,
    /// Refused for good: only a command tries again.
    pub(crate) blocked: bool,
    /// One Call-ID for all REGISTERs, so that the registrar can order them by CSeq (RFC 3261 §10.2).
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    pub(crate) seq: u32,
    /// The REGISTER that runs. A second one must wait for its answer (§10.2).
    pub(crate) running: Option<ClientKey>,
    /// The server has told us to come back later: a new connection is no reason to come earlier.
    pub(crate) waits: bool,
    /// What we ask for; grows to the Min-Expires of a 423.
    pub(crate) expires: Duration,
    pub(crate) granted: Option<Duration>,
    /// Failures in a row.
    pub(crate) failures: u32,
}

impl Registration {
    pub(crate) fn new(call_id: String, from_tag: String, expires: Duration) -> Self {
        Registration {
            state: RegistrationState::Offline,
            wanted: false,
            blocked: false,
            call_id,
            from_tag,
            seq: 0,
            running: None,
            waits: false,
            expires,
            granted: None,
            failures: 0,
        }
    }

    /// The pause before the next try: 30 s, 1, 2, 4 … 30 min, of which up to a half is taken off by `jitter` (below
    /// 65,536) so that all phones of a failed server do not come back at once (RFC 5626 §4.5).
    pub(crate) fn retry_pause(&self, jitter: u32) -> Duration {
        let pause = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LAST_RETRY);
        pause - (pause / 2).saturating_mul(jitter.min(65_535)) / 65_536
    }
}

/// The longest of what a registrar may ask us to wait.
pub(crate) fn bounded_retry_after(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LAST_RETRY)
}

/// When a registration of that length is refreshed: 30 s before its end, or at 90 % or at half of it, whichever fits; up
/// to 5 % earlier by `jitter` (below 65,536).
pub(crate) fn refresh_after(granted: Duration, jitter: u32) -> Duration {
    let margin = (granted / 10).max(Duration::from_secs(30)).min(granted / 2);
    let early = (granted / 20 / 65_536).saturating_mul(jitter.min(65_535));
    (granted - margin).saturating_sub(early).max(SHORTEST_REFRESH)
}

/// What a refusal of REGISTER means, and whether it may pass by itself.
///
/// 403 is `Unauthorized` here, unlike for a call: registrars use it for a wrong password, and the cure is the same,
/// other credentials.
pub(crate) const fn judge(status: u16) -> (Cause, bool) {
    match status {
        401 | 403 | 407 => (Cause::Unauthorized, false),
        408 => (Cause::Network, true),
        480 => (Cause::Unavailable, true),
        500..=599 => (Cause::Unavailable, true),
        _ => (Cause::from_status(status), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_an_hour() {
        let mut registration = Registration::new(String::new(), String::new(), Duration::from_secs(600));
        let mut pauses = Vec::new();
        for failures in [0, 1, 2, 5, 6, 7, u32::MAX] {
            registration.failures = failures;
            pauses.push((registration.retry_pause(0).as_secs(), registration.retry_pause(32_768).as_millis()));
        }
        let half_hour = (1_800, 1_350_000);
        assert_eq!(
            pauses,
            [(30, 22_500), (60, 45_000), (120, 90_000), (960, 720_000), half_hour, half_hour, half_hour]
        );
        assert_eq!(bounded_retry_after(u64::MAX), LAST_RETRY);
    }

    #[test]
    fn refreshes_in_time_whatever_was_granted() {
        let of = |granted: u64| refresh_after(Duration::from_secs(granted), 0).as_millis();
        assert_eq!(
            [of(3600), of(600), of(300), of(60), of(10), of(1), of(0)],
            [3_240_000, 540_000, 270_000, 30_000, 5_000, 5_000, 5_000]
        );
        assert_eq!(refresh_after(Duration::from_secs(600), 65_535).as_secs(), 510);
        assert!(refresh_after(Duration::MAX, 65_535) < Duration::MAX);
        assert!(refresh_after(Duration::from_secs(u64::MAX), 65_535) > Duration::from_secs(1 << 60));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let again: Vec<u16> = (300..700).filter(|status| judge(*status).1).collect();
        assert_eq!(again, [408, 480].into_iter().chain(500..600).collect::<Vec<_>>());
        assert_eq!(judge(403).0, Cause::Unauthorized);
    }
}
