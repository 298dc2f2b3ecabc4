//! A real Creme CRM, as `cargo xtask setup` has installed it, on a copy of its filled database.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::rig::Rig;
use crate::service::Service;

/// Where it listens.
const ADDRESS: &str = "127.0.0.1:8010";

/// A Creme that runs, until this is dropped.
pub struct Creme {
    folder: PathBuf,
    database: PathBuf,
    _server: Service,
}

impl Creme {
    /// Starts it.
    ///
    /// # Errors
    /// When it is not installed, or does not come up.
    pub async fn start(rig: &Rig) -> Result<Self> {
        let folder = rig.folder.join("creme");
        let database = rig.lane.join("run/creme.sqlite3");
        fs::copy(folder.join("filled.sqlite3"), &database).context("install Creme with: cargo xtask setup")?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../integrations/creme").canonicalize()?;
        // Not the script itself: it names the folder in which it was installed, and target/ may have been moved.
        let mut command = Command::new(folder.join("venv/bin/python"));
        command.arg(folder.join("venv/bin/creme"));
        // One process: a second one that looks for changed files would outlive the case.
        command.args(["runserver", ADDRESS, "--noreload", "--skip-checks"]);
        command.env("CREME_FOLDER", &folder).env("CREME_DATABASE", &database).env("SOFT_PHONE_DIST", &rig.dist);
        command.env("PYTHONPATH", format!("{0}:{0}/tests:{1}", source.display(), folder.display()));
        command.env("DJANGO_SETTINGS_MODULE", "soft_phone_test_settings").env("PYTHONUNBUFFERED", "1");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
        let server = Service::start("creme", &rig.lane.join("logs"), command, "Quit the server").await?;
        Ok(Self { folder, database, _server: server })
    }

    /// An address of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{ADDRESS}{path}")
    }

    /// The rows that a query of its database gives, as lists.
    ///
    /// # Errors
    /// When the query is none.
    pub async fn rows(&self, query: &str) -> Result<Value> {
        let script = "import json, sqlite3, sys\n\
                      print(json.dumps(sqlite3.connect(sys.argv[1], timeout=20).execute(sys.argv[2]).fetchall()))";
        let mut python = Command::new(self.folder.join("venv/bin/python"));
        let output = python.args(["-c", script]).arg(&self.database).arg(query).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
