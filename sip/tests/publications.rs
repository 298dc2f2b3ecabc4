//! PUBLISH: RFC 3903's own flow (§15), refresh, change, removal, what the server forgets or refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{FLOW, Phone, alice};
use soft_phone_sip::{Body, Error, Flow, PublicationId, Request, Transport};

/// RFC 3903 §15.1's body in short.
fn pidf(basic: &str) -> Body {
    Body { content_type: "application/pidf+xml".to_owned(), bytes: basic.into() }
}

/// What the table 1 of §4.1 is about: body, SIP-If-Match, Expires.
fn shape(request: &Request) -> (String, Option<&str>, &str) {
    assert_eq!((request.method.as_str(), request.headers.get("Event")), ("PUBLISH", Some("presence")));
    assert_eq!(request.uri.to_string(), "sip:alice@example.com");
    assert_eq!(request.headers.get("To"), Some("<sip:alice@example.com>"));
    let typed = request.headers.get("Content-Type");
    assert_eq!(typed, (!request.body.is_empty()).then_some("application/pidf+xml"));
    let body = String::from_utf8(request.body.clone()).unwrap();
    (body, request.headers.get("SIP-If-Match"), request.headers.get("Expires").unwrap())
}

fn published() -> (Phone, PublicationId) {
    let mut phone = Phone::new(alice(Transport::Wss));
    let id = phone.agent.publish(phone.now, "presence", pidf("open"), Duration::from_secs(3_600)).unwrap();
    let first = phone.request();
    assert_eq!(shape(&first), ("open".to_owned(), None, "3600"));
    phone.answer(&first, 200, "pua", &[("SIP-ETag", "dx200xyz"), ("Expires", "1800")], None);
    assert_eq!(phone.events(), ["publication(active Some(200))"]);
    (phone, id)
}

/// M1, M5, M7 and M11 of §15.2, with their entity tags.
#[test]
fn rfc_3903_15_publish_refresh_modify() {
    let (mut phone, id) = published();
    // §4.3: the refresh, 10 % before the end of what was granted, without a body.
    let (refresh, after) = phone.next_request();
    assert!((1_530..=1_620).contains(&after), "{after}");
    assert_eq!(shape(&refresh), (String::new(), Some("dx200xyz"), "3600"));
    phone.answer(&refresh, 200, "pua", &[("SIP-ETag", "kwj449x"), ("Expires", "1800")], None);
    phone.agent.modify(phone.now, id, pidf("closed")).unwrap();
    let modify = phone.request();
    assert_eq!(shape(&modify), ("closed".to_owned(), Some("kwj449x"), "3600"));
    phone.answer(&modify, 200, "pua", &[("SIP-ETag", "qwi982ks"), ("Expires", "3600")], None);
    phone.agent.unpublish(phone.now, id).unwrap();
    let remove = phone.request();
    assert_eq!(shape(&remove), (String::new(), Some("qwi982ks"), "0"));
    phone.answer(&remove, 200, "pua", &[("SIP-ETag", "gone"), ("Expires", "0")], None);
    let told = ["publication(pending None)", "publication(active Some(200))", "publication(terminated Some(200))"];
    assert_eq!(phone.events(), told, "a refresh is not seen, a change is");
    assert_eq!(phone.agent.modify(phone.now, id, pidf("open")), Err(Error::UnknownSubscription));
    phone.assert_idle();
}

#[test]
fn a_state_that_the_server_forgot_is_published_again_with_its_body() {
    let (mut phone, id) = published();
    phone.agent.modify(phone.now, id, pidf("closed")).unwrap();
    let modify = phone.request();
    phone.answer(&modify, 412, "pua", &[], None);
    let again = phone.request();
    assert_eq!(shape(&again), ("closed".to_owned(), None, "3600"));
    // §4.1: once more 412 would be to a request without SIP-If-Match: a fault of the server, and no loop.
    phone.answer(&again, 412, "pua", &[], None);
    assert_eq!(phone.events(), ["publication(pending None)", "publication(terminated Some(412))"]);
    phone.assert_idle();
}

#[test]
fn changes_wait_for_the_answer_and_only_the_last_leaves() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let id = phone.agent.publish(phone.now, "presence", pidf("one"), Duration::from_secs(600)).unwrap();
    let first = phone.request();
    for state in ["two", "three"] {
        phone.agent.modify(phone.now, id, pidf(state)).unwrap();
    }
    assert!(phone.messages().is_empty(), "§4.1: not before the answer to the one that runs");
    phone.answer(&first, 200, "pua", &[("SIP-ETag", "a"), ("Expires", "600")], None);
    let second = phone.request();
    assert_eq!(shape(&second), ("three".to_owned(), Some("a"), "600"));
    phone.agent.unpublish(phone.now, id).unwrap();
    assert!(phone.messages().is_empty());
    phone.answer(&second, 200, "pua", &[("SIP-ETag", "b")], None);
    let remove = phone.request();
    assert_eq!(shape(&remove), (String::new(), Some("b"), "0"));
    // Not even a refusal keeps it.
    phone.answer(&remove, 500, "pua", &[], None);
    assert_eq!(phone.events(), ["publication(terminated Some(500))"], "never active: a change was always under way");
    phone.assert_idle();
}

#[test]
fn too_short_is_asked_again_and_a_refusal_for_good_is_the_end() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.publish(phone.now, "presence", pidf("open"), Duration::from_secs(60)).unwrap();
    let first = phone.request();
    phone.answer(&first, 423, "pua", &[("Min-Expires", "300")], None);
    let second = phone.request();
    assert_eq!(shape(&second), ("open".to_owned(), None, "300"));
    phone.answer(&second, 489, "pua", &[], None);
    assert_eq!(phone.events(), ["publication(terminated Some(489))"]);
    phone.assert_idle();
}

#[test]
fn trouble_passes_and_a_lost_connection_too() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let id = phone.agent.publish(phone.now, "presence", pidf("open"), Duration::from_secs(600)).unwrap();
    let first = phone.request();
    phone.answer(&first, 503, "pua", &[("Retry-After", "17")], None);
    assert_eq!(phone.events(), ["publication(waiting Some(503))"]);
    let line = phone.timeline(Duration::from_secs(17));
    assert_eq!(line, [(17_000, "PUBLISH 1".to_owned())]);
    phone.agent.handle_disconnected(phone.now, FLOW);
    assert_eq!(phone.events(), ["publication(waiting None)"]);
    phone.advance(Duration::from_secs(3_600));
    assert!(phone.messages().is_empty(), "no connection, no PUBLISH");
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let again = phone.request();
    assert_eq!(shape(&again), ("open".to_owned(), None, "600"));
    phone.answer(&again, 200, "pua", &[("SIP-ETag", "a"), ("Expires", "600")], None);
    assert_eq!(phone.events(), ["publication(active Some(200))"]);
    phone.agent.shutdown(phone.now);
    assert_eq!(shape(&phone.request()), (String::new(), Some("a"), "0"));
    assert_eq!(phone.agent.unpublish(phone.now, id), Ok(()), "it runs");
}

#[test]
fn what_no_publication_is_made_of() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let hour = Duration::from_secs(3_600);
    let error = |phone: &mut Phone, package, body| phone.agent.publish(phone.now, package, body, hour).unwrap_err();
    let evil = Body { content_type: "a\r\nb: c".to_owned(), bytes: Vec::new() };
    assert_eq!(error(&mut phone, "presence", evil), Error::Injection { field: "body type".to_owned() });
    assert_eq!(error(&mut phone, "pre sence", pidf("")), Error::Injection { field: "package".to_owned() });
    for _ in 0..16 {
        phone.agent.publish(phone.now, "presence", pidf("open"), hour).unwrap();
    }
    assert_eq!(error(&mut phone, "presence", pidf("")), Error::TooLong { what: "publications", limit: 16 });
}
