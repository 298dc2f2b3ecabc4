//! Who is signed in: a random token in a cookie that no script sees, and another one against forged requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Crm;
use super::reply::problem;
use crate::allowance::Allowance;
use crate::http::is_origin_allowed;

/// The cookie's name.
const COOKIE_NAME: &str = "soft_phone_crm";
/// The field, and the account's `csrf.name`, of the token against forged requests.
pub(crate) const TOKEN_FIELD: &str = "csrf_token";
/// The header that the phone sends it in.
const TOKEN_HEADER: &str = "x-csrf-token";
/// 43 letters and digits: 256 bits.
const TOKEN_LENGTH: usize = 43;
/// A session that nobody uses ends after this.
const IDLE: Duration = Duration::from_secs(8 * 3_600);
/// Sessions at once; the oldest one gives way.
const MAX_SESSIONS: usize = 256;
/// Requests of a session: in the long run, and at once. A page asks for changes once a second, in each of its tabs.
const RATE: (f64, f64) = (20.0, 100.0);

/// The sessions, by the hash of their token: what is read from memory signs nobody in.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

#[derive(Clone)]
struct Session {
    agent: usize,
    csrf: String,
    used: Instant,
    allowance: Allowance,
}

/// Whoever has sent a request.
#[derive(Clone)]
pub(crate) struct Visitor {
    /// Which of the agents.
    pub(crate) agent: usize,
    /// What a request that changes something must come with.
    pub(crate) csrf: String,
    key: [u8; 32],
}

fn random() -> String {
    rand::rng().sample_iter(Alphanumeric).take(TOKEN_LENGTH).map(char::from).collect()
}

impl Sessions {
    /// Begins a session; what comes back is the value of `Set-Cookie`.
    pub(crate) fn begin(&self, agent: usize) -> String {
        let (token, now) = (random(), Instant::now());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now.saturating_duration_since(session.used) < IDLE);
        if sessions.len() >= MAX_SESSIONS
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            sessions.remove(&oldest);
        }
        let session = Session { agent, csrf: random(), used: now, allowance: Allowance::new(RATE.0, RATE.1, now) };
        sessions.insert(Sha256::digest(&token).into(), session);
        format!("{COOKIE_NAME}={token}; Path=/crm; HttpOnly; SameSite=Lax")
    }

    /// Ends a session; what comes back is the value of `Set-Cookie`.
    pub(crate) fn end(&self, visitor: &Visitor) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&visitor.key);
        format!("{COOKIE_NAME}=; Path=/crm; HttpOnly; SameSite=Lax; Max-Age=0")
    }

    /// Whose request this is; the status says why it is nobody's.
    fn find(&self, headers: &HeaderMap) -> Result<Visitor, StatusCode> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let token =
            pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value).ok_or(StatusCode::UNAUTHORIZED)?;
        let (key, now) = (Sha256::digest(token).into(), Instant::now());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&key).ok_or(StatusCode::UNAUTHORIZED)?;
        if now.saturating_duration_since(session.used) >= IDLE {
            sessions.remove(&key);
            return Err(StatusCode::UNAUTHORIZED);
        }
        session.used = now;
        if !session.allowance.take(now) {
            return Err(StatusCode::TOO_MANY_REQUESTS);
        }
        Ok(Visitor { agent: session.agent, csrf: session.csrf.clone(), key })
    }
}

impl Visitor {
    /// Whether a request that changes something is from a page of ours: the token is in its header or in this field.
    pub(crate) fn is_genuine(&self, headers: &HeaderMap, field: Option<&str>) -> bool {
        let header = headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok());
        let told = field.or(header).unwrap_or_default();
        // Hashes are compared: how long it takes says nothing of the token.
        is_origin_allowed(headers) && Sha256::digest(told) == Sha256::digest(&self.csrf)
    }
}

impl FromRequestParts<std::sync::Arc<Crm>> for Visitor {
    type Rejection = Response;

    /// A page leads who is not signed in to the sign-in; what a script asks for is answered 401.
    async fn from_request_parts(parts: &mut Parts, crm: &std::sync::Arc<Crm>) -> Result<Visitor, Response> {
        let page = parts.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        crm.sessions.find(&parts.headers).map_err(|status| match status {
            StatusCode::UNAUTHORIZED if page => Redirect::to("/crm/sign-in").into_response(),
            StatusCode::UNAUTHORIZED => problem(status, "sign in first"),
            _ => problem(status, "too many requests"),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_end_when_they_are_left_when_nobody_uses_them_and_when_there_are_too_many() {
        let sessions = Sessions::default();
        let cookie = |set: &str| with(set.split(';').next().unwrap());
        let first = cookie(&sessions.begin(0));
        let visitor = sessions.find(&first).unwrap();
        assert_eq!(sessions.find(&with("soft_phone_crm=x")).err(), Some(StatusCode::UNAUTHORIZED));
        assert!(sessions.end(&visitor).contains("Max-Age=0"));
        assert_eq!(sessions.find(&first).err(), Some(StatusCode::UNAUTHORIZED));

        let second = cookie(&sessions.begin(1));
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert_eq!(sessions.find(&second).unwrap().agent, 1);
        tokio::time::advance(IDLE).await;
        assert_eq!(sessions.find(&second).err(), Some(StatusCode::UNAUTHORIZED));

        let third = cookie(&sessions.begin(0));
        for _ in 0..MAX_SESSIONS {
            tokio::time::advance(Duration::from_millis(1)).await;
            sessions.begin(0);
        }
        assert_eq!(sessions.find(&third).err(), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(sessions.0.lock().unwrap().len(), MAX_SESSIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_asks_so_often_and_no_more() {
        let sessions = Sessions::default();
        let headers = with(sessions.begin(0).split(';').next().unwrap());
        for _ in 0..100 {
            assert!(sessions.find(&headers).is_ok());
        }
        assert_eq!(sessions.find(&headers).err(), Some(StatusCode::TOO_MANY_REQUESTS));
    }
}
