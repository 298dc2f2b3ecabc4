//! What an agent leaves, to nobody or to the one after it: calls, registration, subscriptions and publications, so that a page can
//! be loaded anew in a call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::publish::Publication;
use super::ringing::PATIENCE;
use super::{Agent, Config, Timer};
use crate::call::{Body, Call, CallId, CallState, Cause, Direction, Offer, Remote};
use crate::dialog::Dialog;
use crate::message::Message;
use crate::scan::is_token;
use crate::session::{Expires, Session};
use crate::transaction::{Flow, ServerKey};
use crate::{CSeq, Error, Instant, Method, NameAddr};

/// Calls that are taken over at most: more than any agent has.
const MAX_CALLS: usize = 64;

/// Calls, registration, subscriptions, publications and the name that the network knows the agent by, as [`Agent::save`]
/// wrote them: no secret, and nothing that is still under way. Serialise it with any format of serde's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Of this format.
    version: u32,
    uri: String,
    sent_by: String,
    calls: Vec<SavedCall>,
    registrations: Vec<SavedRegistration>,
    /// Number, target, package, body types.
    subscriptions: Vec<(u64, String, String, String)>,
    /// Those of an agent that did not save them are made anew by whoever wants them.
    #[serde(default)]
    publications: Vec<SavedPublication>,
    #[serde(default)]
    ringing: Vec<SavedRing>,
    next_id: u64,
}

/// A call that rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRing {
    id: u64,
    /// Its INVITE, without the body.
    invite: Vec<u8>,
    /// The caller's offer, and of what type it is.
    offer: Option<(String, Vec<u8>)>,
    /// What our answers add to `To`.
    tag: String,
}

/// A state that the server keeps for us, under its own name for it (RFC 3903 §4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedPublication {
    id: u64,
    package: String,
    content_type: String,
    body: Vec<u8>,
    /// Seconds.
    expires: u64,
    etag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedCall {
    id: u64,
    outbound: bool,
    held: bool,
    remote_held: bool,
    remote_uri: String,
    remote_name: Option<String>,
    call_id: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
    local_seq: u32,
    remote_seq: Option<u32>,
    /// Our description in force, and the peer's.
    descriptions: [Option<String>; 2],
    allow: Option<Vec<String>>,
    packages: Vec<String>,
    /// Seconds, and whether we refresh.
    expires: Option<(u64, bool)>,
}

/// What keeps the REGISTERs of one flow in order over a reload (RFC 3261 §10.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRegistration {
    call_id: String,
    from_tag: String,
    seq: u32,
}

const VERSION: u32 = 2;

impl Saved {
    /// Without subscriptions and publications: whoever goes on makes its own.
    #[must_use]
    pub fn only_calls(self) -> Saved {
        Saved { subscriptions: Vec::new(), publications: Vec::new(), ..self }
    }

    /// Whether this call is part of it.
    pub fn has(&self, call: CallId) -> bool {
        self.calls.iter().map(|it| it.id).chain(self.ringing.iter().map(|it| it.id)).any(|id| id == call.0)
    }

    /// Without calls that ring, of which the caller's keys of ICE are a part.
    #[must_use]
    pub fn only_answered(self) -> Saved {
        Saved { ringing: Vec::new(), ..self }
    }
}

impl Agent {
    /// What the next agent needs to go on with the calls that are established or ring here, with what we want to be told and
    /// with what we publish. Calls of ours that are not answered, an offer that is under way and messages that wait are not
    /// part of it.
    pub fn save(&self) -> Saved {
        Saved {
            version: VERSION,
            uri: self.identity.name.uri.to_string(),
            sent_by: self.identity.sent_by(),
            calls: self.calls.values().filter_map(SavedCall::of).collect(),
            registrations: self
                .registrations
                .slots
                .iter()
                .map(|slot| slot_of(&slot.call_id, &slot.from_tag, slot.seq))
                .collect(),
            subscriptions: self.wishes().collect(),
            publications: self.published().map(SavedPublication::of).collect(),
            ringing: self.calls.values().filter_map(SavedRing::of).collect(),
            next_id: self.next_id,
        }
    }

    /// Ends every call and the registration at once, without waiting for what is under way: the page closes. What
    /// [`Agent::poll_transmit`] gives right after is all that can still be said.
    pub fn shutdown(&mut self, now: Instant) {
        for id in self.calls.keys(|_| true) {
            self.end_at_once(now, id);
        }
        self.forget_messages();
        self.subscriptions_shutdown(now);
        self.publications_shutdown(now);
        self.registration_shutdown(now);
        self.drain(now);
    }

    fn end_at_once(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get(id) else { return };
        match call.state {
            // 480, not 486: this phone is about to be gone, not in a call.
            CallState::Incoming => drop(self.reject(now, id, 480, None)),
            // RFC 3261 §15 wants the BYE after the ACK. There will be nobody to wait for it.
            _ if call.unacknowledged.is_some() => self.end_with_bye(now, id, Cause::LocalHangup),
            _ => drop(self.hangup(now, id)),
        }
    }

    /// The page closes, and another one goes on: ends at once what cannot be taken along, calls that ring, subscriptions
    /// and publications. The calls that are established and the registration stay as they are, for [`Agent::restore`].
    pub fn hand_over(&mut self, now: Instant) -> Saved {
        for id in self.calls.keys(|call| SavedCall::of(call).is_none()) {
            self.end_at_once(now, id);
        }
        self.forget_messages();
        self.subscriptions_shutdown(now);
        self.publications_shutdown(now);
        self.drain(now);
        let saved = self.save();
        saved.only_calls()
    }

    /// An agent that goes on where `saved` ends. Its calls have the names and numbers that they had; with the first
    /// connection each of them that is answered gets [`Event::Recover`](crate::Event::Recover), each that rings rings on, each
    /// subscription is made anew, and each publication refreshed.
    ///
    /// `seed` must be a new one, as in [`Agent::new`].
    ///
    /// # Errors
    /// As [`Agent::new`]; [`Error::Malformed`] when `saved` is of another account or another version of this crate, or was
    /// tampered with.
    pub fn restore(now: Instant, mut config: Config, seed: [u8; 32], saved: &Saved) -> Result<Agent, Error> {
        if saved.version != VERSION || saved.calls.len().max(saved.ringing.len()) > MAX_CALLS {
            return Err(Error::Malformed { what: "saved state" });
        }
        config.sent_by.get_or_insert_with(|| saved.sent_by.clone());
        let mut agent = Agent::new(config, seed)?;
        if agent.identity.name.uri.to_string() != saved.uri {
            return Err(Error::Malformed { what: "saved state" });
        }
        for (slot, saved) in agent.registrations.slots.iter_mut().zip(&saved.registrations) {
            crate::value::check_text("saved state", &saved.call_id)?;
            crate::value::check_text("saved state", &saved.from_tag)?;
            slot.call_id.clone_from(&saved.call_id);
            slot.from_tag.clone_from(&saved.from_tag);
            slot.seq = saved.seq;
        }
        let mut calls = saved.calls.iter().map(SavedCall::call).collect::<Result<Vec<Call>, Error>>()?;
        for ringing in &saved.ringing {
            // Its transaction went with the agent before, as its connection did.
            let call = ringing.call(agent.layer.unused_key())?;
            // By number, as they are kept; to sort so few takes 3 kB in the page.
            calls.insert(calls.partition_point(|known| known.id < call.id), call);
        }
        for call in calls {
            let (id, state, expires) = (call.id, call.state, call.session.expires);
            if agent.calls.last_key().is_some_and(|last| last >= id) {
                return Err(Error::Malformed { what: "saved state" });
            }
            agent.calls.insert(id, call);
            if state == CallState::Incoming {
                agent.timers.set(Timer::Unheard(id), now + PATIENCE);
            } else {
                agent.set_session(now, id, expires);
            }
        }
        let mut last = 0;
        for (id, target, package, accept) in &saved.subscriptions {
            if *id <= last {
                return Err(Error::Malformed { what: "saved state" });
            }
            last = *id;
            agent.next_id = id - 1;
            agent.subscribe(now, target, package, accept)?;
        }
        let mut last_published = 0;
        for it in &saved.publications {
            if it.id <= last_published {
                return Err(Error::Malformed { what: "saved state" });
            }
            last_published = it.id;
            agent.next_id = it.id - 1;
            let body = Body { content_type: it.content_type.clone(), bytes: it.body.clone() };
            let id = agent.publish(now, &it.package, body, Duration::from_secs(it.expires))?;
            agent.published_as(id, it.etag.as_deref());
        }
        last = last.max(last_published);
        agent.next_id = saved.next_id.max(last).max(agent.calls.last_key().map_or(0, |last| last.0));
        Ok(agent)
    }
}

fn slot_of(call_id: &str, from_tag: &str, seq: u32) -> SavedRegistration {
    SavedRegistration { call_id: call_id.to_owned(), from_tag: from_tag.to_owned(), seq }
}

impl SavedPublication {
    fn of((id, it): (u64, &Publication)) -> SavedPublication {
        SavedPublication {
            id,
            package: it.package.clone(),
            content_type: it.body.content_type.clone(),
            body: it.body.bytes.clone(),
            expires: it.expires.as_secs(),
            // What was changed since, or may have been taken, is published anew.
            etag: it.etag.clone().filter(|_| !it.changed && it.running.is_none()),
        }
    }
}

impl SavedRing {
    fn of(call: &Call) -> Option<SavedRing> {
        let (offer, dialog) = (call.offer.as_ref().filter(|_| call.rings_on())?, call.dialog.as_ref()?);
        Some(SavedRing {
            id: call.id.0,
            invite: offer.request.to_bytes(),
            offer: offer.description.as_ref().map(|body| (body.content_type.clone(), body.bytes.clone())),
            tag: dialog.local.tag()?.to_owned(),
        })
    }

    fn call(&self, key: ServerKey) -> Result<Call, Error> {
        let malformed = Error::Malformed { what: "saved state" };
        let Ok(Message::Request(request)) = crate::parse(&self.invite) else { return Err(malformed) };
        if request.method != Method::Invite || !is_token(&self.tag) {
            return Err(malformed);
        }
        let mut call = Call::invited(CallId(self.id), &request, &self.tag)?;
        let body = self.offer.clone().map(|(content_type, bytes)| Body { content_type, bytes });
        // No connection has this name; the first one that there is takes the call.
        call.offer = Some(Offer::new(key, Flow(0), request, body));
        Ok(call)
    }
}

impl SavedCall {
    fn of(call: &Call) -> Option<SavedCall> {
        let dialog = call.dialog.as_ref().filter(|_| matches!(call.state, CallState::Active | CallState::Held))?;
        // The keys of ICE that go with a description are those of a peer connection that is gone.
        let text = |body: &Option<Body>| {
            let text = std::str::from_utf8(&body.as_ref()?.bytes).ok()?;
            Some(text.split_inclusive('\n').filter(|line| !line.starts_with("a=ice-pwd:")).collect::<String>())
        };
        Some(SavedCall {
            id: call.id.0,
            outbound: call.direction == Direction::Outbound,
            held: call.session.held,
            remote_held: call.remote_held,
            remote_uri: call.remote.uri.to_string(),
            remote_name: call.remote.display_name.clone(),
            call_id: dialog.call_id.clone(),
            local: dialog.local.to_string(),
            remote: dialog.remote.to_string(),
            target: dialog.target.to_string(),
            routes: dialog.routes.iter().map(NameAddr::to_string).collect(),
            local_seq: dialog.local_seq,
            remote_seq: dialog.remote_seq,
            descriptions: [text(&call.session.local), text(&call.session.remote)],
            allow: call.session.allowed(),
            packages: call.packages.clone(),
            expires: call.session.expires.map(|it| (it.interval.as_secs(), it.ours)),
        })
    }

    fn call(&self) -> Result<Call, Error> {
        crate::value::check_text("saved state", &self.call_id)?;
        // A number that could not be written any more.
        CSeq { seq: self.local_seq, method: Method::Bye }.to_string().parse::<CSeq>()?;
        let direction = if self.outbound { Direction::Outbound } else { Direction::Inbound };
        let remote = Remote { uri: self.remote_uri.parse()?, display_name: self.remote_name.clone() };
        let mut call = Call::new(CallId(self.id), self.call_id.clone(), direction, remote);
        call.state = if self.held { CallState::Held } else { CallState::Active };
        call.dialog = Some(Dialog {
            call_id: self.call_id.clone(),
            local: self.local.parse()?,
            remote: self.remote.parse()?,
            target: self.target.parse()?,
            routes: self.routes.iter().map(|route| route.parse()).collect::<Result<_, _>>()?,
            local_seq: self.local_seq,
            remote_seq: self.remote_seq,
            rseq: None,
        });
        let [local, remote] = self.descriptions.clone().map(|text| text.map(Body::sdp));
        let expires = self.expires.map(|(seconds, ours)| Expires { interval: Duration::from_secs(seconds), ours });
        call.session = Session::restored(local, remote, [self.held, self.remote_held], expires, self.allow.as_deref());
        call.remote_held = self.remote_held;
        call.packages.clone_from(&self.packages);
        Ok(call)
    }
}
