//! `<soft-phone>` on a page, used by its public contract only: attributes, methods, events, parts.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use soft_phone_benches::audio::{self, Likeness, compare};

use crate::asterisk::SERVER;
use crate::browser::{Browser, Kind, SOON, Setting, Voice};
use crate::rig::Rig;

/// Share of the windows that must be found where a voice should be heard; less than the 0.9 of a quiet machine.
const HEARD: f32 = 0.7;
/// Share that must not be exceeded where it should not be heard.
const NOT_HEARD: f32 = 0.2;

/// A page with a phone on it.
pub struct Phone {
    /// Its page.
    pub browser: Browser,
}

impl Phone {
    /// A phone with these attributes, on a page of its own.
    ///
    /// # Errors
    /// When browser or page do not come up.
    pub async fn open(rig: &Rig, kind: Kind, voice: Voice, attributes: Value) -> Result<Self> {
        Self::open_with(rig, kind, voice, Setting::default(), attributes).await
    }

    /// As [`Self::open`], in a setting.
    ///
    /// # Errors
    /// When browser or page do not come up.
    pub async fn open_with(rig: &Rig, kind: Kind, voice: Voice, set: Setting, attributes: Value) -> Result<Self> {
        let browser = Browser::open_with(rig, kind, voice, set).await?;
        browser.load(rig, "phone.html").await?;
        let phone = Self { browser };
        phone.make(attributes).await?;
        Ok(phone)
    }

    /// Puts the phone onto a page that was just loaded.
    ///
    /// # Errors
    /// When the element is not defined.
    pub async fn make(&self, attributes: Value) -> Result<()> {
        self.browser.until("customElements.get('soft-phone')", SOON).await.context("<soft-phone> is not defined")?;
        self.browser.run("probe.make(args)", attributes).await.map(drop)
    }

    /// A phone that signs in at Asterisk as `user`.
    ///
    /// # Errors
    /// When it does not register.
    pub async fn at_asterisk(rig: &Rig, kind: Kind, voice: Voice, user: &str) -> Result<Self> {
        let phone = Self::open(rig, kind, voice, json!({ "lang": "en" })).await?;
        phone.sign_in(&account(user, &format!("pw-{user}"))).await?;
        phone.registered().await?;
        Ok(phone)
    }

    /// A phone that signs in at the embedded server as `name`, by its account URL.
    ///
    /// # Errors
    /// When it does not register.
    pub async fn at_demo(rig: &Rig, kind: Kind, voice: Voice, name: &str) -> Result<Self> {
        let attributes = json!({ "lang": "en", "account-url": format!("/account/{name}") });
        let phone = Self::open(rig, kind, voice, attributes).await?;
        phone.registered().await?;
        Ok(phone)
    }

    /// As [`Self::at_demo`], by way of another address than the server's own, with `more` fields of the account.
    ///
    /// # Errors
    /// When it does not register.
    pub async fn at_demo_through(rig: &Rig, voice: Voice, name: &str, server: &str, more: Value) -> Result<Self> {
        let phone = Self::open(rig, Kind::Chromium, voice, json!({ "lang": "en" })).await?;
        let body = "const account = await (await fetch(`/account/${args.name}`)).json();
            probe.phone().account = { ...account, server: [args.server], ...args.more }";
        phone.browser.run(body, json!({ "name": name, "server": server, "more": more })).await?;
        phone.registered().await?;
        Ok(phone)
    }

    /// Sets the property `account`.
    ///
    /// # Errors
    /// What the property throws.
    pub async fn sign_in(&self, account: &Value) -> Result<()> {
        self.browser.run("probe.phone().account = args", account.clone()).await.map(drop)
    }

    /// Waits until it is signed in.
    ///
    /// # Errors
    /// When it is not soon.
    pub async fn registered(&self) -> Result<()> {
        self.until("probe.phone().registration === 'registered'").await.map(drop)
    }

    /// Calls as a user does.
    ///
    /// # Errors
    /// When nobody could press the button.
    pub async fn dial(&self, number: &str) -> Result<()> {
        self.browser.run("probe.phone().open(); probe.phone().dial(args)", json!(number)).await?;
        self.press("call").await
    }

    /// Presses a button by its part's name, as soon as it can be pressed.
    ///
    /// # Errors
    /// When it cannot be pressed soon.
    pub async fn press(&self, part: &str) -> Result<()> {
        self.until(&format!("probe.usable('{part}')")).await?;
        self.browser.run("probe.press(args)", json!(part)).await.map(drop)
    }

    /// Waits until the call is in this state.
    ///
    /// # Errors
    /// When it is not soon.
    pub async fn call_is(&self, state: &str) -> Result<()> {
        self.until(&format!("probe.call()?.state === '{state}'")).await.map(drop)
    }

    /// Waits until the call has ended and returns its cause.
    ///
    /// # Errors
    /// When it does not end soon.
    pub async fn ended(&self) -> Result<String> {
        let cause = self.until("probe.fired('call-end').at(-1)?.call.cause").await?;
        ensure!(cause.is_string(), "a cause is a word, not {cause}");
        // Whatever ended it: nothing of the call may hold the network or the microphone.
        self.until("!probe.phone().calls.length && !probe.open().connections && !probe.open().tracks").await?;
        Ok(cause.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression of the page is true and returns it.
    ///
    /// # Errors
    /// When it is not soon.
    pub async fn until(&self, expression: &str) -> Result<Value> {
        self.browser.until(expression, SOON).await
    }

    /// Waits until the window says something with these words in it.
    ///
    /// # Errors
    /// When it does not soon; the message has what it says instead.
    pub async fn says(&self, words: &str) -> Result<()> {
        let expression = format!("probe.words().includes({})", json!(words));
        let Err(error) = self.until(&expression).await else { return Ok(()) };
        let said = self.browser.run("return probe.words()", json!(null)).await?;
        Err(error.context(format!("the window should say {words:?}, it says {said}")))
    }

    /// That a user can still do what the phone is for: dial and call.
    ///
    /// # Errors
    /// When the window does not let them.
    pub async fn is_usable(&self) -> Result<()> {
        self.browser.run("probe.phone().open(); probe.phone().dial('600')", json!(null)).await?;
        self.until("probe.usable('number') && probe.part('number').value === '600'").await?;
        self.until("probe.part('call') && !probe.part('hangup')?.matches(':enabled')").await.map(drop)
    }

    /// What was said into the microphone and what was heard, by one clock, while a call stands.
    ///
    /// # Errors
    /// When the call has no streams.
    pub async fn record(&self, seconds: f32) -> Result<Sound> {
        self.until("probe.call().localStream && probe.call().remoteStream").await?;
        let streams = ["probe.call().localStream", "probe.call().remoteStream"];
        let mut recordings = self.browser.record(&streams, seconds).await?.into_iter();
        let mut next = || recordings.next().context("two recordings");
        Ok(Sound { said: next()?, heard: next()? })
    }
}

/// The account of a user of Asterisk.
pub fn account(user: &str, password: &str) -> Value {
    json!({
        "version": 1, "server": [SERVER], "uri": format!("sip:{user}@127.0.0.1"), "username": user,
        "password": password, "displayName": format!("Test {user}"), "iceServers": [],
    })
}

/// One side of a call.
pub struct Sound {
    /// What the microphone gave.
    pub said: Vec<f32>,
    /// What came from the other side.
    pub heard: Vec<f32>,
}

impl Sound {
    /// That its own voice came back, as from an echo.
    ///
    /// # Errors
    /// When it did not; the recordings are then beside the logs.
    pub fn is_echo(&self, rig: &Rig) -> Result<Likeness> {
        let likeness = compare(&self.said, &self.heard)?;
        self.check(rig, likeness.found >= HEARD && likeness.correlation >= 0.6, &likeness)?;
        Ok(likeness)
    }

    /// That it heard what `other` said, and not what it said itself.
    ///
    /// # Errors
    /// When it did not; the recordings are then beside the logs.
    pub fn heard_of(&self, rig: &Rig, other: &Self) -> Result<Likeness> {
        let likeness = compare(&other.said, &self.heard)?;
        self.check(rig, likeness.found >= HEARD, &likeness)?;
        if let Ok(own) = compare(&self.said, &self.heard) {
            self.check(rig, own.found <= NOT_HEARD, &own).context("it hears itself")?;
        }
        Ok(likeness)
    }

    fn check(&self, rig: &Rig, holds: bool, likeness: &Likeness) -> Result<()> {
        if !holds {
            audio::write(&rig.lane.join("logs/said.wav"), &self.said)?;
            audio::write(&rig.lane.join("logs/heard.wav"), &self.heard)?;
        }
        ensure!(holds, "{likeness:?}");
        Ok(())
    }
}

/// Waits for both: a call stands when both sides say so.
///
/// # Errors
/// When one of them does not.
pub async fn in_call(one: &Phone, other: &Phone) -> Result<()> {
    one.call_is("active").await?;
    other.call_is("active").await
}

/// An observation, not a pause: nothing that `count` counts may come for this long.
///
/// # Errors
/// When something comes.
pub async fn stays(phone: &Phone, count: &str, length: Duration) -> Result<()> {
    let body = format!(
        "const before = {count}; const end = performance.now() + args;\
         await probe.until(() => {{ if ({count} !== before) throw new Error(`${{before}} became ${{{count}}}`);\
         return performance.now() > end; }}, args + 5000)"
    );
    phone.browser.run(&body, json!(u64::try_from(length.as_millis())?)).await.map(drop)
}
