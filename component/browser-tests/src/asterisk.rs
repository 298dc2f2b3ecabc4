//! Asterisk with the tests' dial plan: who may sign in, what each number does, see `asterisk/*.conf`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::Instant;

use crate::service::Service;

/// Where phones connect.
pub const SERVER: &str = "ws://127.0.0.1:8088/ws";

/// The same with TLS.
pub const SECURE_SERVER: &str = "wss://127.0.0.1:8089/ws";

/// Where Asterisk keeps voice messages.
const MAILBOXES: &str = "var/spool/asterisk/voicemail";

/// What Asterisk writes, and what is written for it.
const OWN: [&str; 5] = ["etc/asterisk", "run/asterisk", "var/lib/asterisk", "var/log/asterisk", "var/spool/asterisk"];

/// An Asterisk that runs.
pub struct Asterisk {
    root: PathBuf,
    logs: PathBuf,
    service: Mutex<Service>,
}

impl Asterisk {
    /// Starts the Asterisk that lies in `root` (a folder to chroot into) with the tests' configuration. What it writes goes to
    /// `state`, a folder that is not there yet: another one may run out of the same `root`.
    ///
    /// # Errors
    /// When a file cannot be laid out or Asterisk does not come up.
    pub async fn start(root: &Path, state: &Path, logs: &Path) -> Result<Self> {
        for folder in OWN {
            fs::create_dir_all(state.join(folder))?;
            fs::create_dir_all(root.join(folder))?;
            mount(&state.join(folder), &root.join(folder)).await?;
        }
        for folder in ["dev", "proc"] {
            mount(&Path::new("/").join(folder), &root.join(folder)).await?;
        }
        configure(root)?;
        let service = Mutex::new(launch("asterisk", root, logs).await?);
        Ok(Self { root: root.to_owned(), logs: logs.to_owned(), service })
    }

    /// Kills it in the middle of whatever it does, and starts it again: it knows of no call any more.
    ///
    /// # Errors
    /// When it cannot be killed, or does not come up again.
    pub async fn crash(&self) -> Result<()> {
        let pid = fs::read_to_string(self.root.join("run/asterisk/asterisk.pid"))?;
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().await?;
        if !killed.success() {
            bail!("Asterisk (process {}) cannot be killed", pid.trim());
        }
        // The kernel takes its time on a busy machine, and a second one refuses to start beside the first. The process may be
        // a zombie by then and some of its threads not: the console takes connections as long as there is one.
        let console = self.root.join("run/asterisk/asterisk.ctl");
        let end = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(&console).await.is_ok() {
            if Instant::now() > end {
                bail!("Asterisk (process {}) does not end", pid.trim());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let again = launch("asterisk-again", &self.root, &self.logs).await?;
        if let Ok(mut service) = self.service.lock() {
            *service = again;
        }
        Ok(())
    }

    /// Runs a command of Asterisk's console and returns what it printed.
    ///
    /// # Errors
    /// When the console cannot be reached.
    pub async fn console(&self, line: &str) -> Result<String> {
        let mut command = Command::new("chroot");
        command.arg(&self.root).args(["/usr/sbin/asterisk", "-C", "/etc/asterisk/asterisk.conf", "-rx", line]);
        let output = command.output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || printed.contains("No such command") {
            bail!("asterisk -rx {line:?}: {printed}{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(printed)
    }

    /// Lets a phone ring; who answers hears itself.
    ///
    /// # Errors
    /// As [`Self::console`].
    pub async fn ring(&self, number: &str) -> Result<()> {
        self.console(&format!("channel originate PJSIP/{number} application Echo")).await.map(drop)
    }

    /// Lets a phone ring for three seconds.
    ///
    /// # Errors
    /// As [`Self::console`].
    pub async fn ring_briefly(&self, number: &str) -> Result<()> {
        self.console(&format!("channel originate Local/3{number}@phones application Echo")).await.map(drop)
    }

    /// Puts a voice message into a mailbox: what Asterisk counts is the file beside the sound.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn leave_message(&self, mailbox: &str) -> Result<()> {
        let folder = self.root.join(MAILBOXES).join("default").join(mailbox).join("INBOX");
        fs::create_dir_all(&folder)?;
        let number = fs::read_dir(&folder)?.count();
        fs::write(folder.join(format!("msg{number:04}.txt")), "[message]\norigmailbox=100\n")?;
        Ok(())
    }

    /// Takes every voice message out of a mailbox.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn empty_mailbox(&self, mailbox: &str) -> Result<()> {
        let folder = self.root.join(MAILBOXES).join("default").join(mailbox);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    /// How many channels there are: none when all calls have ended on both sides.
    ///
    /// # Errors
    /// As [`Self::console`], or when the answer has another form.
    pub async fn channels(&self) -> Result<usize> {
        let printed = self.console("core show channels count").await?;
        let line = printed.lines().find(|line| line.contains("active channel")).context("no count of channels")?;
        Ok(line.split_whitespace().next().context("no number")?.parse()?)
    }

    /// What it has logged in this run.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        self.service.lock().map_err(|_| anyhow!("a test panicked"))?.log()
    }

    /// What it logged last, for a case that failed.
    pub fn report(&self) -> String {
        self.service.lock().map(|service| service.report(40)).unwrap_or_default()
    }
}

async fn launch(name: &'static str, root: &Path, logs: &Path) -> Result<Service> {
    let mut command = Command::new("chroot");
    command.arg(root).args(["/usr/sbin/asterisk", "-f", "-C", "/etc/asterisk/asterisk.conf"]);
    Service::start(name, logs, command, "Asterisk Ready").await
}

/// Shows `what` as `place`, to this process and those that it starts: a mount is gone with its namespace.
async fn mount(what: &Path, place: &Path) -> Result<()> {
    let output = Command::new("mount").arg("--rbind").args([what, place]).output().await?;
    if !output.status.success() {
        bail!("{} as {}: {}", what.display(), place.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Lays out our configuration and a fresh certificate.
fn configure(root: &Path) -> Result<()> {
    let etc = root.join("etc/asterisk");
    let arch = fs::read_dir(root.join("usr/lib"))?
        .filter_map(Result::ok)
        .find(|folder| folder.path().join("asterisk/modules").is_dir())
        .context("Asterisk's folder has no modules")?
        .file_name();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("asterisk");
    for file in fs::read_dir(&source).with_context(|| source.display().to_string())? {
        let file = file?;
        let text = fs::read_to_string(file.path())?.replace("@ARCH@", &arch.to_string_lossy());
        fs::write(etc.join(file.file_name()), text)?;
    }
    // Asterisk looks its own host's name up at each offer; there is no name server to ask.
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
    fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost A.ROOT-SERVERS.NET {host}"))?;
    let keys = etc.join("keys");
    fs::create_dir_all(&keys)?;
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    let made = openssl.arg("-keyout").arg(keys.join("tls.key")).arg("-out").arg(keys.join("tls.crt")).output()?;
    if made.status.success() { Ok(()) } else { bail!("openssl req: {}", String::from_utf8_lossy(&made.stderr).trim()) }
}
