//! What a SIP message costs: reading it, writing it, answering a challenge.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use soft_phone_sip::digest::{Client, Credentials, Secret, verify};
use soft_phone_sip::{Challenge, parse, value};

/// The messages of a registration and a call, which `cargo xtask peers` gives to other phones too; and a tortuous one.
const MESSAGES: [(&str, &[u8]); 8] = [
    ("register", include_bytes!("../../sip/tests/data/messages/register.dat")),
    ("unauthorized", include_bytes!("../../sip/tests/data/messages/unauthorized.dat")),
    ("unregister", include_bytes!("../../sip/tests/data/messages/unregister.dat")),
    ("invite", include_bytes!("../../sip/tests/data/messages/invite.dat")),
    ("trying", include_bytes!("../../sip/tests/data/messages/trying.dat")),
    ("ok", include_bytes!("../../sip/tests/data/messages/ok.dat")),
    ("bye", include_bytes!("../../sip/tests/data/messages/bye.dat")),
    ("wsinv", include_bytes!("../../sip/tests/data/rfc4475/wsinv.dat")),
];

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sip");
    for (name, bytes) in MESSAGES {
        let message = match parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                eprintln!("{name}: {error}");
                continue;
            }
        };
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("parse {name}"), |bencher| bencher.iter(|| parse(black_box(bytes))));
        group.bench_function(format!("print {name}"), |bencher| bencher.iter(|| black_box(&message).to_bytes()));
    }
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    for algorithm in ["MD5", "SHA-256", "SHA-512-256"] {
        let text =
            format!(r#"Digest realm="asterisk", nonce="1700000000/9f8e7d6c5b4a", algorithm={algorithm}, qop="auth""#);
        let Ok(challenge) = text.parse::<Challenge>() else { continue };
        let who = Credentials { username: "1001".to_owned(), secret: Secret::Password("secret".to_owned()) };
        let mut client = Client::new();
        let mut answer =
            || client.authorize(black_box(&challenge), &who, "REGISTER", "sip:pbx.example.com", b"", "c0ffee");
        let header = answer().unwrap_or_default();
        group.bench_function(format!("answer {algorithm}"), |bencher| bencher.iter(&mut answer));
        group.bench_function(format!("verify {algorithm}"), |bencher| {
            bencher.iter(|| {
                let said = black_box(&header).parse::<value::Credentials>();
                said.is_ok_and(|said| verify(&said, "REGISTER", b"", &who.secret))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, messages, digest);
criterion_main!(benches);
