//! The registration as the agent runs it (RFC 3261 §10, RFC 5626 §4.2).

use std::time::Duration;

use super::auth::Tried;
use super::compose::Identity;
use super::{Agent, Pending, Purpose, Timer};
use crate::message::Response;
use crate::registration::{Registration, bounded_retry_after, judge, refresh_after};
use crate::transaction::ClientKey;
use crate::value::decimal;
use crate::{Cause, Error, Event, Instant, Method, NameAddr, RegistrationState};

/// A registrar that wants us to stay for longer than a day is refused: after a crash calls would vanish for as long.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Elements of a Service-Route that are kept; no real path is longer.
const MAX_ROUTES: usize = 32;

/// The number of a flow on the wire (RFC 5626 §4.2): from 1.
const fn reg_id(index: usize) -> u32 {
    index as u32 + 1
}

impl Agent {
    /// Wants to be registered: REGISTER leaves at once, or as soon as there is a connection.
    ///
    /// # Errors
    /// [`Error::TooLong`] when there are too many transactions.
    pub fn register(&mut self, now: Instant) -> Result<(), Error> {
        let registrations = &mut self.registrations;
        registrations.wanted = true;
        registrations.registrar = None;
        for (index, slot) in registrations.slots.iter_mut().enumerate() {
            slot.blocked = false;
            slot.waits = false;
            slot.redirected = false;
            slot.failures = 0;
            self.timers.stop(Timer::Register(index));
        }
        for slot in 0..self.registrations.slots.len() {
            let Registration { flow, running, .. } = &self.registrations.slots[slot];
            if flow.is_some() && running.is_none() && self.registrations.may_register(slot) {
                self.send_register(now, slot, false)?;
            }
        }
        Ok(())
    }

    /// Wants to be registered no more.
    ///
    /// # Errors
    /// As [`Agent::register`].
    pub fn unregister(&mut self, now: Instant) -> Result<(), Error> {
        self.registrations.wanted = false;
        for index in 0..self.registrations.slots.len() {
            self.timers.stop(Timer::Register(index));
            let slot = self.slot(index);
            slot.blocked = false;
            let known = matches!(
                slot.state,
                RegistrationState::Registered | RegistrationState::Registering | RegistrationState::Unregistering
            );
            if slot.flow.is_none() || !known {
                self.registration_moved(index, RegistrationState::Offline, None, None, None);
            } else if slot.running.is_some() {
                // §10.2: not before the answer to the one that runs.
                self.registration_moved(index, RegistrationState::Unregistering, None, None, None);
            } else {
                self.send_register(now, index, true)?;
            }
        }
        Ok(())
    }

    /// A connection is there: renews what was wanted on the old one.
    pub(super) fn registration_connected(&mut self, now: Instant, index: usize) {
        let slot = self.slot(index);
        // Another connection, another first hop, another Flow-Timer.
        slot.plain = false;
        slot.redirected = false;
        slot.flow_timer = None;
        if slot.blocked || slot.waits || !self.registrations.wanted {
            return;
        }
        self.slot(index).running = None;
        if !self.registrations.may_register(index) {
            return;
        }
        if self.slot(index).state == RegistrationState::Registered {
            self.registration_moved(index, RegistrationState::Registering, None, None, None);
        }
        self.try_register(now, index, false);
    }

    /// The connection is gone: the registrar cannot reach us on it, whatever it believes.
    pub(super) fn registration_disconnected(&mut self, now: Instant, index: usize) {
        let slot = self.slot(index);
        slot.running = None;
        let cause = match slot.state {
            RegistrationState::Offline | RegistrationState::Failed => return,
            RegistrationState::Unregistering => None,
            RegistrationState::Registering | RegistrationState::Registered => Some(Cause::Network),
        };
        self.timers.stop(Timer::Register(index));
        self.registration_moved(index, RegistrationState::Offline, cause, None, None);
        self.wake_others(now);
    }

    /// Time for a refresh or another try.
    pub(super) fn registration_due(&mut self, now: Instant, index: usize) {
        let slot = self.slot(index);
        slot.waits = false;
        // Without a connection: the next one registers at once.
        if slot.running.is_none() && slot.flow.is_some() && self.registrations.wanted {
            self.try_register(now, index, false);
        }
    }

    /// Ends the registration at once, whatever is under way.
    pub(super) fn registration_shutdown(&mut self, now: Instant) {
        self.registrations.wanted = false;
        for index in 0..self.registrations.slots.len() {
            self.timers.stop(Timer::Register(index));
            let slot = self.slot(index);
            let running = slot.running.take().is_some();
            if slot.flow.is_some() && (running || slot.state == RegistrationState::Registered) {
                // A full table of transactions: the binding ends by itself.
                let _ = self.send_register(now, index, true);
            }
        }
    }

    /// Flows that stood by, now that another one does not do, or that each may have its binding.
    fn wake_others(&mut self, now: Instant) {
        for index in 0..self.registrations.slots.len() {
            let slot = &self.registrations.slots[index];
            let idle = slot.state == RegistrationState::Offline && slot.running.is_none() && slot.flow.is_some();
            if idle && !slot.waits && self.registrations.wanted && self.registrations.may_register(index) {
                self.try_register(now, index, false);
            }
        }
    }

    /// The registration over a flow. Its number is one of ours.
    pub(super) fn slot(&mut self, index: usize) -> &mut Registration {
        &mut self.registrations.slots[index]
    }

    /// The table of transactions may be full: then the timer tries again.
    fn try_register(&mut self, now: Instant, index: usize, remove: bool) {
        if self.send_register(now, index, remove).is_err() {
            self.timers.set(Timer::Register(index), now + Duration::from_secs(1));
        }
    }

    /// Sends REGISTER; `remove`: with an expiry of zero, which takes our binding away (§10.2.2).
    fn send_register(&mut self, now: Instant, index: usize, remove: bool) -> Result<(), Error> {
        let expires = if remove { Duration::ZERO } else { self.registrations.expires };
        let identity = &self.identity;
        let registrar = self.registrations.registrar.as_ref().unwrap_or(&identity.domain).clone();
        let slot = &mut self.registrations.slots[index];
        slot.seq += 1;
        let mut request =
            identity.request(Method::Register, registrar, &identity.name, &slot.call_id, &slot.from_tag, slot.seq);
        identity.bind_contact(&mut request.headers, expires, reg_id(index), slot.plain);
        let purpose = Purpose::Register { slot: index, remove };
        let key = self.send_request(now, Pending { purpose, request, tried: Tried::default() })?;
        let slot = self.slot(index);
        slot.running = Some(key);
        // A refresh is not seen: calls reach us all the while.
        let registered = slot.state == RegistrationState::Registered;
        if remove {
            self.registration_moved(index, RegistrationState::Unregistering, None, None, None);
        } else if !registered {
            self.registration_moved(index, RegistrationState::Registering, None, None, None);
        }
        Ok(())
    }

    /// The final answer to a REGISTER.
    pub(super) fn on_register_answer(
        &mut self,
        now: Instant,
        key: ClientKey,
        index: usize,
        remove: bool,
        response: &Response,
    ) {
        if self.slot(index).running.take_if(|running| *running == key).is_none() {
            return;
        }
        if remove {
            // Whatever it was: the binding ends by itself if it is still there.
            return self.registration_removed(now, index);
        }
        if (200..300).contains(&response.status) {
            return self.on_registered(now, index, response);
        }
        if !self.registrations.wanted {
            return self.registration_moved(index, RegistrationState::Offline, None, None, None);
        }
        if self.register_otherwise(now, index, response) {
            return;
        }
        if let 301 | 302 | 305 = response.status {
            return self.registration_redirected(now, index, response);
        }
        let (cause, passes) = judge(response.status);
        let after = response
            .headers
            .get("Retry-After")
            .and_then(|value| decimal(value.split([';', '(']).next().unwrap_or("").trim()));
        // §20.33: who says when to come back means that it may be better then.
        let passes = passes || (after.is_some() && cause != Cause::Unauthorized);
        self.registration_failed(now, index, cause, Some(response), passes, after);
    }

    /// Refusals that say how it may be done instead, each followed once. Whether this is one.
    fn register_otherwise(&mut self, now: Instant, index: usize, response: &Response) -> bool {
        match response.status {
            // §10.2.8: with the expiry that the registrar wants.
            423 => {
                let wanted = response.headers.get("Min-Expires").and_then(decimal).map(Duration::from_secs);
                let asked = self.registrations.expires;
                let Some(wanted) = wanted.filter(|wanted| *wanted > asked && *wanted <= LONGEST) else { return false };
                self.registrations.expires = wanted;
            }
            // RFC 5626 §11.6: the first proxy cannot send calls back over this connection. An old registration is
            // better than none.
            439 if !self.slot(index).plain => self.slot(index).plain = true,
            // RFC 3261 §8.1.3.4: another registrar of our own domain. That is asked over the same connection.
            301 | 302 if !self.slot(index).redirected => {
                let Some(target) = response.contacts().into_iter().find(|contact| contact.uri.is_sip()) else {
                    return false;
                };
                let mut target = target.uri;
                if !target.host.eq_ignore_ascii_case(&self.identity.domain.host) {
                    return false;
                }
                // §10.2: the Request-URI of a REGISTER names nobody.
                target.user = None;
                target.password = None;
                target.headers = None;
                target.params.retain(|param| !param.name.eq_ignore_ascii_case("method"));
                self.slot(index).redirected = true;
                self.registrations.registrar = Some(target);
            }
            _ => return false,
        }
        self.send_register(now, index, false).is_ok()
    }

    /// The registrar is somewhere else: connections are the driver's.
    fn registration_redirected(&mut self, now: Instant, index: usize, response: &Response) {
        let target = response.contacts().into_iter().find(|contact| contact.uri.is_sip());
        // Not for good: the next connection may lead there.
        self.timers.stop(Timer::Register(index));
        self.registration_moved(index, RegistrationState::Failed, Some(Cause::Redirected), Some(response), None);
        if let (Some(target), Some(flow)) = (target, self.slot(index).flow) {
            let permanent = response.status == 301;
            self.events.push_back(Event::RegistrationRedirect { flow, target: target.uri, permanent });
        }
        self.wake_others(now);
    }

    /// No answer to a REGISTER.
    pub(super) fn on_register_failed(&mut self, now: Instant, key: ClientKey, index: usize, remove: bool) {
        if self.slot(index).running.take_if(|running| *running == key).is_none() {
            return;
        }
        if remove || !self.registrations.wanted {
            return self.registration_removed(now, index);
        }
        self.registration_failed(now, index, Cause::Network, None, true, None);
    }

    fn on_registered(&mut self, now: Instant, index: usize, response: &Response) {
        if !self.registrations.wanted {
            // unregister() came in between. Nothing more can be done when it cannot be sent.
            if self.send_register(now, index, true).is_err() {
                self.registration_moved(index, RegistrationState::Offline, None, None, None);
            }
            return;
        }
        let bindings = self.identity.bindings(response);
        let granted = Identity::granted(&bindings, reg_id(index), response, self.registrations.expires);
        self.registrations.bindings = bindings;
        self.identity.take_gruus(response);
        let plain = self.slot(index).plain;
        // RFC 5626 §6: the registrar says so when it has kept our flow.
        let outbound = self.identity.has_instance() && !plain && response.headers.lists("Require", "outbound");
        self.registrations.outbound = outbound;
        self.identity.outbound = outbound;
        let slot = self.slot(index);
        slot.failures = 0;
        slot.redirected = false;
        slot.granted = Some(granted);
        // RFC 3608 §5: each answer replaces the route of its registration. Only loose routers can be passed like this.
        let loose = |route: &NameAddr| route.uri.is_sip() && route.uri.param("lr").is_some();
        slot.routes = response.headers.routes("Service-Route");
        slot.routes.truncate(MAX_ROUTES);
        if !slot.routes.iter().all(loose) {
            slot.routes.clear();
        }
        let timer = response.headers.get("Flow-Timer").and_then(decimal).filter(|seconds| *seconds > 0);
        let timer = timer.map(|seconds| Duration::from_secs(seconds.min(u64::from(u32::MAX))));
        let told = std::mem::replace(&mut slot.flow_timer, timer);
        if let (Some(flow), Some(every)) = (slot.flow, timer.filter(|_| timer != told)) {
            self.events.push_back(Event::KeepAlive { flow, every });
        }
        let jitter = self.entropy.below(65_536);
        self.timers.set(Timer::Register(index), now + refresh_after(granted, jitter));
        self.registration_moved(index, RegistrationState::Registered, None, Some(response), None);
        if outbound {
            self.wake_others(now);
        } else {
            // One Contact, one binding: this flow's has replaced those of the others, which stand by from now on.
            for other in (0..self.registrations.slots.len()).filter(|other| *other != index) {
                self.timers.stop(Timer::Register(other));
                let slot = self.slot(other);
                slot.running = None;
                slot.routes.clear();
                slot.state = RegistrationState::Offline;
            }
            self.flow = self.registrations.flow();
        }
    }

    fn registration_removed(&mut self, now: Instant, index: usize) {
        self.registration_moved(index, RegistrationState::Offline, None, None, None);
        // register() came in between.
        let slot = &self.registrations.slots[index];
        if self.registrations.wanted && slot.flow.is_some() && self.registrations.may_register(index) {
            self.try_register(now, index, false);
        }
    }

    fn registration_failed(
        &mut self,
        now: Instant,
        index: usize,
        cause: Cause,
        response: Option<&Response>,
        passes: bool,
        retry_after: Option<u64>,
    ) {
        let jitter = self.entropy.below(65_536);
        let registered =
            |(other, slot): (usize, &Registration)| other != index && slot.state == RegistrationState::Registered;
        let another_works = self.registrations.slots.iter().enumerate().any(registered);
        let slot = self.slot(index);
        let retry_at = if passes {
            let pause = slot.retry_pause(another_works, jitter);
            let pause = retry_after.map_or(pause, |seconds| bounded_retry_after(seconds).max(Duration::from_secs(1)));
            slot.failures = slot.failures.saturating_add(1);
            slot.waits = response.is_some();
            self.timers.set(Timer::Register(index), now + pause);
            Some(now + pause)
        } else {
            slot.blocked = true;
            self.timers.stop(Timer::Register(index));
            // Another try begins without credentials that were refused.
            self.auth.clear();
            None
        };
        self.registration_moved(index, RegistrationState::Failed, Some(cause), response, retry_at);
        self.wake_others(now);
    }

    /// A flow's registration moved; what that means for the phone is told when it is news.
    fn registration_moved(
        &mut self,
        index: usize,
        state: RegistrationState,
        cause: Option<Cause>,
        response: Option<&Response>,
        retry_at: Option<Instant>,
    ) {
        let slot = self.slot(index);
        slot.state = state;
        if state != RegistrationState::Registered {
            slot.granted = None;
        }
        self.flow = self.registrations.flow();
        let (state, expires) = self.registrations.sum();
        if state == RegistrationState::Offline && !self.registrations.wanted {
            // RFC 3608 §5: the route ends with its registration; RFC 5627 §4.2: as does what the registrar named us.
            self.registrations.slots.iter_mut().for_each(|slot| slot.routes.clear());
            self.registrations.bindings.clear();
            self.registrations.outbound = false;
            self.identity.forget_gruus();
        }
        let told = std::mem::replace(&mut self.registrations.told, (state, expires));
        if told == (state, expires) && state != RegistrationState::Failed {
            return;
        }
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
