//! MESSAGE: both directions, the queue, what is refused, lost connections, a network that loses (RFC 3428).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/network.rs"]
mod network;
#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use network::{Network, STORM};
use phone::{FLOW, Phone, alice, request};
use soft_phone_sip::{Agent, Body, Error, Event, Flow, Message, Method, QueryId, Transport};

fn text(words: &str) -> Body {
    Body { content_type: "text/plain;charset=UTF-8".to_owned(), bytes: words.into() }
}

fn say(phone: &mut Phone, target: &str, words: &str) -> QueryId {
    phone.agent.message(phone.now, target, text(words)).unwrap()
}

/// A MESSAGE to the phone.
fn message(branch: &str, seq: u32, tag: &str, content_type: &str, body: &str) -> String {
    let plain = request(Method::Message, "in-1", branch, seq, tag, Some(body));
    plain.replacen("application/sdp", content_type, 1)
}

#[test]
fn a_message_leaves_as_rfc_3428_10_shows_it() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let query = say(&mut phone, "sip:user2@domain.com", "Watson, come here.");
    let sent = phone.request();
    let text = String::from_utf8(sent.to_bytes()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "MESSAGE sip:user2@domain.com SIP/2.0");
    assert!(lines.contains(&"To: <sip:user2@domain.com>") && lines.contains(&"CSeq: 1 MESSAGE"), "{text}");
    assert!(lines.contains(&"Content-Type: text/plain;charset=UTF-8") && lines.contains(&"Content-Length: 18"));
    assert!(text.ends_with("\r\n\r\nWatson, come here."));
    // §4: "MUST NOT insert Contact".
    assert_eq!(sent.headers.get("Contact"), None);
    phone.answer(&sent, 200, "2", &[], None);
    let done = Event::MessageSent { query, status: Some(200), reason: Some("OK".to_owned()) };
    assert_eq!(phone.raw_events(), [done]);
    phone.assert_idle();
}

#[test]
fn messages_to_one_go_in_order_and_wait_for_nobody_else() {
    let mut phone = Phone::new(alice(Transport::Wss));
    for (target, words) in [("bob", "one"), ("sip:bob@example.com", "two"), ("carol", "three"), ("bob", "four")] {
        say(&mut phone, target, words);
    }
    let bodies = |messages: &[Message]| -> Vec<String> {
        let body = |message: &Message| String::from_utf8(message.body().to_vec()).unwrap();
        messages.iter().map(body).collect()
    };
    let sent = phone.messages();
    assert_eq!(bodies(&sent), ["one", "three"]);
    let [Message::Request(one), Message::Request(three)] = sent.as_slice() else { panic!() };
    phone.answer(three, 404, "c", &[], None);
    assert!(phone.messages().is_empty(), "Carol's answer is not Bob's");
    phone.answer(one, 202, "b", &[], None);
    let two = phone.messages();
    assert_eq!(bodies(&two), ["two"]);
    let [Message::Request(two)] = two.as_slice() else { panic!() };
    // A refusal does not hold up what follows.
    phone.answer(two, 480, "b", &[], None);
    let four = phone.request();
    assert_eq!(four.body, b"four");
    phone.answer(&four, 200, "b", &[], None);
    let events =
        ["message-sent(Some(404))", "message-sent(Some(202))", "message-sent(Some(480))", "message-sent(Some(200))"];
    assert_eq!(phone.events(), events);
    phone.assert_idle();
}

#[test]
fn a_challenge_is_answered_once() {
    let mut phone = Phone::new(alice(Transport::Wss));
    say(&mut phone, "bob", "one");
    let first = phone.request();
    let challenge = [("Proxy-Authenticate", "Digest realm=\"example.com\", nonce=\"n1\", algorithm=MD5")];
    phone.answer(&first, 407, "p", &challenge, None);
    let second = phone.request();
    assert_eq!((second.cseq().unwrap().seq, second.body.as_slice()), (2, b"one".as_slice()));
    assert!(second.headers.get("Proxy-Authorization").is_some());
    phone.answer(&second, 407, "p", &challenge, None);
    assert_eq!(phone.events(), ["message-sent(Some(407))"]);
    phone.assert_idle();
}

#[test]
fn without_a_connection_messages_wait_and_with_a_lost_one_nobody_knows() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.handle_disconnected(phone.now, FLOW);
    for words in ["one", "two"] {
        say(&mut phone, "bob", words);
    }
    assert!(phone.messages().is_empty() && phone.events().is_empty());
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.request().body, b"one");
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.events(), ["message-sent(None)"]);
    phone.flow = Flow(3);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.request().body, b"two");
    phone.advance(Duration::from_secs(40));
    assert_eq!(phone.events(), ["message-sent(Some(408))"]);
    phone.assert_idle();
}

#[test]
fn what_is_too_much_or_no_message_is_an_error() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.handle_disconnected(phone.now, FLOW);
    let now = phone.now;
    let error = |phone: &mut Phone, target: &str, body: Body| phone.agent.message(now, target, body).unwrap_err();
    assert_eq!(error(&mut phone, "", text("a")), Error::Malformed { what: "target" });
    let evil = Body { content_type: "text/plain\r\nEvil: 1".to_owned(), bytes: Vec::new() };
    assert_eq!(error(&mut phone, "bob", evil), Error::Injection { field: "body type".to_owned() });
    let long = text(&"a".repeat(1_300));
    assert_eq!(error(&mut phone, "bob", long.clone()), Error::TooLong { what: "message", limit: 1_300 });
    for _ in 0..64 {
        say(&mut phone, "bob", "a");
    }
    assert_eq!(error(&mut phone, "bob", text("a")), Error::TooLong { what: "messages", limit: 64 });
    // The page closes: none of them leaves, and the driver hears of each.
    phone.agent.shutdown(now);
    assert_eq!(phone.events(), vec!["message-sent(None)"; 64]);
    let mut config = alice(Transport::Wss);
    config.max_message = 10_000;
    let mut phone = Phone::new(config);
    assert!(phone.agent.message(now, "bob", long).is_ok(), "who knows the way may send more");
}

#[test]
fn texts_come_in_outside_and_inside_a_call() {
    let mut phone = Phone::new(alice(Transport::Udp));
    phone.receive(&message("z9hG4bKm1", 1, "", "text/plain; charset=UTF-8", "Здравствуй"));
    let response = phone.response();
    assert_eq!((response.status, response.headers.get("Contact"), response.body.len()), (200, None, 0));
    let events = phone.raw_events();
    let [Event::Message { from, call: None, body }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((from.uri.to_string().as_str(), from.display_name.as_deref()), ("sip:bob@example.com", Some("Bob")));
    assert_eq!(
        (body.content_type.as_str(), body.bytes.as_slice()),
        ("text/plain; charset=UTF-8", "Здравствуй".as_bytes())
    );
    // The same again over the network: answered again, told once.
    phone.receive(&message("z9hG4bKm1", 1, "", "text/plain; charset=UTF-8", "Здравствуй"));
    assert_eq!((phone.sent(), phone.events().len()), (vec!["200 MESSAGE 1".to_owned()], 0));

    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, Body::sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.events();
    phone.receive(&message("z9hG4bKm2", 2, &tag, "text/html", "<b>hi</b>"));
    assert_eq!(phone.sent(), ["200 MESSAGE 2"]);
    assert_eq!(phone.events(), ["message(sip:bob@example.com in a call <b>hi</b>)"]);
    phone.receive(&message("z9hG4bKm3", 3, "unknown", "text/plain", "hi"));
    assert_eq!(phone.sent(), ["481 MESSAGE 3"], "a dialog that there is not");
}

/// RFC 5621 §3.1: the part that we read, wherever it stands.
#[test]
fn of_several_parts_the_text_is_read() {
    let mixed = "multipart/mixed;boundary=\"7a9c\"";
    let image = "\nContent-Type: image/png\n\n--7a9\n";
    let cases = [
        (format!("--7a9c\nContent-Type: text/plain; charset=UTF-8\n\nHello\n--7a9c{image}\n--7a9c--"), Some("Hello")),
        (format!("preamble\n--7a9c{image}\n--7a9c\n\nplain\n--7a9c--\nepilogue"), Some("plain")),
        (format!("preamble\n--7a9c{image}\n--7a9c\nX: y\n\nplain\n--7a9c--\nepilogue"), Some("plain")),
        ("--7a9c\ncontent-type:TEXT/HTML\ncontent-transfer-encoding: 8bit\n\n<b>\n--7a9c--".to_owned(), Some("<b>")),
        ("--7a9c\nContent-Transfer-Encoding: base64\n\nSGk=\n--7a9c--".to_owned(), None),
        (format!("--7a9c{image}\n--7a9c--"), None),
        ("--7a9c\nContent-Type: multipart/mixed;boundary=b\n\n--b\nA: b\n\nx\n--b--\n--7a9c--".to_owned(), None),
        ("--7a9c".to_owned(), None),
    ];
    for (n, (body, text)) in cases.into_iter().enumerate() {
        let mut phone = Phone::new(alice(Transport::Wss));
        let body = body.replace('\n', "\r\n");
        let head = message(&format!("z9hG4bKp{n}"), 1, "", mixed, "");
        let head =
            head.replacen("Content-Length: 0", &format!("Content-Type: {mixed}\nContent-Length: {}", body.len()), 1);
        phone.receive_bytes([head.replace('\n', "\r\n").as_bytes(), body.as_bytes()].concat().as_slice());
        let told = text.map(|text| format!("message(sip:bob@example.com {text})"));
        assert_eq!(phone.response().status, if told.is_some() { 200 } else { 415 }, "{body}");
        assert_eq!(phone.events(), Vec::from_iter(told), "{body}");
    }
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&message("z9hG4bKnone", 1, "", "multipart/mixed", "x"));
    assert_eq!(phone.sent(), ["415 MESSAGE 1"], "no boundary");
}

#[test]
fn what_is_no_text_is_refused_with_what_is() {
    let mut phone = Phone::new(alice(Transport::Wss));
    for (n, content_type) in
        ["message/cpim", "application/im-iscomposing+xml", "text/plain\nContent-Encoding: gzip"].into_iter().enumerate()
    {
        phone.receive(&message(&format!("z9hG4bKm{n}"), 1 + n as u32, "", content_type, "x"));
        let response = phone.response();
        let accept = (response.headers.get("Accept"), response.headers.get("Accept-Encoding"));
        assert_eq!(
            (response.status, accept),
            (415, (Some("text/plain, text/html, multipart/mixed"), Some("identity")))
        );
    }
    assert_eq!(phone.events().len(), 0);
}

/// Ten messages each way over a network that loses every fifth datagram: all arrive, once, in order.
#[test]
fn messages_survive_a_storm_in_order() {
    for seed in 0..20 {
        let mut network = Network::new(seed, STORM);
        for n in 0..10 {
            for (side, target) in ["sip:bob@192.0.2.2", "sip:alice@192.0.2.1"].into_iter().enumerate() {
                let now = network.now;
                network.agents[side].message(now, target, text(&n.to_string())).unwrap();
            }
        }
        let end = network.now + Duration::from_secs(400);
        let mut heard = [Vec::new(), Vec::new()];
        let mut answers = [Vec::new(), Vec::new()];
        while network.step(end) {
            for side in 0..2 {
                for event in network.events(side) {
                    match event {
                        Event::Message { body, .. } => heard[side].push(String::from_utf8(body.bytes).unwrap()),
                        Event::MessageSent { status, .. } => answers[side].push(status),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        for side in 0..2 {
            assert_eq!(answers[side].len(), 10, "seed {seed}: every message has its end");
            // Of those that were given up (408), some arrived all the same.
            let given_up = answers[side].iter().filter(|status| **status != Some(200)).count();
            let mut order = heard[1 - side].clone();
            order.dedup();
            assert_eq!(order, heard[1 - side], "seed {seed}: none twice");
            assert!(heard[1 - side].len() + given_up >= 10, "seed {seed}: none lost without a word");
            assert!(heard[1 - side].iter().all(|n| all.contains(n)) && order.is_sorted());
        }
        assert!(network.lost > 10);
        assert_eq!(network.agents.each_ref().map(Agent::live), [[0; 4]; 2], "seed {seed}");
    }
}

#[test]
fn allowed_is_what_is_done() {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&request(Method::Options, "o", "z9hG4bKo", 1, "", None));
    assert!(phone.response().headers.lists("Allow", "MESSAGE"));
}
