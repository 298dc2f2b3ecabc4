//! Event state that we publish (RFC 3903): sent, refreshed, changed, taken back; made again when the server forgot it.

use std::time::Duration;

use super::auth::Tried;
use super::{Agent, Pending, Purpose, Timer};
use crate::call::Body;
use crate::event::{PublicationId, SubscriptionState};
use crate::message::Response;
use crate::registration::{pause_after, refresh_after};
use crate::scan::is_token;
use crate::transaction::ClientKey;
use crate::value::{check_text, decimal};
use crate::{Error, Event, Instant, Method};

use super::subscribe::{LONGEST, granted_by, passes, wait_of};

/// Publications at a time.
const MAX_PUBLICATIONS: usize = 16;

/// Longest SIP-ETag that is kept, in bytes.
const MAX_ETAG: usize = 256;

/// A state of ours at the server that hands it on.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) package: String,
    pub(super) body: Body,
    pub(super) expires: Duration,
    /// What the server calls it.
    pub(super) etag: Option<String>,
    state: SubscriptionState,
    /// §4.1: one PUBLISH at a time.
    pub(super) running: Option<ClientKey>,
    /// The body has not been sent since it changed.
    pub(super) changed: bool,
    /// It shall be taken back.
    removing: bool,
    /// The PUBLISH that runs takes it back.
    closing: bool,
    /// A PUBLISH waits for a connection.
    due: bool,
    failures: u32,
}

impl Agent {
    /// Publishes `body` as the state of our own address for an event package, such as `presence`, to be kept for
    /// `expires` and refreshed for as long as the agent lives (RFC 3903). [`Event::Publication`] tells how it stands.
    ///
    /// # Errors
    /// [`Error::Injection`] for a package that is no token or a body type with control characters;
    /// [`Error::TooLong`] for too many.
    pub fn publish(
        &mut self,
        now: Instant,
        package: &str,
        body: Body,
        expires: Duration,
    ) -> Result<PublicationId, Error> {
        if !is_token(package) {
            return Err(Error::Injection { field: "package".to_owned() });
        }
        check_text("body type", &body.content_type)?;
        if self.publications.len() >= MAX_PUBLICATIONS {
            return Err(Error::TooLong { what: "publications", limit: MAX_PUBLICATIONS });
        }
        let id = PublicationId(self.take_id());
        let publication = Publication {
            package: package.to_owned(),
            body,
            expires: expires.clamp(Duration::from_secs(1), LONGEST),
            etag: None,
            state: SubscriptionState::Pending,
            running: None,
            changed: true,
            removing: false,
            closing: false,
            due: false,
            failures: 0,
        };
        self.publications.insert(id, publication);
        self.send_publish(now, id);
        self.drain(now);
        Ok(id)
    }

    /// Publishes another state in place of the last one (§4.4): pending until the server has it.
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`]; [`Error::Injection`] for a body type with control characters.
    pub fn modify(&mut self, now: Instant, publication: PublicationId, body: Body) -> Result<(), Error> {
        check_text("body type", &body.content_type)?;
        let it = self.publications.get_mut(publication).filter(|it| !it.removing).ok_or(Error::UnknownSubscription)?;
        it.body = body;
        it.changed = true;
        // What waits after a refusal goes on waiting.
        if it.state != SubscriptionState::Waiting {
            self.publication_moved(publication, SubscriptionState::Pending, None, None);
            self.send_publish(now, publication);
        }
        self.drain(now);
        Ok(())
    }

    /// Takes a published state back (§4.5).
    ///
    /// # Errors
    /// [`Error::UnknownSubscription`].
    pub fn unpublish(&mut self, now: Instant, publication: PublicationId) -> Result<(), Error> {
        let it = self.publications.get_mut(publication).ok_or(Error::UnknownSubscription)?;
        it.removing = true;
        if it.running.is_none() {
            if it.etag.is_some() && self.flow.is_some() {
                self.send_publish(now, publication);
            } else {
                // The server has nothing, or forgets it by itself.
                self.end_publication(publication, None);
            }
        }
        self.drain(now);
        Ok(())
    }

    /// What is published and shall stay so, by number.
    pub(super) fn published(&self) -> impl Iterator<Item = (u64, &Publication)> {
        let ids = self.publications.keys(|it| !it.removing).into_iter();
        ids.filter_map(|id| Some((id.0, self.publications.get(id)?)))
    }

    /// The server has a publication already, under that name: a refresh will do.
    pub(super) fn published_as(&mut self, id: PublicationId, etag: Option<&str>) {
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG && is_token(etag));
        if let (Some(it), Some(etag)) = (self.publications.get_mut(id), etag) {
            it.etag = Some(etag.to_owned());
            it.changed = false;
        }
    }

    /// Sends what is due of a publication, unless it has to wait for an answer or a connection.
    fn send_publish(&mut self, now: Instant, id: PublicationId) {
        let no_flow = self.flow.is_none();
        let Some(it) = self.publications.get_mut(id).filter(|it| it.running.is_none()) else { return };
        it.due = no_flow;
        if no_flow {
            return;
        }
        it.closing = it.removing;
        let me = &self.identity.name;
        let to = crate::NameAddr { display_name: None, ..me.clone() };
        let (call_id, tag) = (self.entropy.token(), self.entropy.token());
        let mut request = self.identity.request(Method::Publish, me.uri.clone(), &to, &call_id, &tag, 1);
        let headers = &mut request.headers;
        headers.push_parsed("Event", it.package.clone());
        headers.push_parsed("Expires", if it.removing { 0 } else { it.expires.as_secs() }.to_string());
        if let Some(etag) = &it.etag {
            headers.push_parsed("SIP-If-Match", etag.clone());
        }
        // Table 1: a body in the first and in a change, none in a refresh and a removal.
        let with_body = !it.removing && (it.changed || it.etag.is_none());
        if with_body {
            headers.push_parsed("Content-Type", it.body.content_type.clone());
            request.body.clone_from(&it.body.bytes);
        }
        let pending = Pending { purpose: Purpose::Publish(id), request, tried: Tried::default() };
        let sent = self.send_request(now, pending).ok();
        match sent {
            Some(_) => self.timers.stop(Timer::Publish(id)),
            // All transactions are taken.
            None => self.timers.set(Timer::Publish(id), now + Duration::from_secs(1)),
        }
        if let Some(it) = self.publications.get_mut(id) {
            it.running = sent;
            it.changed &= !(with_body && sent.is_some());
        }
    }

    /// Time to refresh, or to try again.
    pub(super) fn publication_due(&mut self, now: Instant, id: PublicationId) {
        self.send_publish(now, id);
    }

    /// There is a connection again.
    pub(super) fn resume_publications(&mut self, now: Instant) {
        for id in self.publications.keys(|it| it.due || it.state == SubscriptionState::Waiting) {
            self.send_publish(now, id);
        }
    }

    /// A challenge was answered: the same PUBLISH runs on under another key.
    pub(super) fn publish_again(&mut self, id: PublicationId, key: ClientKey) {
        if let Some(it) = self.publications.get_mut(id) {
            it.running = Some(key);
        }
    }

    /// The final answer to a PUBLISH; `None`: there will be none.
    pub(super) fn on_publish_answer(&mut self, now: Instant, id: PublicationId, response: Option<&Response>) {
        let jitter = self.entropy.below(65_536);
        let Some(it) = self.publications.get_mut(id) else { return };
        it.running = None;
        let status = response.map(|response| response.status);
        match (status, response) {
            // Whatever it was: the state ends by itself if it is still there.
            _ if it.closing => self.end_publication(id, status),
            (Some(200..=299), Some(response)) => {
                let etag = response.headers.get("SIP-ETag").filter(|etag| etag.len() <= MAX_ETAG && is_token(etag));
                // §4.1: each answer names the state anew.
                it.etag = etag.map(str::to_owned);
                it.failures = 0;
                let granted = granted_by(response, it.expires);
                let (changed, removing) = (it.changed, it.removing);
                self.timers.set(Timer::Publish(id), now + refresh_after(granted, jitter));
                if removing {
                    // unpublish() came in between.
                    let _ = self.unpublish(now, id);
                } else if changed {
                    self.send_publish(now, id);
                } else {
                    self.publication_moved(id, SubscriptionState::Active, status, None);
                }
            }
            _ if it.removing => self.end_publication(id, status),
            // §4.1: the server has forgotten it: again from the start, with the body.
            (Some(412), _) if it.etag.take().is_some() => self.send_publish(now, id),
            (Some(423), Some(response)) if longer(response, &mut it.expires) => {
                it.changed = true;
                self.send_publish(now, id);
            }
            (Some(status), Some(response)) if !passes(status, response) => self.end_publication(id, Some(status)),
            _ => {
                let pause = wait_of(response).unwrap_or_else(|| pause_after(it.failures, jitter));
                it.failures = it.failures.saturating_add(1);
                // Nobody knows whether it was taken.
                it.changed = true;
                self.timers.set(Timer::Publish(id), now + pause);
                self.publication_moved(id, SubscriptionState::Waiting, status, Some(now + pause));
            }
        }
    }

    fn publication_moved(
        &mut self,
        id: PublicationId,
        state: SubscriptionState,
        status: Option<u16>,
        retry_at: Option<Instant>,
    ) {
        let Some(it) = self.publications.get_mut(id) else { return };
        let before = std::mem::replace(&mut it.state, state);
        if before != state || state == SubscriptionState::Waiting {
            self.events.push_back(Event::Publication { publication: id, state, status, retry_at });
        }
    }

    fn end_publication(&mut self, id: PublicationId, status: Option<u16>) {
        self.timers.stop(Timer::Publish(id));
        self.publication_moved(id, SubscriptionState::Terminated, status, None);
        self.publications.remove(id);
    }

    /// The page closes.
    pub(super) fn publications_shutdown(&mut self, now: Instant) {
        for id in self.publications.keys(|_| true) {
            if let Some(it) = self.publications.get_mut(id) {
                // A PUBLISH whose answer will not be waited for leaves nothing to take back by name.
                it.running = None;
            }
            let _ = self.unpublish(now, id);
        }
    }
}

/// A 423 that says for how long it may be (§4.1.1): whether `expires` was raised to it.
pub(super) fn longer(response: &Response, expires: &mut Duration) -> bool {
    let wanted = response.headers.get("Min-Expires").and_then(decimal).map(Duration::from_secs);
    let wanted = wanted.filter(|wanted| *wanted > *expires && *wanted <= LONGEST);
    *expires = wanted.unwrap_or(*expires);
    wanted.is_some()
}
