//! Subscriptions to the state of others (RFC 6665): made, refreshed, made again after what ends them by accident, and the
//! NOTIFYs that they bring.

use std::time::Duration;

use super::auth::Tried;
use super::transfer::{of_token, param};
use super::{Agent, Pending, Purpose, Timer};
use crate::call::Body;
use crate::dialog::{Dialog, Order};
use crate::event::{SubscriptionId, SubscriptionState};
use crate::message::{Request, Response};
use crate::registration::{bounded_retry_after, judge, pause_after, refresh_after};
use crate::scan::{cut, elements, is_token};
use crate::transaction::{ClientKey, Flow, ServerKey};
use crate::value::{check_text, decimal};
use crate::{Error, Event, Instant, Method, NameAddr, RegistrationState};

use super::publish::longer;

/// Subscriptions at a time: a lamp for each key of the largest console.
pub(super) const MAX_SUBSCRIPTIONS: usize = 256;

/// What we ask for: the hour of RFC 3856 §6.4 and RFC 4235 §3.4.
const EXPIRES: Duration = Duration::from_secs(3_600);

/// No subscription and no publication is asked for, or believed to last, longer than a day.
pub(super) const LONGEST: Duration = Duration::from_secs(86_400);

/// The one package whose NOTIFY comes without a subscription from servers that are set up so (Asterisk's
/// `mailboxes` of an AOR).
const UNSOLICITED: &str = "message-summary";

/// A wish to know, and what has become of it: one dialog. Further ones that a forked SUBSCRIBE makes stand beside it.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// The wish, of another dialog that its SUBSCRIBE has made.
    pub(super) of: Option<SubscriptionId>,
    /// Which of the phones that the SUBSCRIBE reached, and how many have shown up.
    pub(super) fork: u32,
    pub(super) forks: u32,
    /// When the SUBSCRIBE that makes dialogs left.
    pub(super) asked: Instant,
    pub(super) target: NameAddr,
    pub(super) package: String,
    pub(super) accept: String,
    pub(super) expires: Duration,
    pub(super) state: SubscriptionState,
    /// Of the SUBSCRIBE that makes the dialog.
    pub(super) call_id: String,
    pub(super) tag: String,
    pub(super) seq: u32,
    /// From the first NOTIFY on (§4.4.1).
    pub(super) dialog: Option<Dialog>,
    /// The connection it was made over.
    pub(super) flow: Option<Flow>,
    pub(super) running: Option<ClientKey>,
    /// The last SUBSCRIBE was one in the dialog.
    pub(super) refresh: bool,
    /// The last SUBSCRIBE was to end it.
    pub(super) closing: bool,
    /// How long it lasts, as far as the notifier has said.
    pub(super) until: Option<Instant>,
    /// It shall end.
    pub(super) removing: bool,
    /// In a row, since the last refresh that worked.
    pub(super) failures: u32,
}

impl Agent {
    /// Wants to be told about `package` (`presence`, `dialog`, `message-summary`, `reg`, …) of `target`, in one of the
    /// body types of `accept`, a list with commas; empty: whatever the package's usual type is. Refreshed, and made
    /// again after what may pass, until [`Agent::unsubscribe`] or a refusal for good. [`Event::Subscription`] and
    /// [`Event::Notify`] follow.
    ///
    /// Where a proxy forks the SUBSCRIBE, and the package has a rule for that (`dialog`, `message-summary`), every phone
    /// that it reaches is heard, and [`Event::Notify`] says which; else the one that is heard first counts, and the others
    /// are told that they are not wanted (481, RFC 6665 §5.4.9).
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Injection`] and [`Error::TooLong`] for a target that is none, as in
    /// [`Agent::call`]; [`Error::Injection`] for a package that is no token and for control characters in `accept`;
    /// [`Error::TooLong`] for too many.
    pub fn subscribe(
        &mut self,
        now: Instant,
        target: &str,
        package: &str,
        accept: &str,
    ) -> Result<SubscriptionId, Error> {
        let target = self.identity.target(target)?;
        if !is_token(package) {
            return Err(Error::Injection { field: "package".to_owned() });
        }
        check_text("Accept", accept)?;
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(Error::TooLong { what: "subscriptions", limit: MAX_SUBSCRIPTIONS });
        }
        let id = SubscriptionId(self.take_id());
        let subscription = Subscription {
            of: None,
            fork: 0,
            forks: 1,
            asked: now,
            target,
            package: package.to_owned(),
            accept: accept.to_owned(),
            expires: EXPIRES,
            state: SubscriptionState::Pending,
            call_id: String::new(),
            tag: String::new(),
            seq: 0,
            dialog: None,
            flow: None,
            running: None,
            refresh: false,
            closing: false,
            until: None,
            removing: false,
            failures: 0,
        };
        self.subscriptions.insert(id, subscription);
        self.make_subscription(now, id);
        self.drain(now);
        Ok(id)
    }

    /// Wants to be told no more. The last state may still come; [`Event::Subscription`] with
    /// [`SubscriptionState::Terminated`] is the last event.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`].
    pub fn unsubscribe(&mut self, now: Instant, subscription: SubscriptionId) -> Result<(), Error> {
        let it = self.subscriptions.get_mut(subscription).ok_or(Error::UnknownSubscription)?;
        if std::mem::replace(&mut it.removing, true) {
            return Ok(());
        }
        self.leave_notifiers(now, subscription);
        let it = self.subscriptions.get_mut(subscription).ok_or(Error::UnknownSubscription)?;
        // A dialog, or the NOTIFY that makes one is on its way: only then can it be ended (§4.1.2.3).
        let there = it.dialog.is_some() || (it.flow.is_some() && it.state != SubscriptionState::Waiting);
        if !there || self.flow.is_none() {
            self.end_subscription(now, subscription, None, None);
        } else if it.dialog.is_some() {
            self.send_subscribe(now, subscription);
        }
        self.drain(now);
        Ok(())
    }

    /// What makes the wishes that are not to end: number, target, package, body types.
    pub(super) fn wishes(&self) -> impl Iterator<Item = (u64, String, String, String)> {
        let wish = |id: SubscriptionId| {
            let it = self.subscriptions.get(id)?;
            Some((id.0, it.target.to_string(), it.package.clone(), it.accept.clone()))
        };
        self.subscriptions.keys(|it| !it.removing && it.of.is_none()).into_iter().filter_map(wish)
    }

    /// Begins a new dialog: for a new subscription, or for one that was lost.
    fn make_subscription(&mut self, now: Instant, id: SubscriptionId) {
        let (call_id, tag) = (self.entropy.token(), self.entropy.token());
        self.timers.stop(Timer::Subscribe(id));
        self.timers.stop(Timer::Notified(id));
        // Whom it reaches now is seen anew.
        self.leave_notifiers(now, id);
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        it.forks = 1;
        it.fork = 0;
        it.asked = now;
        it.dialog = None;
        it.flow = None;
        it.running = None;
        it.until = None;
        (it.call_id, it.tag, it.seq) = (call_id, tag, 0);
        self.send_subscribe(now, id);
    }

    /// SUBSCRIBE, in the dialog if there is one; with an expiry of zero when it is to end.
    pub(super) fn send_subscribe(&mut self, now: Instant, id: SubscriptionId) {
        let Some(flow) = self.flow else { return };
        let Some(it) = self.subscriptions.get_mut(id).filter(|it| it.running.is_none()) else { return };
        it.seq = it.seq.saturating_add(1);
        let mut request = match &mut it.dialog {
            Some(dialog) => dialog.request(Method::Subscribe),
            None => {
                let uri = it.target.uri.clone();
                self.identity.request(Method::Subscribe, uri, &it.target, &it.call_id, &it.tag, it.seq)
            }
        };
        it.refresh = it.dialog.is_some();
        it.closing = it.removing;
        if !it.refresh {
            it.flow = Some(flow);
        }
        let headers = &mut request.headers;
        self.identity.add_contact(headers);
        headers.push_parsed("Event", it.package.clone());
        let expires = if it.removing { Duration::ZERO } else { it.expires };
        headers.push_parsed("Expires", expires.as_secs().to_string());
        if !it.accept.is_empty() {
            headers.push_parsed("Accept", it.accept.clone());
        }
        let pending = Pending { purpose: Purpose::Subscribe(id), request, tried: Tried::default() };
        let sent = self.send_request(now, pending).ok();
        match sent {
            Some(_) => {
                self.timers.stop(Timer::Subscribe(id));
                // §4.1.2.4: timer N, 64·T1.
                self.timers.set(Timer::Notified(id), now + self.times.give_up());
            }
            // All transactions are taken.
            None => self.timers.set(Timer::Subscribe(id), now + Duration::from_secs(1)),
        }
        if let Some(it) = self.subscriptions.get_mut(id) {
            it.running = sent;
        }
    }

    /// Time to refresh, or to try again.
    pub(super) fn subscription_due(&mut self, now: Instant, id: SubscriptionId) {
        let Some(it) = self.subscriptions.get(id) else { return };
        let over = it.until.is_some_and(|until| until <= now);
        if it.removing || (it.dialog.is_some() && !over) {
            self.send_subscribe(now, id);
        } else {
            self.make_subscription(now, id);
        }
    }

    /// Timer N: no NOTIFY has come.
    pub(super) fn not_notified(&mut self, now: Instant, id: SubscriptionId) {
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        if it.removing {
            return self.end_subscription(now, id, None, None);
        }
        // §4.1.2.2, §4.1.2.4: there is no subscription, or no more.
        it.running = None;
        self.lose_subscription(now, id, None, None);
    }

    /// Connections have come or gone: what was made over one that is gone is made again, as NOTIFYs cannot arrive.
    pub(super) fn resume_subscriptions(&mut self, now: Instant) {
        if self.flow.is_none() {
            return;
        }
        // Other phones of one wish first: they are found again by what is made in its place.
        let beside = self.subscriptions.keys(|it| it.of.is_some());
        let first = self.subscriptions.keys(|it| it.of.is_none());
        for id in beside.into_iter().chain(first) {
            let Some(it) = self.subscriptions.get(id) else { continue };
            if it.flow.is_some_and(|flow| self.is_live(flow)) {
                continue;
            }
            if it.removing || it.of.is_some() {
                self.end_subscription(now, id, None, None);
            } else {
                self.make_subscription(now, id);
            }
        }
    }

    /// A challenge was answered: the same SUBSCRIBE runs on, with that number, under another key.
    pub(super) fn subscribe_again(&mut self, id: SubscriptionId, seq: u32, key: ClientKey) {
        if let Some(it) = self.subscriptions.get_mut(id) {
            it.seq = seq;
            it.running = Some(key);
        }
    }

    /// Whether the request under that key is the one whose answer is waited for.
    pub(super) fn subscribes(&self, id: SubscriptionId, key: ClientKey) -> bool {
        self.subscriptions.get(id).is_some_and(|it| it.running == Some(key))
    }

    /// The final answer to a SUBSCRIBE; `None`: there will be none.
    pub(super) fn on_subscribe_answer(
        &mut self,
        now: Instant,
        key: ClientKey,
        id: SubscriptionId,
        response: Option<&Response>,
    ) {
        let jitter = self.entropy.below(65_536);
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        if it.running.take_if(|running| *running == key).is_none() {
            return;
        }
        let status = response.map_or(0, |response| response.status);
        match (status, response) {
            (200..=299, Some(response)) => {
                if status == 204 {
                    // RFC 5839 §7.1: nothing has changed, no NOTIFY follows.
                    self.timers.stop(Timer::Notified(id));
                }
                if it.removing {
                    if !it.closing && it.dialog.is_some() {
                        self.send_subscribe(now, id);
                    }
                    return;
                }
                if it.refresh {
                    it.failures = 0;
                }
                let granted = granted_by(response, it.expires);
                it.until = Some(now + granted);
                self.timers.set(Timer::Subscribe(id), now + refresh_after(granted, jitter));
            }
            _ if it.removing => self.end_subscription(now, id, response.map(|response| response.status), None),
            (423, Some(response)) if longer(response, &mut it.expires) => self.send_subscribe(now, id),
            // §4.1.2.2: the notifier has forgotten it.
            (481, Some(_)) if it.refresh => self.lose_subscription(now, id, response, Some(Duration::ZERO)),
            (_, Some(response)) if !passes(status, response) => {
                self.end_subscription(now, id, Some(status), Some(response.reason.clone()));
            }
            _ => {
                let left = it.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
                if it.refresh && response.is_some() && !left.is_zero() {
                    // §4.1.2.2: any other refusal of a refresh leaves the subscription as long as it lasts.
                    self.timers.stop(Timer::Notified(id));
                    self.timers.set(Timer::Subscribe(id), now + left.min(pause_after(0, jitter)));
                    return;
                }
                self.lose_subscription(now, id, response, wait_of(response));
            }
        }
    }

    /// A NOTIFY that is not about a transfer (§4.1.3).
    pub(super) fn on_notify(&mut self, now: Instant, key: ServerKey, flow: Flow, request: &Request, tag: &str) {
        let (Ok(to), Ok(from), Ok(cseq)) = (request.to(), request.from(), request.cseq()) else {
            return self.reply_status(now, key, request, 400, tag);
        };
        let event = request.headers.get("Event").unwrap_or("");
        let ours = |it: &Subscription| {
            it.call_id == request.call_id() && to.tag() == Some(it.tag.as_str()) && of_token(event, &it.package)
        };
        let speaks = |it: &Subscription| it.dialog.as_ref().is_none_or(|dialog| dialog.remote.tag() == from.tag());
        // Its own dialog; else the wish, which this makes the first or another dialog of.
        let known = self.subscriptions.find(|it| ours(it) && speaks(it));
        let Some(id) = known.or_else(|| self.subscriptions.find(|it| ours(it) && it.of.is_none())) else {
            return self.on_unsolicited(now, key, flow, request, tag);
        };
        let Some(state) = request.headers.get("Subscription-State").map(str::to_owned) else {
            return self.reply_status(now, key, request, 400, tag);
        };
        let Some(id) = known.or_else(|| self.another_notifier(now, id)) else {
            // §5.4.9: beside the one that was heard first.
            return self.reply_status(now, key, request, 481, tag);
        };
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        if let Some(dialog) = &mut it.dialog {
            if dialog.receive(cseq.seq) == Order::Old {
                return self.reply_status(now, key, request, 500, tag);
            }
            dialog.refresh_target(request.contacts());
        } else {
            // §4.4.1: the first NOTIFY makes the dialog, whether the answer to the SUBSCRIBE has come or not.
            let Ok(mut dialog) = Dialog::of_request(request, &it.tag) else {
                return self.reply_status(now, key, request, 400, tag);
            };
            dialog.local_seq = it.seq;
            it.dialog = Some(dialog);
        }
        it.flow = Some(flow);
        let content_type = request.content_type().unwrap_or("");
        if !request.body.is_empty() && !it.accept.is_empty() && !accepts(&it.accept, content_type) {
            let mut refusal = self.identity.response(request, 415, None, tag);
            refusal.headers.push_parsed("Accept", it.accept.clone());
            return self.reply(now, key, refusal);
        }
        if !it.closing {
            self.timers.stop(Timer::Notified(id));
        }
        self.reply_status(now, key, request, 200, tag);
        let terminated = of_token(&state, "terminated");
        if !terminated {
            self.keep_subscription(now, id, &state);
        }
        let body = (!request.body.is_empty()).then(|| body_of(request));
        self.tell_notify(id, body);
        if terminated {
            self.on_terminated(now, id, &state);
        }
    }

    /// The state of a subscription that lives, and for how long it does (§4.1.3).
    fn keep_subscription(&mut self, now: Instant, id: SubscriptionId, state: &str) {
        let jitter = self.entropy.below(65_536);
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        if it.removing {
            if !it.closing {
                // It could not be ended before there was a dialog.
                self.send_subscribe(now, id);
            }
            return;
        }
        let left = param(state, "expires").and_then(decimal).map(|left| Duration::from_secs(left).min(LONGEST));
        if let Some(left) = left.filter(|left| it.until.is_none_or(|until| now + *left < until)) {
            it.until = Some(now + left);
            self.timers.set(Timer::Subscribe(id), now + refresh_after(left, jitter));
        }
        let next = if of_token(state, "pending") { SubscriptionState::Pending } else { SubscriptionState::Active };
        self.subscription_moved(id, next, None, None, None);
    }

    /// The notifier has ended a subscription, and says why (§4.1.3).
    fn on_terminated(&mut self, now: Instant, id: SubscriptionId, state: &str) {
        let reason = param(state, "reason").unwrap_or("");
        let after = param(state, "retry-after").and_then(decimal).map(bounded_retry_after);
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        it.running = None;
        let is = |known: &str| reason.eq_ignore_ascii_case(known);
        if it.removing || is("rejected") || is("noresource") || is("invariant") {
            return self.end_subscription(now, id, None, Some(reason.to_owned()).filter(|it| !it.is_empty()));
        }
        // "deactivated", "timeout": at once.
        let at_once = is("deactivated") || is("timeout");
        let after = if at_once { Some(Duration::ZERO) } else { after };
        self.lose_subscription(now, id, None, after);
    }

    /// A subscription is over that is still wanted: made again after a pause, or at once.
    fn lose_subscription(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        response: Option<&Response>,
        after: Option<Duration>,
    ) {
        let jitter = self.entropy.below(65_536);
        self.timers.stop(Timer::Notified(id));
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        if it.of.is_some() {
            // The wish goes on with the others, and finds this one again when it is made anew.
            return self.end_subscription(now, id, None, None);
        }
        it.dialog = None;
        it.until = None;
        let pause = after.unwrap_or_else(|| pause_after(it.failures, jitter));
        it.failures = it.failures.saturating_add(1);
        // A dialog that is lost again and again is not made again at once each time.
        let pause = if pause.is_zero() && it.failures > 1 { pause_after(it.failures - 2, jitter) } else { pause };
        if pause.is_zero() {
            return self.make_subscription(now, id);
        }
        self.timers.set(Timer::Subscribe(id), now + pause);
        let status = response.map(|response| response.status);
        let reason = response.map(|response| response.reason.clone());
        self.subscription_moved(id, SubscriptionState::Waiting, status, reason, Some(now + pause));
    }

    /// A NOTIFY that nobody asked for.
    fn on_unsolicited(&mut self, now: Instant, key: ServerKey, flow: Flow, request: &Request, tag: &str) {
        let event = request.headers.get("Event").unwrap_or("");
        let registered = self.registrations.slots.iter();
        let mut registered = registered.filter(|slot| slot.state == RegistrationState::Registered);
        let known = of_token(event, UNSOLICITED) && request.to().is_ok_and(|to| to.tag().is_none());
        if !known || request.body.is_empty() || !registered.any(|slot| slot.flow == Some(flow)) {
            // §4.1.3: of a subscription that we do not have.
            return self.reply_status(now, key, request, 481, tag);
        }
        self.reply_status(now, key, request, 200, tag);
        self.events.push_back(Event::Unsolicited { package: UNSOLICITED.to_owned(), body: body_of(request) });
    }

    pub(super) fn subscription_moved(
        &mut self,
        id: SubscriptionId,
        state: SubscriptionState,
        status: Option<u16>,
        reason: Option<String>,
        retry_at: Option<Instant>,
    ) {
        let Some(it) = self.subscriptions.get_mut(id) else { return };
        let before = std::mem::replace(&mut it.state, state);
        if it.of.is_some() {
            return;
        }
        if before != state || state == SubscriptionState::Waiting {
            self.events.push_back(Event::Subscription { subscription: id, state, status, reason, retry_at });
        }
    }

    pub(super) fn end_subscription(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        status: Option<u16>,
        reason: Option<String>,
    ) {
        self.timers.stop(Timer::Subscribe(id));
        self.timers.stop(Timer::Notified(id));
        if self.notifier_gone(now, id) {
            return;
        }
        self.subscription_moved(id, SubscriptionState::Terminated, status, reason, None);
        self.subscriptions.remove(id);
    }

    /// The page closes: what can be ended by one more message is.
    pub(super) fn subscriptions_shutdown(&mut self, now: Instant) {
        for id in self.subscriptions.keys(|_| true) {
            if let Some(it) = self.subscriptions.get_mut(id) {
                it.removing = true;
                it.running = None;
                if it.dialog.is_some() {
                    self.send_subscribe(now, id);
                }
            }
            self.end_subscription(now, id, None, None);
        }
    }
}

/// The time that an answer grants: never longer than what was asked (§4.1.2.1).
pub(super) fn granted_by(response: &Response, asked: Duration) -> Duration {
    let granted = response.headers.get("Expires").and_then(decimal).map(Duration::from_secs);
    granted.unwrap_or(asked).min(asked)
}

/// Whether a refusal may pass by itself.
pub(super) fn passes(status: u16, response: &Response) -> bool {
    (judge(status).1 && status != 501) || response.headers.get("Retry-After").is_some()
}

/// How long a refusal asks us to wait.
pub(super) fn wait_of(response: Option<&Response>) -> Option<Duration> {
    let after = decimal(cut(cut(response?.headers.get("Retry-After")?, b';').0, b'(').0.trim())?;
    Some(bounded_retry_after(after).max(Duration::from_secs(1)))
}

/// Whether an `Accept` list names a type.
fn accepts(list: &str, content_type: &str) -> bool {
    elements(list).any(|it| of_token(it, content_type) || of_token(it, "*/*"))
}

fn body_of(request: &Request) -> Body {
    Body { content_type: request.content_type().unwrap_or("").to_owned(), bytes: request.body.clone() }
}
