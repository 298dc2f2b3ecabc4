//! The server of an application: its pages' origin, a session, the account of a phone, and cards of calls. It has the
//! moods that such servers have, one for each request that brings events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tower_http::services::ServeDir;

use crate::rig::Rig;

/// The policy of the component's README.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://127.0.0.1:*; \
     require-trusted-types-for 'script'";
/// The field and the header of the token against forged requests.
const TOKEN: &str = "crm_token";

/// What becomes of a request that brings events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Taken, and answered.
    Well,
    /// This status, and nothing is taken.
    Fails(u16),
    /// Taken, but the connection breaks before the answer.
    Breaks,
    /// The connection breaks before anything is taken.
    BreaksAtOnce,
    /// Taken, and never answered.
    Hangs,
    /// The session ends: from now on every request is answered 401, until there is a new sign-in.
    LogsOut,
    /// As a framework does that has lost the session: a page, with status 200.
    Page,
    /// Nothing is taken, and each event is answered with an error.
    Refuses,
}

/// A card: one call.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// The last event's number.
    pub seq: u64,
    /// The call as it was told last.
    pub call: Value,
    /// What was told, in the order of arrival.
    pub states: Vec<String>,
}

#[derive(Default)]
struct Book {
    moods: VecDeque<Mood>,
    /// The session's number; `None` while nobody is signed in.
    session: Option<u32>,
    sessions: u32,
    cards: BTreeMap<String, Card>,
    duplicates: u32,
    requests: u32,
    beacons: u32,
    keys: BTreeMap<String, Value>,
    /// What went wrong that never should.
    faults: Vec<String>,
    forms: Vec<String>,
    /// Who has a number: what is answered, by the number asked for.
    contacts: BTreeMap<String, Value>,
    /// The numbers that were asked for, in order.
    asked: Vec<String>,
    /// What becomes of the next requests for a number.
    lookups: VecDeque<Mood>,
    /// The user has lost the account, and the session.
    gone: bool,
    /// What the test's page says past the outbox: how often a call has changed, and which ones have rung.
    changes: u64,
    rung: BTreeSet<String>,
    /// Those of them that were not on the disk when the page was told of them.
    early: BTreeSet<String>,
}

/// The application, until this is dropped.
pub struct Crm {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    book: Mutex<Book>,
    /// Something was written into the book.
    news: Notify,
    account: Value,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crm {
    /// Starts it; its user is Alice of the embedded server.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(rig: &Rig) -> Result<Self> {
        let alice = rig.user("alice")?;
        let account = json!({
            "version": 1, "server": [rig.demo_server()], "uri": format!("sip:{}@soft-phone.test", alice.number),
            "username": alice.number, "password": alice.password, "displayName": "Alice",
            "user": { "id": "7", "name": "Alice" },
        });
        Self::with(rig, account).await
    }

    /// The same; its user is one of Asterisk's.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn at_asterisk(rig: &Rig, user: &str) -> Result<Self> {
        Self::with(rig, crate::phone::account(user, &format!("pw-{user}"))).await
    }

    async fn with(rig: &Rig, account: Value) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared { book: Mutex::default(), news: Notify::new(), account });
        let router = Router::new()
            .route("/crm/login", post(login))
            .route("/crm/account", get(account_of))
            .route("/crm/calls", post(calls))
            .route("/crm/cti", post(cti))
            .route("/crm/change", post(change))
            .route("/crm/lookup", get(lookup))
            .nest_service("/soft-phone", ServeDir::new(&rig.dist))
            .nest_service("/test", ServeDir::new(rig.lane.join("www")))
            .with_state(Arc::clone(&shared))
            .layer(middleware::from_fn(policy));
        let serving = tokio::spawn(async move {
            let _ends_with_the_case = axum::serve(listener, router).await;
        });
        Ok(Self { addr, shared, task: serving.abort_handle() })
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What becomes of the next requests that bring events.
    pub fn moods(&self, moods: impl IntoIterator<Item = Mood>) {
        self.shared.book().moods = moods.into_iter().collect();
    }

    /// The cards, by the calls' ids.
    pub fn cards(&self) -> BTreeMap<String, Card> {
        self.shared.book().cards.clone()
    }

    /// These have this number, from now on.
    pub fn knows(&self, number: &str, candidates: Value) {
        self.shared.book().contacts.insert(number.to_owned(), candidates);
    }

    /// The numbers that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.shared.book().asked.clone()
    }

    /// What becomes of the next requests for a number.
    pub fn lookup_moods(&self, moods: impl IntoIterator<Item = Mood>) {
        self.shared.book().lookups = moods.into_iter().collect();
    }

    /// The user's account is taken away: 404; and the session with it.
    pub fn lose_account(&self) {
        let mut book = self.shared.book();
        book.gone = true;
        book.session = None;
    }

    /// Whether somebody is signed in.
    pub fn has_session(&self) -> bool {
        self.shared.book().session.is_some()
    }

    /// Requests, events that came once more, and beacons.
    pub fn counts(&self) -> (u32, u32, u32) {
        let book = self.shared.book();
        (book.requests, book.duplicates, book.beacons)
    }

    /// The calls that rang, by what the test's page says.
    pub fn rung(&self) -> BTreeSet<String> {
        self.shared.book().rung.clone()
    }

    /// The calls that were not on the disk when the page was told that they ring.
    pub fn early(&self) -> BTreeSet<String> {
        self.shared.book().early.clone()
    }

    /// How often a call has changed, by what the test's page says.
    pub fn changes(&self) -> u64 {
        self.shared.book().changes
    }

    /// Waits until calls have changed so often.
    ///
    /// # Errors
    /// When they do not within `limit`.
    pub async fn until_changes(&self, limit: Duration, count: u64) -> Result<()> {
        self.wait(limit, || self.changes() >= count).await.with_context(|| format!("{} changes", self.changes()))
    }

    /// The forms that came for `/crm/cti`.
    pub fn forms(&self) -> Vec<String> {
        self.shared.book().forms.clone()
    }

    /// Waits until so many forms have come for `/crm/cti`.
    ///
    /// # Errors
    /// When they do not within `limit`, with those that came.
    pub async fn until_forms(&self, limit: Duration, count: usize) -> Result<()> {
        self.wait(limit, || self.forms().len() >= count).await.with_context(|| format!("{:?}", self.forms()))
    }

    /// Looks when something was written.
    async fn wait(&self, limit: Duration, holds: impl Fn() -> bool) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            let mut news = pin!(self.shared.news.notified());
            // From here on: what comes between the look and the wait counts.
            news.as_mut().enable();
            if holds() {
                return Ok(());
            }
            timeout_at(end, news).await.context("not in time")?;
        }
    }

    /// Waits until `holds` says so of the cards.
    ///
    /// # Errors
    /// When it does not within `limit`, with the cards; and with what went wrong that never should.
    pub async fn until(&self, limit: Duration, holds: impl Fn(&BTreeMap<String, Card>) -> bool) -> Result<()> {
        let facts =
            || format!("the cards are {:#?}, {:?}, {:?}", self.cards(), self.counts(), self.shared.book().faults);
        self.wait(limit, || holds(&self.cards())).await.with_context(facts)?;
        let faults = self.shared.book().faults.clone();
        ensure!(faults.is_empty(), "{faults:?}");
        Ok(())
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn policy(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn login(State(shared): State<Arc<Shared>>) -> Response {
    let mut book = shared.book();
    book.sessions += 1;
    let number = book.sessions;
    book.session = Some(number);
    ([(SET_COOKIE, format!("session={number}; Path=/; HttpOnly; SameSite=Lax"))], "welcome\n").into_response()
}

/// The number of the request's session, if it lives.
fn session(book: &Book, headers: &HeaderMap) -> Option<u32> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let number: u32 = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))?.parse().ok()?;
    book.session.filter(|live| *live == number)
}

async fn account_of(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let book = shared.book();
    if book.gone {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(number) = session(&book, &headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let mut account = shared.account.clone();
    account["csrf"] = json!({ "name": TOKEN, "value": format!("token-{number}") });
    axum::Json(account).into_response()
}

/// Never answers to what breaks: the body fails before its first byte, and the connection with it.
fn broken() -> Response {
    let fails = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) });
    Response::new(Body::from_stream(fails))
}

async fn calls(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let (mood, response) = take(&shared.account, &mut shared.book(), &headers, &body);
    shared.news.notify_waiters();
    if mood == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    response
}

fn take(account: &Value, book: &mut Book, headers: &HeaderMap, body: &str) -> (Mood, Response) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    book.requests += 1;
    let Some(number) = session(book, headers) else { return (Mood::LogsOut, StatusCode::UNAUTHORIZED.into_response()) };
    let mood = book.moods.pop_front().unwrap_or(Mood::Well);
    match &mood {
        Mood::Fails(status) => {
            return (mood.clone(), StatusCode::from_u16(*status).unwrap_or_default().into_response());
        }
        Mood::BreaksAtOnce => return (mood, broken()),
        Mood::LogsOut => {
            book.session = None;
            return (mood, StatusCode::UNAUTHORIZED.into_response());
        }
        Mood::Page => return (mood, ([(CONTENT_TYPE, "text/html")], "<h1>Sign in</h1>").into_response()),
        Mood::Well | Mood::Breaks | Mood::Hangs | Mood::Refuses => {}
    }
    let beacon = header("content-type").starts_with("application/x-www-form-urlencoded");
    let (events, token) = if beacon {
        book.beacons += 1;
        let field = |name: &str| fields(body).into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
        (serde_json::from_str(&field("events").unwrap_or_default()).unwrap_or_default(), field(TOKEN))
    } else {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let known = book.keys.insert(header("idempotency-key").to_owned(), body["events"].clone());
        if known.is_some_and(|known| known != body["events"]) {
            book.faults.push(format!("the key {} for something else", header("idempotency-key")));
        }
        if body[TOKEN] != header("x-csrf-token") {
            book.faults.push(format!("the token {} in the body", body[TOKEN]));
        }
        (body["events"].clone(), Some(header("x-csrf-token").to_owned()))
    };
    if token != Some(format!("token-{number}")) {
        return (Mood::Well, StatusCode::FORBIDDEN.into_response());
    }
    let secret = account["password"].as_str().unwrap_or_default();
    if body.contains(secret) {
        book.faults.push("a password".into());
    }
    let refuses = mood == Mood::Refuses;
    let results: Vec<Value> =
        events.as_array().into_iter().flatten().map(|event| answer(book, event, refuses)).collect();
    if results.is_empty() {
        book.faults.push(format!("no events in {body}"));
    }
    let response = match mood {
        Mood::Breaks => broken(),
        _ => axum::Json(json!({ "results": results })).into_response(),
    };
    (mood, response)
}

/// As the contract wants it: a card for each call, an event when its number is above the last.
fn answer(book: &mut Book, event: &Value, refuses: bool) -> Value {
    let id = &event["id"];
    if refuses {
        return json!({ "id": id, "status": "error", "message": "not in this office" });
    }
    let (Some(call), Some(seq)) = (event["call"]["id"].as_str(), event["seq"].as_u64()) else {
        book.faults.push(format!("an event without a number: {event}"));
        return json!({ "id": id, "status": "error" });
    };
    let card = book.cards.entry(call.to_owned()).or_default();
    if seq <= card.seq {
        book.duplicates += 1;
        return json!({ "id": id, "status": "duplicate" });
    }
    card.seq = seq;
    card.call = event["call"].clone();
    card.states.push(event["state"].as_str().unwrap_or_default().to_owned());
    json!({ "id": id, "status": "ok", "record": "1", "url": "/card/1", "contact": { "type": "Contacts", "id": "9" } })
}

async fn change(State(shared): State<Arc<Shared>>, body: String) {
    let call: Value = serde_json::from_str(&body).unwrap_or_default();
    let mut book = shared.book();
    book.changes += 1;
    // The other states come after these, or instead of them in a call that is over before it rings.
    if let (Some("ringing" | "early" | "incoming" | "active"), Some(id)) = (call["state"].as_str(), call["id"].as_str())
    {
        let first = book.rung.insert(id.to_owned());
        if first && call["kept"] == false {
            book.early.insert(id.to_owned());
        }
    }
    drop(book);
    shared.news.notify_waiters();
}

/// Who has a number; nobody, where it is not known.
async fn lookup(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    let (mood, response) = {
        let mut book = shared.book();
        let number = fields(uri.query().unwrap_or_default()).into_iter().find(|(name, _)| name == "number");
        let number = number.map(|(_, number)| number).unwrap_or_default();
        book.asked.push(number.clone());
        let mood = book.lookups.pop_front().unwrap_or(Mood::Well);
        let response = match &mood {
            _ if session(&book, &headers).is_none() => StatusCode::UNAUTHORIZED.into_response(),
            Mood::Fails(status) => StatusCode::from_u16(*status).unwrap_or_default().into_response(),
            Mood::Page => ([(CONTENT_TYPE, "text/html")], "<h1>Sign in</h1>").into_response(),
            _ => {
                let known = book.contacts.get(&number).cloned().unwrap_or_else(|| json!([]));
                axum::Json(json!({ "candidates": known })).into_response()
            }
        };
        (mood, response)
    };
    shared.news.notify_waiters();
    if mood == Mood::Hangs {
        std::future::pending::<()>().await;
    }
    response
}

async fn cti(State(shared): State<Arc<Shared>>, body: String) -> Response {
    shared.book().forms.push(body);
    shared.news.notify_waiters();
    axum::Json(json!({})).into_response()
}

/// The fields of a form.
pub fn fields(form: &str) -> Vec<(String, String)> {
    form.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
