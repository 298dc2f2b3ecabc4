//! Calls that take the place of others (RFC 3891), and what else an INVITE may say or wish: RFC 3323, 3325, 3326, 3892,
//! 4244, 5373, 5806, 7044.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/party.rs"]
mod party;
#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use party::Party;
use phone::{Phone, alice, invite, request, sdp};
use soft_phone_sip::{Body, CallId, CallOptions, CallState, Cause, Error, Event, Message, Method, Replaces, Transport};

/// Carol's INVITE for the phone, with more headers.
fn with(call_id: &str, headers: &str) -> String {
    invite(call_id, &format!("z9hG4bK{call_id}"), Some("offer"))
        .replace("\"Bob\" <sip:bob@example.com>;tag=bob", "\"Carol\" <sip:carol@example.com>;tag=carol")
        .replacen("Contact:", &format!("{headers}\nContact:"), 1)
}

/// A call from Bob, answered; the phone's tag.
fn answered() -> (Phone, CallId, String) {
    let (mut phone, call) = Phone::ringing();
    phone.agent.answer(phone.now, call, sdp("answer")).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-1", "z9hG4bKack", 1, &tag, None));
    phone.events();
    (phone, call, tag)
}

#[test]
fn the_header_is_read_as_the_rfc_writes_it() {
    // RFC 3891 §6.1.
    for (text, call_id, to_tag, from_tag, early_only) in [
        (
            "98732@sip.example.com\t;from-tag=r33th4x0r ;to-tag=ff87ff",
            "98732@sip.example.com",
            "ff87ff",
            "r33th4x0r",
            false,
        ),
        ("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only", "12adf2f34456gs5", "12345", "54321", true),
        ("87134@171.161.34.23;to-tag=24796;from-tag=0", "87134@171.161.34.23", "24796", "0", false),
    ] {
        let name: Replaces = text.parse().unwrap();
        let expected =
            Replaces { call_id: call_id.into(), to_tag: to_tag.into(), from_tag: from_tag.into(), early_only };
        assert_eq!(name, expected);
        assert_eq!(name.to_string().parse::<Replaces>().unwrap(), name);
    }
    for bad in [
        "",
        ";to-tag=1;from-tag=2",
        "a;to-tag=1",
        "a;to-tag=1;from-tag=2;to-tag=3",
        "a b;to-tag=1;from-tag=2",
        "a;to-tag=;from-tag=2",
    ] {
        assert!(bad.parse::<Replaces>().is_err(), "{bad}");
    }
}

#[test]
fn a_call_takes_the_place_of_one_that_is_answered() {
    let (mut phone, old, tag) = answered();
    phone.receive(&with("in-2", &format!("Require: replaces\nReplaces: in-1;to-tag={tag};from-tag=bob")));
    // It does not ring: its user is in that call.
    assert_eq!((phone.sent(), phone.events()), (vec![], vec!["incoming+offer".to_owned()]));
    let new = phone.agent.calls().last().unwrap().id();
    assert_eq!((phone.agent.get(new).unwrap().replaces(), phone.agent.get(old).unwrap().replaces()), (Some(old), None));
    phone.agent.answer(phone.now, new, sdp("answer 2")).unwrap();
    let answer = phone.response();
    let ours = answer.to().unwrap().tag().unwrap().to_owned();
    assert_eq!(phone.agent.get(old).unwrap().state(), CallState::Active, "not before the new one stands");
    phone.receive(&request(Method::Ack, "in-2", "z9hG4bKack2", 1, &ours, None).replace("tag=bob", "tag=carol"));
    let bye = phone.request();
    assert_eq!((&bye.method, bye.call_id()), (&Method::Bye, "in-1"));
    assert_eq!(phone.events(), ["incoming>answering", "answering>active", "answered", "active>ending"]);
    phone.answer(&bye, 200, "bob", &[], None);
    let ended = phone.raw_events();
    assert_eq!(
        ended.last(),
        Some(&Event::Ended {
            call: old,
            cause: Cause::RemoteHangup,
            status: None,
            reason: Some("replaced".to_owned())
        })
    );
    assert_eq!(phone.agent.get(new).unwrap().state(), CallState::Active);
    phone.receive(&request(Method::Bye, "in-2", "z9hG4bKbye2", 2, &ours, None).replace("tag=bob", "tag=carol"));
    phone.assert_idle();
}

#[test]
fn a_call_that_waits_is_picked_up_by_somebody_else() {
    // We call Bob, whose phone rings; Carol picks up.
    let (mut phone, old, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], None);
    phone.events();
    let tag = invite.from().unwrap().tag().unwrap().to_owned();
    let replaces = format!("Replaces: {};to-tag={tag};from-tag=bob;early-only", invite.call_id());
    phone.receive(&with("in-2", &replaces));
    let new = phone.agent.calls().last().unwrap().id();
    assert_eq!(phone.agent.get(new).unwrap().replaces(), Some(old));
    phone.agent.answer(phone.now, new, sdp("answer")).unwrap();
    let ours = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&request(Method::Ack, "in-2", "z9hG4bKack2", 1, &ours, None).replace("tag=bob", "tag=carol"));
    assert_eq!(phone.sent(), ["CANCEL 1"]);
    phone.events();
    phone.answer(&invite, 487, "bob", &[], None);
    let Some(Event::Ended { call, cause, reason, .. }) = phone.raw_events().pop() else { panic!("it did not end") };
    assert_eq!((call, cause, reason.as_deref()), (old, Cause::RemoteHangup, Some("Request Terminated")));
}

#[test]
fn what_cannot_be_replaced_is_refused_as_the_rfc_says() {
    let (mut phone, _, tag) = answered();
    let good = format!("Replaces: in-1;to-tag={tag};from-tag=bob");
    for (n, (headers, status)) in [
        ("Replaces: in-7;to-tag=x;from-tag=bob".to_owned(), 481),
        (format!("Replaces: in-1;to-tag={tag};from-tag=mallory"), 481),
        ("Replaces: in-1;to-tag=guess;from-tag=bob".to_owned(), 481),
        (format!("{good};early-only"), 486),
        ("Replaces: nonsense".to_owned(), 400),
        (format!("{good}\n{good}"), 400),
    ]
    .into_iter()
    .enumerate()
    {
        phone.receive(&with(&format!("bad-{n}"), &headers));
        assert_eq!(phone.response().status, status, "{headers}");
    }
    // In another request than INVITE.
    phone.receive(&request(Method::Options, "o", "z9hG4bKo", 1, "", None).replacen(
        "Contact:",
        &format!("{good}\nContact:"),
        1,
    ));
    assert_eq!(phone.response().status, 400);
    assert_eq!(phone.events(), Vec::<String>::new());

    // Of a call that is over: too late, which is not the same as never.
    phone.receive(&request(Method::Bye, "in-1", "z9hG4bKbye", 2, &tag, None));
    phone.messages();
    phone.receive(&with("late", &good));
    assert_eq!(phone.response().status, 603);

    // An early dialog that another began: our own phone rings with it.
    let (mut phone, call) = Phone::ringing();
    phone.agent.ring(phone.now, call).unwrap();
    let tag = phone.response().to().unwrap().tag().unwrap().to_owned();
    phone.receive(&with("in-2", &format!("Replaces: in-1;to-tag={tag};from-tag=bob")));
    assert_eq!(phone.response().status, 481);
}

/// Three agents: Alice is in a call with Bob, Carol takes Bob's place, as the target of an attended transfer sees it.
#[test]
fn agents_replace_each_other() {
    let mut party = Party::new(3);
    let (ours, theirs) = party.connect(0, 1);
    let replaces = party.agents[1].replaces(theirs).unwrap();
    let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
    let new = party.agents[2].call(party.now, "sip:alice@example.com", Body::sdp("offer"), options).unwrap();
    party.until(0, |event| matches!(event, Event::Incoming { .. }));
    let taken = party.last_call(0);
    assert_eq!(party.agents[0].get(taken).unwrap().replaces(), Some(ours));
    party.agents[0].answer(party.now, taken, Body::sdp("answer")).unwrap();
    assert_eq!(
        party.flow(),
        [
            "carol > alice: INVITE",
            "alice > carol: 200 INVITE",
            "carol > alice: ACK",
            "alice > bob: BYE",
            "bob > alice: 200 BYE",
        ]
    );
    assert_eq!((party.state(2, new), party.state(1, theirs)), (Some(CallState::Active), None));
    party.agents[2].hangup(party.now, new).unwrap();
    party.assert_idle();
}

#[test]
fn whom_we_replace_must_be_a_dialog() {
    let mut phone = Phone::new(alice(Transport::Wss));
    for (call_id, tag) in [("a\r\nX: y", "t"), ("a;early-only", "t"), ("a", "t;x"), ("", "t"), ("a", "")] {
        let replaces =
            Replaces { call_id: call_id.into(), to_tag: tag.into(), from_tag: "f".into(), early_only: false };
        let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
        assert!(phone.agent.call(phone.now, "600", sdp("offer"), options).is_err(), "{call_id:?} {tag:?}");
    }
    assert_eq!((phone.sent(), phone.agent.calls().count()), (vec![], 0));
    let replaces: Replaces = "c1@x;to-tag=a;from-tag=b;early-only".parse().unwrap();
    let options = CallOptions { replaces: Some(replaces), ..CallOptions::default() };
    phone.agent.call(phone.now, "600", sdp("offer"), options).unwrap();
    let invite = phone.request();
    assert_eq!(invite.headers.get("Replaces"), Some("c1@x;to-tag=a;from-tag=b;early-only"));
    assert_eq!(invite.headers.get("Require"), Some("replaces"));
}

#[test]
fn an_anonymous_call_tells_nobody_but_the_server() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let options = CallOptions { anonymous: true, auto_answer: true, ..CallOptions::default() };
    let call = phone.agent.call(phone.now, "600", sdp("offer"), options).unwrap();
    let invite = phone.request();
    let hidden = |name: &str| !invite.headers.get(name).unwrap().to_ascii_lowercase().contains("alice");
    assert!(hidden("From") && hidden("Contact") && hidden("Call-ID"));
    assert_eq!((invite.headers.get("Privacy"), invite.headers.get("Answer-Mode")), (Some("id"), Some("Auto")));
    assert_eq!(invite.headers.get("P-Preferred-Identity"), Some("\"Alice\" <sip:alice@example.com>"));
    assert!(invite.headers.get("From").unwrap().starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
    // It stays so in the dialog: in our requests, and in our answers to the peer's.
    phone.answer(&invite, 200, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], Some("answer"));
    phone.messages();
    phone.agent.transfer(phone.now, call, "700").unwrap();
    let refer = phone.request();
    assert!(
        !refer.headers.get("Contact").unwrap().contains("alice")
            && !refer.headers.get("From").unwrap().contains("alice")
    );
    let reinvite = request(Method::Invite, invite.call_id(), "z9hG4bKre", 7, "", Some("offer 2"))
        .replace("To: <sip:alice@example.com>", &format!("To: {}", invite.headers.get("From").unwrap()));
    phone.receive(&reinvite);
    phone.agent.accept_offer(phone.now, call, sdp("answer 2")).unwrap();
    let answer = phone.response();
    assert_eq!((answer.status, answer.headers.get("Contact").unwrap().contains("alice")), (200, false));
}

#[test]
fn why_we_hang_up_is_told() {
    let (mut phone, call, _) = Phone::in_call();
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    assert!(matches!(phone.agent.hangup_with(phone.now, call, "a\r\nb"), Err(Error::Injection { .. })));
    phone.agent.hangup_with(phone.now, call, reason).unwrap();
    assert_eq!(phone.request().headers.get("Reason"), Some(reason));

    let (mut phone, call, invite) = Phone::calling();
    phone.answer(&invite, 180, "bob", &[("Contact", "<sip:bob@192.0.2.4>")], None);
    phone.agent.hangup_with(phone.now, call, reason).unwrap();
    assert_eq!(phone.request().headers.get("Reason"), Some(reason));
}

/// What the phone makes of an INVITE with these headers.
fn facts(headers: &str) -> soft_phone_sip::Facts {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(&with("in-1", headers));
    phone.agent.calls().next().unwrap().facts().clone()
}

#[test]
fn who_diverted_a_call_is_known() {
    let uris = |facts: &soft_phone_sip::Facts| -> Vec<String> {
        facts.diversion.iter().map(|remote| remote.uri.to_string()).collect()
    };
    // RFC 5806 §10: the last diversion stands first.
    let two = facts(
        "Diversion: <sip:UserB@example.com>;reason=user-busy\nDiversion: \"A\" <sip:UserA@example.com>;reason=time-of-day",
    );
    assert_eq!(uris(&two), ["sip:UserB@example.com", "sip:UserA@example.com"]);
    assert_eq!(two.diversion[1].display_name.as_deref(), Some("A"));
    // RFC 7044: the oldest stands first; where the call is now has not been left.
    let history = facts(
        "History-Info: <sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1, \
         <sip:office@example.com?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1, <sip:alice@example.com>;index=1.2;mp=1",
    );
    assert_eq!(uris(&history), ["sip:office@example.com", "sip:bob@example.com"]);
    let causes = facts("History-Info: <sip:bob@example.com>;index=1, <sip:alice@example.com;cause=408>;index=1.1");
    assert_eq!(uris(&causes), ["sip:bob@example.com"]);
    assert!(
        facts("History-Info: <sip:alice@example.com>;index=1, <sip:alice@192.0.2.4>;index=1.1;rc=1")
            .diversion
            .is_empty()
    );
    let many: Vec<String> = (0..40).map(|n| format!("Diversion: <sip:{n}@example.com>")).collect();
    assert_eq!(facts(&many.join("\n")).diversion.len(), 8);
}

#[test]
fn who_wants_to_be_answered_at_once_is_known() {
    for (headers, after) in [
        ("Answer-Mode: Auto", Some(0)),
        ("Answer-Mode: auto ; require", Some(0)),
        ("Priv-Answer-Mode: Auto", Some(0)),
        ("Answer-Mode: Manual", None),
        ("Call-Info: <sip:example.com>;answer-after=0", Some(0)),
        ("Call-Info: <http://example.com/i.png>;purpose=icon, <sip:x>; Answer-After=5", Some(5)),
        ("Alert-Info: <http://www.notused.com>;info=alert-autoanswer;delay=3", Some(3)),
        ("Alert-Info: ;info=\"alert-autoanswer\"", Some(0)),
        ("Alert-Info: <http://www.notused.com>;info=alert-external;delay=3", None),
        ("Call-Info: <sip:x>;answer-after=99999999999999999999", Some(0)),
        ("Call-Info: <sip:x>;answer-after=86400", Some(300)),
        ("Subject: answer-after=0", None),
    ] {
        assert_eq!(facts(headers).auto_answer, after.map(Duration::from_secs), "{headers}");
    }
}

#[test]
fn what_else_an_invite_says_is_known() {
    let all = facts(
        "P-Asserted-Identity: \"Carol C\" <sip:+1555@example.com>\nPrivacy: id;critical\nSubject: Lunch\n\
         Alert-Info: <urn:alert:service:call-waiting>\nCall-Info: <http://example.com/carol.png>;purpose=icon\n\
         Referred-By: \"Dave\" <sip:dave@example.com>;cid=\"1@x\"",
    );
    assert_eq!((all.asserted, all.privacy), (true, true));
    assert_eq!(all.subject.as_deref(), Some("Lunch"));
    assert_eq!(all.alert_info.as_deref(), Some("<urn:alert:service:call-waiting>"));
    assert_eq!(all.call_info.as_deref(), Some("<http://example.com/carol.png>;purpose=icon"));
    let referred_by = all.referred_by.unwrap();
    assert_eq!(
        (referred_by.uri.to_string(), referred_by.display_name.as_deref()),
        ("sip:dave@example.com".into(), Some("Dave"))
    );

    assert_eq!(facts("Subject: "), soft_phone_sip::Facts::default());
    assert!(!facts("Privacy: none").privacy && facts("Privacy: header").privacy && facts("Privacy: user; id").privacy);
    assert_eq!(facts(&format!("Subject: {}", "ж".repeat(3_000))).subject.unwrap().chars().count(), 256);

    let mut phone = Phone::new(alice(Transport::Wss));
    phone.receive(
        &with("a", "Subject: x")
            .replace("\"Carol\" <sip:carol@example.com>", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
    );
    assert!(phone.agent.calls().next().unwrap().facts().privacy);

    // Who answers our call, the network may say too.
    let (mut phone, call, invite) = Phone::calling();
    assert!(!phone.agent.get(call).unwrap().facts().asserted);
    phone.answer(
        &invite,
        200,
        "bob",
        &[("Contact", "<sip:b@192.0.2.4>"), ("P-Asserted-Identity", "<sip:b@example.com>")],
        Some("a"),
    );
    assert!(phone.agent.get(call).unwrap().facts().asserted);
    assert!(matches!(phone.messages().as_slice(), [Message::Request(_)]));
}

/// RFC 5373 §4.5: who has asked is told how the call was answered.
#[test]
fn a_caller_that_asks_for_an_automatic_answer_hears_whether_it_was_one() {
    let answered = |headers: &str, automatic: bool| {
        let mut phone = Phone::new(alice(Transport::Wss));
        phone.receive(&with("in-1", headers));
        phone.messages();
        let call = phone.agent.calls().next().unwrap().id();
        match automatic {
            true => phone.agent.answer_automatically(phone.now, call, sdp("answer")).unwrap(),
            false => phone.agent.answer(phone.now, call, sdp("answer")).unwrap(),
        }
        phone.response()
    };
    let mode =
        |headers: &str, automatic: bool, name: &str| answered(headers, automatic).headers.get(name).map(str::to_owned);
    let said = Some("Auto".to_owned());
    assert_eq!(mode("Answer-Mode: Auto;require", true, "Answer-Mode"), said);
    assert_eq!(mode("Priv-Answer-Mode: Auto", true, "Priv-Answer-Mode"), said);
    assert_eq!(mode("Answer-Mode: Auto", false, "Answer-Mode"), Some("Manual".to_owned()));
    assert_eq!(mode("Answer-Mode: Auto", false, "Priv-Answer-Mode"), None);
    assert_eq!(mode("Subject: x", true, "Answer-Mode"), None);
}
