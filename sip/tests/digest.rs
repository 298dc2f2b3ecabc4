//! Digest authentication: the RFCs' own examples, the choice among challenges, both sides against each other.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use soft_phone_sip::digest::{Algorithm, Client, Credentials, Secret, choose, choose_each_realm, verify};
use soft_phone_sip::value;
use soft_phone_sip::{Challenge, Error};

fn challenge(text: &str) -> Challenge {
    text.parse().unwrap()
}

fn answer(challenge: &Challenge, who: &Credentials, method: &str, uri: &str, body: &[u8], cnonce: &str) -> String {
    Client::new().authorize(challenge, who, method, uri, body, cnonce).unwrap()
}

fn password(username: &str, password: &str) -> Credentials {
    Credentials { username: username.into(), secret: Secret::Password(password.into()) }
}

fn response_of(header: &str) -> String {
    header.parse::<value::Credentials>().unwrap().param("response").unwrap().to_owned()
}

const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
const CNONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

fn mufasa(extra: &str) -> Challenge {
    challenge(&format!(r#"Digest realm="http-auth@example.org", nonce="{NONCE}", opaque="FQhe/qaU"{extra}"#))
}

#[test]
fn rfc_7616_section_3_9_1() {
    let who = password("Mufasa", "Circle of Life");
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let header = answer(
            &mufasa(&format!(r#", qop="auth, auth-int", algorithm={algorithm}"#)),
            &who,
            "GET",
            "/dir/index.html",
            b"",
            CNONCE,
        );
        assert_eq!(
            header,
            format!(
                r#"Digest username="Mufasa", realm="http-auth@example.org", nonce="{NONCE}", uri="/dir/index.html", "#
            ) + &format!(r#"response="{response}", algorithm={algorithm}, qop=auth, nc=00000001, "#)
                + &format!(r#"cnonce="{CNONCE}", opaque="FQhe/qaU""#)
        );
    }
}

/// With the hashes of erratum 4897: those printed in the RFC were made with SHA-512 cut to half.
#[test]
fn rfc_7616_section_3_9_2() {
    let asked = challenge(
        r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256,
           nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", charset=UTF-8"#
            .replace('\n', " ")
            .as_str(),
    );
    let who = password("Jäsøn Doe", "Secret, or not?");
    let header = answer(&asked, &who, "GET", "/doe.json", b"", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v");
    assert_eq!(response_of(&header), "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
}

#[test]
fn rfc_2617_section_3_5() {
    let asked = challenge(
        r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093""#,
    );
    let header = answer(&asked, &password("Mufasa", "Circle Of Life"), "GET", "/dir/index.html", b"", "0a4f113b");
    assert_eq!(response_of(&header), "6629fae49393a05397450978507c4ef1");
    // A challenge without `algorithm` is answered without.
    assert!(!header.contains("algorithm"));
}

/// Values computed with another implementation of the hashes.
#[test]
fn sessions_bodies_and_the_old_form() {
    let who = password("Mufasa", "Circle of Life");
    let get = |extra: &str| response_of(&answer(&mufasa(extra), &who, "GET", "/dir/index.html", b"", CNONCE));
    let post = |extra: &str| response_of(&answer(&mufasa(extra), &who, "POST", "/dir/index.html", b"v=0\r\n", CNONCE));
    assert_eq!(get(r#", qop="auth", algorithm=MD5-sess"#), "e783283f46242139c486a698fec7211d");
    assert_eq!(
        get(r#", qop="auth", algorithm=SHA-256-SESS"#),
        "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7"
    );
    assert_eq!(
        get(r#", qop="auth", algorithm=SHA-512-256-sess"#),
        "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e"
    );
    assert_eq!(post(r#", qop="auth-int""#), "8dda810d9cd048cb2c28636928cd8008");
    assert_eq!(
        post(r#", qop=auth-int, algorithm="sha-256""#),
        "a3ad68c0f492387472e5fc440f7b70e96df8c3c514ffeb2a9bd5ea70e01e2969"
    );
    assert_eq!(get(""), "7b2cc3b30e75b4777ea31027084363fd");
    assert_eq!(get(r#", qop="""#), "7b2cc3b30e75b4777ea31027084363fd");
}

#[test]
fn the_nonce_count_grows_with_the_nonce_and_starts_again_with_a_new_one() {
    let who = password("Mufasa", "Circle of Life");
    let mut client = Client::new();
    let mut count = |asked: &Challenge| {
        let header = client.authorize(asked, &who, "REGISTER", "sip:example.org", b"", CNONCE).unwrap();
        header.parse::<value::Credentials>().unwrap().param("nc").unwrap().to_owned()
    };
    let first = mufasa(r#", qop="auth""#);
    let second = challenge(r#"Digest realm="r", nonce="other", qop="auth", stale=TRUE"#);
    assert_eq!([count(&first), count(&first), count(&second)], ["00000001", "00000002", "00000001"]);
    assert!(second.is_stale() && !first.is_stale());
}

/// RFC 8760 §2.4, but for the order: the strongest, not the first.
#[test]
fn the_strongest_challenge_that_can_be_answered_is_chosen() {
    let offer = |list: &[&str]| -> Vec<Challenge> {
        list.iter().map(|a| challenge(&format!(r#"Digest realm="r", nonce="n-{a}", qop="auth", {a}"#))).collect()
    };
    let nonce = |list: &[&str], secret: &Secret| {
        let list = offer(list);
        choose(list.iter(), secret).map(|chosen| chosen.param("nonce").unwrap().to_owned())
    };
    let any = Secret::Password("p".into());
    let sha256 = Secret::Ha1 { algorithm: Algorithm::Sha256, value: "00".into() };
    let all = ["algorithm=MD5", "algorithm=SHA-256", "algorithm=SHA-512-256"];
    assert_eq!(nonce(&all, &any).as_deref(), Some("n-algorithm=SHA-512-256"));
    assert_eq!(nonce(&all, &sha256).as_deref(), Some("n-algorithm=SHA-256"));
    assert_eq!(nonce(&["algorithm=SHA-999", "algorithm=MD5"], &any).as_deref(), Some("n-algorithm=MD5"));
    assert_eq!(nonce(&["algorithm=SHA-999"], &any), None);
    assert_eq!(nonce(&["algorithm=MD5"], &sha256), None);
    // The first of two that are equally strong.
    assert_eq!(nonce(&["algorithm=MD5-sess", "algorithm=MD5"], &any).as_deref(), Some("n-algorithm=MD5-sess"));

    for unanswerable in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
    ] {
        let asked = challenge(unanswerable);
        assert_eq!(choose([&asked].into_iter(), &any), None, "{unanswerable}");
        let refused = Client::new().authorize(&asked, &password("u", "p"), "INVITE", "sip:a", b"", "c");
        assert_eq!(refused, Err(Error::Malformed { what: "challenge" }), "{unanswerable}");
    }
}

/// RFC 3261 §22.3: each proxy on the path, and the registrar or user agent, has a realm of its own.
#[test]
fn each_realm_gets_its_own_answer() {
    let list = [
        challenge(r#"Digest realm="edge", nonce="1""#),
        challenge(r#"Digest realm="core", nonce="2", algorithm=SHA-256"#),
        challenge(r#"Digest realm="edge", nonce="3", algorithm=SHA-256"#),
        challenge(r#"Basic realm="legacy""#),
    ];
    let chosen = choose_each_realm(&list, &Secret::Password("p".into()));
    let nonces: Vec<_> = chosen.iter().map(|c| c.param("nonce").unwrap()).collect();
    assert_eq!(nonces, ["3", "2"]);
}

#[test]
fn a_server_verifies_what_a_client_makes_and_nothing_else() {
    let ha1 = Secret::Ha1 {
        algorithm: Algorithm::Sha256,
        value: "7987C64C30E25F1B74BE53F966B49B90F2808AA92FAF9A00262392D7B4794232".into(),
    };
    let right = Secret::Password("Circle of Life".into());
    for extra in [
        "",
        r#", qop="auth""#,
        r#", qop="auth-int""#,
        r#", qop="auth", algorithm=SHA-256"#,
        r#", qop="auth-int", algorithm=SHA-256-sess"#,
        r#", qop="auth", algorithm=SHA-512-256"#,
    ] {
        let who = password("Mufasa", "Circle of Life");
        let header = answer(&mufasa(extra), &who, "INVITE", "sip:bob@example.org", b"body", CNONCE);
        let said: value::Credentials = header.parse().unwrap();
        assert!(verify(&said, "INVITE", b"body", &right), "{extra}");
        assert!(!verify(&said, "BYE", b"body", &right), "{extra}");
        assert!(!verify(&said, "INVITE", b"body", &Secret::Password("wrong".into())), "{extra}");
        assert_eq!(verify(&said, "INVITE", b"other", &right), !extra.contains("auth-int"), "{extra}");
        assert_eq!(verify(&said, "INVITE", b"body", &ha1), extra.contains("SHA-256"), "{extra}");
        for param in ["username", "realm", "nonce", "uri", "response"] {
            let mut changed = said.clone();
            changed.params.iter_mut().find(|p| p.name == param).unwrap().value = Some("x".into());
            assert!(!verify(&changed, "INVITE", b"body", &right), "{extra} {param}");
            changed.params.retain(|p| p.name != param);
            assert!(!verify(&changed, "INVITE", b"body", &right), "{extra} without {param}");
        }
    }
}

#[test]
fn ha1_and_password_answer_alike() {
    let asked = mufasa(r#", qop="auth", algorithm=SHA-256"#);
    let value = "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232".to_owned();
    let ha1 = Credentials { username: "Mufasa".into(), secret: Secret::Ha1 { algorithm: Algorithm::Sha256, value } };
    assert_eq!(
        answer(&asked, &ha1, "GET", "/", b"", CNONCE),
        answer(&asked, &password("Mufasa", "Circle of Life"), "GET", "/", b"", CNONCE)
    );
}

#[test]
fn quotes_in_names_survive() {
    let asked = challenge(r#"Digest realm="the \"realm\"", nonce="n", qop="auth""#);
    assert_eq!(asked.realm(), r#"the "realm""#);
    let header = answer(&asked, &password(r"a\b", "p"), "INVITE", "sip:a", b"", "c");
    assert!(header.starts_with(r#"Digest username="a\\b", realm="the \"realm\"""#), "{header}");
    assert!(verify(&header.parse().unwrap(), "INVITE", b"", &Secret::Password("p".into())));
}

#[test]
fn nothing_secret_is_shown_in_debug() {
    let who = password("alice", "hunter2");
    let ha1 = Secret::Ha1 { algorithm: Algorithm::Md5, value: "cafebabe".into() };
    let header = answer(&mufasa(r#", qop="auth""#), &who, "INVITE", "sip:a", b"", CNONCE);
    let shown = format!("{who:?} {:?} {ha1:?} {:?}", who.secret, header.parse::<value::Credentials>().unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("cafebabe"), "{shown}");
    assert!(!shown.contains(&response_of(&header)), "{shown}");
    assert!(shown.contains("alice"), "{shown}");
}

#[test]
fn a_username_cannot_inject() {
    let refused = Client::new().authorize(&mufasa(""), &password("alice\r\nX: y", "p"), "INVITE", "sip:a", b"", "c");
    assert_eq!(refused, Err(Error::Injection { field: "username".into() }));
}
