//! URIs and addresses: what is read, what is written, what is the same.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use std::ops::Add;

use rsip::Scheme;
use soft_phone_sip::{Error, NameAddr, Param, Uri};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn param(name: &str, value: Option<&str>) -> Param {
    Param { name: name.into(), value: value.map(str::to_owned) }
}

#[test]
fn every_part_is_found() {
    assert_eq!(
        uri("SIPS:alice.smith:pass@[2001:db8::1]:5061;transport=tcp;lr?subject=hi&to=x"),
        Uri {
            scheme: Scheme::Sips,
            user: Some("alice.smith".into()),
            password: Some("pass".into()),
            host: "[2001:db8::1]".into(),
            port: Some(5061),
            params: vec![param("transport", Some("tcp")), param("lr", None)],
            headers: Some("subject=hi&to=x".into()),
        }
    );
    let opaque = uri("tel:+7-916-000-00-00;ext=12");
    assert_eq!((opaque.scheme, opaque.host.as_str()), (Scheme::Other("tel".into()), "+7-916-000-00-00;ext=12"));
}

#[test]
fn what_is_read_is_written() {
    for text in [
        "sip:example.com",
        "sip:alice@example.com",
        "sip:+1-202;ext=5,6/7?8&=$@example.com:5060;lr;maddr=[::1]",
        "sip:sips%3Auser%40example.com@example.net",
        "sip:null-%00-null@example.com",
        "sip:user@[2001:db8::10]:5070",
        "sip:user;par=u%40example.net@example.com",
        "sips:a:p@h?Route=%3Csip:example.com%3E",
        "tel:+1",
        "urn:service:sos",
        "http://www.example.com/a?b=%20#c",
        "soap.beep://192.0.2.103:3002",
    ] {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(&uri(text).to_string()), uri(text));
    }
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        ":",
        "sip",
        "sip:",
        "sip:@h",
        "sip::p@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@h:",
        "sip:a@h:65536",
        "sip:a@h:-1",
        "sip:a@h;",
        "sip:a@h;;lr",
        "sip:a@h;=x",
        "sip:a b@h",
        "sip:a@h h",
        "<sip:a@h>",
        "sip:a@\u{442}.example",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[2001:db8:::1]",
        "sip:[2001:db8::::192.0.2.1]",
        "sip:[2001:db8::1:::192.0.2.1]",
        "sip:[2001:db8:::192.0.2.1:1]",
        "sip:[h]",
        "sip:a@[::1]x",
        "1sip:a@h",
        "s p:a",
        "tel:",
        "sip:\u{fffd}@h",
        "sip:a\\b@h",
        "sip:a@h;x=\"y\"",
        "sip:a@h%41",
    ] {
        assert_eq!(text.parse::<Uri>(), Err(Error::Malformed { what: "URI" }), "{text:?}");
    }
    assert!("sip:a@h".to_owned().add(&";p".repeat(64)).parse::<Uri>().is_ok());
    assert!("sip:a@h".to_owned().add(&";p".repeat(65)).parse::<Uri>().is_err());
    let long = format!("sip:{}@h", "a".repeat(9_000));
    assert_eq!(long.parse::<Uri>(), Err(Error::TooLong { what: "URI", limit: 8_192 }));
}

#[test]
fn plain_text_is_escaped_when_written() {
    let built = Uri::new(Some("a b%41:@ж\"<"), "example.com:5070").unwrap();
    assert_eq!(built.to_string(), "sip:a%20b%2541%3A%40%D0%B6%22%3C@example.com:5070");
    assert_eq!(built.user_text().unwrap(), "a b%41:@ж\"<");
    // Raw letters beyond ASCII are tolerated, and escaped on the way out.
    assert_eq!(uri("sip:жук@h").to_string(), "sip:%D0%B6%D1%83%D0%BA@h");
    assert_eq!(Uri::new(Some(""), "h"), Err(Error::Malformed { what: "user" }));
    assert_eq!(Uri::new(None, "h;lr"), Err(Error::Malformed { what: "host" }));
}

#[test]
fn fields_set_by_hand_still_make_one_legal_uri() {
    let mut built = uri("sip:a@h");
    built.user = Some("x\r\ny@z".into());
    built.host = "h\r\nVia: evil".into();
    built.params = vec![param("a;b", Some("c>d\0"))];
    built.headers = Some("h=\r\n".into());
    assert_eq!(built.to_string(), "sip:x%0D%0Ay%40z@h%0D%0AVia:%20evil;a%3Bb=c%3Ed%00?h=%0D%0A");
    built.scheme = Scheme::Other("x\ny".into());
    assert_eq!(built.to_string(), "x%0Ay:h%0D%0AVia:%20evil");
}

/// RFC 3261 §19.1.4, its own examples.
#[test]
fn equivalence() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1", "tel:+1"),
        ("sip:a@h;transport=ws;transport=udp", "sip:a@h;transport=ws"),
    ] {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:h", "sip:a@h"),
        ("tel:+1", "sip:+1@h"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn addresses_are_read_in_every_form() {
    let read = |text: &str| text.parse::<NameAddr>().unwrap_or_else(|error| panic!("{text}: {error}"));
    for (text, name, address, tag) in [
        ("sip:a@h", None, "sip:a@h", None),
        ("sip:a@h ;  tag = x ", None, "sip:a@h", Some("x")),
        ("<sip:a@h;lr>;tag=x", None, "sip:a@h;lr", Some("x")),
        ("caller<sip:a@h>", Some("caller"), "sip:a@h", None),
        ("T. Watson <sip:a@h>", Some("T. Watson"), "sip:a@h", None),
        ("Bell, Alexander <sip:a@h>", Some("Bell, Alexander"), "sip:a@h", None),
        (r#""J \\\"<" < sip:a@h >;tag=x"#, Some(r#"J \"<"#), "sip:a@h", Some("x")),
        (r#""" <sip:a@h>"#, Some(""), "sip:a@h", None),
        ("Жанна <sip:a@h>", Some("Жанна"), "sip:a@h", None),
        ("<http://www.example.com>;tag=3", None, "http://www.example.com", Some("3")),
        ("isbn:2983792873", None, "isbn:2983792873", None),
        (r#"<sip:a@h>;+sip.instance="<urn:uuid:1;2>";tag=t"#, None, "sip:a@h", Some("t")),
    ] {
        let got = read(text);
        assert_eq!((got.display_name.as_deref(), got.tag()), (name, tag), "{text}");
        assert_eq!(got.uri.to_string(), address, "{text}");
        assert_eq!(read(&got.to_string()), got, "{text}");
    }
    for text in [
        "",
        "<sip:a@h",
        "sip:a@h>",
        "\"x <sip:a@h>",
        "\"x\"",
        "\"x\" sip:a@h",
        "<sip:a@h>x",
        "<sip:a@h>;",
        "sip:a@h;",
        "<sip:a@h>;;;;",
        "<sip:a@h>;tag=\"x",
        "<sip:a@h>;ta g=x",
        "sip:a@h?Route=x",
        "<>",
        "<sip:a@h>;=",
    ] {
        assert!(matches!(text.parse::<NameAddr>(), Err(Error::Malformed { .. })), "{text:?}");
    }
}

#[test]
fn addresses_are_written_quoted() {
    let mut address = NameAddr::new(Some(r#"Al "the\" ice"#), uri("sip:a@h")).unwrap();
    address.set_tag("1");
    address.set_tag("2");
    address.params.push(Param::new("note", Some("a;b")).unwrap());
    assert_eq!(address.to_string(), r#""Al \"the\\\" ice" <sip:a@h>;tag=2;note="a;b""#);
    assert_eq!(address.params[1].text().unwrap(), "a;b");
    assert_eq!(address.to_string().parse::<NameAddr>().unwrap(), address);
}

#[test]
fn three_colons_before_an_ipv4_address_are_tolerated() {
    // RFC 5118 §4.10
    let uri: Uri = "sip:user@[2001:db8:::192.0.2.1]:5070".parse().unwrap();
    assert_eq!((uri.host.as_str(), uri.port), ("[2001:db8:::192.0.2.1]", Some(5_070)));
    assert_eq!(uri.to_string(), "sip:user@[2001:db8:::192.0.2.1]:5070");
    assert!("sip:[:::192.0.2.1]".parse::<Uri>().is_ok());
}

#[test]
fn a_tag_fits_behind_as_many_parameters_as_are_let_in() {
    let most = format!("<sip:a@h>{}", ";x".repeat(64));
    let mut address: NameAddr = most.parse().unwrap();
    address.set_tag("1");
    let answered = address.to_string();
    assert_eq!(answered.parse::<NameAddr>().unwrap().tag(), Some("1"));
    for more in [format!("{most};x"), format!("{most};y=1"), format!("{answered};x"), format!("{answered};tag=2")] {
        assert!(more.parse::<NameAddr>().is_err(), "{more}");
    }
}
