//! Everything that the cases share: servers, drivers, speech, and the browsers that are open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use fantoccini::Client;
use serde_json::Value;
use soft_phone_demo::{Agent, Options, Running, User};
use tokio::process::Command;

use crate::asterisk::Asterisk;
use crate::browser;
use crate::service::Service;

/// The drivers' ports: the network is the tests' own, nobody else takes them.
pub const CHROMEDRIVER: &str = "http://127.0.0.1:9515";
/// See [`CHROMEDRIVER`].
pub const GECKODRIVER: &str = "http://127.0.0.1:4444";

/// What stands while the tests run.
pub struct Rig {
    /// Asterisk.
    pub asterisk: Asterisk,
    /// The embedded server; also serves the phone and the test pages.
    pub demo: Running,
    /// Who may sign in there.
    pub users: Vec<User>,
    /// Who may sign in to its CRM.
    pub agents: Vec<Agent>,
    /// The folder that `cargo xtask build` wrote.
    pub dist: PathBuf,
    /// The folder that `cargo xtask setup` filled; only read.
    pub folder: PathBuf,
    /// The folder for what is written: `logs`, and what the programs need while they run.
    pub lane: PathBuf,
    browsers: Mutex<Vec<(String, Client)>>,
    services: Vec<Service>,
}

impl Rig {
    /// Starts all of it, for the lane of this number; takes about two seconds.
    ///
    /// # Errors
    /// When a part is missing or does not come up.
    pub async fn start(number: usize) -> Result<Self> {
        let folder = PathBuf::from(std::env::var_os("SOFT_PHONE_RIG").context("start me with: cargo xtask browser")?);
        let dist = PathBuf::from(std::env::var_os("SOFT_PHONE_DIST").context("start me with: cargo xtask browser")?);
        let lane = folder.join(format!("lane-{number}"));
        if lane.exists() {
            fs::remove_dir_all(&lane).with_context(|| lane.display().to_string())?;
        }
        let (logs, run, pages) = (lane.join("logs"), lane.join("run"), lane.join("www"));
        for fresh in [&logs, &run, &pages] {
            fs::create_dir_all(fresh)?;
        }
        lay_out_pages(&folder, &pages)?;

        let asterisk = Asterisk::start(&folder.join("asterisk"), &lane.join("asterisk"), &logs).await?;
        let listen = ([127, 0, 0, 1], 0).into();
        let (users, agents) = (User::demo(), Agent::demo());
        let options = Options {
            listen,
            dist: dist.clone(),
            extra: Some(pages),
            users: users.clone(),
            agents: agents.clone(),
            database: None,
        };
        let demo = soft_phone_demo::start(options).await?;
        let sound = sound(&run, &logs).await?;
        let mut chromedriver = driver("chromedriver".as_ref(), &run)?;
        chromedriver.arg("--port=9515");
        let chromedriver = Service::start("chromedriver", &logs, chromedriver, "started successfully").await?;
        let mut geckodriver = driver(&folder.join("tools/bin/geckodriver"), &run)?;
        geckodriver.args(["--port", "4444"]).env("PULSE_SERVER", format!("unix:{}", run.join("sound").display()));
        let geckodriver = Service::start("geckodriver", &logs, geckodriver, "Listening on").await?;
        let services = vec![sound, chromedriver, geckodriver];
        Ok(Self { asterisk, demo, users, agents, dist, folder, lane, browsers: Mutex::default(), services })
    }

    /// A user of the embedded server.
    ///
    /// # Errors
    /// When it has no such user.
    pub fn user(&self, name: &str) -> Result<&User> {
        self.users.iter().find(|user| user.name == name).with_context(|| format!("no user {name}"))
    }

    /// The address of a page of `component/browser-tests/www`.
    pub fn page(&self, name: &str) -> String {
        format!("http://{}/test/{name}", self.demo.addr)
    }

    /// Where phones connect to the embedded server.
    pub fn demo_server(&self) -> String {
        format!("ws://{}/ws", self.demo.addr)
    }

    /// Keeps a browser, to be closed at the end of the case.
    pub fn opened(&self, name: &str, client: &Client) {
        if let Ok(mut browsers) = self.browsers.lock() {
            browsers.push((name.to_owned(), client.clone()));
        }
    }

    /// Closes what the case has opened.
    pub async fn close_browsers(&self) {
        let browsers = self.browsers.lock().map(|mut browsers| std::mem::take(&mut *browsers)).unwrap_or_default();
        for (_, client) in browsers {
            browser::hasten(&client);
            // A browser that is gone already, or hangs, goes with the namespace.
            let _closed = client.close().await;
        }
        // A page that was closed in a call may have left Asterisk waiting: the next case starts without it.
        let _ended = self.asterisk.console("channel request hangup all").await;
    }

    /// That no page of the case had an error that nobody caught, or was refused something by its policy.
    ///
    /// # Errors
    /// With what the page has noted.
    pub async fn check_pages(&self) -> Result<()> {
        let browsers = self.browsers.lock().map(|browsers| browsers.clone()).unwrap_or_default();
        for (name, client) in browsers {
            let noted = client.execute("return window.probe ? [...probe.errors, ...probe.violations] : []", vec![]);
            let noted = noted.await.unwrap_or_default();
            ensure!(noted.as_array().is_none_or(Vec::is_empty), "{name}: {noted}");
        }
        Ok(())
    }

    /// What each open page knows and what each log ends with, for a case that failed; a screenshot of each page goes beside
    /// the logs.
    pub async fn report(&self, case: &str) -> String {
        let browsers = self.browsers.lock().map(|browsers| browsers.clone()).unwrap_or_default();
        let mut report = String::new();
        for (name, client) in browsers {
            let facts = client.execute("return window.probe ? probe.report() : location.href", vec![]).await;
            let facts = facts.unwrap_or_else(|error| Value::from(error.to_string()));
            report += &format!("{name}: {facts:#}\n");
            if let Ok(picture) = client.screenshot().await {
                let file = self.lane.join("logs").join(format!("{}-{name}.png", case.replace("::", "-")));
                if fs::write(&file, picture).is_ok() {
                    report += &format!("{}\n", file.display());
                }
            }
        }
        report += &self.asterisk.report();
        for service in &self.services {
            report += &service.report(8);
        }
        report
    }
}

/// The test pages, the peer phone and the speech in one folder, as the server serves one.
fn lay_out_pages(folder: &Path, pages: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("www");
    for file in fs::read_dir(&source).with_context(|| source.display().to_string())? {
        let file = file?;
        fs::copy(file.path(), pages.join(file.file_name()))?;
    }
    for name in ["jssip.js", "speech-a.wav", "speech-b.wav"] {
        fs::copy(folder.join(name), pages.join(name)).with_context(|| format!("{name}: run cargo xtask setup"))?;
    }
    Ok(())
}

/// A loudspeaker that is not there. It is not to rewind: else it sleeps for two seconds, and sound begins that late. Firefox's AudioContext never runs without an output device; Chromium's skips with
/// one on a loaded machine, so only Firefox is told of it.
async fn sound(run: &Path, logs: &Path) -> Result<Service> {
    let script = run.join("sound.pa");
    let socket = run.join("sound");
    fs::write(
        &script,
        format!(
            "load-module module-native-protocol-unix socket={} auth-anonymous=1\n\
             load-module module-null-sink sink_name=loudspeaker rate=48000 norewinds=1\nset-default-sink loudspeaker\n",
            socket.display()
        ),
    )?;
    let mut command = Command::new("pulseaudio");
    command.args(["-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no", "--disallow-exit", "-v"]);
    command.arg("-F").arg(&script).env("HOME", run).env("XDG_RUNTIME_DIR", run);
    Service::start("pulseaudio", logs, command, "Daemon startup complete").await
}

/// A driver whose browsers write into our folder only.
fn driver(program: &Path, run: &Path) -> Result<Command> {
    let temporary = run.join("tmp");
    fs::create_dir_all(&temporary)?;
    let mut command = Command::new(program);
    command.env("HOME", run).env("TMPDIR", &temporary).env("XDG_RUNTIME_DIR", run);
    for variable in ["PULSE_SERVER", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"] {
        command.env_remove(variable);
    }
    Ok(command)
}
