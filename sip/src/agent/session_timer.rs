//! Session timers (RFC 4028): how long a session lasts, who refreshes it, and its end when nobody does.

use std::time::Duration;

use super::{Agent, Pending, Purpose, Timer};
use crate::call::{CallId, CallState, Cause};
use crate::message::{Request, Response};
use crate::session::{Exchange, Expires, min_se, session_expires};
use crate::transaction::ClientKey;
use crate::{Headers, Instant, Method};

/// A peer that wants a session to be refreshed more rarely than this is refused: it would outlive its end for as long.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The shortest time that we believe, whatever the peer says.
const SHORTEST: Duration = Duration::from_secs(30);

/// The pause after a refresh that was refused or could not leave.
const AGAIN: Duration = Duration::from_secs(5);

impl Agent {
    /// What a request of the peer is refused with whose session would be too short for us (§9).
    pub(super) fn too_short(&self, request: &Request, tag: &str) -> Option<Response> {
        let (interval, _) = session_expires(&request.headers)?;
        if interval >= self.min_se || !knows_timers(request) {
            return None;
        }
        let mut response = self.identity.response(request, 422, None, tag);
        response.headers.push_parsed("Min-SE", self.min_se.as_secs().to_string());
        Some(response)
    }

    /// Agrees to what an INVITE or UPDATE of the peer asks for, in our 2xx (§9). A peer that knows nothing of timers
    /// gets none from us, unless a proxy on the way wants one.
    pub(super) fn agree(&mut self, now: Instant, id: CallId, request: &Request, response: &mut Response) {
        let Some(call) = self.calls.get(id) else { return };
        let knows = knows_timers(request);
        let expires = match (session_expires(&request.headers), call.session.expires) {
            (Some((interval, Some(client))), _) => Some(Expires { interval, ours: !client }),
            // Table 2: left to us. The caller is more often a server than a browser tab that may sleep.
            (Some((interval, None)), before) => Some(Expires { interval, ours: before.map_or(!knows, |it| it.ours) }),
            (None, Some(before)) => Some(before),
            (None, None) => {
                let wanted = self.session_expires.filter(|_| knows);
                let least = min_se(&request.headers).unwrap_or_default();
                wanted.map(|wanted| Expires { interval: wanted.max(least), ours: false })
            }
        };
        if let Some(Expires { interval, ours }) = expires {
            let headers = &mut response.headers;
            headers.push_parsed("Session-Expires", written(interval, if ours { "uas" } else { "uac" }));
            if !ours {
                // §9: the client must know of its duty.
                headers.push_parsed("Require", "timer".to_owned());
            }
        }
        self.set_session(now, id, expires);
    }

    /// Takes what a 2xx to our INVITE or UPDATE grants (§7.2): without the header there is no end.
    pub(super) fn session_agreed(&mut self, now: Instant, id: CallId, headers: &Headers) {
        let expires =
            session_expires(headers).map(|(interval, client)| Expires { interval, ours: client != Some(false) });
        self.set_session(now, id, expires);
    }

    pub(super) fn set_session(&mut self, now: Instant, id: CallId, expires: Option<Expires>) {
        let Some(call) = self.calls.get_mut(id) else { return };
        call.session.expires = expires;
        self.timers.stop(Timer::Refresh(id));
        self.timers.stop(Timer::Expire(id));
        let Some(Expires { interval, ours }) = expires else { return };
        let interval = interval.max(SHORTEST);
        if ours {
            self.timers.set(Timer::Refresh(id), now + interval / 2);
        }
        // §10: a bit before the end, so that the other side still hears the BYE.
        self.timers.set(Timer::Expire(id), now + (interval - (interval / 3).min(Duration::from_secs(32))));
    }

    /// Half of the time is over: UPDATE without a description where the peer takes it, else the last description again.
    pub(super) fn refresh_due(&mut self, now: Instant, id: CallId) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let established = matches!(call.state, CallState::Active | CallState::Held);
        if !established || call.session.exchange.is_some() || call.offer.is_some() {
            // What runs refreshes too.
            return self.refresh_later(now, id);
        }
        let update = call.session.allows(&Method::Update);
        let body = call.session.local.clone().filter(|_| !update);
        if update || body.is_some() {
            call.session.exchange = Some(Exchange { body, update, key: None, quiet: true, collisions: 0 });
            if self.send_offer(now, id).is_err() {
                if let Some(call) = self.calls.get_mut(id) {
                    call.session.exchange = None;
                }
                self.refresh_later(now, id);
            }
        }
    }

    pub(super) fn refresh_later(&mut self, now: Instant, id: CallId) {
        let session = self.calls.get(id).and_then(|call| call.session.expires);
        if session.is_some_and(|expires| expires.ours) {
            self.timers.set(Timer::Refresh(id), now + AGAIN);
        }
    }

    /// Nobody has refreshed the session (§10).
    pub(super) fn session_over(&mut self, now: Instant, id: CallId) {
        if self.calls.get(id).is_some_and(|call| matches!(call.state, CallState::Active | CallState::Held)) {
            self.end_with_bye(now, id, Cause::Network);
        }
    }

    /// 422: the same again with the time that somebody on the way wants at least (§7.3). Whether that was possible.
    pub(super) fn retry_longer(&mut self, now: Instant, key: ClientKey, response: &Response) -> bool {
        let Some(pending) = self.pending.get(key) else { return false };
        let (Purpose::Invite(id) | Purpose::Offer(id)) = pending.purpose else { return false };
        let Some(wanted) = min_se(&response.headers).filter(|wanted| *wanted <= LONGEST) else { return false };
        let Some(call) = self.calls.get_mut(id).filter(|call| call.state != CallState::Ending) else { return false };
        // Once more for each time that it grows.
        if call.session.min_se.is_some_and(|before| wanted <= before) {
            return false;
        }
        call.session.min_se = Some(wanted);
        let Some(Pending { purpose, mut request, tried }) = self.pending.remove(key) else { return false };
        let Some((interval, client)) = session_expires(&request.headers) else { return false };
        request.headers.remove("Session-Expires");
        request.headers.remove("Min-SE");
        ask(&mut request.headers, interval.max(wanted), client, Some(wanted));
        self.send_again(now, Pending { purpose, request, tried })
    }
}

/// Asks for a session of that length; `ours`: who shall refresh it, as seen from us.
pub(super) fn ask(headers: &mut Headers, interval: Duration, ours: Option<bool>, min_se: Option<Duration>) {
    let interval = interval.max(min_se.unwrap_or_default());
    let value = match ours {
        Some(ours) => written(interval, if ours { "uac" } else { "uas" }),
        None => interval.as_secs().to_string(),
    };
    headers.push_parsed("Session-Expires", value);
    if let Some(least) = min_se {
        headers.push_parsed("Min-SE", least.as_secs().to_string());
    }
}

fn written(interval: Duration, refresher: &str) -> String {
    [&interval.as_secs().to_string(), ";refresher=", refresher].concat()
}

fn knows_timers(request: &Request) -> bool {
    ["Supported", "Require"].iter().any(|name| request.headers.lists(name, "timer"))
}
