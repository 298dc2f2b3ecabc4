//! What JsSIP is known to do wrong, and what `<soft-phone>` does: both on one page, both given the same by a server that
//! sends what the case says. What JsSIP does is asserted too, so that a version which has learnt it is noticed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use md5::Digest;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::browser::{Browser, Kind, SOON, Voice};
use crate::rig::Rig;
use crate::script::{Line, Message, Script};

/// A page with both phones, not signed in yet.
async fn page(rig: &Rig) -> Result<Browser> {
    let browser = Browser::open(rig, Kind::Chromium, Voice::A).await?;
    browser.load(rig, "peer.html").await?;
    browser.until("customElements.get('soft-phone')", SOON).await?;
    browser.run("probe.make({ lang: 'en' })", Value::Null).await?;
    Ok(browser)
}

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Ours,
    Theirs,
}

/// Both, in the order of the tables.
const BOTH: [Which; 2] = [Which::Theirs, Which::Ours];

impl Which {
    /// Begins to sign in; the answer is the script's.
    async fn start(self, browser: &Browser, server: &str, settings: Value) -> Result<()> {
        let args = json!({
            "server": server, "uri": format!("sip:{}@127.0.0.1", self.user()), "password": "secret",
            "settings": settings, "ice": settings["ice"],
        });
        let body = match self {
            Self::Theirs => {
                "peer.ua?.stop(); peer.outcome = null; peer.states.length = 0;\
                 peer.register(args).then(() => peer.outcome = 'registered', error => peer.outcome = error.message)"
            }
            Self::Ours => {
                "probe.phone().account = { version: 1, server: [args.server], uri: args.uri, username: 'ours',\
                 password: args.password, iceServers: args.ice ?? [] }"
            }
        };
        browser.run(body, args).await.map(drop)
    }

    /// Signs in.
    async fn sign_in(self, browser: &Browser, script: &Script, settings: Value) -> Result<Line> {
        self.start(browser, &script.url(), settings).await?;
        let line = script.signed_in().await?;
        let done = match self {
            Self::Theirs => "peer.outcome === 'registered'",
            Self::Ours => "probe.phone().registration === 'registered'",
        };
        browser.until(done, SOON).await?;
        Ok(line)
    }

    /// Calls as a user does.
    async fn call(self, browser: &Browser, ice: &Value) -> Result<()> {
        let body = match self {
            Self::Theirs => "peer.call('far', args ?? [])",
            Self::Ours => {
                "probe.phone().open(); probe.phone().dial('far');\
                 await probe.until(() => probe.usable('call'), 5000); probe.press('call')"
            }
        };
        let body = format!("probe.wire.length = probe.clicks.length = probe.applied.length = 0; {body}");
        browser.run(&body, ice.clone()).await.map(drop)
    }

    /// Calls, and the far end `first` answers.
    async fn talk(self, browser: &Browser, line: &mut Line) -> Result<Message> {
        self.call(browser, &Value::Null).await?;
        let invite = line.expect("INVITE ").await?;
        line.send(invite.accepted("first"))?;
        line.expect("ACK ").await?;
        browser.until(&self.stands(), SOON).await?;
        Ok(invite)
    }

    /// Whether the phone takes itself to be in a call.
    fn stands(self) -> String {
        match self {
            Self::Theirs => "peer.session.isEstablished()",
            Self::Ours => "['active', 'held'].includes(probe.call()?.state)",
        }
        .to_owned()
    }

    /// The script's user of that name.
    fn user(self) -> &'static str {
        match self {
            Self::Theirs => "theirs",
            Self::Ours => "ours",
        }
    }
}

/// A row of the table that the cases print together.
fn row(fault: &str, theirs: &str, ours: &str) {
    println!("{fault}\n    JsSIP 3.13.8  {theirs}\n    <soft-phone>  {ours}");
}

/// Which far end each request is for, by the tags of the script.
fn aims<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<String> {
    let aim = |message: &Message| {
        let method = message.text.split(' ').next().unwrap_or_default();
        format!("{method} {}", message.tag("To").unwrap_or("nobody"))
    };
    messages.into_iter().map(aim).collect()
}

/// Two phones answer the same INVITE (RFC 3261 §13.2.2.4): both are acknowledged, the second is hung up on, each in its
/// own dialog.
pub async fn forked_second_answer(rig: &Rig) -> Result<()> {
    let (browser, script) = (page(rig).await?, Script::start().await?);
    let mut did = Vec::new();
    for which in BOTH {
        let mut line = which.sign_in(&browser, &script, json!({})).await?;
        let invite = which.talk(&browser, &mut line).await?;
        line.passed();
        line.send(invite.accepted("second"))?;
        let bye = line.expect("BYE ").await?;
        line.send(bye.reply("200 OK", "second", "", ""))?;
        let mut messages = line.passed();
        messages.push(bye);
        let stands = browser.run(&format!("return {}", which.stands()), Value::Null).await?;
        ensure!(stands == true, "{} takes its call to be over", which.user());
        did.push(aims(&messages));
    }
    row("a forked call is answered twice", &did[0].join(", "), &did[1].join(", "));
    // It hangs up on who is spoken with, still shows a call, and leaves the second phone waiting for its ACK.
    ensure!(did[0] == ["ACK first", "BYE first"], "JsSIP did {:?}", did[0]);
    ensure!(did[1] == ["ACK second", "BYE second"], "<soft-phone> did {:?}", did[1]);
    Ok(())
}

/// Offers that meet (RFC 3261 §14.1, §14.2): what was refused with 491 is not applied; ours is sent again after 2.1 to 4
/// seconds, for the call's Call-ID is ours, as a new request.
pub async fn glare(rig: &Rig) -> Result<()> {
    let (browser, script) = (page(rig).await?, Script::start().await?);
    let mut did = Vec::new();
    let far = async |what: &str, args: &str| -> Result<String> {
        let sdp = browser.run(&format!("return probe.far.{what}(args)"), json!(args)).await?;
        Ok(sdp.as_str().context("a description")?.to_owned())
    };
    for which in BOTH {
        let mut line = which.sign_in(&browser, &script, json!({})).await?;
        which.call(&browser, &Value::Null).await?;
        let invite = line.expect("INVITE ").await?;
        line.send(invite.accepted_with("first", &far("answer", invite.body()).await?))?;
        line.expect("ACK ").await?;
        browser.until(&which.stands(), SOON).await?;
        browser.until("probe.far.connection.connectionState === 'connected'", SOON).await?;
        let hold = match which {
            Which::Theirs => "probe.applied.length = 0; await probe.until(() => peer.session.hold(), 5000)",
            Which::Ours => "probe.applied.length = 0; probe.call().hold().catch(() => {})",
        };
        browser.run(hold, Value::Null).await?;
        let ours = line.expect("INVITE ").await?;
        let meets = line.request("INVITE", 100, &invite, "first", &far("offer", "").await?);
        let branch = meets.lines().find(|line| line.starts_with("Via:")).context("a Via")?.to_owned();
        line.send(meets)?;
        let refused = line.expect("SIP/2.0 491").await?;
        ensure!(refused.cseq() == Some(100), "{}", refused.text);
        let ack = line.request("ACK", 100, &invite, "first", "");
        // RFC 3261 §17.1.1.3: in the branch of what it acknowledges.
        let own = ack.lines().find(|line| line.starts_with("Via:")).context("a Via")?.to_owned();
        line.send(ack.replace(&own, &branch))?;
        line.send(ours.reply("491 Request Pending", "first", "", ""))?;
        let refused_at = line.expect("ACK ").await?.at;
        let again = line.expect("INVITE ").await?;
        let applied = browser.run("return probe.applied.filter(type => type === 'offer').length", Value::Null).await?;
        let wait = again.at.duration_since(refused_at).as_secs_f32();
        let newer = again.cseq().zip(ours.cseq()).map(|(again, first)| i64::from(again) - i64::from(first));
        line.send(again.accepted_with("first", &far("answer", again.body()).await?))?;
        line.expect("ACK ").await?;
        browser.run("probe.far.close()", Value::Null).await?;
        did.push((applied.as_u64().context("a count")?, wait, newer.context("two CSeqs")?));
    }
    let words = |(applied, wait, newer): &(u64, f32, i64)| {
        format!("refused offers applied: {applied}; sent again after {wait:.2} s, CSeq + {newer}")
    };
    row("offers meet, 491 both ways", &words(&did[0]), &words(&did[1]));
    let (applied, wait, newer) = did[0];
    ensure!(applied == 1 && (0.9..2.0).contains(&wait) && newer == 0, "JsSIP: {}", words(&did[0]));
    let (applied, wait, newer) = did[1];
    ensure!(applied == 0 && (2.1..4.3).contains(&wait) && newer == 1, "<soft-phone>: {}", words(&did[1]));
    Ok(())
}

/// 422 (RFC 4028 §7.3): the same call again, with the time that is asked for.
pub async fn session_interval_too_small(rig: &Rig) -> Result<()> {
    let (browser, script) = (page(rig).await?, Script::start().await?);
    let mut did = Vec::new();
    for which in BOTH {
        let mut line = which.sign_in(&browser, &script, json!({ "session_timers": true })).await?;
        which.call(&browser, &Value::Null).await?;
        let first = line.expect("INVITE ").await?;
        let asked = first.header("Session-Expires").context("no session timer is asked for")?.to_owned();
        line.send(first.reply("422 Session Interval Too Small", "first", "Min-SE: 3600\r\n", ""))?;
        line.expect("ACK ").await?;
        match which {
            Which::Theirs => {
                browser.until("peer.states.some(it => it.state === 'failed')", SOON).await?;
                let more: Vec<_> = aims(&line.passed());
                ensure!(more.is_empty(), "JsSIP goes on: {more:?}");
                did.push(format!("asked for {asked} s, gives up"));
            }
            Which::Ours => {
                let again = line.expect("INVITE ").await?;
                let header = |name| again.header(name).unwrap_or_default().to_owned();
                let (longer, least) = (header("Session-Expires"), header("Min-SE"));
                ensure!(longer.starts_with("3600") && least == "3600", "{}", again.text);
                ensure!(
                    again.header("Call-ID") == first.header("Call-ID") && again.cseq() > first.cseq(),
                    "{}",
                    again.text
                );
                line.send(again.accepted("first"))?;
                line.expect("ACK ").await?;
                browser.until(&which.stands(), SOON).await?;
                did.push(format!("asked for {asked} s, again for {longer} s: answered"));
            }
        }
    }
    row("422 with Min-SE", &did[0], &did[1]);
    Ok(())
}

/// Two challenges in one 401 (RFC 8760 §2.4): one that is known is answered, whatever stands before or behind it, and of
/// two the stronger. JsSIP keeps the last one only.
pub async fn second_challenge(rig: &Rig) -> Result<()> {
    let browser = page(rig).await?;
    for (order, theirs, ours) in [
        (["SHA-256", "MD5"], "MD5", "SHA-256"),
        (["MD5", "SHA-256"], "no answer", "SHA-256"),
        // One that nobody knows yet.
        (["MD5", "SHAKE-512"], "no answer", "MD5"),
    ] {
        let script = Script::start().await?;
        let mut did = Vec::new();
        for which in BOTH {
            which.start(&browser, &script.url(), json!({})).await?;
            let mut line = script.line().await?;
            let register = line.expect("REGISTER ").await?;
            let challenges: String = order
                .iter()
                .map(|name| {
                    format!("WWW-Authenticate: Digest realm=\"script\", nonce=\"n-{name}\", algorithm={name}, qop=\"auth\"\r\n")
                })
                .collect();
            line.send(register.reply("401 Unauthorized", "registrar", &challenges, ""))?;
            let gives_up = match which {
                Which::Theirs => "typeof peer.outcome === 'string'",
                Which::Ours => "probe.phone().registration === 'failed'",
            };
            let answered = tokio::select! {
                answer = line.expect("REGISTER ") => Some(answer?),
                failed = browser.until(gives_up, SOON) => failed.map(|_| None)?,
            };
            did.push(match &answered {
                Some(answer) => {
                    line.send(answer.registered())?;
                    answered_with(answer)?
                }
                None => "no answer".to_owned(),
            });
        }
        row(&format!("401 with {} before {}", order[0], order[1]), &did[0], &did[1]);
        ensure!(did == [theirs, ours], "JsSIP {}, <soft-phone> {}", did[0], did[1]);
    }
    Ok(())
}

/// The algorithm of a REGISTER's credentials, once they are found to be right (RFC 7616 §3.4.1).
fn answered_with(register: &Message) -> Result<String> {
    let value = register.header("Authorization").context("no credentials")?;
    let field = |name: &str| {
        let fields = value.trim_start_matches("Digest ").split(',');
        let found = fields.filter_map(|field| field.trim().split_once('=')).find(|(found, _)| *found == name);
        found.map(|(_, value)| value.trim_matches('"')).unwrap_or_default()
    };
    let algorithm = field("algorithm");
    let hash = |text: String| match algorithm {
        "SHA-256" => hexadecimal(&sha2::Sha256::digest(text)),
        _ => hexadecimal(&md5::Md5::digest(text)),
    };
    let secret = hash(format!("{}:script:secret", field("username")));
    let request = hash(format!("REGISTER:{}", field("uri")));
    let expected =
        hash(format!("{secret}:{}:{}:{}:{}:{request}", field("nonce"), field("nc"), field("cnonce"), field("qop")));
    ensure!(field("response") == expected, "wrong digest: {value}");
    ensure!(field("nonce") == format!("n-{algorithm}"), "the nonce of another challenge: {value}");
    Ok(algorithm.to_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// ICE servers that never answer: how long from the click to the INVITE.
pub async fn gathering_that_never_ends(rig: &Rig) -> Result<()> {
    // They listen, so that no ICMP message says that nobody is there, and read nothing.
    let silent = [UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?];
    let (stun, turn) = (silent[0].local_addr()?.port(), silent[1].local_addr()?.port());
    let ice = json!([
        { "urls": [format!("stun:127.0.0.1:{stun}")] },
        { "urls": [format!("turn:127.0.0.1:{turn}?transport=udp")], "username": "u", "credential": "c" },
    ]);
    let (browser, script) = (page(rig).await?, Script::start().await?);
    let mut took = Vec::new();
    for which in BOTH {
        let mut line = which.sign_in(&browser, &script, json!({ "ice": ice })).await?;
        which.call(&browser, &ice).await?;
        let invite = line.expect_within("INVITE ", Duration::from_secs(60)).await?;
        ensure!(invite.body().contains("a=candidate:"), "without a candidate: {}", invite.text);
        let times = "return probe.sent('INVITE')[0].at - probe.clicks[0]";
        took.push(browser.run(times, Value::Null).await?.as_f64().context("a click and an INVITE")?);
        line.send(invite.reply("486 Busy Here", "first", "", ""))?;
        line.expect("ACK ").await?;
    }
    let words = |ms: f64| format!("{ms:.0} ms from the click to the INVITE");
    row("ICE servers that never answer", &words(took[0]), &words(took[1]));
    ensure!(took[0] > 5_000.0, "JsSIP no longer waits: {} ms", took[0]);
    // A tenth of a second on a quiet machine; the bound is what the user would notice.
    ensure!(took[1] < 1_000.0, "<soft-phone> waits {} ms", took[1]);
    Ok(())
}
