//! A call from Bob, and what goes back and forth in it when one end sends the other elsewhere (RFC 3515).
#![allow(dead_code, reason = "every test file uses a part of it")]

use soft_phone_sip::{CallId, Event, Message, Method, Request, TransferId};

use crate::phone::{Phone, brief, request, sdp};

/// A call from Bob, answered; the phone's tag.
pub fn answered() -> (Phone, CallId, String) {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered"]);
    (phone, call, tag)
}

/// Bob's REFER.
pub fn refer(seq: u32, tag: &str, headers: &str) -> String {
    request(Method::Refer, "in-1", &format!("z9hG4bKr{seq}"), seq, tag, None).replacen(
        "Contact:",
        &format!("{headers}Contact:"),
        1,
    )
}

/// Bob's NOTIFY, `body` its status line.
pub fn notify(seq: u32, tag: &str, event: &str, state: &str, body: &str) -> String {
    let body = if body.is_empty() { String::new() } else { format!("{body}\n") };
    let content = if body.is_empty() { "" } else { "Content-Type: message/sipfrag;version=2.0\n" };
    // Every line feed becomes CRLF on its way.
    let length = body.len() + body.matches('\n').count();
    request(Method::Notify, "in-1", &format!("z9hG4bKn{seq}"), seq, tag, None).replacen(
        "Content-Length: 0\n\n",
        &format!("Event: {event}\nSubscription-State: {state}\n{content}Content-Length: {length}\n\n{body}"),
        1,
    )
}

/// The REFER's answer and the NOTIFY behind it.
pub fn accepted(phone: &mut Phone) -> Request {
    match phone.messages().as_slice() {
        [Message::Response(response), Message::Request(notify)] => {
            assert_eq!((response.status, &notify.method), (202, &Method::Notify));
            assert_eq!(response.contacts().len(), 1);
            notify.clone()
        }
        other => panic!("{:?}", other.iter().map(brief).collect::<Vec<_>>()),
    }
}

/// A call from Bob in which he asked for one to Carol; the phone's tag, and its first NOTIFY.
pub fn referred() -> (Phone, String, Request) {
    let (mut phone, _, tag) = answered();
    phone.receive(&refer(2, &tag, "Refer-To: <sip:carol@example.com>\n"));
    let trying = accepted(&mut phone);
    (phone, tag, trying)
}

pub fn asked(phone: &mut Phone) -> TransferId {
    let events = phone.raw_events();
    let [Event::Transfer { transfer, .. }] = events.as_slice() else { panic!("{events:?}") };
    *transfer
}

pub fn transfer_and_answer(phone: &mut Phone, call: CallId) -> Request {
    phone.agent.transfer(phone.now, call, "sip:carol@example.com").unwrap();
    let refer = phone.request();
    phone.answer(&refer, 202, "bob", &[], None);
    refer
}
