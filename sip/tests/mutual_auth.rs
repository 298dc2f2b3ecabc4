//! Digest authentication as the agent lives with it: bodies that are protected too, the next nonce, and the server's own
//! proof (RFC 7616 §3.3 to §3.5, RFC 3261 §20.6, §22).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

#[path = "common/phone.rs"]
mod phone;

use phone::{Phone, alice};
use soft_phone_sip::digest::{Algorithm, Credentials, Info, Secret, verify};
use soft_phone_sip::{Counters, Message, Request, Transport, value};

const AUTH_INT: &str = r#"Digest realm="pbx", nonce="n1", qop="auth-int", algorithm=SHA-256"#;
const AUTH: &str = r#"Digest realm="pbx", nonce="n1", qop="auth", algorithm=MD5"#;

fn secret() -> Secret {
    Secret::Password("secret".to_owned())
}

fn credentials(request: &Request) -> value::Credentials {
    request.headers.get("Authorization").unwrap().parse().unwrap()
}

fn proves(request: &Request) -> bool {
    verify(&credentials(request), request.method.as_str(), &request.body, &secret())
}

/// A phone whose REGISTER has answered that challenge, and that REGISTER.
fn challenged(challenge: &str) -> (Phone, Request) {
    let mut phone = Phone::new(alice(Transport::Wss));
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", challenge)], None);
    let register = phone.request();
    (phone, register)
}

#[test]
fn auth_int_covers_an_empty_body_and_an_offer() {
    let (mut phone, register) = challenged(AUTH_INT);
    assert_eq!((credentials(&register).param("qop"), register.body.len()), (Some("auth-int"), 0));
    assert!(proves(&register));
    phone.answer(&register, 200, "r", &[], None);

    phone.dial("600");
    let mut out = phone.request();
    assert!(proves(&out), "with the nonce that is known");
    assert_eq!(credentials(&out).param("nc"), Some("00000002"));
    // Refused all the same: once more, with the body again.
    phone.answer(&out, 401, "r", &[("WWW-Authenticate", &AUTH_INT.replace("n1", "n2"))], None);
    let Some(Message::Request(again)) = phone.messages().pop() else { panic!() };
    assert!(proves(&again));
    assert_eq!(again.body, out.body);
    out.body = b"forged".to_vec();
    assert!(!proves(&out), "who changes the body is seen");
}

#[test]
fn an_ha1_answers_what_its_password_does() {
    // H("alice:pbx:secret")
    let ha1 = "660236ff7a5642c0d8db781654368f95";
    let mut config = alice(Transport::Wss);
    let value = ha1.to_owned();
    let secret = Secret::Ha1 { algorithm: Algorithm::Md5, value };
    config.credentials = Some(Credentials { username: "alice".to_owned(), secret });
    let mut phone = Phone::new(config);
    phone.agent.register(phone.now).unwrap();
    let register = phone.request();
    // The stronger one cannot be answered with a hash of MD5.
    let stronger = AUTH_INT.replace("auth-int", "auth");
    phone.answer(&register, 401, "r", &[("WWW-Authenticate", &stronger), ("WWW-Authenticate", AUTH)], None);
    let register = phone.request();
    assert_eq!(credentials(&register).param("algorithm"), Some("MD5"));
    assert!(proves(&register));
}

#[test]
fn the_next_nonce_is_answered_without_another_challenge() {
    let (mut phone, register) = challenged(AUTH);
    phone.answer(&register, 200, "r", &[("Authentication-Info", r#"nextnonce="n7", qop=auth"#)], None);
    phone.dial("600");
    let out = phone.request();
    assert_eq!((credentials(&out).param("nonce"), credentials(&out).param("nc")), (Some("n7"), Some("00000001")));
    assert!(proves(&out));
    assert_eq!(phone.agent.counters(), Counters::default());
    // What cannot be read changes nothing.
    for info in ["nextnonce=\"\"", "nextnonce=\"open", "", "qop=auth"] {
        phone.agent.register(phone.now).unwrap();
        let register = phone.request();
        phone.answer(&register, 200, "r", &[("Authentication-Info", info)], None);
        phone.agent.options(phone.now, "600").unwrap();
        assert_eq!(credentials(&phone.request()).param("nonce"), Some("n7"), "{info}");
    }
}

/// `rspauth` of a server that knows the secret: our own computation, with an empty method.
fn rspauth(sent: &value::Credentials, body: &[u8], knows: &Secret) -> String {
    let client = Credentials { username: sent.param("username").unwrap().to_owned(), secret: knows.clone() };
    let challenge = format!(
        "Digest realm=\"{}\", nonce=\"{}\", qop=\"{}\", algorithm={}",
        sent.param("realm").unwrap(),
        sent.param("nonce").unwrap(),
        sent.param("qop").unwrap(),
        sent.param("algorithm").unwrap()
    );
    let (uri, cnonce) = (sent.param("uri").unwrap(), sent.param("cnonce").unwrap());
    let mut counted = soft_phone_sip::digest::Client::new();
    let count = u32::from_str_radix(sent.param("nc").unwrap(), 16).unwrap();
    let mut made = String::new();
    for _ in 0..count {
        made = counted.authorize(&challenge.parse().unwrap(), &client, "", uri, body, cnonce).unwrap();
    }
    made.parse::<value::Credentials>().unwrap().param("response").unwrap().to_owned()
}

#[test]
fn a_server_that_does_not_know_our_secret_is_not_followed() {
    for challenge in [AUTH, AUTH_INT] {
        for (knows, nonce, unproven) in [(secret(), "n7", 0), (Secret::Password("guess".to_owned()), "n1", 1)] {
            let (mut phone, register) = challenged(challenge);
            let sent = credentials(&register);
            let proof = rspauth(&sent, b"", &knows);
            let info = format!(
                "rspauth=\"{proof}\", nextnonce=\"n7\", cnonce=\"{}\", nc={}",
                sent.param("cnonce").unwrap(),
                sent.param("nc").unwrap()
            );
            phone.answer(&register, 200, "r", &[("Authentication-Info", &info)], None);
            assert_eq!(phone.agent.counters().unproven, unproven);
            phone.agent.options(phone.now, "600").unwrap();
            assert_eq!(credentials(&phone.request()).param("nonce"), Some(nonce), "{challenge}");
        }
    }
}

/// The proof of RFC 7616 §3.5 for the exchange of RFC 2617 §3.5: H(A2) is over ":/dir/index.html".
#[test]
fn a_proof_is_about_one_request() {
    let sent: value::Credentials = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, nc=00000001, \
        cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""
        .parse()
        .unwrap();
    let secret = Secret::Password("Circle Of Life".to_owned());
    assert!(verify(&sent, "GET", b"", &secret));
    let proof = "376602cfd2f4e8e5e78b948a85263e85";
    let proven = |info: &str| Info::read(info, &sent, b"", &secret).unwrap().proven;
    assert_eq!(proven(&format!("rspauth=\"{proof}\"")), Some(true));
    assert_eq!(proven(&format!("qop=auth, rspauth=\"{proof}\", cnonce=\"0a4f113b\", nc=00000001")), Some(true));
    assert_eq!(proven(&format!("rspauth=\"{proof}\", nc=00000002")), Some(false), "of an earlier request");
    assert_eq!(proven(&format!("rspauth=\"{proof}\", cnonce=\"other\"")), Some(false));
    assert_eq!(proven("rspauth=\"6629fae49393a05397450978507c4ef1\""), Some(false), "our own proof sent back");
    assert_eq!(proven("nextnonce=\"x\""), None);
}
