//! SUBSCRIBE and NOTIFY: the dialog, refresh, every way in which one ends (RFC 6665 §4.1), message waiting as RFC 3842 §5
//! shows it, lost connections.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use std::time::Duration;

use phone::{FLOW, Phone, alice};
use soft_phone_sip::dialog_info::{DialogInfo, Line};
use soft_phone_sip::message_summary::Summary;
use soft_phone_sip::{Error, Event, Flow, Forks, Message, Request, SubscriptionId, Transport};

const SUMMARY: &str = "application/simple-message-summary";

fn subscribed() -> (Phone, SubscriptionId, Request) {
    let mut phone = Phone::new(alice(Transport::Wss));
    let id = phone.agent.subscribe(phone.now, "alice", "message-summary", SUMMARY).unwrap();
    let subscribe = phone.request();
    (phone, id, subscribe)
}

/// A NOTIFY of the notifier with `tag` to what `subscribe` asked.
fn notify(subscribe: &Request, tag: &str, seq: u32, state: &str, body: &str) -> String {
    let content = if body.is_empty() { String::new() } else { format!("Content-Type: {SUMMARY}\n") };
    format!(
        "NOTIFY sip:alice@x.invalid;transport=ws SIP/2.0\n\
         Via: SIP/2.0/WSS proxy.example.com;branch=z9hG4bKn{tag}{seq}\n\
         Max-Forwards: 69\n\
         Record-Route: <sip:proxy.example.com;transport=ws;lr>\n\
         From: <sip:alice@example.com>;tag={tag}\n\
         To: {}\n\
         Call-ID: {}\n\
         CSeq: {seq} NOTIFY\n\
         Contact: <sip:vmail.example.com>\n\
         Event: {}\n\
         Subscription-State: {state}\n\
         {content}Content-Length: {}\n\n{body}",
        subscribe.headers.get("From").unwrap(),
        subscribe.call_id(),
        subscribe.headers.get("Event").unwrap(),
        body.len()
    )
}

/// The same, taken, and active.
fn active() -> (Phone, SubscriptionId, Request) {
    let (mut phone, id, subscribe) = subscribed();
    phone.answer(&subscribe, 200, "v", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "v", 1, "active;expires=3600", "Messages-Waiting: no"));
    assert_eq!(phone.sent(), ["200 NOTIFY 1"]);
    assert_eq!(phone.events(), ["subscription(active)", "notify(Messages-Waiting: no)"]);
    (phone, id, subscribe)
}

/// A1, A2, A3 of RFC 3842 §5, then the refresh and the end.
#[test]
fn rfc_3842_5_message_waiting() {
    let (mut phone, id, subscribe) = subscribed();
    let text = String::from_utf8(subscribe.to_bytes()).unwrap();
    let expected = [
        "SUBSCRIBE sip:alice@example.com SIP/2.0",
        "To: <sip:alice@example.com>",
        "CSeq: 1 SUBSCRIBE",
        "Event: message-summary",
        "Expires: 3600",
        "Accept: application/simple-message-summary",
        "Content-Length: 0",
    ];
    for line in expected {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
    assert_eq!(subscribe.contacts().len(), 1);
    phone.answer(&subscribe, 200, "4442", &[("Expires", "3600")], None);
    assert_eq!(phone.events().len(), 0, "§4.4.1: it is the NOTIFY that counts");
    let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n";
    phone.receive_bytes(
        notify(&subscribe, "4442", 20, "active;expires=3600", "")
            .replace('\n', "\r\n")
            .replace(
                "Content-Length: 0\r\n\r\n",
                &format!("Content-Type: {SUMMARY}\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            )
            .as_bytes(),
    );
    assert_eq!(phone.sent(), ["200 NOTIFY 20"]);
    assert_eq!(phone.events(), ["subscription(active)".to_owned(), format!("notify({body})")]);

    // The refresh: in the dialog that the NOTIFY made, over its route, to its Contact (§4.4.1).
    let (refresh, after) = phone.next_request();
    assert!((3_060..=3_240).contains(&after), "a tenth before the end, and up to a twentieth of jitter: {after}");
    assert_eq!(refresh.uri.to_string(), "sip:vmail.example.com");
    assert_eq!(refresh.headers.get("Route"), Some("<sip:proxy.example.com;transport=ws;lr>"));
    assert_eq!(refresh.to().unwrap().tag(), Some("4442"));
    assert_eq!((refresh.call_id(), refresh.cseq().unwrap().seq), (subscribe.call_id(), 2));
    phone.answer(&refresh, 200, "4442", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "4442", 21, "active;expires=3600", ""));
    assert_eq!((phone.sent(), phone.events()), (vec!["200 NOTIFY 21".into()], vec!["notify(-)".into()]));

    phone.agent.unsubscribe(phone.now, id).unwrap();
    let end = phone.request();
    assert_eq!((end.headers.get("Expires"), end.cseq().unwrap().seq), (Some("0"), 3));
    phone.answer(&end, 200, "4442", &[("Expires", "0")], None);
    assert_eq!(phone.events().len(), 0);
    phone.receive(&notify(&subscribe, "4442", 22, "terminated;reason=timeout", "Messages-Waiting: no"));
    assert_eq!(phone.sent(), ["200 NOTIFY 22"]);
    assert_eq!(phone.events(), ["notify(Messages-Waiting: no)", "subscription(terminated timeout)"]);
    // What follows is nobody's.
    phone.receive(&notify(&subscribe, "4442", 23, "active", ""));
    assert_eq!(phone.sent(), ["481 NOTIFY 23"]);
    assert_eq!(phone.agent.unsubscribe(phone.now, id), Err(Error::UnknownSubscription));
    phone.assert_idle();
}

#[test]
fn a_notify_may_come_before_the_answer_and_other_forks_are_not_wanted() {
    // RFC 3856 §6.9: presence has one dialog.
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.subscribe(phone.now, "alice", "presence", SUMMARY).unwrap();
    let subscribe = phone.request();
    phone.receive(&notify(&subscribe, "one", 1, "pending;expires=600", ""));
    phone.receive(&notify(&subscribe, "two", 1, "active;expires=600", ""));
    assert_eq!(phone.sent(), ["200 NOTIFY 1", "481 NOTIFY 1"]);
    assert_eq!(phone.events(), ["notify(-)"], "pending is what it was");
    phone.answer(&subscribe, 202, "one", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "one", 2, "active;expires=600", "x"));
    // §12.2.2 of RFC 3261: older than what was seen.
    phone.receive(&notify(&subscribe, "one", 1, "pending", "").replace("z9hG4bKnone1", "z9hG4bKlate"));
    assert_eq!(phone.sent(), ["200 NOTIFY 2", "500 NOTIFY 1"]);
    assert_eq!(phone.events(), ["subscription(active)", "notify(x)"]);
    // 600 s, not the 3600 of the answer.
    let (refresh, after) = phone.next_request();
    assert_eq!((refresh.cseq().unwrap().seq, refresh.to().unwrap().tag()), (2, Some("one")));
    assert!((510..=540).contains(&after), "{after}");
}

/// The number of the phone that each NOTIFY is of, and what it says.
fn told(phone: &mut Phone) -> Vec<String> {
    let of = |event: Event| match event {
        Event::Notify { fork, body, .. } => {
            format!("{fork}: {}", body.map_or("-".into(), |body| String::from_utf8(body.bytes).unwrap()))
        }
        other => phone::brief_event(&other),
    };
    phone.raw_events().into_iter().map(of).collect()
}

/// RFC 6665 §5.4.9: every phone that a forked SUBSCRIBE reaches has a dialog of its own, refreshed and ended for itself.
#[test]
fn a_forked_subscription_is_several_dialogs_and_one_wish() {
    let (mut phone, id, subscribe) = subscribed();
    phone.receive(&notify(&subscribe, "one", 7, "active;expires=600", "a"));
    phone.answer(&subscribe, 200, "one", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "two", 1, "active;expires=3000", "b"));
    phone.receive(&notify(&subscribe, "two", 2, "active;expires=3000", "c"));
    phone.receive(&notify(&subscribe, "one", 8, "active;expires=600", "d"));
    assert_eq!(phone.sent(), ["200 NOTIFY 7", "200 NOTIFY 1", "200 NOTIFY 2", "200 NOTIFY 8"]);
    assert_eq!(told(&mut phone), ["subscription(active)", "0: a", "1: b", "1: c", "0: d"]);
    // Each counts for itself (RFC 3261 §12.2.2).
    phone.receive(&notify(&subscribe, "two", 1, "active", "").replace("z9hG4bKntwo1", "z9hG4bKlate"));
    assert_eq!(phone.sent(), ["500 NOTIFY 1"]);
    let (refresh, after) = phone.next_request();
    assert_eq!((refresh.to().unwrap().tag(), refresh.cseq().unwrap().seq), (Some("one"), 2));
    assert!((510..=540).contains(&after), "{after}");
    phone.answer(&refresh, 200, "one", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "one", 9, "active;expires=3600", "e"));
    assert_eq!(phone.sent(), ["200 NOTIFY 9"]);
    let (refresh, _) = phone.next_request();
    assert_eq!((refresh.to().unwrap().tag(), refresh.cseq().unwrap().seq), (Some("two"), 2));
    phone.answer(&refresh, 200, "two", &[("Expires", "3600")], None);
    phone.receive(&notify(&subscribe, "two", 3, "active;expires=3600", "f"));
    phone.messages();
    assert_eq!(told(&mut phone), ["0: e", "1: f"]);
    // §4.1.2.4: timer N is over, no more phones.
    phone.receive(&notify(&subscribe, "three", 1, "active;expires=600", "g"));
    assert_eq!(phone.sent(), ["481 NOTIFY 1"]);

    // The first is gone: the wish goes on with the other, under the same name.
    phone.receive(&notify(&subscribe, "one", 10, "terminated;reason=noresource", ""));
    assert_eq!(phone.sent(), ["200 NOTIFY 10"]);
    assert_eq!(told(&mut phone), ["0: -", "0: -"]);
    phone.receive(&notify(&subscribe, "two", 4, "active;expires=3600", "h"));
    assert_eq!((phone.sent(), told(&mut phone)), (vec!["200 NOTIFY 4".to_owned()], vec!["1: h".to_owned()]));
    phone.agent.unsubscribe(phone.now, id).unwrap();
    let end = phone.request();
    assert_eq!((end.to().unwrap().tag(), end.headers.get("Expires")), (Some("two"), Some("0")));
    phone.answer(&end, 200, "two", &[("Expires", "0")], None);
    phone.receive(&notify(&subscribe, "two", 5, "terminated;reason=timeout", ""));
    assert_eq!(told(&mut phone), ["1: -", "subscription(terminated timeout)"]);
    phone.assert_idle();
}

#[test]
fn all_phones_of_a_forked_subscription_are_left_together() {
    let (mut phone, id, subscribe) = subscribed();
    phone.answer(&subscribe, 200, "one", &[("Expires", "3600")], None);
    for tag in ["one", "two", "three"] {
        phone.receive(&notify(&subscribe, tag, 1, "active;expires=3600", tag));
    }
    phone.receive(&notify(&subscribe, "three", 2, "terminated;reason=rejected", ""));
    phone.messages();
    assert_eq!(told(&mut phone), ["subscription(active)", "0: one", "1: two", "2: three", "2: -", "2: -"]);
    phone.agent.unsubscribe(phone.now, id).unwrap();
    let mut tags: Vec<String> = phone
        .messages()
        .iter()
        .map(|message| match message {
            Message::Request(end) => {
                assert_eq!(end.headers.get("Expires"), Some("0"));
                end.to().unwrap().tag().unwrap().to_owned()
            }
            Message::Response(_) => panic!("no request"),
        })
        .collect();
    tags.sort();
    assert_eq!(tags, ["one", "two"]);
    phone.assert_idle();

    // A connection is lost: one SUBSCRIBE finds them all again.
    let (mut phone, _, subscribe) = subscribed();
    phone.answer(&subscribe, 200, "one", &[("Expires", "3600")], None);
    for tag in ["one", "two"] {
        phone.receive(&notify(&subscribe, tag, 1, "active;expires=3600", tag));
    }
    phone.messages();
    phone.raw_events();
    phone.agent.handle_disconnected(phone.now, FLOW);
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let again = phone.request();
    assert_ne!(again.call_id(), subscribe.call_id());
    phone.receive(&notify(&again, "two", 1, "active;expires=3600", "two"));
    phone.receive(&notify(&again, "one", 1, "active;expires=3600", "one"));
    let said: Vec<String> = told(&mut phone).into_iter().filter(|said| !said.ends_with('-')).collect();
    assert_eq!(said, ["0: two", "1: one"]);
}

#[test]
fn what_several_phones_say_is_one_state() {
    let summary = |text: &str| Summary::parse(text.as_bytes()).unwrap();
    let mut mailboxes: Forks<Summary> = Forks::default();
    assert_eq!(mailboxes.merged(), None);
    mailboxes.set(0, summary("Messages-Waiting: no\r\nVoice-Message: 0/3"));
    mailboxes.set(1, summary("Messages-Waiting: yes\r\nVoice-Message: 2/8 (1/2)"));
    let all = mailboxes.merged().unwrap();
    assert_eq!((all.waiting, all.voice.new, all.voice.old, all.voice.urgent_new), (true, 2, 11, 1));
    mailboxes.forget(1);
    assert!(!mailboxes.merged().unwrap().waiting);

    let dialogs = |state: &str| {
        let text = format!(
            "<dialog-info version='1' state='full' entity='sip:a@b'><dialog id='1' direction='recipient'><state>{state}\
             </state></dialog></dialog-info>"
        );
        DialogInfo::parse(text.as_bytes()).unwrap()
    };
    let mut lamps: Forks<DialogInfo> = Forks::default();
    lamps.set(0, dialogs("terminated"));
    assert_eq!(lamps.merged().unwrap().line(), Line::Free);
    lamps.set(1, dialogs("early"));
    assert_eq!(lamps.merged().unwrap().line(), Line::Ringing);
    lamps.set(1, dialogs("confirmed"));
    assert_eq!((lamps.merged().unwrap().line(), lamps.merged().unwrap().dialogs.len()), (Line::Busy, 2));
}

#[test]
fn no_notify_is_no_subscription() {
    let (mut phone, _, subscribe) = subscribed();
    phone.answer(&subscribe, 200, "v", &[("Expires", "3600")], None);
    // §4.1.2.4, timer N: 64·T1; then again by itself.
    phone.advance(Duration::from_millis(31_999));
    assert!(phone.events().is_empty());
    phone.advance(Duration::from_millis(1));
    assert_eq!(phone.events(), ["subscription(waiting)"]);
    let (again, _) = phone.next_request();
    assert_ne!(again.call_id(), subscribe.call_id(), "a new dialog");
    assert_eq!(again.to().unwrap().tag(), None);
}

/// §4.1.3: what each reason means for the one who still wants to know.
#[test]
fn every_reason_has_its_way() {
    let ways = [
        ("terminated;reason=deactivated", "", 1),
        ("terminated;reason=timeout", "", 1),
        ("terminated;reason=probation;retry-after=7", "subscription(waiting)", 7_000),
        ("terminated;reason=giveup;retry-after=9", "subscription(waiting)", 9_000),
        ("terminated;reason=rejected", "subscription(terminated rejected)", 0),
        ("terminated;reason=noresource", "subscription(terminated noresource)", 0),
        ("terminated;reason=invariant", "subscription(terminated invariant)", 0),
        ("Terminated ; reason=Rejected", "subscription(terminated Rejected)", 0),
        ("terminated;retry-after=11", "subscription(waiting)", 11_000),
    ];
    for (state, event, again) in ways {
        let (mut phone, _, subscribe) = active();
        phone.receive(&notify(&subscribe, "v", 2, state, "last"));
        let expected: Vec<&str> = ["notify(last)", event].into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(phone.events(), expected, "{state}");
        let sent = phone.sent();
        match again {
            0 => assert_eq!(sent, ["200 NOTIFY 2"], "{state}"),
            1 => assert_eq!(sent, ["200 NOTIFY 2", "SUBSCRIBE 1"], "{state}"),
            _ => {
                assert_eq!(sent, ["200 NOTIFY 2"], "{state}");
                let line = phone.timeline(Duration::from_secs(20));
                assert_eq!(line, [(again, "SUBSCRIBE 1".to_owned())], "{state}");
            }
        }
        if again == 0 {
            phone.assert_idle();
        }
    }
}

#[test]
fn a_notifier_that_ends_it_again_and_again_is_left_alone_for_longer_each_time() {
    let (mut phone, _, mut subscribe) = active();
    let mut pauses = Vec::new();
    for n in 0..4 {
        let tag = format!("v{n}");
        let tag = if n == 0 { "v" } else { &tag };
        phone.receive(&notify(&subscribe, tag, 2, "terminated;reason=deactivated", ""));
        phone.events();
        let mut next = None;
        for message in phone.messages() {
            if let Message::Request(request) = message {
                next = Some((request, 0));
            }
        }
        let (next, after) = next.unwrap_or_else(|| phone.next_request());
        pauses.push(after);
        subscribe = next;
        phone.answer(&subscribe, 200, "x", &[("Expires", "3600")], None);
        phone.receive(&notify(&subscribe, &format!("v{}", n + 1), 1, "active;expires=3600", ""));
        phone.sent();
        phone.events();
    }
    assert_eq!(pauses[0], 0);
    assert!((15..=30).contains(&pauses[1]) && (30..=60).contains(&pauses[2]) && (60..=120).contains(&pauses[3]));
}

#[test]
fn a_notifier_that_forgot_gets_a_new_subscription() {
    let (mut phone, _, _) = active();
    let (refresh, _) = phone.next_request();
    phone.answer(&refresh, 481, "v", &[], None);
    let again = phone.request();
    assert_eq!((again.to().unwrap().tag(), again.cseq().unwrap().seq), (None, 1));
    assert_eq!(phone.events().len(), 0, "nobody need know");
    // Another refusal of a refresh leaves what there is for as long as it lasts (§4.1.2.2).
    phone.answer(&again, 200, "w", &[("Expires", "3600")], None);
    phone.receive(&notify(&again, "w", 1, "active;expires=3600", ""));
    phone.sent();
    let (refresh, _) = phone.next_request();
    phone.answer(&refresh, 500, "w", &[], None);
    phone.events();
    let (refresh, after) = phone.next_request();
    assert_eq!((refresh.to().unwrap().tag(), phone.events().len()), (Some("w"), 0));
    assert!((15..=30).contains(&after), "{after}");
}

#[test]
fn refusals_are_for_good_or_pass() {
    let cases = [
        (489, "subscription(terminated 489 Bad Event)"),
        (403, "subscription(terminated 403 Forbidden)"),
        (404, "subscription(terminated 404 Not Found)"),
        (481, "subscription(terminated 481 Call/Transaction Does Not Exist)"),
        (503, "subscription(waiting 503 Service Unavailable)"),
        (480, "subscription(waiting 480 Temporarily Unavailable)"),
    ];
    for (status, event) in cases {
        let after = [("Retry-After", "40 (maintenance)")];
        let headers = if status == 503 { after.as_slice() } else { &[] };
        let (mut phone, _, subscribe) = subscribed();
        phone.answer(&subscribe, status, "v", headers, None);
        let events = phone.raw_events();
        assert_eq!(events.iter().map(phone::brief_event).collect::<Vec<_>>(), [event]);
        if status == 503 {
            let [Event::Subscription { retry_at, .. }] = events.as_slice() else { panic!() };
            assert_eq!(*retry_at, Some(phone.now + Duration::from_secs(40)));
        }
        if event.contains("terminated") {
            phone.assert_idle();
        }
    }
    // 423: as long as the notifier wants.
    let (mut phone, _, subscribe) = subscribed();
    phone.answer(&subscribe, 423, "v", &[("Min-Expires", "7200")], None);
    let longer = phone.request();
    assert_eq!((longer.headers.get("Expires"), longer.cseq().unwrap().seq), (Some("7200"), 2));
    // And a challenge: the number goes on, in the dialog too.
    let challenge = [("WWW-Authenticate", "Digest realm=\"example.com\", nonce=\"n1\", algorithm=MD5")];
    phone.answer(&longer, 401, "v", &challenge, None);
    let answered = phone.request();
    assert!(answered.headers.get("Authorization").is_some());
    assert_eq!(answered.cseq().unwrap().seq, 3);
    phone.answer(&answered, 200, "v", &[("Expires", "7200")], None);
    phone.receive(&notify(&answered, "v", 1, "active;expires=7200", ""));
    phone.sent();
    let (refresh, _) = phone.next_request();
    assert_eq!(refresh.cseq().unwrap().seq, 4);
    let challenge = [("WWW-Authenticate", "Digest realm=\"example.com\", nonce=\"n2\", stale=true, algorithm=MD5")];
    phone.answer(&refresh, 401, "v", &challenge, None);
    let refresh = phone.request();
    assert_eq!(refresh.cseq().unwrap().seq, 5);
    phone.answer(&refresh, 200, "v", &[("Expires", "7200")], None);
    phone.advance(Duration::from_secs(32));
    phone.events();
}

#[test]
fn a_subscription_is_ended_wherever_it_stands() {
    // Before the first NOTIFY: there is no dialog to end it in (§4.1.2.3).
    let (mut phone, id, subscribe) = subscribed();
    phone.agent.unsubscribe(phone.now, id).unwrap();
    phone.answer(&subscribe, 200, "v", &[("Expires", "3600")], None);
    assert!(phone.messages().is_empty());
    phone.receive(&notify(&subscribe, "v", 1, "active;expires=3600", ""));
    let sent = phone.messages();
    let [_, Message::Request(end)] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((end.headers.get("Expires"), end.cseq().unwrap().seq), (Some("0"), 2));
    phone.answer(end, 200, "v", &[("Expires", "0")], None);
    // The notifier never says that it is over: timer N does.
    phone.receive(&notify(&subscribe, "v", 2, "active", ""));
    phone.sent();
    phone.events();
    phone.advance(Duration::from_secs(32));
    assert_eq!(phone.events(), ["subscription(terminated)"]);
    phone.assert_idle();

    // While a refresh runs.
    let (mut phone, id, _) = active();
    let (refresh, _) = phone.next_request();
    phone.agent.unsubscribe(phone.now, id).unwrap();
    assert!(phone.messages().is_empty());
    phone.answer(&refresh, 200, "v", &[("Expires", "3600")], None);
    let end = phone.request();
    assert_eq!(end.headers.get("Expires"), Some("0"));
    phone.answer(&end, 481, "v", &[], None);
    assert_eq!(phone.events(), ["subscription(terminated 481)"]);
    phone.assert_idle();

    // While it waits, and without a connection.
    let (mut phone, id, subscribe) = subscribed();
    phone.answer(&subscribe, 480, "v", &[], None);
    phone.agent.unsubscribe(phone.now, id).unwrap();
    assert_eq!(phone.events().last().unwrap(), "subscription(terminated)");
    phone.assert_idle();
    let (mut phone, id, _) = active();
    phone.agent.handle_disconnected(phone.now, FLOW);
    phone.agent.unsubscribe(phone.now, id).unwrap();
    assert_eq!(phone.events(), ["subscription(terminated)"]);
    phone.assert_idle();

    // The page closes.
    let (mut phone, _, _) = active();
    phone.agent.shutdown(phone.now);
    assert_eq!(phone.request().headers.get("Expires"), Some("0"));
    assert_eq!(phone.events(), ["subscription(terminated)"]);
    phone.assert_idle();
}

#[test]
fn another_connection_another_dialog() {
    let (mut phone, _, subscribe) = active();
    phone.agent.handle_disconnected(phone.now, FLOW);
    // The hour passes without one.
    phone.advance(Duration::from_secs(4_000));
    assert!(phone.messages().is_empty() && phone.events().is_empty());
    phone.flow = Flow(2);
    phone.agent.handle_connected(phone.now, phone.flow);
    let again = phone.request();
    assert_ne!(again.call_id(), subscribe.call_id());
    phone.answer(&again, 200, "w", &[("Expires", "3600")], None);
    phone.receive(&notify(&again, "w", 1, "active;expires=3600", "y"));
    assert_eq!(phone.events(), ["notify(y)"], "seen from above it never ended");
    // Lost while the SUBSCRIBE runs.
    phone.next_request();
    phone.agent.handle_disconnected(phone.now, phone.flow);
    phone.flow = Flow(3);
    phone.agent.handle_connected(phone.now, phone.flow);
    assert_eq!(phone.sent(), ["SUBSCRIBE 1"]);
}

#[test]
fn what_a_notify_lacks_and_what_nobody_reads() {
    let (mut phone, _, subscribe) = subscribed();
    let plain = notify(&subscribe, "v", 1, "active", "x");
    phone.receive(&plain.replace("Subscription-State: active\n", ""));
    phone.receive(&notify(&subscribe, "v", 2, "active", "x").replace(SUMMARY, "text/plain"));
    phone.receive(&notify(&subscribe, "v", 3, "active", "x").replace("Event: message-summary", "Event: presence"));
    assert_eq!(phone.sent(), ["400 NOTIFY 1", "415 NOTIFY 2", "481 NOTIFY 3"]);
    assert_eq!(phone.events().len(), 0);
    let error = |phone: &mut Phone, target, package, accept| {
        phone.agent.subscribe(phone.now, target, package, accept).unwrap_err()
    };
    assert_eq!(error(&mut phone, "", "reg", ""), Error::Malformed { what: "target" });
    assert_eq!(error(&mut phone, "a", "r;e", ""), Error::Injection { field: "package".to_owned() });
    assert_eq!(error(&mut phone, "a", "reg", "a\r\nb"), Error::Injection { field: "Accept".to_owned() });
    phone.agent.handle_disconnected(phone.now, FLOW);
    for n in 1..256 {
        phone.agent.subscribe(phone.now, &n.to_string(), "presence", "").unwrap();
    }
    assert_eq!(error(&mut phone, "a", "reg", ""), Error::TooLong { what: "subscriptions", limit: 256 });
}

/// What Asterisk sends to a contact of an AOR with `mailboxes`.
#[test]
fn message_waiting_comes_unasked_from_the_registrar_alone() {
    let mut phone = Phone::new(alice(Transport::Wss));
    let unsolicited = |n: u32| {
        format!(
            "NOTIFY sip:alice@x.invalid;transport=ws SIP/2.0\n\
             Via: SIP/2.0/WSS 192.0.2.9:8089;branch=z9hG4bKun{n}\n\
             From: <sip:192.0.2.9>;tag=as{n}\n\
             To: <sip:alice@x.invalid>\n\
             Call-ID: mwi-{n}\nCSeq: {n} NOTIFY\nContact: <sip:192.0.2.9:8089>\n\
             Event: message-summary\nSubscription-State: active\n\
             Content-Type: {SUMMARY}\nContent-Length: 21\n\nMessages-Waiting: yes"
        )
    };
    phone.receive(&unsolicited(1));
    assert_eq!((phone.sent(), phone.events().len()), (vec!["481 NOTIFY 1".to_owned()], 0), "not registered");
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    phone.answer(&register, 200, "r", &[("Expires", "600")], None);
    phone.events();
    phone.receive(&unsolicited(2));
    phone.receive(&unsolicited(3).replace("Event: message-summary", "Event: presence"));
    assert_eq!(phone.sent(), ["200 NOTIFY 2", "481 NOTIFY 3"]);
    assert_eq!(phone.events(), ["message-summary(Messages-Waiting: yes)"]);
}
