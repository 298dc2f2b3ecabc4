//! The phones that one SUBSCRIBE reached, where a proxy forked it: a dialog each, states of one subscription
//! (RFC 6665 §4.1.2.4, §5.4.9).

use super::subscribe::Subscription;
use super::{Agent, Purpose, Timer};
use crate::call::Body;
use crate::event::{SubscriptionId, SubscriptionState};
use crate::registration::refresh_after;
use crate::{Event, Instant};

/// Phones of one subscription.
const MAX_NOTIFIERS: u32 = 16;

/// The packages that say how the states of several phones make one: RFC 4235 §3.9, RFC 3842 §3.9. Those of RFC 3856 §6.9
/// and RFC 3680 §4.9 have one dialog alone.
const FORKED: [&str; 2] = ["dialog", "message-summary"];

impl Agent {
    /// Makes room for the dialog of another phone; `None`: it is not wanted.
    pub(super) fn another_notifier(&mut self, now: Instant, id: SubscriptionId) -> Option<SubscriptionId> {
        let full = self.subscriptions.len() >= super::subscribe::MAX_SUBSCRIPTIONS;
        let window = self.times.give_up();
        let it = self.subscriptions.get_mut(id)?;
        let allowed = FORKED.contains(&it.package.as_str()) && it.forks < MAX_NOTIFIERS && !it.removing && !full;
        // §4.1.2.4: until timer N.
        if !allowed || now > it.asked + window {
            return None;
        }
        let fork = it.forks;
        it.forks += 1;
        let beside = it.beside(id, fork);
        let until = beside.until;
        let other = SubscriptionId(self.take_id());
        self.subscriptions.insert(other, beside);
        self.keep_until(now, other, until);
        Some(other)
    }

    /// The phones beside the first are told that nothing more is wanted of them.
    pub(super) fn leave_notifiers(&mut self, now: Instant, id: SubscriptionId) {
        for other in self.subscriptions.keys(|it| it.of == Some(id)) {
            if let Some(it) = self.subscriptions.get_mut(other) {
                it.removing = true;
                it.running = None;
            }
            self.send_subscribe(now, other);
            self.end_subscription(now, other, None, None);
        }
    }

    /// What a phone says, under the name of the wish.
    pub(super) fn tell_notify(&mut self, id: SubscriptionId, body: Option<Body>) {
        let Some(it) = self.subscriptions.get(id) else { return };
        let (subscription, fork) = (it.of.unwrap_or(id), it.fork);
        self.events.push_back(Event::Notify { subscription, fork, body });
    }

    /// A dialog of several is over, and the subscription is not: whether it was one.
    pub(super) fn notifier_gone(&mut self, now: Instant, id: SubscriptionId) -> bool {
        let Some(it) = self.subscriptions.get(id) else { return false };
        if let Some(of) = it.of {
            if self.subscriptions.get(of).is_some_and(|first| !first.removing) {
                self.tell_notify(id, None);
            }
            self.subscriptions.remove(id);
            return true;
        }
        let heir = self.subscriptions.keys(|other| other.of == Some(id)).into_iter().next();
        match heir.filter(|_| !it.removing) {
            Some(heir) => {
                self.tell_notify(id, None);
                self.inherit(now, id, heir);
                true
            }
            None => false,
        }
    }

    /// The dialog of another phone takes the place of the first, under the same name.
    fn inherit(&mut self, now: Instant, id: SubscriptionId, heir: SubscriptionId) {
        self.timers.stop(Timer::Subscribe(heir));
        self.timers.stop(Timer::Notified(heir));
        let (Some(mut next), Some(it)) = (self.subscriptions.remove(heir), self.subscriptions.get_mut(id)) else {
            return;
        };
        next.of = None;
        next.forks = it.forks;
        let (state, running, until) = (next.state, next.running, next.until);
        next.state = it.state;
        *it = next;
        if let Some(pending) = running.and_then(|key| self.pending.get_mut(key)) {
            pending.purpose = Purpose::Subscribe(id);
        }
        self.keep_until(now, id, until);
        if running.is_some() {
            self.timers.set(Timer::Notified(id), now + self.times.give_up());
        }
        self.subscription_moved(id, state, None, None, None);
    }

    /// Refreshes in time.
    fn keep_until(&mut self, now: Instant, id: SubscriptionId, until: Option<Instant>) {
        let jitter = self.entropy.below(65_536);
        if let Some(until) = until {
            let left = until.saturating_duration_since(now);
            self.timers.set(Timer::Subscribe(id), now + refresh_after(left, jitter));
        }
    }
}

impl Subscription {
    /// One for another dialog of the same SUBSCRIBE.
    fn beside(&self, of: SubscriptionId, fork: u32) -> Subscription {
        Subscription {
            of: Some(of),
            fork,
            forks: 0,
            state: SubscriptionState::Pending,
            dialog: None,
            running: None,
            // What its NOTIFY says of that counts.
            until: Some(self.until.unwrap_or(self.asked + self.expires)),
            removing: false,
            ..self.clone()
        }
    }
}
