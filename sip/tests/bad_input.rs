//! Whatever the network sends: answered, dropped or counted, never a panic, never more memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{Phone, alice, invite, request};
use soft_phone_sip::{Counters, Flow, Method, Transport};

fn idle() -> Phone {
    Phone::new(alice(Transport::Wss))
}

#[test]
fn noise_is_counted_and_not_answered() {
    let mut phone = idle();
    for noise in [
        &b""[..],
        b"\r\n\r\n",
        b"\r\n",
        b"\0\0\0\0",
        b"\xff\xfe\xfd",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE\r\n\r\n",
        b"{\"json\":true}",
    ] {
        phone.receive_bytes(noise);
    }
    assert_eq!((phone.sent(), phone.events()), (vec![], vec![]));
    // The first three are keep-alives.
    assert_eq!(phone.agent.counters(), Counters { malformed: 6, ..Counters::default() });
    assert_eq!(phone.agent.live(), [0, 0, 0, 0]);
}

#[test]
fn a_request_with_a_fault_is_told_which() {
    let good = invite("in-1", "z9hG4bKin1", Some("offer"));
    for (from, to, status) in [
        ("SIP/2.0\nVia", "SIP/3.0\nVia", 505),
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
        ("CSeq: 1 INVITE", "CSeq: 99999999999 INVITE", 400),
        ("From: \"Bob\" <sip:bob@example.com>;tag=bob", "From: \"Bob", 400),
        ("INVITE sip:alice@x.invalid;transport=ws", "INVITE http://x", 416),
    ] {
        let mut phone = idle();
        assert!(good.contains(from), "{from}");
        phone.receive(&good.replacen(from, to, 1));
        // The fault comes back in the headers that are copied: nothing that our own parser would read.
        let answer = phone.agent.poll_transmit().unwrap().payload;
        assert!(answer.starts_with(format!("SIP/2.0 {status} ").as_bytes()), "{to}");
        assert_eq!(phone.sent(), Vec::<String>::new());
        assert_eq!((phone.events(), phone.agent.live()), (vec![], [0, 0, 0, 0]));
        assert_eq!(phone.agent.counters().malformed, 1);
    }
}

#[test]
fn responses_and_acks_of_nothing_are_counted() {
    let (mut phone, _, mut stranger) = Phone::calling();
    stranger.headers.set("Via", "SIP/2.0/WSS x.invalid;branch=z9hG4bKforged").unwrap();
    phone.answer(&stranger, 200, "mallory", &[("Contact", "<sip:mallory@192.0.2.66>")], Some("answer"));
    phone.receive(&request(Method::Ack, "nothing", "z9hG4bKa", 1, "x", None));
    assert_eq!((phone.sent(), phone.events()), (vec![], vec![]));
    assert_eq!(phone.agent.counters().stray, 2);
}

#[test]
fn a_stranger_cannot_end_or_answer_a_call() {
    let (mut phone, call, invite) = Phone::in_call();
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    let bye = request(Method::Bye, invite.call_id(), "z9hG4bKm", 9, &tag, None);
    phone.agent.handle_input(
        phone.now,
        Flow(9),
        bye.replace("tag=bob", "tag=mallory").replace('\n', "\r\n").as_bytes(),
    );
    assert!(phone.agent.poll_transmit().is_some_and(|refusal| refusal.payload.starts_with(b"SIP/2.0 481")));
    assert!(phone.agent.get(call).is_some());
    assert_eq!(phone.events(), Vec::<String>::new());
}

#[test]
fn a_flood_of_invites_is_bounded_and_drains() {
    let mut phone = idle();
    for n in 0..5_000 {
        phone.receive(&invite(&format!("flood-{n}"), &format!("z9hG4bK{n}"), Some("offer")));
        phone.events();
    }
    let answers = phone.sent();
    let count = |what: &str| answers.iter().filter(|answer| answer.starts_with(what)).count();
    assert_eq!((count("180"), count("486"), count("503")), (32, 992, 3_976));
    assert_eq!(phone.agent.live()[..2], [1_024, 32]);
    // The refused ones go by themselves; the 32 wait for whoever owns the phone.
    phone.advance(Duration::from_secs(40));
    assert_eq!(phone.agent.live()[..2], [32, 32]);
    phone.agent.shutdown(phone.now);
    phone.events();
    phone.assert_idle();
}

#[test]
fn a_driver_that_does_not_look_at_events_gets_no_more_of_them() {
    let (mut phone, _) = Phone::ringing();
    phone.receive(&request(Method::Cancel, "in-1", "z9hG4bKin1", 1, "", None));
    for n in 0..400 {
        phone.receive(&invite(&format!("in-{n}"), &format!("z9hG4bK{n}"), Some("offer")));
        phone.receive(&request(Method::Cancel, &format!("in-{n}"), &format!("z9hG4bK{n}"), 1, "", None));
    }
    assert!(phone.agent.counters().dropped > 0);
    assert!(phone.raw_events().len() <= 260);
    phone.receive(&invite("last", "z9hG4bKlast", Some("offer")));
    assert_eq!(phone.events(), ["incoming+offer"], "it listens again");
}

#[test]
fn damaged_messages_of_every_kind_do_no_harm() {
    let whole: Vec<u8> = invite("in-1", "z9hG4bKin1", Some("offer")).replace('\n', "\r\n").into();
    let mut phone = idle();
    for cut in 0..whole.len() {
        phone.receive_bytes(&whole[..cut]);
        for byte in [0, b'\r', b'<', b'"', b',', b';', 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[cut] = byte;
            phone.receive_bytes(&damaged);
        }
        phone.raw_events();
        while phone.agent.poll_transmit().is_some() {}
        if phone.agent.calls().count() > 16 {
            phone.agent.shutdown(phone.now);
        }
        phone.advance(Duration::from_secs(1));
    }
    phone.agent.shutdown(phone.now);
    phone.raw_events();
    while phone.agent.poll_transmit().is_some() {}
    phone.advance(Duration::from_secs(200));
    assert_eq!(phone.agent.live(), [0, 0, 0, 0]);
}
