//! What the phone asks for: the account, a place for its calls, who has a number.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Crm;
use super::card::Event;
use super::contact::Contact;
use super::reply::{failed, problem};
use super::session::{TOKEN_FIELD, Visitor};
use crate::http::Account;

/// Events of one request.
const MAX_EVENTS: usize = 200;

/// `GET /crm/phone/account`: 404 for an agent who has no phone.
pub(crate) async fn account(State(crm): State<Arc<Crm>>, visitor: Visitor, headers: HeaderMap) -> Response {
    let agent = &crm.agents[visitor.agent];
    if !agent.has_phone {
        return problem(StatusCode::NOT_FOUND, "this agent has no phone");
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut account = json!(Account::of(&agent.user, host));
    account["csrf"] = json!({ "name": TOKEN_FIELD, "value": visitor.csrf });
    axum::Json(account).into_response()
}

/// `POST /crm/phone/calls`: JSON, or a form when a page goes.
pub(crate) async fn calls(State(crm): State<Arc<Crm>>, visitor: Visitor, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let fields = if kind.starts_with("application/x-www-form-urlencoded") {
        form(&body)
    } else {
        serde_json::from_slice(&body).unwrap_or_default()
    };
    // A form can come from any site, and its header from none: the field counts, where there is one.
    if !visitor.is_genuine(&headers, fields.get(TOKEN_FIELD).and_then(Value::as_str)) {
        return problem(StatusCode::FORBIDDEN, "the token against forged requests is missing or wrong");
    }
    let Some(events) = fields.get("events").and_then(Value::as_array) else {
        return problem(StatusCode::BAD_REQUEST, "events is a list of call events");
    };
    if events.len() > MAX_EVENTS {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "too many events at once");
    }
    match events.iter().map(|event| take(&crm, &visitor, event)).collect::<rusqlite::Result<Vec<_>>>() {
        Ok(results) => axum::Json(json!({ "results": results })).into_response(),
        // The phone comes again with all of them; those that were taken are duplicates then.
        Err(error) => failed(&error),
    }
}

/// The fields of a form; `events` is JSON in it.
fn form(body: &[u8]) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = if name == "events" { serde_json::from_str(&value).unwrap_or_default() } else { value.into() };
        fields.insert(name.into_owned(), value);
    }
    fields
}

/// One event's result. What is wrong with it is final; what is wrong with the database is not.
fn take(crm: &Crm, visitor: &Visitor, event: &Value) -> rusqlite::Result<Value> {
    let Event { id, seq, call } = match Event::read(event) {
        Ok(event) => event,
        Err(message) => return Ok(json!({ "id": event["id"], "status": "error", "message": message })),
    };
    let agent = &crm.agents[visitor.agent].user.name;
    let candidates = crm.store.with_number(call.number())?;
    let chosen = call.chosen().map(|id| crm.store.contact(id)).transpose()?.flatten();
    // Of several people with this number none is taken.
    let contact = match (&chosen, candidates.as_slice()) {
        (Some(contact), _) => Some(contact.id),
        (None, [only]) => Some(only.id),
        (None, _) => None,
    };
    let written = crm.store.write(agent, seq, &call, contact)?;
    let contact = written.contact.map(|id| crm.store.contact(id)).transpose()?.flatten();
    Ok(json!({
        "id": id,
        "status": if written.is_new { "ok" } else { "duplicate" },
        "record": written.id.to_string(),
        "url": format!("/crm/calls/{}", written.id),
        "contact": contact.as_ref().map(Contact::json),
        "candidates": candidates.iter().map(Contact::json).collect::<Vec<_>>(),
    }))
}

/// The question of a look-up.
#[derive(Deserialize)]
pub(crate) struct Lookup {
    #[serde(default)]
    number: String,
}

/// `GET /crm/phone/lookup?number=`.
pub(crate) async fn lookup(
    State(crm): State<Arc<Crm>>,
    _: Visitor,
    Query(Lookup { number }): Query<Lookup>,
) -> Response {
    match crm.store.with_number(&number) {
        Ok(found) => {
            axum::Json(json!({ "candidates": found.iter().map(Contact::json).collect::<Vec<_>>() })).into_response()
        }
        Err(error) => failed(&error),
    }
}
