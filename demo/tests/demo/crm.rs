//! The CRM as a browser and a phone see it: sessions, tokens, limits, and one card for each call.

use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::site::Site;

/// Somebody at a browser: the cookie, and the token that the account gives.
struct Client<'a> {
    site: &'a Site,
    cookie: String,
    token: String,
}

/// The fields of a form, as a browser writes them.
fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

async fn post(site: &Site, path: &str, headers: &str, kind: &str, body: &str) -> (u16, String, String) {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        site.addr,
        body.len()
    );
    site.exchange(&request).await
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn sign_in(site: &Site, name: &str, password: &str) -> (u16, String, String) {
    post(site, "/crm/sign-in", "", FORM, &form(&[("name", name), ("password", password)])).await
}

/// The cookie that an answer sets.
fn cookie(head: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(line.contains("; HttpOnly") && line.contains("; SameSite=Lax") && line.contains("; Path=/crm"), "{line}");
    line.split(';').next().unwrap().to_owned()
}

impl Client<'_> {
    async fn of<'a>(site: &'a Site, name: &str) -> Client<'a> {
        let backwards: String = name.chars().rev().collect();
        let body = form(&[("name", name), ("password", &backwards)]);
        let answer = post(site, "/crm/sign-in", "", FORM, &body).await;
        assert_eq!(answer.0, 303, "{}", answer.2);
        let mut client = Client { site, cookie: cookie(&answer.1), token: String::new() };
        let (status, _, page) = client.get("/crm/contacts").await;
        assert_eq!(status, 200);
        let value = page.split("name=\"csrf_token\" value=\"").nth(1).unwrap();
        client.token = value.split('"').next().unwrap().to_owned();
        client
    }

    fn headers(&self) -> String {
        format!("Cookie: a=b; {}\r\n", self.cookie)
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.site.get(path, &self.headers()).await
    }

    /// Events as the phone sends them.
    async fn send(&self, events: &[Value]) -> Value {
        let headers = format!("{}X-CSRF-Token: {}\r\n", self.headers(), self.token);
        let body = json!({ "csrf_token": self.token, "events": events }).to_string();
        let (status, _, answer) = post(self.site, "/crm/phone/calls", &headers, "application/json", &body).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()["results"].clone()
    }

    async fn cards(&self) -> Vec<Value> {
        let (status, _, answer) = self.get("/crm/changes?since=0").await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str::<Value>(&answer).unwrap()["cards"].as_array().unwrap().clone()
    }
}

fn event(seq: u32, state: &str, change: Value) -> Value {
    let mut call = json!({
        "id": "c1", "sipCallId": "x", "direction": "inbound", "from": "+7 495 765-43-21", "to": "1011",
        "startedAt": "2026-01-01T10:00:00.000Z", "answeredAt": null, "endedAt": null, "totalSeconds": 0, "talkSeconds": 0,
        "disposition": null, "sipStatus": 180, "recordingUrl": null, "notes": "", "outcome": null, "contact": null,
    });
    for (name, value) in change.as_object().unwrap() {
        call[name] = value.clone();
    }
    json!({ "id": format!("e{seq}"), "seq": seq, "state": state, "at": "2026-01-01T10:00:00.000Z", "call": call })
}

fn ended() -> Value {
    json!({ "answeredAt": "2026-01-01T10:00:05.000Z", "endedAt": "2026-01-01T10:01:00.000Z", "talkSeconds": 55, "disposition": "answered" })
}

fn statuses(results: &Value) -> Vec<&str> {
    results.as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_right_password_opens_a_session_and_sign_out_ends_it() {
    let site = Site::start().await;
    let (status, head, _) = site.get("/crm/contacts", "Sec-Fetch-Mode: navigate\r\n").await;
    assert_eq!(status, 303);
    assert!(head.contains("location: /crm/sign-in"), "{head}");
    for path in [
        "/crm/contacts",
        "/crm/calls",
        "/crm/calls/1",
        "/crm/changes",
        "/crm/phone/account",
        "/crm/phone/lookup?number=1",
    ] {
        assert_eq!(site.get(path, "").await.0, 401, "{path}");
    }
    let dora = Client::of(&site, "dora").await;
    let (_, _, page) = dora.get("/crm/contacts").await;
    assert!(
        page.contains("<soft-phone account-url=\"/crm/phone/account\"")
            && page.contains("href=\"tel:+74957654321;ext=12\""),
        "{page}"
    );
    assert!(!page.contains("<style") && !page.contains("style=") && !page.contains(" onclick"), "{page}");
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());

    let forged = form(&[("csrf_token", "guess")]);
    assert_eq!(post(&site, "/crm/sign-out", &dora.headers(), FORM, &forged).await.0, 403);
    assert_eq!(dora.get("/crm/contacts").await.0, 200);
    let body = form(&[("csrf_token", &dora.token)]);
    let (status, head, _) = post(&site, "/crm/sign-out", &dora.headers(), FORM, &body).await;
    assert_eq!(status, 303);
    assert!(cookie(&head).ends_with('='));
    assert_eq!(dora.get("/crm/contacts").await.0, 401);
}

#[tokio::test]
async fn wrong_passwords_are_counted_for_each_name() {
    let site = Site::start().await;
    for _ in 0..5 {
        let (status, head, body) = sign_in(&site, "dora", "wrong").await;
        assert_eq!(status, 403, "{body}");
        assert!(!head.contains("set-cookie"), "{head}");
    }
    let (status, head, body) = sign_in(&site, "dora", "arod").await;
    assert_eq!(status, 429, "even the right one");
    assert!(head.contains("retry-after: ") && body.contains("Try again in a minute"), "{head}\n{body}");
    // Another agent is not kept out by that, and who signs in rightly is not counted.
    for _ in 0..8 {
        assert_eq!(sign_in(&site, "egon", "noge").await.0, 303);
    }
    // Names that nobody has share one count.
    for name in ["a", "b", "c", "d", "' OR 1=1 --"] {
        assert_eq!(sign_in(&site, name, "x").await.0, 403, "{name}");
    }
    assert_eq!(sign_in(&site, "e", "x").await.0, 429);
}

#[tokio::test]
async fn another_sites_form_signs_nobody_in() {
    let site = Site::start().await;
    let body = form(&[("name", "dora"), ("password", "arod")]);
    for headers in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(post(&site, "/crm/sign-in", headers, FORM, &body).await.0, 403, "{headers}");
    }
    let own = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", site.addr);
    assert_eq!(post(&site, "/crm/sign-in", &own, FORM, &body).await.0, 303);
}

#[tokio::test]
async fn each_agent_has_an_account_and_some_have_none() {
    let site = Site::start().await;
    let (dora, egon) = (Client::of(&site, "dora").await, Client::of(&site, "egon").await);
    let (status, head, body) = dora.get("/crm/phone/account").await;
    assert_eq!(status, 200);
    assert!(head.contains("cache-control: no-store"), "{head}");
    let account: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(account["uri"], "sip:1011@soft-phone.test");
    assert_eq!(account["csrf"], json!({ "name": "csrf_token", "value": dora.token }));
    let other: Value = serde_json::from_str(&egon.get("/crm/phone/account").await.2).unwrap();
    assert_eq!(other["username"], "1012");
    assert_ne!(account["password"], other["password"]);
    assert_eq!(Client::of(&site, "frida").await.get("/crm/phone/account").await.0, 404);
    // The page with two phones has no way to the agents' accounts.
    assert_eq!(site.get("/account/dora", "").await.0, 404);
}

#[tokio::test]
async fn a_call_is_one_card_whatever_comes_how_often() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let results = dora.send(&[event(1, "ringing", json!({}))]).await;
    assert_eq!(results[0]["contact"]["name"], "Иван Петров");
    assert_eq!(dora.cards().await[0]["state"], "ringing");
    let answered = json!({ "answeredAt": "2026-01-01T10:00:05.000Z" });
    let events = [event(2, "answered", answered), event(3, "ended", ended())];
    assert_eq!(statuses(&dora.send(&events).await), ["ok", "ok"]);
    let before = dora.cards().await;
    assert_eq!(before.len(), 1);
    assert_eq!(
        (&before[0]["state"], &before[0]["talkSeconds"], &before[0]["name"]),
        (&json!("answered"), &json!(55), &json!("Иван Петров"))
    );
    assert_eq!(statuses(&dora.send(&[event(1, "ringing", json!({}))]).await), ["duplicate"]);
    assert_eq!(statuses(&dora.send(&events).await), ["duplicate", "duplicate"]);
    assert_eq!(dora.cards().await, before);
    // What an open page asks for next is only what is new.
    let since = format!("/crm/changes?since={}", before[0]["version"]);
    assert_eq!(dora.get(&since).await.2, r#"{"cards":[]}"#);
    let mut late = ended();
    late["notes"] = "<b>call again</b>".into();
    late["recordingUrl"] = "javascript:alert(1)".into();
    dora.send(&[event(4, "updated", late)]).await;
    let (_, _, changed) = dora.get(&since).await;
    assert!(changed.contains("<b>call again</b>") && changed.contains(r#""recordingUrl":null"#), "{changed}");
    let (_, _, page) = dora.get(&format!("/crm/calls/{}", before[0]["id"])).await;
    assert!(page.contains("&lt;b&gt;call again&lt;/b&gt;") && !page.contains("<b>"), "{page}");
}

#[tokio::test]
async fn requests_at_once_make_one_card() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let sends = (1..=8).map(|seq| {
        let dora = &dora;
        async move { dora.send(&[event(seq, "held", json!({ "talkSeconds": seq }))]).await }
    });
    futures_util::future::join_all(sends).await;
    let cards = dora.cards().await;
    assert_eq!(cards.len(), 1);
    assert_eq!(cards[0]["talkSeconds"], 8);
}

#[tokio::test]
async fn the_last_words_of_a_page_come_as_a_form() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let events = json!([event(3, "ended", ended())]).to_string();
    let body = form(&[("csrf_token", &dora.token), ("events", &events)]);
    let (status, _, answer) = post(&site, "/crm/phone/calls", &dora.headers(), FORM, &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(dora.cards().await.len(), 1);
}

#[tokio::test]
async fn without_the_token_nothing_changes() {
    let site = Site::start().await;
    let (dora, egon) = (Client::of(&site, "dora").await, Client::of(&site, "egon").await);
    let events = json!([event(1, "ringing", json!({}))]);
    let json_type = "application/json";
    let with = |token: &str| json!({ "csrf_token": token, "events": events }).to_string();
    let of_dora = |more: &str| format!("{}{more}", dora.headers());
    for (headers, kind, body) in [
        (of_dora(""), json_type, json!({ "events": events }).to_string()),
        (of_dora(""), json_type, with("guess")),
        (of_dora(""), json_type, with(&egon.token)),
        (of_dora("X-CSRF-Token: guess\r\n"), json_type, json!({ "events": events }).to_string()),
        (of_dora(""), FORM, form(&[("events", &events.to_string())])),
        // A page of another site that knows the token all the same.
        (of_dora("Origin: https://evil.example\r\n"), json_type, with(&dora.token)),
    ] {
        assert_eq!(post(&site, "/crm/phone/calls", &headers, kind, &body).await.0, 403, "{headers}{body}");
    }
    assert_eq!(post(&site, "/crm/phone/calls", "", json_type, &with(&dora.token)).await.0, 401);
    let contact = form(&[("name", "X"), ("number", "5557773")]);
    assert_eq!(post(&site, "/crm/contacts", &dora.headers(), FORM, &contact).await.0, 403);
    assert_eq!(dora.cards().await, [] as [Value; 0]);
    assert!(!dora.get("/crm/contacts").await.2.contains("5557773"));
}

#[tokio::test]
async fn another_agents_card_is_neither_seen_nor_changed() {
    let site = Site::start().await;
    let (dora, egon) = (Client::of(&site, "dora").await, Client::of(&site, "egon").await);
    let results = dora.send(&[event(1, "ringing", json!({ "notes": "secret" }))]).await;
    let url = results[0]["url"].as_str().unwrap();
    assert_eq!(dora.get(url).await.0, 200);
    let (status, _, body) = egon.get(url).await;
    assert_eq!(status, 404);
    assert!(!body.contains("secret"));
    egon.send(&[event(9, "ended", ended())]).await;
    assert_eq!((dora.cards().await.len(), egon.cards().await.len()), (1, 1));
    assert_eq!(dora.cards().await[0]["state"], "ringing");
    let contact = results[0]["contact"]["url"].as_str().unwrap();
    assert!(!egon.get(contact).await.2.contains("secret"));
}

#[tokio::test]
async fn sql_in_a_number_is_a_number() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let hostile =
        ["'; DROP TABLE cards; --", "1' OR '1'='1", "%", "+74957654321' UNION SELECT hash FROM agents --", "_________"];
    for (at, number) in hostile.iter().enumerate() {
        let results = dora.send(&[event(1, "ringing", json!({ "id": format!("h{at}"), "from": number }))]).await;
        assert_eq!(results[0]["status"], "ok", "{number}");
        let known = number.contains("4957654321");
        assert_eq!(results[0]["contact"].is_null(), !known, "{number}: {results}");
        let query: String = form_urlencoded::byte_serialize(number.as_bytes()).collect();
        let (_, _, found) = dora.get(&format!("/crm/phone/lookup?number={query}")).await;
        assert!(!found.contains("argon2"), "{found}");
        assert_eq!(found == r#"{"candidates":[]}"#, !known, "{number}: {found}");
        let (status, _, page) = dora.get(&format!("/crm/contacts?q={query}")).await;
        assert_eq!(status, 200);
        assert!(!page.contains("argon2") && !page.contains("<tr><td><a href=\"/crm/contacts/1\""), "{number}");
    }
    let cards = dora.cards().await;
    assert_eq!(cards.iter().map(|card| card["number"].as_str().unwrap()).collect::<Vec<_>>(), hostile);
}

#[tokio::test]
async fn who_calls_is_known_in_every_form_and_of_two_nobody_is_taken() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let names = async |number: &str| {
        let query: String = form_urlencoded::byte_serialize(number.as_bytes()).collect();
        let (_, _, found) = dora.get(&format!("/crm/phone/lookup?number={query}")).await;
        let found: Value = serde_json::from_str(&found).unwrap();
        found["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for form in ["84957654321", "+7 (495) 765-43-21", "7654321, доб. 1"] {
        assert_eq!(names(form).await.len(), usize::from(form.len() > 10 && !form.starts_with("7654")), "{form}");
    }
    assert_eq!(names("600").await, ["Echo"]);
    assert_eq!(names("00").await, [] as [&str; 0]);
    assert_eq!(names("+79161234567").await, ["Иван Петров", "Мария Петрова"]);
    let results = dora.send(&[event(1, "ringing", json!({ "from": "+79161234567" }))]).await;
    assert!(results[0]["contact"].is_null(), "{results}");
    let candidates = results[0]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2);
    // The user chooses; later events do not forget it.
    let chosen = json!({ "from": "+79161234567", "contact": candidates[1] });
    assert_eq!(dora.send(&[event(2, "updated", chosen)]).await[0]["contact"]["name"], "Мария Петрова");
    dora.send(&[event(3, "ended", json!({ "from": "+79161234567", "disposition": "missed" }))]).await;
    assert_eq!(dora.cards().await[0]["name"], "Мария Петрова");
    let nobody = json!({ "from": "+79161234567", "contact": { "type": "contact", "id": "999" } });
    assert_eq!(dora.send(&[event(4, "updated", nobody)]).await[0]["status"], "ok");
}

#[tokio::test]
async fn a_new_contact_is_found_and_escaped() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let body = form(&[("csrf_token", &dora.token), ("name", "<script>alert(1)</script>"), ("number", "+49 30 901820")]);
    let (status, head, _) = post(&site, "/crm/contacts", &dora.headers(), FORM, &body).await;
    assert_eq!(status, 303, "{head}");
    let (_, _, page) = dora.get("/crm/contacts?q=30%20901820").await;
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    for bad in [[("name", " "), ("number", "123456")], [("name", "A"), ("number", "none")]] {
        let body = form(&[bad[0], bad[1], ("csrf_token", &dora.token)]);
        assert_eq!(post(&site, "/crm/contacts", &dora.headers(), FORM, &body).await.0, 422);
    }
}

#[tokio::test]
async fn what_is_no_event_is_answered_as_none() {
    let site = Site::start().await;
    let dora = Client::of(&site, "dora").await;
    let results = dora
        .send(&[
            json!("x"),
            json!({ "id": "e" }),
            event(1, "ringing", json!({ "direction": "up" })),
            event(1, "ringing", json!({})),
        ])
        .await;
    assert_eq!(statuses(&results), ["error", "error", "error", "ok"]);
    let headers = dora.headers();
    let send = async |body: String| post(&site, "/crm/phone/calls", &headers, "application/json", &body).await.0;
    assert_eq!(send("{".into()).await, 403);
    assert_eq!(send(json!({ "csrf_token": dora.token }).to_string()).await, 400);
    let many: Vec<Value> = (0..201).map(|_| json!({})).collect();
    assert_eq!(send(json!({ "csrf_token": dora.token, "events": many }).to_string()).await, 413);
    assert_eq!(send(json!({ "csrf_token": dora.token, "x": "x".repeat(300_000) }).to_string()).await, 413);
}

#[tokio::test]
async fn a_flood_of_requests_is_refused_and_others_go_on() {
    let site = Site::start().await;
    let (dora, egon) = (Client::of(&site, "dora").await, Client::of(&site, "egon").await);
    let mut refused = 0;
    for _ in 0..200 {
        refused += u32::from(dora.get("/crm/changes").await.0 == 429);
    }
    assert!(refused > 20, "{refused}");
    assert_eq!(egon.get("/crm/contacts").await.0, 200);
    // It is for a moment only.
    let end = tokio::time::Instant::now() + Duration::from_secs(5);
    while dora.get("/crm/contacts").await.0 == 429 {
        assert!(tokio::time::Instant::now() < end, "refused for ever");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_file_keeps_contacts_and_calls_and_no_old_password() {
    let folder = crate::site::folder();
    let file = folder.join("crm.sqlite");
    let site = Site::start_with(Some(file.clone())).await;
    Client::of(&site, "dora").await.send(&[event(3, "ended", ended())]).await;
    drop(site);
    let bytes = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("$argon2id$") && !text.contains("arod"), "the password as it is");
    let again = Site::start_with(Some(file)).await;
    let dora = Client::of(&again, "dora").await;
    assert_eq!(dora.cards().await.len(), 1);
    assert_eq!(statuses(&dora.send(&[event(3, "ended", ended())]).await), ["duplicate"]);
    std::fs::write(folder.join("none.sqlite"), "no database at all, but long enough to be looked at").unwrap();
    let options = soft_phone_demo::Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        dist: folder.join("dist"),
        database: Some(folder.join("none.sqlite")),
        ..soft_phone_demo::Options::default()
    };
    let error = soft_phone_demo::start(options).await.unwrap_err();
    assert!(error.to_string().starts_with("the database: "), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
