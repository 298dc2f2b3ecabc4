//! Fetches the account from `account-url`.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, RequestInit, Response};

use crate::js;
use crate::state::Problem;

/// The JSON behind the URL: GET with the page's cookies, past every cache.
///
/// # Errors
/// The problem in the words of the contract.
pub async fn fetch(url: &str) -> Result<JsValue, Problem> {
    let init: RequestInit = js::object(&[
        ("credentials", "same-origin".into()),
        ("cache", "no-store".into()),
        ("headers", js::object(&[("Accept", "application/json".into())]).into()),
    ])
    .unchecked_into();
    // Refused: a URL that cannot be parsed or holds a password.
    let request = Request::new_with_str_and_init(url, &init).map_err(|_| Problem::AccountInvalid)?;
    let window = web_sys::window().ok_or(Problem::Unsupported)?;
    let response =
        JsFuture::from(window.fetch_with_request(&request)).await.map_err(|_| Problem::AccountUnreachable)?;
    let response: Response = response.unchecked_into();
    if let Some(problem) = problem_of(response.status()) {
        return Err(problem);
    }
    let json = response.json().map_err(|_| Problem::AccountInvalid)?;
    // A lost session often ends, by way of a redirect, at a sign-in page with status 200.
    let not_json = if response.redirected() { Problem::AccountSignIn } else { Problem::AccountInvalid };
    JsFuture::from(json).await.map_err(|_| not_json)
}

/// What an answer that is no account means.
const fn problem_of(status: u16) -> Option<Problem> {
    match status {
        200..=299 => None,
        401 | 403 => Some(Problem::AccountSignIn),
        404 | 410 => Some(Problem::AccountMissing),
        408 | 429 | 500.. => Some(Problem::AccountUnreachable),
        _ => Some(Problem::AccountInvalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_problem() {
        for (status, problem) in [
            (200, None),
            (401, Some(Problem::AccountSignIn)),
            (404, Some(Problem::AccountMissing)),
            (400, Some(Problem::AccountInvalid)),
            (500, Some(Problem::AccountUnreachable)),
            (503, Some(Problem::AccountUnreachable)),
        ] {
            assert_eq!(problem_of(status), problem, "{status}");
        }
    }
}
