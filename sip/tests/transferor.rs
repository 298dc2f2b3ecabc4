//! We send the other end of a call elsewhere: our REFER, its NOTIFYs, and everything that can be wrong with them
//! (RFC 3515, RFC 3891).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;
#[path = "common/referral.rs"]
mod referral;

use std::time::Duration;

use phone::{Phone, request};
use referral::{answered, notify, refer, transfer_and_answer};
use soft_phone_sip::{CallId, CallState, Error, Event, Flow, Message, Method};

#[test]
fn a_202_ends_nothing_and_a_200_in_a_notify_does() {
    let (mut phone, call, tag) = answered();
    transfer_and_answer(&mut phone, call);
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.receive(&notify(2, &tag, "refer", "active;expires=60", "SIP/2.0 100 Trying"));
    phone.receive(&notify(3, &tag, "refer", "active;expires=60", "SIP/2.0 180 Ringing"));
    assert_eq!(phone.sent(), ["200 NOTIFY 2", "200 NOTIFY 3"]);
    assert_eq!(phone.events(), ["transfer(100)", "transfer(180)"]);
    phone.receive(&notify(4, &tag, "refer", "terminated;reason=noresource", "SIP/2.0 200 OK"));
    assert_eq!(phone.sent(), ["200 NOTIFY 4", "BYE 2"]);
    assert_eq!(phone.events(), ["transfer(200, done)", "active>ending"]);
}

#[test]
fn a_final_status_is_the_last_word_though_the_subscription_goes_on() {
    let (mut phone, call, tag) = answered();
    transfer_and_answer(&mut phone, call);
    phone.receive(&notify(2, &tag, "refer", "active;expires=3000", "SIP/2.0 200 OK"));
    assert_eq!(phone.events(), ["transfer(200, done)", "active>ending"]);
    let Some(Message::Request(bye)) = phone.messages().pop() else { panic!() };
    phone.answer(&bye, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["ending>ended", "ended(local-hangup)"]);
    phone.receive(&notify(4, &tag, "refer", "active", "SIP/2.0 200 OK"));
    // An old one, though the call is over.
    phone.receive(&notify(3, &tag, "refer", "active", "SIP/2.0 180 Ringing"));
    assert_eq!((phone.sent(), phone.events()), (vec!["200 NOTIFY 4".to_owned(), "481 NOTIFY 3".to_owned()], vec![]));
    // If the other end never closes it, we do not keep it for long.
    phone.advance(Duration::from_secs(33));
    assert_eq!(phone.agent.live(), [0, 0, 0, 0]);
}

#[test]
fn the_call_that_was_replaced_ends_by_its_other_end_or_by_us() {
    for target_hangs_up in [true, false] {
        let (mut phone, call, tag) = answered();
        let other = phone.dial("600");
        let invite = phone.request();
        phone.answer(&invite, 200, "carol", &[("Contact", "<sip:carol@192.0.2.5>")], Some("answer"));
        phone.sent();
        phone.agent.transfer_to(phone.now, call, other).unwrap();
        let refer = phone.request();
        phone.answer(&refer, 202, "bob", &[], None);
        phone.receive(&notify(2, &tag, "refer", "terminated", "SIP/2.0 200 OK"));
        assert_eq!(phone.sent(), ["200 NOTIFY 2", "BYE 2"]);
        if target_hangs_up {
            let ours = invite.from().unwrap().tag().unwrap().to_owned();
            let bye = request(Method::Bye, invite.call_id(), "z9hG4bKbye", 1, &ours, None);
            phone.receive(&bye.replacen(";tag=bob", ";tag=carol", 1));
            assert_eq!(phone.sent(), ["200 BYE 1"]);
        }
        phone.events();
        let sent = phone.timeline(Duration::from_secs(10));
        let expected: &[(u64, String)] = if target_hangs_up { &[] } else { &[(4_000, "BYE 2".to_owned())] };
        assert_eq!(sent, expected);
    }
}

#[test]
fn a_notify_can_overtake_the_202_and_say_little() {
    let (mut phone, call, tag) = answered();
    phone.agent.transfer(phone.now, call, "600").unwrap();
    let refer = phone.request();
    assert_eq!(refer.headers.get("Refer-To"), Some("<sip:600@example.com>"));
    phone.receive(&notify(2, &tag, "refer;id=1", "active", ""));
    phone.receive(&notify(3, &tag, "refer", "active", "SIP/2.0 100"));
    assert_eq!((phone.sent().len(), phone.events()), (2, vec!["transfer(100)".to_owned()]));
    phone.answer(&refer, 202, "bob", &[], None);
    phone.receive(&notify(4, &tag, "refer", "terminated;reason=giveup", ""));
    let events = phone.raw_events();
    let [Event::TransferProgress { status: 408, reason, done: true, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(reason, "giveup");
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
}

#[test]
fn a_notify_about_nothing_is_refused() {
    let (mut phone, call, tag) = answered();
    phone.receive(&notify(2, &tag, "refer", "active", "SIP/2.0 100 Trying"));
    assert_eq!(phone.sent(), ["481 NOTIFY 2"]);
    transfer_and_answer(&mut phone, call);
    phone.receive(&notify(3, &tag, "refer;id=99", "active", "SIP/2.0 100 Trying"));
    phone.receive(&notify(4, &tag, "refer;id=x", "active", "SIP/2.0 100 Trying"));
    assert_eq!(phone.sent(), ["481 NOTIFY 3", "481 NOTIFY 4"]);
    let odd = notify(5, &tag, "refer", "active", "SIP/2.0 100 Trying").replace("message/sipfrag", "text/html");
    phone.receive(&odd);
    let refusal = phone.response();
    assert_eq!((refusal.status, refusal.headers.get("Accept")), (415, Some("message/sipfrag")));
    for (seq, body) in ["HTTP/1.1 200 OK", "SIP/2.0 999 No", "SIP/2.0", "SIP/2.0 -1 No", "INVITE sip:a@b SIP/2.0"]
        .into_iter()
        .enumerate()
    {
        phone.receive(&notify(seq as u32 + 6, &tag, "refer", "active", body));
        assert_eq!((phone.response().status, phone.events()), (200, vec![]), "{body}");
    }
    // Older than what was heard before.
    phone.receive(&notify(3, &tag, "refer", "terminated", "SIP/2.0 200 OK").replace("z9hG4bKn3", "z9hG4bKold"));
    assert_eq!((phone.sent(), phone.events()), (vec!["500 NOTIFY 3".to_owned()], vec![]));
}

#[test]
fn a_reason_of_a_stranger_is_bounded() {
    let (mut phone, call, tag) = answered();
    transfer_and_answer(&mut phone, call);
    phone.receive(&notify(2, &tag, "refer", "terminated", &format!("SIP/2.0 486 \u{1b}{}", "ы".repeat(1_000))));
    let events = phone.raw_events();
    let [Event::TransferProgress { reason, .. }] = events.as_slice() else { panic!() };
    assert_eq!(*reason, "ы".repeat(128));
}

#[test]
fn silence_is_a_failure_and_the_call_stays() {
    let (mut phone, call, tag) = answered();
    transfer_and_answer(&mut phone, call);
    phone.advance(Duration::from_secs(31));
    assert_eq!(phone.events(), Vec::<String>::new());
    phone.advance(Duration::from_secs(2));
    assert_eq!(phone.events(), ["transfer(408, done)"]);
    // A NOTIFY, and then none for as long as it said.
    transfer_and_answer(&mut phone, call);
    phone.receive(&notify(2, &tag, "refer;id=2", "active;expires=60", "SIP/2.0 100 Trying"));
    phone.advance(Duration::from_secs(59));
    assert_eq!(phone.events(), ["transfer(100)"]);
    phone.advance(Duration::from_secs(2));
    assert_eq!(phone.events(), ["transfer(408, done)"]);
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active);
    // No answer to the REFER itself.
    phone.sent();
    phone.agent.transfer(phone.now, call, "600").unwrap();
    phone.advance(Duration::from_secs(33));
    assert_eq!((phone.sent(), phone.events()), (vec!["REFER 3".to_owned()], vec!["transfer(408, done)".to_owned()]));
    phone.agent.hangup(phone.now, call).unwrap();
    phone.assert_idle();
}

#[test]
fn a_refusal_leaves_the_call_and_481_ends_it() {
    let (mut phone, call, _) = answered();
    for (status, said) in [(405, "transfer(405, done)"), (603, "transfer(603, done)"), (302, "transfer(302, done)")] {
        phone.agent.transfer(phone.now, call, "600").unwrap();
        let refer = phone.request();
        phone.answer(&refer, status, "bob", &[], None);
        assert_eq!((phone.sent(), phone.events()), (vec![], vec![said.to_owned()]));
    }
    phone.agent.transfer(phone.now, call, "600").unwrap();
    let refer = phone.request();
    phone.answer(&refer, 481, "bob", &[], None);
    assert_eq!(phone.sent(), ["BYE 5"]);
    assert_eq!(phone.events(), ["transfer(481, done)", "active>ending"]);
}

#[test]
fn a_challenged_refer_is_named_after_its_second_number() {
    let (mut phone, call, tag) = answered();
    phone.agent.transfer(phone.now, call, "600").unwrap();
    let refer = phone.request();
    let challenge = [("Proxy-Authenticate", "Digest realm=\"x\", nonce=\"n\", algorithm=MD5, qop=\"auth\"")];
    phone.answer(&refer, 407, "bob", &challenge, None);
    let again = phone.request();
    assert_eq!((again.cseq().unwrap().seq, again.headers.get("Proxy-Authorization").is_some()), (2, true));
    phone.answer(&again, 202, "bob", &[], None);
    phone.receive(&notify(2, &tag, "refer;id=1", "active", "SIP/2.0 100 Trying"));
    phone.receive(&notify(3, &tag, "refer;id=2", "active", "SIP/2.0 100 Trying"));
    assert_eq!(phone.sent(), ["481 NOTIFY 2", "200 NOTIFY 3"]);
}

#[test]
fn a_refer_that_the_connection_took_along_may_have_arrived() {
    let (mut phone, call, tag) = answered();
    phone.agent.transfer(phone.now, call, "600").unwrap();
    phone.sent();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.agent.transfer(phone.now, call, "600"), Err(Error::WrongState { state: "transferring" }));
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, Flow(2));
    phone.sent();
    phone.receive(&notify(2, &tag, "refer", "terminated", "SIP/2.0 486 Busy Here"));
    assert_eq!(phone.events(), ["recover", "transfer(486, done)"]);
    // Or it may not.
    phone.agent.transfer(phone.now, call, "600").unwrap();
    phone.sent();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.flow = Flow(3);
    phone.agent.handle_connected(phone.now, Flow(3));
    phone.sent();
    phone.advance(Duration::from_secs(33));
    assert_eq!(phone.events(), ["recover", "transfer(408, done)"]);
    // And without a connection there is no REFER.
    phone.agent.handle_disconnected(phone.now, phone.flow);
    assert_eq!(phone.agent.transfer(phone.now, call, "600"), Err(Error::NotConnected));
}

#[test]
fn who_can_be_transferred() {
    let (mut phone, call) = Phone::ringing();
    assert_eq!(phone.agent.transfer(phone.now, call, "600"), Err(Error::WrongState { state: "incoming" }));
    assert_eq!(phone.agent.transfer(phone.now, CallId(99), "600"), Err(Error::UnknownCall));
    let (mut phone, call, _) = answered();
    assert_eq!(phone.agent.transfer(phone.now, call, "http://x"), Err(Error::Malformed { what: "target" }));
    assert_eq!(phone.agent.transfer_to(phone.now, call, call), Err(Error::WrongState { state: "active" }));
    assert_eq!(phone.agent.transfer_to(phone.now, call, CallId(99)), Err(Error::UnknownCall));
    let other = phone.dial("600");
    assert_eq!(phone.agent.transfer_to(phone.now, call, other), Err(Error::WrongState { state: "dialing" }));
}

#[test]
fn an_attended_transfer_names_the_dialog_as_its_target_sees_it() {
    for (contact, refer_to) in [
        ("<sip:carol@192.0.2.5>", "<sip:600@example.com?"),
        ("<sip:carol@example.com;gr=urn:uuid:f81d4fae>", "<sip:carol@example.com;gr=urn:uuid:f81d4fae?"),
    ] {
        let (mut phone, call, _) = answered();
        let other = phone.dial("600");
        let invite = phone.request();
        phone.answer(&invite, 200, "ca%rol", &[("Contact", contact)], Some("answer"));
        phone.sent();
        phone.agent.transfer_to(phone.now, call, other).unwrap();
        let refer = phone.request();
        assert_eq!(refer.call_id(), "in-1");
        let value = refer.headers.get("Refer-To").unwrap();
        let (call_id, ours) = (invite.call_id(), invite.from().unwrap().tag().unwrap().to_owned());
        let replaces = format!("Replaces={call_id}%3Bto-tag%3Dca%25rol%3Bfrom-tag%3D{ours}&Require=replaces>");
        assert_eq!(value, format!("{refer_to}{replaces}"));
        assert_eq!(refer.headers.get("Referred-By"), Some("\"Alice\" <sip:alice@example.com>"));
    }
}

#[test]
fn transfers_are_bounded() {
    let (mut phone, call, tag) = answered();
    for seq in 0..32 {
        phone.receive(&refer(seq + 2, &tag, "Refer-To: <sip:carol@example.com>\n"));
    }
    assert_eq!((phone.messages().len(), phone.events().len()), (64, 32));
    phone.receive(&refer(40, &tag, "Refer-To: <sip:carol@example.com>\n"));
    assert_eq!((phone.sent(), phone.events()), (vec!["486 REFER 40".to_owned()], vec![]));
    phone.agent.hangup(phone.now, call).unwrap();
    phone.assert_idle();
}
