//! Session descriptions: what RFCs print and what browsers and servers write is understood, changed where it is asked
//! for and nowhere else, and everything that was not understood comes back to the letter.
//!
//! `tests/data/sdp`: the examples of RFC 8866 §5, RFC 4566 §5, RFC 3264 §10.1 and §10.2; offers of Chromium 156 and
//! Firefox ESR 153 with audio, video and data (`-early`: before a candidate was found); an answer in Asterisk's
//! manner; fragments in the manner of RFC 8840 §4.4 and RFC 9725 §4.3.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use soft_phone_sip::Error;
use soft_phone_sip::sdp::{Candidate, Codec, Direction, Fragment, Session};

const CHROMIUM: &str = include_str!("data/sdp/chromium.sdp");
const CHROMIUM_EARLY: &str = include_str!("data/sdp/chromium-early.sdp");
const FIREFOX: &str = include_str!("data/sdp/firefox.sdp");
const ASTERISK: &str = include_str!("data/sdp/asterisk.sdp");
const RFC_8866: &str = include_str!("data/sdp/rfc8866.sdp");
const RFC_4566: &str = include_str!("data/sdp/rfc4566.sdp");
const OFFER: &str = include_str!("data/sdp/rfc3264-offer.sdp");
const ANSWER: &str = include_str!("data/sdp/rfc3264-answer.sdp");
const CHANGED: &str = include_str!("data/sdp/rfc3264-changed.sdp");
const RFC_8840: &str = include_str!("data/sdp/rfc8840-fragment.sdp");
const RFC_9725: &str = include_str!("data/sdp/rfc9725-fragment.sdp");

const ALL: [&str; 9] = [CHROMIUM, CHROMIUM_EARLY, FIREFOX, ASTERISK, RFC_8866, RFC_4566, OFFER, ANSWER, CHANGED];

fn session(text: &str) -> Session {
    Session::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Lines that only the first has, then lines that only the second has.
fn difference(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let only = |a: &str, b: &str| {
        let mut left: Vec<_> = b.lines().collect();
        let lines = a.lines().filter(|line| match left.iter().position(|other| other == line) {
            Some(place) => {
                left.remove(place);
                false
            }
            None => true,
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    (only(before, after), only(after, before))
}

fn codecs(session: &Session, media: usize) -> Vec<String> {
    session.media()[media].codecs().map(|codec| format!("{} {}/{}", codec.format, codec.name, codec.clock)).collect()
}

#[test]
fn every_description_comes_back_to_the_letter() {
    for text in ALL {
        assert_eq!(session(text).to_string(), text);
        assert_eq!(session(&text.replace("\r\n", "\n")).to_string(), text, "bare line feeds");
        assert_eq!(session(&format!("{text}\r\n\n")).to_string(), text, "empty lines behind");
    }
    for text in [RFC_8840, RFC_9725] {
        assert_eq!(Fragment::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_nobody_knows_stays_where_it_is() {
    let text = "v=0\r\no=- 1 1 IN IP4 h\r\ns= \u{436}\u{443}\u{43a} \r\nq=?\r\nZ=\r\nt=0 0\r\na=future:x y\r\n\
                m=audio 9 RTP/AVP 0\r\na=\r\nx=1  2\r\na=z:\t\r\nm=hologram 9 X/Y a b c\r\nw=\r\n";
    let mut session = session(text);
    assert_eq!(session.to_string(), text);
    session.bump_version().unwrap();
    session.set_directions(Direction::Inactive);
    session.media_mut()[0].set_ice("u", "p").unwrap();
    let (gone, new) = difference(text, &session.to_string());
    assert_eq!(gone, ["o=- 1 1 IN IP4 h"]);
    assert_eq!(new, ["o=- 1 2 IN IP4 h", "a=inactive", "a=ice-ufrag:u", "a=ice-pwd:p", "a=inactive"]);
}

#[test]
fn what_is_no_description_is_refused() {
    let lines = |count: usize| format!("v=0\r\n{}", "a=x\r\n".repeat(count));
    for bad in [
        "",
        "\r\n",
        "o=- 1 1 IN IP4 h\r\nv=0\r\n",
        "v=1\r\n",
        "V=0\r\n",
        "v=0\r\nhello\r\n",
        "v=0\r\n =x\r\n",
        "v=0\r\nab=x\r\n",
        "v=0\r\n\r\ns=-\r\n",
        "v=0\r\ns=\0\r\n",
        "v=0\r\ns=a\rb\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio x RTP/AVP 0\r\n",
        "v=0\r\nm=audio -1 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
        "v=0\r\nm=audio 9\r\n",
        "<html></html>",
    ] {
        assert!(matches!(Session::parse(bad), Err(Error::Malformed { .. })), "{bad:?}");
    }
    assert_eq!(Session::parse(b"v=0\r\ns=\xff\r\n"), Err(Error::Malformed { what: "session description" }));
    assert!(Session::parse(lines(511)).is_ok());
    assert_eq!(Session::parse(lines(512)), Err(Error::TooLong { what: "list of lines", limit: 512 }));
    let media = |count: usize| format!("v=0\r\n{}", "m=audio 9 RTP/AVP 0\r\n".repeat(count));
    assert_eq!(session(&media(64)).media().len(), 64);
    assert_eq!(Session::parse(media(65)), Err(Error::TooLong { what: "list of media", limit: 64 }));
    let long = |length: usize| format!("v=0\r\ns={}", "x".repeat(length - 7));
    assert!(Session::parse(long(65_536)).is_ok());
    // Each is looked up among all lines.
    let formats = |count: usize| format!("v=0\r\nm=audio 9 RTP/AVP{}\r\n", " 0".repeat(count));
    assert!(Session::parse(formats(256)).is_ok());
    assert_eq!(Session::parse(formats(257)), Err(Error::TooLong { what: "list of formats", limit: 256 }));
    let too_long = Error::TooLong { what: "session description", limit: 65_536 };
    assert_eq!(Session::parse(long(65_537)), Err(too_long));
}

#[test]
fn the_examples_of_the_rfcs_are_understood() {
    let seminar = session(RFC_4566);
    assert_eq!(seminar.version(), Some(2_890_842_807));
    assert_eq!(seminar.address(0), Some("224.2.17.12/127"));
    assert_eq!([seminar.direction(0), seminar.direction(1)], [Direction::RecvOnly; 2]);
    assert_eq!(seminar.media()[1].kind(), "video");
    assert_eq!(codecs(&seminar, 1), ["99 h263-1998/90000"]);

    let call = session(RFC_8866);
    assert_eq!(call.address(1), Some("198.51.100.1"));
    assert_eq!(call.address(2), Some("2001:db8::2"));
    let ports: Vec<_> = call.media().iter().map(|media| media.port()).collect();
    assert_eq!(ports, [49_170, 49_180, 51_372]);
    assert_eq!(codecs(&call, 0), ["0 PCMU/8000"]);

    let answer = session(ANSWER);
    assert_eq!((answer.find("audio"), answer.find("video"), answer.find("text")), (Some(0), Some(2), None));
    assert_eq!(answer.audio_direction(), Some(Direction::SendRecv));
    let changed = session(CHANGED);
    assert_eq!(changed.version(), answer.version().map(|version| version + 1));
    assert_eq!(changed.direction(3), Direction::RecvOnly);
    assert!(changed.media()[3].has_codec("TELEPHONE-events"));
}

#[test]
fn browsers_and_servers_are_understood() {
    let chromium = session(CHROMIUM);
    let audio = &chromium.media()[0];
    assert_eq!((audio.kind(), audio.port(), audio.protocol()), ("audio", 9, "UDP/TLS/RTP/SAVPF"));
    assert_eq!(audio.formats().collect::<Vec<_>>(), ["111", "63", "9", "0", "8", "13", "110", "126"]);
    assert_eq!(
        codecs(&chromium, 0),
        [
            "111 opus/48000",
            "63 red/48000",
            "9 G722/8000",
            "0 PCMU/8000",
            "8 PCMA/8000",
            "13 CN/8000",
            "110 telephone-event/48000",
            "126 telephone-event/8000"
        ]
    );
    assert_eq!(audio.codec("111"), Some(Codec { format: "111", name: "opus", clock: 48_000, channels: 2 }));
    assert_eq!(audio.parameters("111"), Some("minptime=10;useinbandfec=1"));
    assert_eq!(audio.parameters("11"), None);
    assert_eq!((audio.mid(), audio.setup()), (Some("0"), Some("actpass")));
    assert_eq!(chromium.bundle().collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(chromium.by_mid("2"), Some(2));
    assert_eq!(chromium.media()[2].protocol(), "UDP/DTLS/SCTP");
    assert_eq!(chromium.ice(1), Some(("EZvO", "ztlRsQ4GYBjtaADMfm6D96Wq")));
    assert!(chromium.has_ice_option("trickle") && !chromium.has_ice_option("ice2"));
    assert_eq!(audio.candidates().count(), 2);

    let firefox = session(FIREFOX);
    assert!(firefox.media()[0].end_of_candidates() && firefox.has_ice_option("trickle"));
    assert_eq!(firefox.direction(0), Direction::SendRecv);
    assert!(firefox.inherited(0, "fingerprint").is_some_and(|print| print.starts_with("sha-256 5C:39")));

    let asterisk = session(ASTERISK);
    assert_eq!(codecs(&asterisk, 0), ["107 opus/48000", "8 PCMA/8000", "126 telephone-event/8000"]);
    assert_eq!(asterisk.media()[0].attribute("rtcp-fb"), Some("* transport-cc"));
    assert!(asterisk.media()[0].has("rtcp-mux"));
}

#[test]
fn directions_are_inherited_and_said_again() {
    let text = |head: &str, media: &str| {
        session(&format!("v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{head}m=audio 4000 RTP/AVP 0\r\n{media}"))
    };
    // RFC 3264 §6.1, §8.4: own, the session's, both ways; 0.0.0.0 is the old way to say that nothing is received.
    for (head, media, wanted) in [
        ("", "", Direction::SendRecv),
        ("a=sendonly\r\n", "", Direction::SendOnly),
        ("a=sendonly\r\n", "a=recvonly\r\n", Direction::RecvOnly),
        ("a=inactive\r\n", "a=sendrecv\r\n", Direction::SendRecv),
        ("", "a=sendonlyx\r\na=inactive:\r\n", Direction::SendRecv),
        ("", "c=IN IP4 0.0.0.0\r\n", Direction::SendOnly),
        ("", "c=IN IP4 0.0.0.0\r\na=recvonly\r\n", Direction::Inactive),
        ("", "c=IN IP4 0.0.0.0\r\na=ice-ufrag:x\r\n", Direction::SendRecv),
        ("a=ice-ufrag:x\r\n", "c=IN IP4 0.0.0.0\r\n", Direction::SendRecv),
    ] {
        let session = text(head, media);
        assert_eq!(session.direction(0), wanted, "{head:?} {media:?}");
        assert_eq!(session.audio_direction(), Some(wanted));
    }
    // Every offer of a browser says 0.0.0.0 before it has a candidate: that is no hold.
    let mut early = session(CHROMIUM_EARLY);
    assert_eq!((early.address(0), early.direction(0)), (Some("0.0.0.0"), Direction::SendRecv));

    early.set_direction(0, Direction::SendOnly);
    let (gone, new) = difference(CHROMIUM_EARLY, &early.to_string());
    assert_eq!((gone, new), (vec!["a=sendrecv".to_owned()], vec!["a=sendonly".to_owned()]));
    let place = |text: &str, line: &str| text.lines().position(|other| other == line);
    assert_eq!(place(CHROMIUM_EARLY, "a=sendrecv"), place(&early.to_string(), "a=sendonly"), "in the same place");
    early.set_direction(9, Direction::Inactive);

    let mut firefox = session(FIREFOX);
    firefox.set_directions(Direction::Inactive);
    assert_eq!([0, 1, 2].map(|media| firefox.direction(media)), [Direction::Inactive; 3]);
    assert!(firefox.head().has("sendrecv"), "the session's own stays");
    let mut twice = text("", "a=sendonly\r\na=x\r\na=recvonly\r\n");
    twice.set_direction(0, Direction::Inactive);
    assert!(twice.to_string().ends_with("RTP/AVP 0\r\na=inactive\r\na=x\r\n"));

    let mut refused = session(ANSWER);
    refused.set_directions(Direction::SendOnly);
    assert_eq!([0, 1, 2].map(|media| refused.media()[media].has("sendonly")), [true, false, true]);
}

#[test]
fn an_answer_fits_its_offer() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // RFC 3264 §6.1
    for (offer, wanted, answer) in [
        (SendRecv, SendRecv, SendRecv),
        (SendRecv, SendOnly, SendOnly),
        (SendOnly, SendRecv, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, SendRecv, SendOnly),
        (RecvOnly, RecvOnly, Inactive),
        (Inactive, SendRecv, Inactive),
    ] {
        assert_eq!(offer.answer(wanted), answer, "{offer:?} {wanted:?}");
    }
    assert_eq!(
        [SendRecv, SendOnly, RecvOnly, Inactive].map(Direction::reversed),
        [SendRecv, RecvOnly, SendOnly, Inactive]
    );
    assert_eq!([SendRecv, SendOnly, RecvOnly, Inactive].map(Direction::receives), [true, false, true, false]);
}

#[test]
fn codecs_come_in_the_order_asked_for() {
    let mut chromium = session(CHROMIUM);
    chromium.media_mut()[0].prefer(&["pcma", "OPUS", "iLBC", "PCMA"]);
    let (gone, new) = difference(CHROMIUM, &chromium.to_string());
    assert_eq!(gone, ["m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126"]);
    assert_eq!(new, ["m=audio 9 UDP/TLS/RTP/SAVPF 8 111 63 9 0 13 110 126"]);
    chromium.media_mut()[2].prefer(&["opus"]);
    assert!(chromium.to_string().contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
}

#[test]
fn a_codec_goes_with_all_that_is_its_own() {
    let mut chromium = session(CHROMIUM);
    assert!(chromium.media_mut()[0].remove_codec("Opus"));
    let (gone, new) = difference(CHROMIUM, &chromium.to_string());
    assert_eq!(new, ["m=audio 9 UDP/TLS/RTP/SAVPF 9 0 8 13 110 126"]);
    assert_eq!(
        gone,
        [
            "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
            "a=rtpmap:111 opus/48000/2",
            "a=rtcp-fb:111 transport-cc",
            "a=fmtp:111 minptime=10;useinbandfec=1",
            // Redundancy of a codec that is not there (RFC 2198).
            "a=rtpmap:63 red/48000/2",
            "a=fmtp:63 111/111",
        ]
    );
    assert!(!chromium.media_mut()[0].remove_codec("opus"), "it is gone");
    assert!(chromium.media_mut()[0].remove_codec("telephone-event"));
    for codec in ["PCMU", "PCMA", "CN"] {
        assert!(chromium.media_mut()[0].remove_codec(codec), "{codec}");
    }
    let before = chromium.to_string();
    assert!(!chromium.media_mut()[0].remove_codec("G722"), "the last one stays");
    assert_eq!(chromium.to_string(), before);

    let video = &mut chromium.media_mut()[1];
    let formats = video.formats().count();
    assert!(video.has_codec("VP8") && video.remove_codec("VP8"));
    assert_eq!(video.formats().count(), formats - 2, "VP8 and its retransmissions");
    assert!(video.has_codec("rtx"));
}

#[test]
fn static_payload_types_need_no_map() {
    let session =
        session("v=0\r\nm=audio 4000/2 RTP/AVP 0 3 8 9 13 18 97 98\r\na=rtpmap:97 speex\r\na=rtpmap:8 L8/16000\r\n");
    assert_eq!(
        codecs(&session, 0),
        ["0 PCMU/8000", "3 GSM/8000", "8 L8/16000", "9 G722/8000", "13 CN/8000", "18 G729/8000"]
    );
    assert_eq!(session.media()[0].port(), 4_000);
}

#[test]
fn a_port_is_changed_alone() {
    let mut offer = session(OFFER);
    offer.media_mut()[1].set_port(0);
    let (gone, new) = difference(OFFER, &offer.to_string());
    assert_eq!((gone, new), (vec!["m=video 51372 RTP/AVP 31".into()], vec!["m=video 0 RTP/AVP 31".into()]));
}

#[test]
fn the_version_counts_the_descriptions() {
    let mut chromium = session(CHROMIUM);
    chromium.bump_version().unwrap();
    let (gone, new) = difference(CHROMIUM, &chromium.to_string());
    assert_eq!(gone, ["o=- 3961560989367695733 2 IN IP4 127.0.0.1"]);
    assert_eq!(new, ["o=- 3961560989367695733 3 IN IP4 127.0.0.1"]);
    for bad in ["", "o=-\r\n", "o=- 1 x IN IP4 h\r\n", "o=- 1 18446744073709551615 IN IP4 h\r\n", "o=- 1 2\r\n"] {
        let text = format!("v=0\r\n{bad}");
        let mut session = session(&text);
        assert_eq!(session.bump_version(), Err(Error::Malformed { what: "o= line" }), "{bad:?}");
        assert_eq!(session.to_string(), text);
    }
}

#[test]
fn candidates_come_and_go() {
    let host = "candidate:1 1 udp 2122260223 192.0.2.10 49170 typ host generation 0";
    let mut early = session(CHROMIUM_EARLY);
    let audio = &mut early.media_mut()[0];
    assert_eq!(audio.candidates().count(), 0);
    audio.set_end_of_candidates().unwrap();
    audio.add_candidate(host).unwrap();
    audio.add_candidate(&format!("a={host}")).unwrap();
    audio.add_candidate("2 1 TCP 1 ::1 9 typ host tcptype active").unwrap();
    let found: Vec<_> = audio.candidates().collect();
    assert_eq!(found, [host, "candidate:2 1 TCP 1 ::1 9 typ host tcptype active"]);
    assert_eq!(audio.lines().last(), Some("a=end-of-candidates"));
    assert_eq!(
        Candidate::parse(found[0]),
        Ok(Candidate {
            foundation: "1",
            component: 1,
            transport: "udp",
            priority: 2_122_260_223,
            address: "192.0.2.10",
            port: 49_170,
            kind: "host"
        })
    );
    audio.remove_candidates();
    assert_eq!(early.to_string(), CHROMIUM_EARLY);
    for bad in [
        "",
        "candidate:",
        "candidate:1 1 udp 1 192.0.2.10 49170",
        "candidate:1 1 udp 1 192.0.2.10 49170 type host",
        "candidate:1 1 udp 1 192.0.2.10 65536 typ host",
        "candidate:1 1 udp 4294967296 192.0.2.10 1 typ host",
        "candidate:1  udp 1 192.0.2.10 1 typ host",
        "candidate:1 1 udp 1  1 typ host",
    ] {
        let audio = &mut early.media_mut()[0];
        assert_eq!(audio.add_candidate(bad), Err(Error::Malformed { what: "candidate" }), "{bad:?}");
    }
    let evil = "candidate:1 1 udp 1 192.0.2.10 1 typ host\r\nm=video 9 RTP/AVP 0";
    assert_eq!(early.media_mut()[0].add_candidate(evil), Err(Error::Injection { field: "candidate".into() }));
    assert_eq!(early.to_string(), CHROMIUM_EARLY);
}

#[test]
fn no_attribute_holds_a_second_line() {
    let mut asterisk = session(ASTERISK);
    let head = asterisk.head_mut();
    let field = |field: &str| Err(Error::Injection { field: field.to_owned() });
    assert_eq!(head.set("tool", "a\r\nm=audio 1 RTP/AVP 0"), field("tool"));
    assert_eq!(head.add("tool", "a\nb"), field("tool"));
    assert_eq!(head.set("to\r\nol", "a"), field("attribute name"));
    assert_eq!(head.set_ice("a\r\n", "b"), field("ice-ufrag"));
    assert_eq!(asterisk.add_ice_option("x\ny"), field("ice-options"));
    assert_eq!(asterisk.to_string(), ASTERISK);
    asterisk.add_ice_option("trickle").unwrap();
    asterisk.add_ice_option("ice2").unwrap();
    asterisk.add_ice_option("trickle").unwrap();
    assert_eq!(difference(ASTERISK, &asterisk.to_string()), (vec![], vec!["a=ice-options:trickle ice2".to_owned()]));
}

#[test]
fn candidates_travel_in_fragments() {
    let fragment = Fragment::parse(RFC_8840).unwrap();
    let parts: Vec<_> = fragment.parts().collect();
    assert_eq!(parts.iter().map(|part| part.mid).collect::<Vec<_>>(), ["1", "2"]);
    assert!(parts.iter().all(|part| part.ice == Some(("8hhY", "asd88fgpdd777uzjYhagZg")) && part.end_of_candidates()));
    assert_eq!(parts[0].candidates().count(), 2);
    assert_eq!(parts[1].candidates().next(), Some("candidate:4 1 UDP 1658497382 2001:db8:a0b:12f0::3 6000 typ host"));
    // ICE of the medium goes before the fragment's; the end may be said for all.
    let own = "a=ice-ufrag:a\na=ice-pwd:b\na=end-of-candidates\nm=audio 9 RTP/AVP 0\na=mid:x\na=ice-ufrag:c\n";
    let fragment = Fragment::parse(own).unwrap();
    let part = fragment.parts().next().unwrap();
    assert_eq!((part.ice, part.end_of_candidates()), (Some(("c", "b")), true));
    for bad in ["a=ice-ufrag:a\nm=audio 9 RTP/AVP 0\n", "hello", "a=x\n\na=y\n"] {
        assert!(matches!(Fragment::parse(bad), Err(Error::Malformed { .. })), "{bad:?}");
    }
}

#[test]
fn a_fragment_is_made_of_what_was_offered() {
    let offer = session(CHROMIUM_EARLY);
    let mut fragment = Fragment::new(&offer).unwrap();
    let first = "candidate:1 1 udp 2122260223 192.0.2.10 49170 typ host";
    fragment.add_candidate(&offer, 1, "candidate:2 1 udp 1 192.0.2.10 49171 typ host").unwrap();
    fragment.add_candidate(&offer, 0, first).unwrap();
    fragment.add_candidate(&offer, 0, first).unwrap();
    fragment.end_candidates(&offer, 0).unwrap();
    let (ufrag, pwd) = offer.ice(0).unwrap();
    assert_eq!(
        fragment.to_string(),
        format!(
            "a=group:BUNDLE 0 1 2\r\na=ice-pwd:{pwd}\r\na=ice-ufrag:{ufrag}\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=candidate:2 1 udp 1 192.0.2.10 49171 typ host\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na={first}\r\na=end-of-candidates\r\n"
        )
    );
    assert_eq!(Fragment::parse(fragment.to_string()), Ok(fragment.clone()));
    assert!(fragment.add_candidate(&offer, 7, first).is_err());
    assert!(fragment.add_candidate(&offer, 0, "no candidate").is_err());
    assert!(Fragment::new(&session(OFFER)).is_err(), "no ICE");
    assert_eq!((Fragment::PACKAGE, Fragment::CONTENT_TYPE), ("trickle-ice", "application/trickle-ice-sdpfrag"));
}

/// Whatever is done to a description: what is still read is written to the letter, and changes touch what they name.
#[test]
fn broken_descriptions_are_refused_or_come_back() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % bound.max(1)
    };
    let tokens = ["\r\n", "\n", "m=", "a=", ":", " ", "=", "0", "a=sendonly\r\n", "m=audio 0 X 1\r\n", "/", "é", "\0"];
    let (mut read, cases) = (0, 4_000);
    for _ in 0..cases {
        let mut text = ALL[below(ALL.len())].to_owned();
        for _ in 0..below(4) {
            let at = (0..=below(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            match below(3) {
                0 => text.insert_str(at, tokens[below(tokens.len())]),
                1 => drop(text.remove(at.min(text.len() - 1))),
                _ => {
                    let end = (at + below(60)).min(text.len());
                    text.replace_range(at..end, "");
                }
            }
        }
        let Ok(mut session) = Session::parse(&text) else { continue };
        read += 1;
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let whole: String = lines.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
        assert_eq!(session.to_string(), whole);
        session.set_directions(Direction::SendOnly);
        assert!(session.audio_direction().is_none_or(|said| said == Direction::SendOnly), "{session}");
        for media in session.media_mut() {
            media.prefer(&["PCMA"]);
            media.remove_codec("opus");
        }
        assert_eq!(Session::parse(session.to_string()), Ok(session));
    }
    assert!(read > cases / 4 && read < cases, "{read} of {cases} were read");
}
