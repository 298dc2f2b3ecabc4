//! Signing in and out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Form, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tokio::time::Instant;

use super::reply::{failed, html, problem};
use super::session::Visitor;
use super::{Crm, pages, password};
use crate::allowance::Allowance;
use crate::http::is_origin_allowed;

/// Wrong passwords for one name: at once, and seconds until there may be one more.
const TRIES: f64 = 5.0;
const SECONDS: f64 = 20.0;

/// Counts wrong passwords: for each agent, and for all the names that nobody has together.
pub(crate) struct Guard {
    names: Mutex<BTreeMap<String, Allowance>>,
    strangers: Mutex<Allowance>,
}

impl Guard {
    pub(crate) fn new(names: impl Iterator<Item = String>) -> Guard {
        let full = Allowance::new(1.0 / SECONDS, TRIES, Instant::now());
        Guard { names: Mutex::new(names.map(|name| (name, full)).collect()), strangers: Mutex::new(full) }
    }

    /// Whether a password for this name may be tried; a right one is no try.
    fn may_try(&self, name: &str) -> bool {
        self.with(name, |allowance| allowance.take(Instant::now()))
    }

    fn was_right(&self, name: &str) {
        self.with(name, Allowance::give);
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Allowance) -> T) -> T {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get_mut(name) {
            Some(allowance) => act(allowance),
            None => act(&mut self.strangers.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// `GET /crm/sign-in`.
pub(crate) async fn form() -> Response {
    html(StatusCode::OK, pages::sign_in(None))
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Entry {
    name: String,
    password: String,
}

/// `POST /crm/sign-in`. There is no session yet whose token could come with it; the browser's word that the form is of
/// this machine has to do, so that no other site signs anybody in under a name of its own.
pub(crate) async fn enter(State(crm): State<Arc<Crm>>, headers: HeaderMap, Form(entry): Form<Entry>) -> Response {
    if !is_origin_allowed(&headers) || headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return problem(StatusCode::FORBIDDEN, "sign in on this site's own page");
    }
    let Entry { name, password } = entry;
    if !crm.guard.may_try(&name) {
        let mut answer = html(
            StatusCode::TOO_MANY_REQUESTS,
            pages::sign_in(Some("Too many wrong passwords. Try again in a minute.")),
        );
        answer.headers_mut().insert(RETRY_AFTER, (SECONDS as u32).into());
        return answer;
    }
    let Ok(_permit) = crm.hashes.acquire().await else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the demo stops");
    };
    let hash = match crm.store.hash_of(&name) {
        Ok(hash) => hash,
        Err(error) => return failed(&error),
    };
    let agent = crm.agents.iter().position(|agent| agent.user.name == name);
    if !password::is_right(password, hash).await {
        return html(StatusCode::FORBIDDEN, pages::sign_in(Some("The name or the password is wrong.")));
    }
    let Some(agent) = agent else {
        // Of an earlier start, in a database that was kept.
        return html(StatusCode::FORBIDDEN, pages::sign_in(Some("The name or the password is wrong.")));
    };
    crm.guard.was_right(&name);
    // A new token at each sign-in: one that somebody has planted before is worth nothing.
    ([(SET_COOKIE, crm.sessions.begin(agent))], Redirect::to("/crm/contacts")).into_response()
}

/// What a form that only presses a button sends.
#[derive(Deserialize)]
pub(crate) struct Press {
    csrf_token: Option<String>,
}

/// `POST /crm/sign-out`.
pub(crate) async fn leave(
    State(crm): State<Arc<Crm>>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(press): Form<Press>,
) -> Response {
    if !visitor.is_genuine(&headers, press.csrf_token.as_deref()) {
        return problem(StatusCode::FORBIDDEN, "the token against forged requests is missing or wrong");
    }
    ([(SET_COOKIE, crm.sessions.end(&visitor))], Redirect::to("/crm/sign-in")).into_response()
}
