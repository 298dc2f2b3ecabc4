//! A small CRM with the phone on every page: sign-in, contacts, and cards of calls.
//!
//! Its pages are of the classic kind: each click loads a new one, as in vtiger. What an application's server does for the
//! phone is `phone` and what that calls; all else is an application like any other.
//!
//! ```text
//! browser ─► session (who? token?) ─► pages ─► store (SQLite)
//! phone ───► session ─► phone: account, calls, look-up ─┘
//! ```

mod card;
mod contact;
mod number;
mod pages;
mod password;
mod phone;
mod reply;
mod session;
mod sign_in;
mod store;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::{Agent, Error};

use self::session::Sessions;
use self::sign_in::Guard;
use self::store::Store;

/// The longest request, in bytes: what a beacon carries is 60 KiB, an outbox of JSON about as much.
const MAX_BODY: usize = 256 * 1_024;

/// Passwords that are looked at at once; each takes 19 MiB for the time of it.
const MAX_HASHES: usize = 2;

/// Everything that the pages share.
pub(crate) struct Crm {
    agents: Vec<Agent>,
    store: Store,
    sessions: Sessions,
    guard: Guard,
    hashes: Semaphore,
}

impl Crm {
    /// Opens the database, or makes one in memory; the agents are those of this start, whatever it holds.
    ///
    /// # Errors
    /// [`Error::Database`] when the file is none, or cannot be written.
    pub(crate) async fn open(agents: Vec<Agent>, database: Option<&Path>) -> Result<Arc<Crm>, Error> {
        let store = Store::open(database).map_err(Error::Database)?;
        for agent in &agents {
            let hash = password::hash(agent.password.clone()).await;
            store.set_agent(&agent.user.name, &hash).map_err(Error::Database)?;
        }
        let guard = Guard::new(agents.iter().map(|agent| agent.user.name.clone()));
        let (sessions, hashes) = (Sessions::default(), Semaphore::new(MAX_HASHES));
        Ok(Arc::new(Crm { agents, store, sessions, guard, hashes }))
    }
}

/// The routes, all of them below `/crm`.
pub(crate) fn router(crm: Arc<Crm>) -> Router {
    Router::new()
        .route("/crm/", get(pages::start))
        .route("/crm/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/crm/sign-out", post(sign_in::leave))
        .route("/crm/contacts", get(pages::contacts).post(pages::add_contact))
        .route("/crm/contacts/{id}", get(pages::contact))
        .route("/crm/calls", get(pages::calls))
        .route("/crm/calls/{id}", get(pages::call))
        .route("/crm/changes", get(pages::changes))
        .route("/crm/phone/account", get(phone::account))
        .route("/crm/phone/calls", post(phone::calls))
        .route("/crm/phone/lookup", get(phone::lookup))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(crm)
}
