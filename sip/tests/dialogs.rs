//! What happens inside a dialog: routes, targets, order, later offers, and what does not belong there (RFC 3261 §12, §14).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, request, sdp};
use soft_phone_sip::{CallId, Error, Event, Method, Request};

/// An active inbound call, its id and our tag.
fn answered() -> (Phone, CallId, String) {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);
    (phone, call, tag)
}

/// The BYE that an outbound call sends after that 2xx.
fn bye_after(headers: &[(&str, &str)]) -> Request {
    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 200, "bob", headers, Some("answer"));
    phone.sent();
    phone.agent.hangup(phone.now, call).unwrap();
    phone.request()
}

fn routes(request: &Request) -> Vec<String> {
    request.headers.get_list("Route").map(str::to_owned).collect()
}

#[test]
fn the_caller_takes_the_recorded_route_backwards() {
    let recorded = [
        ("Contact", "<sip:bob@192.0.2.4;transport=tcp>"),
        ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"),
        ("Record-Route", "<sip:p0.example.com;lr>"),
    ];
    let bye = bye_after(&recorded);
    assert_eq!(bye.uri.to_string(), "sip:bob@192.0.2.4;transport=tcp");
    let expected = ["<sip:p0.example.com;lr>", "<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"];
    assert_eq!(routes(&bye), expected);
}

#[test]
fn a_strict_router_stands_in_the_request_uri() {
    // RFC 3261 §12.2.1.1 and the example of §16.12.1.2.
    let bye = bye_after(&[
        ("Contact", "<sip:bob@192.0.2.4>"),
        ("Record-Route", "<sip:p2.example.com;lr>, <sip:strict.example.com>"),
    ]);
    assert_eq!(bye.uri.to_string(), "sip:strict.example.com");
    assert_eq!(routes(&bye), ["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.4>"]);
}

#[test]
fn an_answer_without_a_contact_is_reached_where_it_was_called() {
    assert_eq!(bye_after(&[]).uri.to_string(), "sip:600@example.com");
    let no_address = [("Contact", "<tel:+7916>"), ("Record-Route", "<mailto:p@example.com>, <sip:p.example.com;lr>")];
    let bye = bye_after(&no_address);
    assert_eq!(
        (bye.uri.to_string().as_str(), routes(&bye).as_slice()),
        ("sip:600@example.com", ["<sip:p.example.com;lr>".to_owned()].as_slice())
    );
    let mut phone = Phone::new(phone::alice(soft_phone_sip::Transport::Wss));
    let invite = phone::invite("in-1", "z9hG4bKin1", Some("offer"));
    phone.receive(&invite.replace("<sip:bob@192.0.2.4>", "<tel:+7916>"));
    assert_eq!(phone.sent(), ["180 INVITE 1"], "by its From");
    phone.receive(&invite.replace("in", "other").replace("sip:bob@192.0.2.4", "tel:1").replace("sip:bob@", "im:bob@"));
    assert_eq!((phone.sent(), phone.agent.calls().count()), (vec!["400 INVITE 1".to_owned()], 1));
}

#[test]
fn requests_out_of_order_get_500_and_unknown_dialogs_481() {
    let (mut phone, _, tag) = answered();
    phone.receive(&request(Method::Options, "in-1", "z9hG4bK5", 5, &tag, None));
    phone.receive(&request(Method::Options, "in-1", "z9hG4bK4", 4, &tag, None));
    assert_eq!(phone.sent(), ["200 OPTIONS 5", "500 OPTIONS 4"]);
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKb", 3, &tag, None));
    assert_eq!((phone.sent(), phone.events()), (vec!["500 BYE 3".to_owned()], vec![]));
    for (call_id, tag, from) in [("in-1", "other", "bob"), ("in-2", tag.as_str(), "bob"), ("in-1", &tag, "mallory")] {
        let bye = request(Method::Bye, call_id, &format!("z9hG4bK{call_id}{tag}{from}"), 9, tag, None);
        phone.receive(&bye.replace("tag=bob", &format!("tag={from}")));
        assert_eq!(phone.sent(), ["481 BYE 9"]);
    }
    phone.receive(&request(Method::Bye, "in-9", "z9hG4bKx", 9, "", None));
    phone.receive(&request(Method::Invite, "in-9", "z9hG4bKy", 9, "gone", Some("offer")));
    assert_eq!((phone.sent(), phone.events()), (vec!["481 BYE 9".to_owned(), "481 INVITE 9".to_owned()], vec![]));
}

#[test]
fn a_later_offer_is_accepted_and_moves_the_target() {
    let (mut phone, call, tag) = answered();
    let reinvite = request(Method::Invite, "in-1", "z9hG4bKre", 2, &tag, Some("hold"));
    phone.receive(&reinvite.replace("192.0.2.4", "192.0.2.44"));
    assert_eq!(phone.raw_events(), [Event::Offer { call, offer: Some(sdp("hold")) }]);
    phone.agent.accept_offer(phone.now, call, sdp("held")).unwrap();
    let ok = phone.response();
    assert_eq!((ok.status, ok.body.as_slice()), (200, b"held".as_slice()));
    // Its ACK is waited for as for the first one.
    assert_eq!(phone.timeline(Duration::from_millis(600)), [(500, "200 INVITE 2".to_owned())]);
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack2", 2, &tag, None));
    assert_eq!((phone.events(), phone.timeline(Duration::from_secs(31))), (vec![], vec![]));
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.request().uri.to_string(), "sip:bob@192.0.2.44");
}

#[test]
fn a_later_offer_is_refused_and_the_session_stays() {
    let (mut phone, call, tag) = answered();
    let reinvite = request(Method::Invite, "in-1", "z9hG4bKre", 2, &tag, Some("video"));
    phone.receive(&reinvite.replace("192.0.2.4", "192.0.2.44"));
    phone.events();
    assert_eq!(phone.agent.reject_offer(phone.now, call, 200), Err(Error::Status(200)));
    phone.agent.reject_offer(phone.now, call, 488).unwrap();
    assert_eq!(phone.sent(), ["488 INVITE 2"]);
    let none = Err(Error::WrongState { state: "active" });
    assert_eq!(phone.agent.reject_offer(phone.now, call, 488), none);
    assert_eq!(phone.agent.accept_offer(phone.now, call, sdp("x")), none);
    assert_eq!(phone.agent.accept_offer(phone.now, CallId(99), sdp("x")), Err(Error::UnknownCall));
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.request().uri.to_string(), "sip:bob@192.0.2.4", "a refused INVITE moves nothing");
}

#[test]
fn a_later_invite_without_an_offer_is_answered_in_its_ack() {
    let (mut phone, call, tag) = answered();
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKre", 2, &tag, None));
    assert_eq!(phone.raw_events(), [Event::Offer { call, offer: None }]);
    phone.agent.accept_offer(phone.now, call, sdp("our offer")).unwrap();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack2", 2, &tag, Some("their answer")));
    assert_eq!(phone.raw_events(), [Event::Answer { call, answer: sdp("their answer") }]);
}

#[test]
fn a_second_offer_before_the_first_is_answered_gets_500() {
    let (mut phone, _, tag) = answered();
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr2", 2, &tag, Some("a")));
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr3", 3, &tag, Some("b")));
    let refusal = phone.response();
    let pause: u32 = refusal.headers.get("Retry-After").unwrap().parse().unwrap();
    assert_eq!((refusal.status, pause <= 10), (500, true));
    assert_eq!(phone.events(), ["offer+offer"]);
}

#[test]
fn offers_that_cross_get_491() {
    // Our 2xx has no ACK yet.
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr2", 2, &tag, Some("a")));
    assert_eq!(phone.sent(), ["491 INVITE 2"]);
    // Our INVITE has no final answer yet.
    let (mut phone, _, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[], None);
    phone.sent();
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Invite, invite.call_id(), "z9hG4bKr1", 1, &tag, Some("a")));
    phone.receive(&request(Method::Bye, invite.call_id(), "z9hG4bKr2", 2, &tag, None));
    assert_eq!(phone.sent(), ["491 INVITE 1", "481 BYE 2"]);
    assert_eq!(phone.events(), ["dialing>ringing", "progress(180, fork 0)"]);
}

#[test]
fn a_later_offer_can_be_taken_back_and_dies_with_the_call() {
    let (mut phone, call, tag) = answered();
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr2", 2, &tag, Some("a")));
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKr2", 2, &tag, None));
    assert_eq!(phone.sent(), ["200 CANCEL 2", "487 INVITE 2"]);
    assert_eq!(phone.events(), ["offer+offer", "offer-withdrawn"]);
    assert_eq!(phone.agent.accept_offer(phone.now, call, sdp("x")), Err(Error::WrongState { state: "active" }));

    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr3", 3, &tag, Some("a")));
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKb", 4, &tag, None));
    assert_eq!(phone.sent(), ["200 BYE 4", "487 INVITE 3"]);
    phone.assert_idle();

    let (mut phone, call, tag) = answered();
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr2", 2, &tag, Some("a")));
    phone.agent.hangup(phone.now, call).unwrap();
    assert_eq!(phone.sent(), ["487 INVITE 2", "BYE 1"]);
    phone.receive(&request(Method::Invite, "in-1", "z9hG4bKr3", 3, &tag, Some("b")));
    assert_eq!(phone.sent(), ["481 INVITE 3"]);
    phone.assert_idle();
}

#[test]
fn what_we_do_not_do_is_refused_in_and_out_of_a_dialog() {
    let (mut phone, _, tag) = answered();
    for (method, status, allow) in [
        ("PRACK", 481, false),
        ("PUBLISH", 405, true),
        ("REGISTER", 405, true),
        ("SUBSCRIBE", 489, false),
        ("NOTIFY", 481, false),
        ("DANCE", 501, true),
    ] {
        for (n, tag) in ["", tag.as_str()].into_iter().enumerate() {
            let branch = format!("z9hG4bK{method}{n}");
            phone.receive(&request(method.parse().unwrap(), "in-1", &branch, 9, tag, None));
            let answer = phone.response();
            assert_eq!((answer.status, answer.headers.get("Allow").is_some()), (status, allow), "{method}");
        }
    }
    assert_eq!((phone.events(), phone.agent.calls().count()), (vec![], 1));
}

#[test]
fn an_invite_that_asks_for_more_than_we_can_is_refused() {
    let mut phone = Phone::new(phone::alice(soft_phone_sip::Transport::Wss));
    let plain = |branch: &str| request(Method::Invite, branch, branch, 1, "", Some("offer"));
    phone.receive(&plain("z9hG4bK1").replacen("Contact:", "Require: precondition, timer\nContact:", 1));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Unsupported")), (420, Some("precondition")));
    phone.receive(&plain("z9hG4bK2").replace("application/sdp", "application/xml"));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Accept")), (415, Some("application/sdp")));
    phone.receive(&plain("z9hG4bK3").replacen("Contact:", "Content-Encoding: gzip\nContact:", 1));
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Accept-Encoding")), (415, Some("identity")));
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.receive(&plain("z9hG4bK4").replacen("Contact:", "Supported: 100rel, timer\nContact:", 1));
    assert_eq!((phone.sent(), phone.events()), (vec!["180 INVITE 1".to_owned()], vec!["incoming+offer".to_owned()]));
    // The same INVITE by another path (§8.2.2.2).
    phone.receive(&plain("z9hG4bK4").replacen("z9hG4bK4", "z9hG4bKtwin", 1));
    assert_eq!((phone.sent(), phone.events()), (vec!["482 INVITE 1".to_owned()], vec![]));
}
