//! We are sent elsewhere: REFER and our NOTIFYs message for message, the flows of RFC 3515 §4 in the dialog of a call, and
//! everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;
#[path = "common/referral.rs"]
mod referral;

use std::time::Duration;

use phone::{Phone, request, sdp};
use referral::{accepted, answered, asked, refer, referred};
use soft_phone_sip::{CallOptions, CallState, Event, Flow, Message, Method};

#[test]
fn the_flow_of_rfc_3515_4_1() {
    let (mut phone, call, tag) = answered();
    // F1, F2, F3.
    phone.receive(&refer(93_809_823, &tag, "Refer-To: <sip:carol@example.com>\n"));
    let trying = accepted(&mut phone);
    assert_eq!(trying.headers.get("Event"), Some("refer"));
    assert_eq!(trying.headers.get("Subscription-State"), Some("active;expires=240"));
    assert_eq!(trying.headers.get("Content-Type"), Some("message/sipfrag;version=2.0"));
    assert_eq!((trying.body.as_slice(), trying.body.len()), (b"SIP/2.0 100 Trying\r\n".as_slice(), 20));
    assert_eq!((trying.from().unwrap().tag(), trying.to().unwrap().tag()), (Some(tag.as_str()), Some("bob")));
    assert_eq!(trying.uri.to_string(), "sip:bob@192.0.2.4");
    assert_eq!(trying.headers.get("Route"), Some("<sip:proxy.example.com;transport=ws;lr>"));
    assert_eq!(trying.contacts().len(), 1);
    // F4, "(whatever)".
    phone.answer(&trying, 200, "bob", &[], None);
    let transfer = asked(&mut phone);
    let made = phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    assert_eq!((invite.method.clone(), invite.uri.to_string().as_str()), (Method::Invite, "sip:carol@example.com"));
    assert_eq!((invite.headers.get("Replaces"), invite.headers.get("Referred-By")), (None, None));
    phone.answer(&invite, 200, "carol", &[("Contact", "<sip:carol@192.0.2.5>")], Some("answer"));
    // F5, F6.
    let messages = phone.messages();
    let [Message::Request(ack), Message::Request(done)] = messages.as_slice() else { panic!() };
    assert_eq!((&ack.method, &done.method), (&Method::Ack, &Method::Notify));
    assert_eq!(done.cseq().unwrap().seq, trying.cseq().unwrap().seq + 1);
    assert_eq!(done.headers.get("Subscription-State"), Some("terminated;reason=noresource"));
    assert_eq!((done.body.as_slice(), done.body.len()), (b"SIP/2.0 200 OK\r\n".as_slice(), 16));
    phone.answer(done, 200, "bob", &[], None);
    assert_eq!(phone.events(), ["dialing>active", "answered+answer"]);
    assert_eq!(phone.agent.get(call).unwrap().state(), CallState::Active, "ended by whoever asked");
    for call in [call, made] {
        phone.agent.hangup(phone.now, call).unwrap();
    }
    phone.assert_idle();
}

#[test]
fn the_flow_of_rfc_3515_4_2() {
    let (mut phone, call, tag) = answered();
    phone.receive(&refer(93_809_823, &tag, "Refer-To: <sip:carol@example.com>\n"));
    let first = accepted(&mut phone);
    phone.answer(&first, 200, "bob", &[], None);
    let first_transfer = asked(&mut phone);
    // The second one, while the first runs: its NOTIFYs are named after it.
    phone.receive(&refer(93_809_824, &tag, "Refer-To: <sip:dave@example.com>\n"));
    let second = accepted(&mut phone);
    assert_eq!(second.headers.get("Event"), Some("refer;id=93809824"));
    phone.answer(&second, 200, "bob", &[], None);
    let second_transfer = asked(&mut phone);
    phone.agent.reject_transfer(phone.now, second_transfer, 603).unwrap();
    let declined = phone.request();
    assert_eq!(declined.headers.get("Event"), Some("refer;id=93809824"));
    assert_eq!(declined.body, b"SIP/2.0 603 Decline\r\n");
    phone.answer(&declined, 200, "bob", &[], None);
    phone.agent.reject_transfer(phone.now, first_transfer, 503).unwrap();
    let declined = phone.request();
    assert_eq!(declined.headers.get("Event"), Some("refer"));
    assert_eq!(declined.body, b"SIP/2.0 503 Service Unavailable\r\n");
    phone.answer(&declined, 200, "bob", &[], None);
    phone.agent.hangup(phone.now, call).unwrap();
    phone.assert_idle();
}

#[test]
fn what_may_be_asked_for_and_what_not() {
    for (refer_to, status, target) in [
        ("Refer-To: <sip:carol@example.com>", 202, "sip:carol@example.com"),
        ("r: \"Carol\" <sips:carol@example.com>", 202, "sips:carol@example.com"),
        ("Refer-To: sip:carol@example.com", 202, "sip:carol@example.com"),
        ("Refer-To: <tel:+7-916-123>", 202, "sip:+7916123@example.com;user=phone"),
        ("Refer-To: <sip:carol@example.com;method=INVITE>", 202, "sip:carol@example.com"),
        ("Refer-To: <sip:carol@example.com?Subject=free&Route=%3Csip:evil%3E>", 202, "sip:carol@example.com"),
        ("Refer-To: <sip:carol@example.com;method=BYE>", 403, ""),
        ("Refer-To: <http://example.com/>", 416, ""),
        ("Refer-To: <mailto:carol@example.com>", 416, ""),
        ("Refer-To: <javascript:alert(1)>", 416, ""),
        ("Refer-To: <sip:carol@example.com?Replaces=a%0D%0AEvil:%201>", 400, ""),
        ("Refer-To: <sip:carol@example.com?Replaces=a%3Bto-tag%3Db&Replaces=c>", 400, ""),
        ("Refer-To: <sip:carol@example.com>, <sip:dave@example.com>", 400, ""),
        ("Refer-To: <sip:carol@example.com>\nRefer-To: <sip:dave@example.com>", 400, ""),
        ("Refer-To: carol", 400, ""),
        ("Refer-To: <sip:@>", 400, ""),
        ("Subject: no Refer-To", 400, ""),
    ] {
        let (mut phone, _, tag) = answered();
        phone.receive(&refer(2, &tag, &format!("{refer_to}\n")));
        let Some(Message::Response(answer)) = phone.messages().into_iter().next() else { panic!() };
        assert_eq!(answer.status, status, "{refer_to}");
        let said: Vec<String> = if status == 202 { vec![format!("asked-to-call({target})")] } else { vec![] };
        assert_eq!(phone.events(), said, "{refer_to}");
    }
    // Long ones.
    for (refer_to, status) in [
        (format!("Refer-To: <sip:{}@example.com>", "c".repeat(2_000)), 416),
        (format!("Refer-To: <sip:carol@example.com?Replaces={}>", "c".repeat(2_000)), 400),
    ] {
        let (mut phone, _, tag) = answered();
        phone.receive(&refer(2, &tag, &format!("{refer_to}\n")));
        assert_eq!((phone.response().status, phone.events()), (status, vec![]));
    }
}

#[test]
fn only_replaces_gets_into_the_invite() {
    let (mut phone, _, tag) = answered();
    let replaces = "Replaces=abc%40192.0.2.7%3Bto-tag%3Dt1%3Bfrom-tag%3Df1&Require=replaces";
    let headers = format!(
        "Refer-To: <sip:carol@example.com?{replaces}&Call-Info=%3Chttp://evil%3E&Require=evil&body=evil>\n\
         Referred-By: \"Bob\" <sip:bob@example.com>;cid=\"20398823.2UWQFN309shb3@example.com\"\n"
    );
    phone.receive(&refer(2, &tag, &headers));
    let trying = accepted(&mut phone);
    phone.answer(&trying, 200, "bob", &[], None);
    let events = phone.raw_events();
    let [Event::Transfer { transfer, replaces: true, referred_by: Some(by), .. }] = events.as_slice() else { panic!() };
    assert_eq!((by.display_name.as_deref(), by.uri.to_string().as_str()), (Some("Bob"), "sip:bob@example.com"));
    phone.agent.accept_transfer(phone.now, *transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    assert_eq!(invite.uri.to_string(), "sip:carol@example.com");
    assert_eq!(invite.headers.get("Replaces"), Some("abc@192.0.2.7;to-tag=t1;from-tag=f1"));
    assert!(invite.headers.get_list("Require").eq(["replaces"]));
    assert_eq!(invite.headers.get("Referred-By"), Some("\"Bob\" <sip:bob@example.com>"));
    assert_eq!((invite.headers.get("Call-Info"), invite.body.as_slice()), (None, b"offer".as_slice()));
}

#[test]
fn a_stranger_sends_us_nowhere() {
    let (mut phone, _, _) = answered();
    // RFC 3515 §4.1 F1 as it stands there: outside any dialog.
    phone.receive(
        "REFER sip:alice@example.com SIP/2.0\n\
         Via: SIP/2.0/UDP agenta.atlanta.example.com;branch=z9hG4bK2293940223\n\
         To: <sip:b@atlanta.example.com>\n\
         From: <sip:a@atlanta.example.com>;tag=193402342\n\
         Call-ID: 898234234@agenta.atlanta.example.com\n\
         CSeq: 93809823 REFER\n\
         Max-Forwards: 70\n\
         Refer-To: <sip:carol@example.com>\n\
         Contact: sip:a@atlanta.example.com\n\
         Content-Length: 0\n\n",
    );
    phone.receive(&refer(7, "", "Refer-To: <sip:carol@example.com>\n"));
    phone.receive(&refer(8, "other", "Refer-To: <sip:carol@example.com>\n"));
    assert_eq!(phone.sent(), ["403 REFER 93809823", "403 REFER 7", "481 REFER 8"]);
    // Before the call is answered.
    let (mut phone, _) = Phone::ringing();
    let tag = {
        let call = phone.agent.calls().next().unwrap().id();
        phone.agent.ring(phone.now, call).unwrap();
        phone.response().to().unwrap().tag().unwrap().to_owned()
    };
    phone.receive(&refer(2, &tag, "Refer-To: <sip:carol@example.com>\n"));
    assert_eq!((phone.sent(), phone.events()), (vec!["403 REFER 2".to_owned()], vec![]));
}

#[test]
fn reports_go_one_at_a_time_and_only_the_newest() {
    let (mut phone, _, trying) = referred();
    let transfer = asked(&mut phone);
    phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    for status in [180, 183, 180, 486] {
        phone.answer(&invite, status, "carol", &[], None);
    }
    assert_eq!(phone.sent(), ["ACK 1"], "the first NOTIFY has no answer yet");
    phone.answer(&trying, 200, "bob", &[], None);
    assert_eq!(phone.request().body, b"SIP/2.0 486 Busy Here\r\n");
}

#[test]
fn each_status_is_reported_once_and_the_last_one_is_the_last() {
    let (mut phone, tag, trying) = referred();
    phone.answer(&trying, 200, "bob", &[], None);
    let transfer = asked(&mut phone);
    let made = phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    phone.answer(&invite, 180, "carol", &[], None);
    let ringing = phone.request();
    phone.answer(&ringing, 200, "bob", &[], None);
    phone.answer(&invite, 180, "carol", &[], None);
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.answer(&invite, 200, "carol", &[("Contact", "<sip:carol@192.0.2.5>")], Some("answer"));
    let messages = phone.messages();
    let [Message::Request(_), Message::Request(last)] = messages.as_slice() else { panic!() };
    assert_eq!(last.body, b"SIP/2.0 200 OK\r\n");
    // Before the last NOTIFY has its answer, the new call is over already.
    phone.agent.hangup(phone.now, made).unwrap();
    let bye = phone.request();
    phone.answer(&bye, 200, "carol", &[], None);
    phone.answer(last, 200, "bob", &[], None);
    phone.advance(Duration::from_secs(40));
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 3, &tag, None));
    phone.assert_idle();
}

#[test]
fn a_call_that_was_asked_for_and_given_up_is_reported_too() {
    let (mut phone, _, trying) = referred();
    phone.answer(&trying, 200, "bob", &[], None);
    let transfer = asked(&mut phone);
    let made = phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    phone.answer(&invite, 180, "carol", &[], None);
    let ringing = phone.request();
    assert_eq!(ringing.body, b"SIP/2.0 180 Ringing\r\n");
    phone.answer(&ringing, 200, "bob", &[], None);
    phone.agent.hangup(phone.now, made).unwrap();
    phone.sent();
    phone.answer(&invite, 487, "carol", &[], None);
    let last = phone.messages().into_iter().find_map(|message| match message {
        Message::Request(request) if request.method == Method::Notify => Some(request),
        _ => None,
    });
    assert_eq!(last.unwrap().body, b"SIP/2.0 487 Request Terminated\r\n");
}

#[test]
fn a_report_that_the_connection_lost_is_sent_again() {
    let (mut phone, tag, _) = referred();
    let transfer = asked(&mut phone);
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.agent.reject_transfer(phone.now, transfer, 603).unwrap();
    assert_eq!(phone.sent(), Vec::<String>::new());
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, Flow(2));
    let notify = phone.request();
    assert_eq!((notify.cseq().unwrap().seq, notify.body.as_slice()), (2, b"SIP/2.0 603 Decline\r\n".as_slice()));
    phone.answer(&notify, 200, "bob", &[], None);
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 3, &tag, None));
    phone.assert_idle();
}

#[test]
fn nobody_is_told_who_does_not_listen() {
    let (mut phone, tag, trying) = referred();
    phone.answer(&trying, 481, "bob", &[], None);
    let transfer = asked(&mut phone);
    let made = phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    phone.answer(&invite, 180, "carol", &[], None);
    phone.answer(&invite, 200, "carol", &[("Contact", "<sip:carol@192.0.2.5>")], Some("answer"));
    assert_eq!(phone.sent(), ["ACK 1"]);
    phone.agent.hangup(phone.now, made).unwrap();
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 3, &tag, None));
    phone.assert_idle();
}

#[test]
fn a_subscription_can_be_prolonged_and_ended() {
    let (mut phone, tag, trying) = referred();
    phone.answer(&trying, 200, "bob", &[], None);
    let transfer = asked(&mut phone);
    let subscribe = |seq: u32, tag: &str, event: &str, expires: u32| {
        request(Method::Subscribe, "in-1", &format!("z9hG4bKs{seq}"), seq, tag, None).replacen(
            "Contact:",
            &format!("Event: {event}\nExpires: {expires}\nContact:"),
            1,
        )
    };
    phone.receive(&subscribe(3, &tag, "refer", 600));
    let again = match phone.messages().as_slice() {
        [Message::Response(response), Message::Request(notify)] => {
            assert_eq!((response.status, response.headers.get("Expires")), (200, Some("600")));
            notify.clone()
        }
        _ => panic!(),
    };
    assert_eq!(again.headers.get("Subscription-State"), Some("active;expires=600"));
    assert_eq!(again.body, b"SIP/2.0 100 Trying\r\n");
    phone.answer(&again, 200, "bob", &[], None);
    phone.receive(&subscribe(4, &tag, "refer;id=7", 600));
    phone.receive(&subscribe(5, "", "refer", 600));
    assert_eq!(phone.sent(), ["481 SUBSCRIBE 4", "403 SUBSCRIBE 5"]);
    phone.receive(&subscribe(6, &tag, "refer", 0));
    let messages = phone.messages();
    let [Message::Response(_), Message::Request(last)] = messages.as_slice() else { panic!() };
    assert_eq!(last.headers.get("Subscription-State"), Some("terminated;reason=timeout"));
    phone.answer(last, 200, "bob", &[], None);
    // The transfer itself goes on, unreported.
    phone.agent.accept_transfer(phone.now, transfer, sdp("offer"), CallOptions::default()).unwrap();
    let invite = phone.request();
    phone.answer(&invite, 486, "carol", &[], None);
    assert_eq!(phone.sent(), ["ACK 1"]);
}
