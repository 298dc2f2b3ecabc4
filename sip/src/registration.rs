//! The registration's state on each flow, and when it is tried again (RFC 3261 §10.2, RFC 5626 §4.5).

use std::time::Duration;

use crate::event::RegistrationState;
use crate::transaction::{ClientKey, Flow};
use crate::{Cause, NameAddr, Uri};

/// First pause after a failure that may pass; each further one doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// The same while another flow works (RFC 5626 §4.5, base-time-not-all-fail).
const FIRST_RETRY_ELSEWHERE: Duration = Duration::from_secs(90);

/// Longest pause, also for a Retry-After.
const LAST_RETRY: Duration = Duration::from_secs(1_800);

/// Shortest time between two REGISTERs of a registration that works.
const SHORTEST_REFRESH: Duration = Duration::from_secs(5);

/// A contact of the account, as the registrar lists it: this phone's own, or that of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Where calls go.
    pub uri: Uri,
    /// How long it still holds; `None`: the registrar does not say.
    pub expires: Option<Duration>,
    /// The other phone's URN (RFC 5626 §4.1), without quotes and brackets.
    pub instance: Option<String>,
    /// The number of its flow (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// Made by this agent.
    pub ours: bool,
}

/// What the registrar knows of us on all flows, and what we want it to know.
#[derive(Debug)]
pub(crate) struct Registrations {
    /// `register()` was the last command.
    pub(crate) wanted: bool,
    /// What we ask for; grows to the Min-Expires of a 423.
    pub(crate) expires: Duration,
    /// What the driver was told last.
    pub(crate) told: (RegistrationState, Option<Duration>),
    /// The registrar keeps a binding for each flow (RFC 5626 §6): it said so in its last 2xx.
    pub(crate) outbound: bool,
    /// Where a redirection within our domain sends REGISTER.
    pub(crate) registrar: Option<Uri>,
    /// All contacts of the account, as of the last 2xx.
    pub(crate) bindings: Vec<Binding>,
    /// One for each reg-id, in their order, which is that of preference.
    pub(crate) slots: Vec<Registration>,
}

/// The registration over one flow.
#[derive(Debug)]
pub(crate) struct Registration {
    /// The connection that has this reg-id now.
    pub(crate) flow: Option<Flow>,
    pub(crate) state: RegistrationState,
    /// Refused for good: only a command tries again.
    pub(crate) blocked: bool,
    /// One Call-ID for all REGISTERs of a flow, so that the registrar can order them by CSeq (RFC 3261 §10.2). Those of
    /// another flow take another way, and may overtake.
    pub(crate) call_id: String,
    pub(crate) from_tag: String,
    pub(crate) seq: u32,
    /// The REGISTER that runs. A second one must wait for its answer (§10.2).
    pub(crate) running: Option<ClientKey>,
    /// The server has told us to come back later: a new connection is no reason to come earlier.
    pub(crate) waits: bool,
    /// This connection's first hop does not know RFC 5626 (439): registered without it.
    pub(crate) plain: bool,
    /// Redirected since the last answer of another kind.
    pub(crate) redirected: bool,
    pub(crate) granted: Option<Duration>,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// What requests outside dialogs must pass (RFC 3608 §5).
    pub(crate) routes: Vec<NameAddr>,
    /// The Flow-Timer that the driver was told (RFC 5626 §4.4).
    pub(crate) flow_timer: Option<Duration>,
}

impl Registrations {
    /// `ids`: Call-ID and From tag of each flow.
    pub(crate) fn new(expires: Duration, ids: impl Iterator<Item = (String, String)>) -> Self {
        Registrations {
            wanted: false,
            expires,
            told: (RegistrationState::Offline, None),
            outbound: false,
            registrar: None,
            bindings: Vec::new(),
            slots: ids.map(|(call_id, from_tag)| Registration::new(call_id, from_tag)).collect(),
        }
    }

    /// What the flows come to together: a phone with one flow that works is registered.
    pub(crate) fn sum(&self) -> (RegistrationState, Option<Duration>) {
        use RegistrationState::{Failed, Registered, Registering, Unregistering};
        for state in [Unregistering, Registered, Registering, Failed] {
            if let Some(slot) = self.slots.iter().find(|slot| slot.state == state) {
                return (state, slot.granted);
            }
        }
        (RegistrationState::Offline, None)
    }

    /// The flow for a new request: the first that is registered, else the first that there is (RFC 5626 §4.3).
    pub(crate) fn flow(&self) -> Option<Flow> {
        let registered = |slot: &&Registration| slot.state == RegistrationState::Registered && slot.flow.is_some();
        self.slots.iter().find(registered).or_else(|| self.slots.iter().find(|slot| slot.flow.is_some()))?.flow
    }

    /// Whether a REGISTER may leave on that flow: beside others only once the registrar keeps one for each (RFC 5626
    /// §4.2.1), else it stands by until those before it are gone.
    pub(crate) fn may_register(&self, slot: usize) -> bool {
        let works = |slot: &Registration| slot.flow.is_some() && slot.state != RegistrationState::Failed;
        self.outbound || !self.slots.iter().take(slot).any(works)
    }
}

impl Registration {
    fn new(call_id: String, from_tag: String) -> Self {
        Registration {
            flow: None,
            state: RegistrationState::Offline,
            blocked: false,
            call_id,
            from_tag,
            seq: 0,
            running: None,
            waits: false,
            plain: false,
            redirected: false,
            granted: None,
            failures: 0,
            routes: Vec::new(),
            flow_timer: None,
        }
    }

    /// The pause before the next try: 30 s (90 s while another flow works), twice, four times … up to 30 min, of which up
    /// to a half is taken off by `jitter` (below 65,536) so that all phones of a failed server do not come back at once
    /// (RFC 5626 §4.5).
    pub(crate) fn retry_pause(&self, another_works: bool, jitter: u32) -> Duration {
        let first = if another_works { FIRST_RETRY_ELSEWHERE } else { FIRST_RETRY };
        doubled(first, self.failures, jitter)
    }
}

/// The pause after that many failures in a row of something that is no registration: as there.
pub(crate) fn pause_after(failures: u32, jitter: u32) -> Duration {
    doubled(FIRST_RETRY, failures, jitter)
}

fn doubled(first: Duration, failures: u32, jitter: u32) -> Duration {
    let pause = first.saturating_mul(1 << failures.min(8)).min(LAST_RETRY);
    pause - (pause / 2).saturating_mul(jitter.min(65_535)) / 65_536
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
        let mut registration = Registration::new(String::new(), String::new());
        let mut pauses = Vec::new();
        for failures in [0, 1, 2, 5, 6, 7, u32::MAX] {
            registration.failures = failures;
            let pause = |jitter| registration.retry_pause(false, jitter);
            pauses.push((pause(0).as_secs(), pause(32_768).as_millis()));
        }
        let half_hour = (1_800, 1_350_000);
        assert_eq!(
            pauses,
            [(30, 22_500), (60, 45_000), (120, 90_000), (960, 720_000), half_hour, half_hour, half_hour]
        );
        assert_eq!(bounded_retry_after(u64::MAX), LAST_RETRY);
        registration.failures = 0;
        assert_eq!(registration.retry_pause(true, 0).as_secs(), 90, "another flow works");
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
