//! Answers: pages, JSON, and what goes wrong.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::Markup;
use serde_json::json;

/// A page.
pub(crate) fn html(status: StatusCode, page: Markup) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page.into_string()).into_response()
}

/// What is wrong, as a script reads it.
pub(crate) fn problem(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "message": message }))).into_response()
}

/// What a database has refused: its words are for the log, and for nobody else.
pub(crate) fn failed(error: &rusqlite::Error) -> Response {
    eprintln!("soft-phone-demo: {error}");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "the database cannot do this now")
}
