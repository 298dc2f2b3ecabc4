//! Bodies of notifications, read: the RFCs' own documents, what Asterisk writes, and what must be refused.
//!
//! `tests/data/bodies/rfcNNNN-*` are the examples of RFC 3863 §4.4, RFC 4235 §3 to §6, RFC 3842 §4.1 and RFC 3680 §5.3.

use soft_phone_sip::dialog_info::{Dialog, DialogInfo, DialogState, Line, Party, Pickup};
use soft_phone_sip::message_summary::{Counts, Summary};
use soft_phone_sip::presence::{Availability, Presence, Tuple};
use soft_phone_sip::reg_event::{Contact, RegInfo};
use soft_phone_sip::{Applied, Direction, Error};

macro_rules! body {
    ($name:literal) => {
        include_bytes!(concat!("data/bodies/", $name)).as_slice()
    };
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn alices(state: DialogState) -> Dialog {
    Dialog {
        id: "as7d900as8".to_owned(),
        call_id: text("a84b4c76e66710"),
        local_tag: text("1928301774"),
        remote_tag: text("456887766"),
        direction: Some(Direction::Outbound),
        state,
        event: None,
        code: None,
        local: Party::default(),
        remote: Party::default(),
    }
}

#[test]
fn a_dialog_says_what_ended_it() {
    let info = DialogInfo::parse(body!("rfc4235-rejected.xml")).unwrap();
    let dialog =
        Dialog { remote_tag: None, event: text("rejected"), code: Some(486), ..alices(DialogState::Terminated) };
    let expected =
        DialogInfo { version: 0, full: false, entity: "sip:alice@example.com".to_owned(), dialogs: vec![dialog] };
    assert_eq!(info, expected);
    assert_eq!(info.line(), Line::Free);
}

#[test]
fn a_call_is_followed_from_document_to_document() {
    let mut known = DialogInfo::parse(body!("rfc4235-early.xml")).unwrap();
    assert_eq!(known.dialogs, [alices(DialogState::Early)]);
    // It rings at the other end, not here.
    assert_eq!((known.line(), known.pickup()), (Line::Busy, None));

    let confirmed = DialogInfo::parse(body!("rfc4235-confirmed.xml")).unwrap();
    assert_eq!(known.apply(confirmed), Applied::Done);
    let party = |name, identity, target| Party { identity: text(identity), name: text(name), target: text(target) };
    let dialog = Dialog {
        local: party("Alice", "sip:alice@example.com", "sip:alice@pc33.example.com"),
        remote: party("Bob", "sip:bob@example.org", "sip:bobster@phone21.example.org"),
        ..alices(DialogState::Confirmed)
    };
    assert_eq!((known.version, known.dialogs.as_slice()), (1, [dialog].as_slice()));
    assert_eq!(known.line(), Line::Busy);

    let early = DialogInfo::parse(body!("rfc4235-early.xml")).unwrap();
    assert_eq!(known.apply(early), Applied::Stale, "what is older changes nothing");
    assert_eq!(known.dialogs[0].state, DialogState::Confirmed);

    let terminated = DialogInfo::parse(body!("rfc4235-terminated.xml")).unwrap();
    assert_eq!(terminated.dialogs[0].event, text("remote-bye"));
    let mut behind = DialogInfo { version: 0, ..known.clone() };
    assert_eq!(behind.apply(terminated.clone()), Applied::Gap, "version 1 was lost");
    assert_eq!(known.apply(terminated), Applied::Done);
    assert_eq!((known.version, known.dialogs.len(), known.line()), (2, 0, Line::Free));

    let full = DialogInfo::parse(body!("ringing.xml")).unwrap();
    assert_eq!(behind.apply(full), Applied::Done, "a full document needs none before it");
    assert_eq!(behind.dialogs.len(), 1);
}

#[test]
fn without_a_state_all_is_told() {
    let info = DialogInfo::parse(body!("rfc4235-empty.xml")).unwrap();
    assert!(info.full && info.dialogs.is_empty());
    assert_eq!(info.line(), Line::Free);
}

#[test]
fn a_call_that_rings_can_be_picked_up_when_the_server_tells_enough() {
    let info = DialogInfo::parse(body!("ringing.xml")).unwrap();
    assert_eq!(info.line(), Line::Ringing);
    // The INVITE goes to the caller: its tag is the first.
    let pickup = Pickup {
        target: "sip:alice@client.example.com".to_owned(),
        call_id: "12adf2f34456gs5".to_owned(),
        to_tag: "9876asd7".to_owned(),
        from_tag: "12341111".to_owned(),
    };
    assert_eq!(info.pickup(), Some(pickup));
    let asterisk = DialogInfo::parse(body!("asterisk-ringing.xml")).unwrap();
    assert_eq!((asterisk.line(), asterisk.pickup()), (Line::Ringing, None));
    assert_eq!(DialogInfo::parse(body!("asterisk-idle.xml")).unwrap().line(), Line::Free);
}

#[test]
fn a_presence_document_is_read() {
    let presence = Presence::parse(body!("rfc3863.xml")).unwrap();
    let first = Tuple {
        id: "bs35r9".to_owned(),
        open: Some(true),
        contact: text("im:someone@mobilecarrier.net"),
        notes: vec!["Don't Disturb Please!".to_owned(), "Ne derangez pas, s'il vous plait".to_owned()],
        timestamp: text("2001-10-27T16:49:29Z"),
    };
    let second = Tuple {
        id: "eg92n8".to_owned(),
        open: Some(true),
        contact: text("mailto:someone@example.com"),
        notes: Vec::new(),
        timestamp: None,
    };
    let expected = Presence {
        entity: "pres:someone@example.com".to_owned(),
        tuples: vec![first, second],
        notes: vec!["I'll be in Tokyo next week".to_owned()],
        activities: Vec::new(),
    };
    assert_eq!(presence, expected);
    assert_eq!(presence.availability(), Some(Availability::Available));
}

#[test]
fn activities_tell_more_than_open_and_closed() {
    let presence = Presence::parse(body!("asterisk-presence.xml")).unwrap();
    assert_eq!(presence.activities, ["busy"]);
    assert_eq!(presence.notes, ["On the phone"]);
    assert_eq!(presence.availability(), Some(Availability::Busy));
    let of = |inside: &str| {
        let document = format!("<presence entity='sip:a@b'>{inside}</presence>");
        Presence::parse(document.as_bytes()).unwrap().availability()
    };
    assert_eq!(of("<tuple id='1'><status><basic>closed</basic></status></tuple>"), Some(Availability::Offline));
    let one_of_two = "<tuple id='1'><status><basic>closed</basic></status></tuple>\
        <tuple id='2'><status><basic>open</basic></status></tuple>";
    assert_eq!(of(one_of_two), Some(Availability::Available));
    assert_eq!(of("<tuple id='1'><status><basic>maybe</basic></status></tuple>"), None);
    assert_eq!(of(""), None);
}

#[test]
fn our_own_presence_is_written_to_the_letter() {
    let body = Presence::to_body("sip:a@b.example", "t1", Availability::Busy, Some("<lunch> & \"co\"\u{1}"));
    assert_eq!(body.content_type, "application/pidf+xml");
    let expected = concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n",
        "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" ",
        "xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:a@b.example\">",
        "<tuple id=\"t1\"><status><basic>open</basic></status><contact>sip:a@b.example</contact></tuple>",
        "<note>&lt;lunch&gt; &amp; &quot;co&quot;</note>",
        "<dm:person id=\"p1\"><rpid:activities><rpid:busy/></rpid:activities></dm:person></presence>\r\n",
    );
    assert_eq!(String::from_utf8(body.bytes).unwrap(), expected);
    for word in ["available", "busy", "away", "offline"] {
        let availability = Availability::from_word(word).unwrap();
        let body = Presence::to_body("sip:a@b.example", "t1", availability, None);
        assert_eq!(Presence::parse(&body.bytes).unwrap().availability(), Some(availability), "{word}");
        assert_eq!(availability.as_str(), word);
    }
    assert_eq!(Availability::from_word("asleep"), None);
}

#[test]
fn a_mailbox_is_counted() {
    let summary = Summary::parse(body!("rfc3842.txt")).unwrap();
    let voice = Counts { new: 2, old: 8, urgent_new: 0, urgent_old: 2 };
    let account = text("sip:alice@vmail.example.com");
    assert_eq!(summary, Summary { waiting: true, account, voice, other: Counts::default() });
    let none = Summary { waiting: false, ..Summary::default() };
    assert_eq!(Summary::parse(b"Messages-Waiting: no\r\n"), Ok(none));
    let kinds = b"\nmessages-waiting: YES\nFax-Message: 1/0\nText-Message: 2/3 (1/0)\n\nVoice-Message: 9/9\n";
    let summary = Summary::parse(kinds).unwrap();
    assert_eq!(summary.other, Counts { new: 3, old: 3, urgent_new: 1, urgent_old: 0 });
    assert_eq!(summary.voice, Counts::default(), "after the empty line come headers of single messages");
}

#[test]
fn a_mailbox_that_makes_no_sense_is_refused() {
    for body in [
        b"".as_slice(),
        b"Voice-Message: 1/2\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: many\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1/2 (3\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: -1/2\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 99999999999/2\r\n",
        b"Messages-Waiting: \xff\r\n",
    ] {
        let refused = Err(Error::Malformed { what: "message summary" });
        assert_eq!(Summary::parse(body), refused, "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn registrations_are_read_and_kept_up_to_date() {
    let mut known = RegInfo::parse(body!("rfc3680.xml")).unwrap();
    assert!(known.full && known.version == 0);
    let registration = &known.registrations[0];
    assert_eq!((registration.aor.as_str(), registration.id.as_str()), ("sip:user@example.com", "as9"));
    assert!(registration.active);
    let contact = |id: &str, active, event: &str, uri: &str| Contact {
        id: id.to_owned(),
        active,
        event: event.to_owned(),
        uri: uri.to_owned(),
        name: None,
        expires: None,
    };
    let pc = contact("76", true, "registered", "sip:user@pc887.example.com");
    assert_eq!(registration.contacts, [pc.clone(), contact("77", false, "expired", "sip:user@university.edu")]);
    let update = b"<reginfo version='1' state='partial'><registration aor='sip:user@example.com' id='as9' \
        state='active'><contact id='77' state='terminated' event='expired'><uri>sip:user@university.edu</uri></contact>\
        <contact id='78' state='active' event='registered' expires='60'><uri>sip:user@new.example</uri>\
        <display-name>New</display-name></contact></registration></reginfo>";
    assert_eq!(known.apply(RegInfo::parse(update).unwrap()), Applied::Done);
    let new = contact("78", true, "registered", "sip:user@new.example");
    let new = Contact { name: text("New"), expires: Some(60), ..new };
    assert_eq!(known.registrations[0].contacts, [pc, new]);
    assert_eq!(known.apply(RegInfo::parse(update).unwrap()), Applied::Stale);
}

#[test]
fn what_is_no_such_document_is_refused() {
    let bombs = "<!DOCTYPE d [<!ENTITY a 'aa'><!ENTITY b '&a;&a;'>]><dialog-info version='0'>&b;</dialog-info>";
    for document in
        [bombs, "", "<", "<dialog-info/>", "<dialog-info version='x'/>", "<presence/>", "<dialog-info version='0'>"]
    {
        let refused = Err(Error::Malformed { what: "dialog-info" });
        assert_eq!(DialogInfo::parse(document.as_bytes()), refused, "{document}");
    }
    assert_eq!(Presence::parse(b"\xff\xfe"), Err(Error::Malformed { what: "presence" }));
    assert_eq!(RegInfo::parse(b"<reginfo/>"), Err(Error::Malformed { what: "reginfo" }));
    // An unknown state, or a dialog without a name, is left out.
    let odd =
        b"<dialog-info version='0'><dialog id='1'><state>new</state></dialog><dialog><state>early</state></dialog>\
        <dialog id='2'/></dialog-info>";
    assert_eq!(DialogInfo::parse(odd).unwrap().dialogs, []);
}

#[test]
fn size_and_depth_are_bounded() {
    let long = vec![b' '; 64 * 1024 + 1];
    assert_eq!(DialogInfo::parse(&long), Err(Error::TooLong { what: "dialog-info", limit: 64 * 1024 }));
    // As deep as fits: the parser must not recurse.
    let deep = ["<presence>", &"<a>".repeat(9_000), &"</a>".repeat(9_000), "</presence>"].concat();
    assert_eq!(Presence::parse(deep.as_bytes()), Err(Error::Malformed { what: "presence" }), "more than 4,096 nodes");
    let deep = ["<presence>", &"<a>".repeat(4_000), &"</a>".repeat(4_000), "</presence>"].concat();
    assert_eq!(Presence::parse(deep.as_bytes()), Ok(Presence::default()));
    let many = "<dialog id='d'><state>early</state></dialog>".repeat(1_000);
    let many = ["<dialog-info version='1'>", &many, "</dialog-info>"].concat();
    assert_eq!(DialogInfo::parse(many.as_bytes()).unwrap().dialogs.len(), 128);
}
