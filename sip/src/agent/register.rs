//! The registration as the agent runs it (RFC 3261 §10).

use std::time::Duration;

use super::auth::Tried;
use super::{Agent, Pending, Purpose, Timer};
use crate::message::Response;
use crate::registration::{bounded_retry_after, judge, refresh_after};
use crate::transaction::ClientKey;
use crate::value::decimal;
use crate::{Cause, Error, Event, Instant, Method, RegistrationState};

/// A registrar that wants us to stay for longer than a day is refused: after a crash calls would vanish for as long.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Agent {
    /// Wants to be registered: REGISTER leaves at once, or as soon as there is a connection.
    ///
    /// # Errors
    /// [`Error::TooLong`] when there are too many transactions.
    pub fn register(&mut self, now: Instant) -> Result<(), Error> {
        let registration = &mut self.registration;
        registration.wanted = true;
        registration.blocked = false;
        registration.waits = false;
        registration.failures = 0;
        self.timers.stop(Timer::Register);
        if self.flow.is_none() || self.registration.running.is_some() {
            return Ok(());
        }
        self.send_register(now, false)
    }

    /// Wants to be registered no more.
    ///
    /// # Errors
    /// As [`Agent::register`].
    pub fn unregister(&mut self, now: Instant) -> Result<(), Error> {
        self.registration.wanted = false;
        self.registration.blocked = false;
        self.timers.stop(Timer::Register);
        let known = matches!(
            self.registration.state,
            RegistrationState::Registered | RegistrationState::Registering | RegistrationState::Unregistering
        );
        if self.flow.is_none() || !known {
            self.registration_moved(RegistrationState::Offline, None, None, None);
            return Ok(());
        }
        if self.registration.running.is_some() {
            // §10.2: not before the answer to the one that runs.
            self.registration_moved(RegistrationState::Unregistering, None, None, None);
            return Ok(());
        }
        self.send_register(now, true)
    }

    /// A connection is there: renews what was wanted on the old one.
    pub(super) fn registration_connected(&mut self, now: Instant) {
        if !self.registration.wanted || self.registration.blocked || self.registration.waits {
            return;
        }
        self.registration.running = None;
        if self.registration.state == RegistrationState::Registered {
            self.registration_moved(RegistrationState::Registering, None, None, None);
        }
        // The table of transactions may be full: then the timer tries again.
        if self.send_register(now, false).is_err() {
            self.timers.set(Timer::Register, now + Duration::from_secs(1));
        }
    }

    /// The connection is gone: the registrar cannot reach us, whatever it believes.
    pub(super) fn registration_disconnected(&mut self) {
        self.registration.running = None;
        let cause = match self.registration.state {
            RegistrationState::Offline | RegistrationState::Failed => return,
            RegistrationState::Unregistering => None,
            RegistrationState::Registering | RegistrationState::Registered => Some(Cause::Network),
        };
        self.timers.stop(Timer::Register);
        self.registration_moved(RegistrationState::Offline, cause, None, None);
    }

    /// Time for a refresh or another try.
    pub(super) fn registration_due(&mut self, now: Instant) {
        self.registration.waits = false;
        if !self.registration.wanted || self.registration.running.is_some() {
            return;
        }
        // Without a connection: the next one registers at once.
        if self.flow.is_some() && self.send_register(now, false).is_err() {
            self.timers.set(Timer::Register, now + Duration::from_secs(1));
        }
    }

    /// Sends REGISTER; `remove`: with an expiry of zero, which takes our binding away (§10.2.2).
    pub(super) fn send_register(&mut self, now: Instant, remove: bool) -> Result<(), Error> {
        let registration = &mut self.registration;
        registration.seq += 1;
        let expires = if remove { Duration::ZERO } else { registration.expires };
        let identity = &self.identity;
        let mut request = identity.request(
            Method::Register,
            identity.domain.clone(),
            &identity.name,
            &registration.call_id,
            &registration.from_tag,
            registration.seq,
        );
        identity.bind_contact(&mut request.headers, expires);
        let pending = Pending { purpose: Purpose::Register { remove }, request, tried: Tried::default() };
        self.registration.running = Some(self.send_request(now, pending)?);
        // A refresh is not seen: calls reach us all the while.
        if remove {
            self.registration_moved(RegistrationState::Unregistering, None, None, None);
        } else if self.registration.state != RegistrationState::Registered {
            self.registration_moved(RegistrationState::Registering, None, None, None);
        }
        Ok(())
    }

    /// The final answer to a REGISTER.
    pub(super) fn on_register_answer(&mut self, now: Instant, key: ClientKey, remove: bool, response: &Response) {
        if self.registration.running != Some(key) {
            return;
        }
        self.registration.running = None;
        if remove {
            // Whatever it was: the binding ends by itself if it is still there.
            return self.registration_removed(now);
        }
        if (200..300).contains(&response.status) {
            return self.on_registered(now, response);
        }
        if !self.registration.wanted {
            return self.registration_moved(RegistrationState::Offline, None, None, None);
        }
        if response.status == 423 {
            // §10.2.8: once with what the registrar wants.
            let wanted = response.headers.get("Min-Expires").and_then(decimal).map(Duration::from_secs);
            if let Some(wanted) = wanted.filter(|wanted| *wanted > self.registration.expires && *wanted <= LONGEST) {
                self.registration.expires = wanted;
                if self.send_register(now, false).is_ok() {
                    return;
                }
            }
        }
        let (cause, passes) = judge(response.status);
        let after = response
            .headers
            .get("Retry-After")
            .and_then(|value| decimal(value.split([';', '(']).next().unwrap_or("").trim()));
        self.registration_failed(now, cause, Some(response), passes, after);
    }

    /// No answer to a REGISTER.
    pub(super) fn on_register_failed(&mut self, now: Instant, key: ClientKey, remove: bool) {
        if self.registration.running != Some(key) {
            return;
        }
        self.registration.running = None;
        if remove || !self.registration.wanted {
            return self.registration_removed(now);
        }
        self.registration_failed(now, Cause::Network, None, true, None);
    }

    fn on_registered(&mut self, now: Instant, response: &Response) {
        if !self.registration.wanted {
            // unregister() came in between. Nothing more can be done when it cannot be sent.
            if self.send_register(now, true).is_err() {
                self.registration_moved(RegistrationState::Offline, None, None, None);
            }
            return;
        }
        let granted = self.identity.granted(response, self.registration.expires);
        let before = (self.registration.state, self.registration.granted);
        let registration = &mut self.registration;
        registration.failures = 0;
        registration.granted = Some(granted);
        let jitter = self.entropy.below(65_536);
        self.timers.set(Timer::Register, now + refresh_after(granted, jitter));
        if before != (RegistrationState::Registered, Some(granted)) {
            self.registration_moved(RegistrationState::Registered, None, Some(response), None);
        }
    }

    fn registration_removed(&mut self, now: Instant) {
        self.registration_moved(RegistrationState::Offline, None, None, None);
        // register() came in between.
        if self.registration.wanted && self.flow.is_some() && self.send_register(now, false).is_err() {
            self.timers.set(Timer::Register, now + Duration::from_secs(1));
        }
    }

    fn registration_failed(
        &mut self,
        now: Instant,
        cause: Cause,
        response: Option<&Response>,
        passes: bool,
        retry_after: Option<u64>,
    ) {
        let retry_at = if passes {
            let jitter = self.entropy.below(65_536);
            let pause = self.registration.retry_pause(jitter);
            let pause = retry_after.map_or(pause, |seconds| bounded_retry_after(seconds).max(Duration::from_secs(1)));
            self.registration.failures = self.registration.failures.saturating_add(1);
            self.registration.waits = response.is_some();
            self.timers.set(Timer::Register, now + pause);
            Some(now + pause)
        } else {
            self.registration.blocked = true;
            self.timers.stop(Timer::Register);
            // Another try begins without credentials that were refused.
            self.auth.clear();
            None
        };
        self.registration_moved(RegistrationState::Failed, Some(cause), response, retry_at);
    }

    fn registration_moved(
        &mut self,
        state: RegistrationState,
        cause: Option<Cause>,
        response: Option<&Response>,
        retry_at: Option<Instant>,
    ) {
        let registration = &mut self.registration;
        let still = registration.state == state;
        registration.state = state;
        if state != RegistrationState::Registered {
            registration.granted = None;
            if still && state != RegistrationState::Failed {
                return;
            }
        }
        let expires = registration.granted;
        self.events.push_back(Event::Registration {
            state,
            cause,
            status: response.map(|response| response.status),
            reason: response.map(|response| response.reason.clone()),
            retry_at,
            expires,
        });
    }
}
