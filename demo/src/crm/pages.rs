//! The pages. No inline script or style: the policy forbids them. Texts are escaped where they are put in.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::Crm;
use super::card::Card;
use super::contact::Contact;
use super::number;
use super::reply::{self, failed, problem};
use super::session::{TOKEN_FIELD, Visitor};

/// The frame of every page.
fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Small CRM" }
                link rel="icon" href="/demo/favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/demo/page.css";
                link rel="stylesheet" href="/demo/crm.css";
                script type="module" src="/soft-phone/soft-phone.js" {}
                script type="module" src="/demo/crm.js" {}
                script type="module" src="/demo/window.js" {}
            }
            body { (body) }
        }
    }
}

/// A page of somebody who is signed in: the phone is on each.
fn page(crm: &Crm, visitor: &Visitor, title: &str, main: &Markup) -> Response {
    let name = &crm.agents[visitor.agent].user.display_name;
    let body = html! {
        header.bar {
            strong { "Small CRM" }
            nav { a href="/crm/contacts" { "Contacts" } a href="/crm/calls" { "Calls" } a href="/" { "Two phones" } }
            label { input #own-window type="checkbox" autocomplete="off"; " Phone in a window of its own" }
            form method="post" action="/crm/sign-out" { (token(visitor)) span { (name) } " " button { "Sign out" } }
        }
        main { h1 { (title) } (main) }
        soft-phone account-url="/crm/phone/account" calls-url="/crm/phone/calls" lookup-url="/crm/phone/lookup"
            click-to-call wrap-up="Sold, Call again, No interest" country="RU" lang="en" {}
    };
    reply::html(StatusCode::OK, frame(title, &body))
}

fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(TOKEN_FIELD) value=(visitor.csrf); }
}

/// The page of who is not signed in.
pub(crate) fn sign_in(problem: Option<&str>) -> Markup {
    let body = html! {
        main {
            h1 { "Small CRM" }
            p.lead { "The names and passwords are where the demo was started: it prints them." }
            @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
            form.card method="post" action="/crm/sign-in" {
                p { label { "Name " input name="name" autocomplete="username" required autofocus; } }
                p { label { "Password " input type="password" name="password" autocomplete="current-password" required; } }
                p { button { "Sign in" } }
            }
        }
    };
    frame("Sign in", &body)
}

/// `GET /crm/`.
pub(crate) async fn start(_: Visitor) -> Redirect {
    Redirect::to("/crm/contacts")
}

/// What is looked for.
#[derive(Deserialize)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /crm/contacts?q=`.
pub(crate) async fn contacts(
    State(crm): State<Arc<Crm>>,
    visitor: Visitor,
    Query(Search { q }): Query<Search>,
) -> Response {
    let found = match crm.store.contacts(q.trim()) {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let main = html! {
        form.search action="/crm/contacts" role="search" {
            input type="search" name="q" value=(q) aria-label="Name, company or number"; " " button { "Search" }
        }
        div.card {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Company" } th scope="col" { "Numbers" } } }
                tbody {
                    @for contact in &found {
                        tr { td { a href=(contact.url()) { (contact.name) } } td { (contact.company) } td { (numbers(contact)) } }
                    }
                }
            }
            @if found.is_empty() { p { "Nobody." } }
        }
        form.card method="post" action="/crm/contacts" {
            h2 { "Another contact" }
            (token(&visitor))
            p { label { "Name " input name="name" maxlength="100" required; } }
            p { label { "Company " input name="company" maxlength="100"; } }
            p { label { "Number " input name="number" maxlength="100" required; } }
            p { button { "Add" } }
        }
    };
    page(&crm, &visitor, "Contacts", &main)
}

fn numbers(contact: &Contact) -> Markup {
    html! {
        ul.numbers {
            @for number in &contact.numbers {
                li { small { (number.label) } " " a href=(number::link(&number.written)) { (number.written) } }
            }
        }
    }
}

/// `GET /crm/contacts/ID`: who it is, and the visitor's calls with them.
pub(crate) async fn contact(State(crm): State<Arc<Crm>>, visitor: Visitor, Path(id): Path<i64>) -> Response {
    let agent = &crm.agents[visitor.agent].user.name;
    let found = match crm.store.contact(id) {
        Ok(Some(found)) => found,
        Ok(None) => return problem(StatusCode::NOT_FOUND, "no such contact"),
        Err(error) => return failed(&error),
    };
    let cards = match crm.store.cards(agent, 0, Some(id)) {
        Ok(cards) => cards,
        Err(error) => return failed(&error),
    };
    let main = html! {
        div.card { p { (found.company) } (numbers(&found)) }
        (table(&cards, Some(id)))
    };
    page(&crm, &visitor, &found.name, &main)
}

/// The form of a new contact.
#[derive(Deserialize)]
pub(crate) struct NewContact {
    csrf_token: Option<String>,
    name: String,
    #[serde(default)]
    company: String,
    number: String,
}

/// `POST /crm/contacts`.
pub(crate) async fn add_contact(
    State(crm): State<Arc<Crm>>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(new): Form<NewContact>,
) -> Response {
    if !visitor.is_genuine(&headers, new.csrf_token.as_deref()) {
        return problem(StatusCode::FORBIDDEN, "the token against forged requests is missing or wrong");
    }
    let (name, company, number) = (new.name.trim(), new.company.trim(), new.number.trim());
    if name.is_empty() || number::key(number).is_empty() || [name, company, number].iter().any(|text| text.len() > 400)
    {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "a contact has a name and a number");
    }
    match crm.store.add_contact(name, company, number) {
        Ok(id) => Redirect::to(&format!("/crm/contacts/{id}")).into_response(),
        Err(error) => failed(&error),
    }
}

/// `GET /crm/calls`: the visitor's own.
pub(crate) async fn calls(State(crm): State<Arc<Crm>>, visitor: Visitor) -> Response {
    match crm.store.cards(&crm.agents[visitor.agent].user.name, 0, None) {
        Ok(cards) => page(&crm, &visitor, "Calls", &table(&cards, None)),
        Err(error) => failed(&error),
    }
}

/// The cards, newest first; `crm.js` keeps them up to date.
fn table(cards: &[Card], contact: Option<i64>) -> Markup {
    let version = cards.last().map_or(0, |card| card.version);
    html! {
        div.card {
            table #cards data-version=(version) data-contact=[contact] {
                thead {
                    tr { @for title in ["Began", "", "Number", "Contact", "State", "Talk"] { th scope="col" { (title) } } }
                }
                tbody {
                    @for card in cards.iter().rev() {
                        tr data-card=(card.id) {
                            td { a href={ "/crm/calls/" (card.id) } { (when(&card.started_at)) } }
                            td { (card.direction) }
                            td { a href=(number::link(&card.number)) { (card.number) } }
                            td { (who(card)) }
                            td { (card.state) }
                            td { (card.talk_seconds) " s" }
                        }
                    }
                }
            }
        }
    }
}

fn who(card: &Card) -> Markup {
    html! {
        @if let (Some(id), Some(name)) = (card.contact, &card.name) { a href={ "/crm/contacts/" (id) } { (name) } }
    }
}

/// `2026-01-01T10:00:00.000Z` without what nobody reads.
fn when(time: &str) -> String {
    time.get(..19).unwrap_or(time).replace('T', " ")
}

/// `GET /crm/calls/ID`: another agent's card is none.
pub(crate) async fn call(State(crm): State<Arc<Crm>>, visitor: Visitor, Path(id): Path<i64>) -> Response {
    let card = match crm.store.card(&crm.agents[visitor.agent].user.name, id) {
        Ok(Some(card)) => card,
        Ok(None) => return problem(StatusCode::NOT_FOUND, "no such call"),
        Err(error) => return failed(&error),
    };
    let time = |time: &Option<String>| time.as_deref().map(when).unwrap_or_default();
    let main = html! {
        dl.card {
            dt { "Number" } dd { a href=(number::link(&card.number)) { (card.number) } " " (card.direction) }
            dt { "Contact" } dd { (who(&card)) }
            dt { "Began" } dd { (when(&card.started_at)) " UTC" }
            dt { "Answered" } dd { (time(&card.answered_at)) }
            dt { "Ended" } dd { (time(&card.ended_at)) }
            dt { "State" } dd { (card.state) ", " (card.talk_seconds) " s" }
            dt { "Outcome" } dd { (card.outcome) }
            dt { "Notes" } dd.notes { (card.notes) }
            @if let Some(url) = &card.recording_url { dt { "Recording" } dd { a href=(url) rel="noreferrer" { (url) } } }
        }
    };
    page(&crm, &visitor, &format!("Call {id}"), &main)
}

/// From where on the page has not seen what has changed.
#[derive(Deserialize)]
pub(crate) struct Since {
    #[serde(default)]
    since: i64,
    contact: Option<i64>,
}

/// `GET /crm/changes?since=VERSION`: what an open page asks each second. A stream would be told sooner; but a browser opens
/// six connections to a host, and a user opens more tabs than that.
pub(crate) async fn changes(State(crm): State<Arc<Crm>>, visitor: Visitor, Query(query): Query<Since>) -> Response {
    match crm.store.cards(&crm.agents[visitor.agent].user.name, query.since, query.contact) {
        Ok(cards) => axum::Json(json!({ "cards": cards })).into_response(),
        Err(error) => failed(&error),
    }
}
