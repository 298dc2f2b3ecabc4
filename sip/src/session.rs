//! What a call knows of its session: the descriptions in force, who holds whom, our own offer while it runs, and how
//! long the session lasts without a refresh (RFC 3264, RFC 3261 §14, RFC 4028).

use std::time::Duration;

use crate::call::Body;
use crate::scan::{cut, decimal};
use crate::sdp::Direction;
use crate::transaction::ClientKey;
use crate::{Headers, Method};

/// RFC 4028 §4: nobody may want the session refreshed more often.
pub(crate) const MIN_SE: Duration = Duration::from_secs(90);

/// Methods of the peer's `Allow` that are kept.
const MAX_METHODS: usize = 32;

/// The session of one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    /// Our description in force: sent again when the session is refreshed.
    pub(crate) local: Option<Body>,
    /// The peer's.
    pub(crate) remote: Option<Body>,
    /// We want nothing to be heard from the peer.
    pub(crate) held: bool,
    /// The peer wants nothing to be heard from us.
    pub(crate) remote_held: bool,
    /// Our offer that runs, or waits for its turn.
    pub(crate) exchange: Option<Exchange>,
    /// The offer that follows the refresh that runs.
    pub(crate) next: Option<Body>,
    /// What the peer does, as its last `Allow` says.
    allow: Option<Vec<Method>>,
    /// Agreed at the last refresh; `None`: the session lasts for ever.
    pub(crate) expires: Option<Expires>,
    /// The shortest time that everybody on the way has agreed to, once somebody has objected (422).
    pub(crate) min_se: Option<Duration>,
}

/// An offer of ours, or a refresh.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// `None`: UPDATE that changes nothing.
    pub(crate) body: Option<Body>,
    /// By UPDATE, not by INVITE.
    pub(crate) update: bool,
    /// `None`: it waits for an INVITE of the dialog to be over, or for its turn after a 491.
    pub(crate) key: Option<ClientKey>,
    /// Nobody asked for it: only what it changes is told.
    pub(crate) quiet: bool,
    /// How often it has met an offer of the peer.
    pub(crate) collisions: u8,
}

/// `Session-Expires` (RFC 4028 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expires {
    pub(crate) interval: Duration,
    /// Ours to refresh.
    pub(crate) ours: bool,
}

impl Session {
    /// A session that begins with an offer of ours.
    pub(crate) fn offering(body: Body) -> Session {
        Session { local: Some(body), ..Session::default() }
    }

    /// The session of a call that another agent began.
    pub(crate) fn restored(
        local: Option<Body>,
        remote: Option<Body>,
        [held, remote_held]: [bool; 2],
        expires: Option<Expires>,
        allow: Option<&[String]>,
    ) -> Session {
        let allow = allow.map(|names| names.iter().take(MAX_METHODS).filter_map(|name| name.parse().ok()).collect());
        Session { local, remote, held, remote_held, expires, allow, ..Session::default() }
    }

    /// The methods of the peer's last `Allow`.
    pub(crate) fn allowed(&self) -> Option<Vec<String>> {
        Some(self.allow.as_ref()?.iter().map(Method::to_string).collect())
    }

    /// Whether an offer of ours is on its way.
    pub(crate) fn changes(&self) -> bool {
        self.exchange.as_ref().is_some_and(|ours| ours.key.is_some() && ours.body.is_some())
    }

    /// Takes note of the peer's `Allow`, if it says one.
    pub(crate) fn learn(&mut self, headers: &Headers) {
        if headers.get("Allow").is_some() {
            let methods = headers.get_list("Allow").filter_map(|name| name.parse().ok());
            self.allow = Some(methods.take(MAX_METHODS).collect());
        }
    }

    /// Whether the peer has said that it takes such requests.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.allow.as_ref().is_some_and(|methods| methods.contains(method))
    }

    /// The peer has refused an UPDATE, whatever its `Allow` says.
    pub(crate) fn forget_update(&mut self) {
        if let Some(methods) = &mut self.allow {
            methods.retain(|method| *method != Method::Update);
        }
    }

    /// Takes a description of ours that is in force from now on, as an offer that was accepted, or as an answer to the
    /// peer's.
    pub(crate) fn set_local(&mut self, body: Body, answers: bool) {
        if let Some(held) = held(&body, self.remote.as_ref().filter(|_| answers)) {
            self.held = held;
        }
        self.local = Some(body);
    }

    /// The peer's offer and our answer to it are in force.
    pub(crate) fn agree(&mut self, theirs: Option<Body>, ours: Body) {
        if let Some(theirs) = theirs {
            self.set_remote(theirs, false);
        }
        self.set_local(ours, true);
    }

    /// The same for the peer's description.
    pub(crate) fn set_remote(&mut self, body: Body, answers: bool) {
        if let Some(held) = held(&body, self.local.as_ref().filter(|_| answers)) {
            self.remote_held = held;
        }
        self.remote = Some(body);
    }
}

/// Whether a description puts the other side on hold (RFC 3264 §8.4); `None`: it says nothing about that, as an answer
/// to an offer that does not send.
fn held(body: &Body, answered: Option<&Body>) -> Option<bool> {
    if answered.is_some_and(|offer| !direction(offer).sends()) {
        return None;
    }
    Some(!direction(body).receives())
}

/// The direction of the audio of a description; of one that we cannot read: both.
fn direction(body: &Body) -> Direction {
    let session = crate::sdp::Session::parse(&body.bytes).ok();
    session.and_then(|session| session.audio_direction()).unwrap_or(Direction::SendRecv)
}

/// Reads `Session-Expires`: the time, and the refresher if it names one: `Some(true)` for the client of the transaction.
pub(crate) fn session_expires(headers: &Headers) -> Option<(Duration, Option<bool>)> {
    let (time, params) = cut(headers.get("Session-Expires")?, b';');
    let interval = Duration::from_secs(decimal(time.trim())?.min(u64::from(u32::MAX)));
    let refresher = params.unwrap_or("").split(';').find_map(|param| {
        let (name, value) = cut(param, b'=');
        value.map(str::trim).filter(|_| name.trim().eq_ignore_ascii_case("refresher"))
    });
    let client = match refresher {
        Some(who) if who.eq_ignore_ascii_case("uac") => Some(true),
        Some(who) if who.eq_ignore_ascii_case("uas") => Some(false),
        _ => None,
    };
    Some((interval, client))
}

/// Reads `Min-SE`.
pub(crate) fn min_se(headers: &Headers) -> Option<Duration> {
    let seconds = decimal(cut(headers.get("Min-SE")?, b';').0.trim())?;
    Some(Duration::from_secs(seconds.min(u64::from(u32::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(direction: &str) -> Body {
        Body::sdp(
            ["v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n", direction, "\r\n"].concat(),
        )
    }

    #[test]
    fn an_answer_to_an_offer_that_does_not_send_says_nothing_about_hold() {
        let (both, hold, both_hold) = (of("a=sendrecv"), of("a=sendonly"), of("a=inactive"));
        let mut session = Session::default();
        // The peer holds us; our answer can but receive.
        session.set_remote(hold.clone(), false);
        session.set_local(of("a=recvonly"), true);
        assert_eq!((session.held, session.remote_held), (false, true));
        // Now we hold it too.
        session.set_remote(both_hold.clone(), true);
        session.set_local(hold.clone(), false);
        assert_eq!((session.held, session.remote_held), (true, true));
        // It comes back, while we stay.
        session.set_remote(both.clone(), false);
        session.set_local(hold, true);
        assert_eq!((session.held, session.remote_held), (true, false));
        // It goes again, in a way that leaves us no choice: we hold as before.
        session.set_remote(both_hold.clone(), false);
        session.set_local(both_hold, true);
        assert_eq!((session.held, session.remote_held), (true, true));
    }

    #[test]
    fn session_expires_is_read_whoever_wrote_it() {
        let of = |value: &str| {
            let mut headers = Headers::new();
            headers.push("x", value).unwrap();
            session_expires(&headers).map(|(time, client)| (time.as_secs(), client))
        };
        assert_eq!(of("1800;refresher=UAS"), Some((1_800, Some(false))));
        assert_eq!(of("90 ; x ; refresher = uac"), Some((90, Some(true))));
        assert_eq!((of("90"), of("90;refresher=me"), of("soon")), (Some((90, None)), Some((90, None)), None));
    }
}
