//! A browser with one page, driven over WebDriver.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use fantoccini::actions::{InputSource, KeyAction, KeyActions, MouseActions, PointerAction, TouchActions};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use soft_phone_benches::audio;

use crate::rig::{CHROMEDRIVER, GECKODRIVER, Rig};

/// How long a page may take for what happens on one machine.
pub const SOON: Duration = Duration::from_secs(10);

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's Chromium.
    Chromium,
    /// Debian's Firefox ESR.
    Firefox,
}

/// Who speaks into the browser's microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The first voice.
    A,
    /// The second, with another sentence.
    B,
    /// A person's, for `cargo xtask impaired`, Chromium only.
    Talk,
}

impl Voice {
    /// The recording's name in the rig's folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::A => "speech-a.wav",
            Self::B => "speech-b.wav",
            Self::Talk => "impaired/speech-0.wav",
        }
    }
}

/// What a session may be started with besides the defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting {
    /// The user refuses the microphone (Chromium).
    pub deny_microphone: bool,
    /// There is no microphone (Chromium).
    pub no_microphone: bool,
    /// Nothing is played before the user touches the page (Chromium).
    pub silent: bool,
    /// A profile that another session may take up again: its folder in the rig's.
    pub profile: Option<&'static str>,
    /// What is drawn moves. Elsewhere it does not (`prefers-reduced-motion`): every tab is in view here, and drawn without a
    /// graphics card, which takes a sixth of all that the cases do.
    pub animated: bool,
}

/// A browser with a page open. The session ends with the case, see [`Rig::close_browsers`].
pub struct Browser {
    client: Client,
    kind: Kind,
    voice: Voice,
}

impl Browser {
    /// Starts a browser whose microphone hears `voice`.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn open(rig: &Rig, kind: Kind, voice: Voice) -> Result<Self> {
        Self::open_with(rig, kind, voice, Setting::default()).await
    }

    /// As [`Self::open`], in a setting.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn open_with(rig: &Rig, kind: Kind, voice: Voice, setting: Setting) -> Result<Self> {
        let profile = setting.profile.map(|name| profile(rig, name));
        if let Some(profile) = &profile {
            std::fs::create_dir_all(profile)?;
        }
        let (driver, capabilities) = match kind {
            Kind::Chromium => (CHROMEDRIVER, chromium(&rig.folder.join(voice.file()), setting, profile.as_deref())),
            Kind::Firefox => (GECKODRIVER, firefox(setting, profile.as_deref())),
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(driver).await.with_context(|| format!("{kind:?}"))?;
        rig.opened(&format!("{kind:?}-{voice:?}").to_lowercase(), &client);
        Ok(Self { client, kind, voice })
    }

    /// Loads a page of `component/browser-tests/www`.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn load(&self, rig: &Rig, page: &str) -> Result<()> {
        self.load_at(rig.page(page)).await
    }

    /// Loads a page at an address.
    ///
    /// # Errors
    /// When it does not load.
    pub async fn load_at(&self, mut url: String) -> Result<()> {
        if self.kind == Kind::Firefox {
            // Its own fake microphone knows one tone only.
            url += &format!("{}voice={}", if url.contains('?') { '&' } else { '?' }, self.voice.file());
        }
        Ok(self.client.goto(&url).await?)
    }

    /// Leaves the page as a user does who follows a link.
    ///
    /// # Errors
    /// When the new page does not load.
    pub async fn leave(&self) -> Result<()> {
        // WebDriver's own way is that of the address bar, by which Firefox ends whatever script runs, or the next one.
        self.client.execute("location.assign('about:blank')", vec![]).await?;
        self.client.wait().for_url(&"about:blank".parse()?).await?;
        Ok(())
    }

    /// The WebDriver session, for what is rarely needed.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs the body of an async function in the page, with `args` as its `args`, and returns what it returns.
    ///
    /// # Errors
    /// What the function throws, with the error's code where it has one.
    pub async fn run(&self, body: &str, args: Value) -> Result<Value> {
        let script = format!(
            "const [args, done] = arguments;\
             (async () => {{ {body} }})().then(\
               value => done({{value: value === undefined ? null : value}}),\
               error => done({{error: `${{error?.name}} ${{error?.code ?? ''}} ${{error?.message ?? error}}`}}));"
        );
        let mut answer = self.client.execute_async(&script, vec![args]).await.with_context(|| body.to_owned())?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => bail!("{error}\n  in {body}"),
            None => Ok(answer["value"].take()),
        }
    }

    /// Waits until an expression of the page is true and returns its value.
    ///
    /// # Errors
    /// When it is not true within `limit`.
    pub async fn until(&self, expression: &str, limit: Duration) -> Result<Value> {
        let body = format!("return probe.until(() => {expression}, args)");
        let limit = u64::try_from(limit.as_millis())?;
        self.run(&body, json!(limit)).await
    }

    /// Records streams of the page for `seconds`, all by one clock; each expression gives one.
    ///
    /// # Errors
    /// When there is no such stream.
    pub async fn record(&self, streams: &[&str], seconds: f32) -> Result<Vec<Vec<f32>>> {
        self.recordings(&format!("return probe.record([{}], {seconds})", streams.join(", "))).await
    }

    /// As [`Self::run`], for a function that gives what the page's `probe.record` gives.
    ///
    /// # Errors
    /// When it gives something else.
    pub async fn recordings(&self, body: &str) -> Result<Vec<Vec<f32>>> {
        let answer = self.run(body, Value::Null).await?;
        let recordings = answer.as_array().context("recordings")?;
        recordings
            .iter()
            .map(|recording| {
                let bytes = base64::engine::general_purpose::STANDARD.decode(recording.as_str().unwrap_or_default())?;
                Ok(audio::from_bytes(&bytes))
            })
            .collect()
    }

    /// Presses the mouse at a point of the page, moves it in steps and lets it go.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn drag(&self, from: (f64, f64), to: (f64, f64), finger: bool) -> Result<()> {
        let at = |(x, y): (f64, f64), milliseconds| PointerAction::MoveTo {
            duration: Some(Duration::from_millis(milliseconds)),
            x,
            y,
        };
        let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
        let down = PointerAction::Down { button: 0 };
        let up = PointerAction::Up { button: 0 };
        let steps = [at(from, 0), down, at(middle, 50), at(to, 50), up];
        if finger {
            let touch = steps.into_iter().fold(TouchActions::new("finger".into()), TouchActions::then);
            self.client.perform_actions(touch).await?;
        } else {
            let mouse = steps.into_iter().fold(MouseActions::new("mouse".into()), MouseActions::then);
            self.client.perform_actions(mouse).await?;
        }
        Ok(self.client.release_actions().await?)
    }

    /// Presses and lets go keys, one after another; WebDriver's code points stand for those without a character.
    ///
    /// # Errors
    /// When the driver refuses.
    pub async fn keys(&self, keys: &[char]) -> Result<()> {
        let actions = keys.iter().fold(KeyActions::new("keyboard".into()), |actions, key| {
            actions.then(KeyAction::Down { value: *key }).then(KeyAction::Up { value: *key })
        });
        Ok(self.client.perform_actions(actions).await?)
    }
}

/// The folder of a profile that stays.
fn profile(rig: &Rig, name: &str) -> PathBuf {
    rig.lane.join("run").join(name)
}

/// Kills the browser that has this profile open, as a crash does: SIGKILL to its first process, and no word to anybody.
///
/// # Errors
/// When there is no such browser.
pub fn kill(rig: &Rig, name: &str) -> Result<()> {
    signal("-KILL", &[first_process(rig, name)?])
}

/// A browser that is stopped in the middle of whatever it does, as by a machine that sleeps, until this is dropped.
pub struct Asleep(Vec<String>);

impl Drop for Asleep {
    fn drop(&mut self) {
        // One that has ended meanwhile does not wake.
        let _woken = signal("-CONT", &self.0);
    }
}

/// Stops every process of the browser that has this profile open.
///
/// # Errors
/// When there is no such browser.
pub fn stop(rig: &Rig, name: &str) -> Result<Asleep> {
    let mut all = vec![first_process(rig, name)?];
    let parents = parents()?;
    let mut next = 0;
    while let Some(parent) = all.get(next).cloned() {
        all.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| process.clone()));
        next += 1;
    }
    signal("-STOP", &all)?;
    Ok(Asleep(all))
}

/// Kills a session's Firefox: to end by itself takes it six seconds, and there is nothing that it would have to keep. A
/// Chromium ends at once.
pub fn hasten(client: &Client) {
    let process = client.capabilities().and_then(|told| told.get("moz:processID")).and_then(Value::as_u64);
    if let Some(process) = process {
        // One that has ended already has ended.
        let _killed = signal("-KILL", &[process.to_string()]);
    }
}

fn signal(signal: &str, processes: &[String]) -> Result<()> {
    let status = std::process::Command::new("kill").arg(signal).args(processes).status()?;
    if status.success() { Ok(()) } else { bail!("kill {signal} {processes:?}") }
}

/// The process that has started all others of the browser with this profile.
fn first_process(rig: &Rig, name: &str) -> Result<String> {
    let folder = profile(rig, name);
    let folder = folder.to_string_lossy();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        // The drivers do not know the folder; the other processes of a browser say what they are, and end with it.
        if !line.contains(folder.as_ref()) || line.contains("--type=") || line.contains("-contentproc") {
            continue;
        }
        if let Some(process) = path.file_name() {
            return Ok(process.to_string_lossy().into_owned());
        }
    }
    bail!("no browser has the profile {folder} open")
}

/// Each process with the one that has started it.
fn parents() -> Result<Vec<(String, String)>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        if let (Some(process), Some(parent)) = (path.file_name(), parent) {
            parents.push((process.to_string_lossy().into_owned(), parent.trim().to_owned()));
        }
    }
    Ok(parents)
}

/// The processes that show Chromium's pages, of all browsers that are open.
///
/// # Errors
/// When the system does not list its processes.
pub fn pages() -> Result<Vec<String>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains("--type=renderer")
            && let Some(process) = path.file_name()
        {
            pages.push(process.to_string_lossy().into_owned());
        }
    }
    Ok(pages)
}

/// Kills processes of [`pages`] with SIGKILL, as a lack of memory does.
///
/// # Errors
/// When there is none of them.
pub fn kill_pages(pages: &[String]) -> Result<()> {
    signal("-KILL", pages)
}

fn chromium(speech: &Path, setting: Setting, profile: Option<&Path>) -> Map<String, Value> {
    let mut flags = vec![
        "--headless=new".to_owned(),
        "--no-sandbox".into(),
        "--disable-gpu".into(),
        "--disable-quic".into(),
        "--disable-dev-shm-usage".into(),
        "--disable-background-networking".into(),
        "--disable-renderer-backgrounding".into(),
        "--disable-backgrounding-occluded-windows".into(),
        "--disable-background-timer-throttling".into(),
        // `gc()`, for who asks what a page holds.
        "--js-flags=--expose-gc".into(),
        // A process that waits for the next page would be taken for one of this page's.
        "--disable-features=WebRtcHideLocalIpsWithMdns,MediaRouter,OptimizationHints,SpareRendererForSitePerProcess"
            .into(),
        // ICE leaves the loopback interface out unless it is told otherwise.
        "--allow-loopback-in-peer-connection".into(),
        "--window-size=1000,800".into(),
    ];
    flags.push(format!(
        "--autoplay-policy={}",
        if setting.silent { "user-gesture-required" } else { "no-user-gesture-required" }
    ));
    if !setting.animated {
        flags.push("--force-prefers-reduced-motion".into());
    }
    if let Some(profile) = profile {
        flags.push(format!("--user-data-dir={}", profile.display()));
    }
    if !setting.deny_microphone {
        flags.push("--use-fake-ui-for-media-stream".into());
    }
    if !setting.no_microphone {
        flags.push("--use-fake-device-for-media-stream".into());
        flags.push(format!("--use-file-for-fake-audio-capture={}", speech.display()));
    }
    let mut options = json!({ "args": flags });
    if setting.deny_microphone {
        // 2 is "block" in Chromium's content settings.
        options["prefs"] = json!({ "profile.default_content_setting_values.media_stream_mic": 2 });
    }
    capabilities("chrome", "goog:chromeOptions", &options)
}

fn firefox(setting: Setting, profile: Option<&Path>) -> Map<String, Value> {
    let preferences = json!({
        "media.navigator.streams.fake": true,
        "media.navigator.permission.disabled": true,
        "media.peerconnection.ice.loopback": true,
        "media.peerconnection.ice.obfuscate_host_addresses": false,
        "media.autoplay.default": 0,
        "media.autoplay.blocking_policy": 0,
        "media.autoplay.block-webaudio": false,
        "dom.min_background_timeout_value": 4,
        "network.captive-portal-service.enabled": false,
        "network.connectivity-service.enabled": false,
        // The language that element and page are tested in.
        "intl.accept_languages": "en",
        "ui.prefersReducedMotion": u8::from(!setting.animated),
    });
    let mut arguments = vec!["-headless".to_owned()];
    if let Some(profile) = profile {
        arguments.extend(["-profile".to_owned(), profile.display().to_string()]);
    }
    capabilities("firefox", "moz:firefoxOptions", &json!({ "args": arguments, "prefs": preferences }))
}

fn capabilities(name: &str, key: &str, options: &Value) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("browserName".into(), json!(name));
    // The certificate of wss:// is made for each run.
    all.insert("acceptInsecureCerts".into(), json!(true));
    all.insert("timeouts".into(), json!({ "script": 90_000, "pageLoad": 30_000 }));
    all.insert(key.into(), options.clone());
    all
}
