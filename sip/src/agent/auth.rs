//! Answers to challenges (RFC 3261 §22): once for each realm and nonce, and beforehand once a nonce is known.

use crate::agent::entropy::Entropy;
use crate::message::{Request, Response};
use crate::value::{self, Challenge};
use crate::{Error, Param, digest};

/// Protection spaces that are remembered; the oldest goes.
const MAX_SPACES: usize = 8;

/// Answers that one request may take in all: a proxy and a server, each with a stale nonce.
const MAX_ROUNDS: usize = 4;

/// A realm that has challenged us, and the nonce it gave.
#[derive(Debug, Clone)]
struct Space {
    proxy: bool,
    challenge: Challenge,
    client: digest::Client,
}

/// What a request has gone through.
#[derive(Debug, Clone, Default)]
pub(super) struct Tried {
    /// The realms it was challenged by, and answered with credentials; whether each is a proxy's.
    realms: Vec<(bool, String)>,
    /// The credentials for its server that it left with.
    sent: Option<value::Credentials>,
}

/// What we know of the realms on our way.
#[derive(Debug, Default)]
pub(super) struct Auth {
    spaces: Vec<Space>,
}

impl Auth {
    /// Forgets every nonce.
    pub(super) fn clear(&mut self) {
        self.spaces.clear();
    }

    /// Takes the challenges of a 401 or 407. Whether the request is worth sending again.
    ///
    /// A realm that refuses an answer refuses the name or the password, unless it says that only the nonce was stale
    /// (RFC 7616 §3.3): trying again would trip the server's brute-force guard.
    pub(super) fn challenged(
        &mut self,
        response: &Response,
        credentials: Option<&digest::Credentials>,
        tried: &mut Tried,
    ) -> bool {
        let Some(credentials) = credentials else { return false };
        let mut answerable = false;
        for (proxy, header) in [(false, "WWW-Authenticate"), (true, "Proxy-Authenticate")] {
            let challenges: Vec<Challenge> =
                response.headers.get_all(header).filter_map(|value| value.parse().ok()).collect();
            for challenge in digest::choose_each_realm(&challenges, &credentials.secret) {
                let realm = challenge.param("realm").unwrap_or("");
                let stale = challenge.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
                let before = tried.realms.iter().any(|(p, r)| *p == proxy && r == realm);
                if (before && !stale) || tried.realms.len() >= MAX_ROUNDS {
                    return false;
                }
                tried.realms.push((proxy, realm.to_owned()));
                self.remember(proxy, challenge);
                answerable = true;
            }
        }
        answerable
    }

    /// Adds credentials for every realm that is known: most servers take a nonce more than once, which saves the round
    /// trip of a challenge.
    pub(super) fn authorize(
        &mut self,
        request: &mut Request,
        credentials: Option<&digest::Credentials>,
        tried: &mut Tried,
        entropy: &mut Entropy,
    ) -> Result<(), Error> {
        let Some(credentials) = credentials else { return Ok(()) };
        let uri = request.uri.to_string();
        for space in &mut self.spaces {
            let value = space.client.authorize(
                &space.challenge,
                credentials,
                request.method.as_str(),
                &uri,
                &request.body,
                &entropy.token(),
            )?;
            request.headers.push(if space.proxy { "Proxy-Authorization" } else { "Authorization" }, value)?;
        }
        // With several servers' realms it would be nobody's.
        let mut sent = request.headers.get_all("Authorization");
        tried.sent = sent.next().and_then(|value| value.parse().ok()).filter(|_| sent.next().is_none());
        Ok(())
    }

    /// Takes what a 2xx says about the next nonce and about the server itself (RFC 7616 §3.5). `false`: it pretends to
    /// know our secret, and does not; then nothing of it is taken.
    pub(super) fn informed(
        &mut self,
        response: &Response,
        credentials: Option<&digest::Credentials>,
        tried: &Tried,
    ) -> bool {
        let (Some(text), Some(sent), Some(credentials)) =
            (response.headers.get("Authentication-Info"), &tried.sent, credentials)
        else {
            return true;
        };
        let Ok(info) = digest::Info::read(text, sent, &response.body, &credentials.secret) else { return true };
        if info.proven == Some(false) {
            return false;
        }
        let ours = |space: &&mut Space| !space.proxy && space.challenge.param("realm") == sent.param("realm");
        if let (Some(nonce), Some(space)) = (info.next_nonce, self.spaces.iter_mut().find(ours)) {
            Param::set(&mut space.challenge.params, "nonce", Some(&nonce));
        }
        true
    }

    fn remember(&mut self, proxy: bool, challenge: &Challenge) {
        let realm = challenge.param("realm");
        let mut client = digest::Client::new();
        if let Some(place) =
            self.spaces.iter().position(|space| space.proxy == proxy && space.challenge.param("realm") == realm)
        {
            // The count of a nonce that is offered again goes on.
            client = self.spaces.remove(place).client;
        }
        if self.spaces.len() >= MAX_SPACES {
            self.spaces.remove(0);
        }
        self.spaces.push(Space { proxy, challenge: challenge.clone(), client });
    }
}
