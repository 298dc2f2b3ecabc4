//! A real Creme CRM for the tests of `component/integrations/creme`: PyPI's package in an environment of its own, with
//! SQLite, in the rig's folder. It is installed and filled once; each run copies the database.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::process;
use crate::setup;

/// What pip installs, with all that it needs.
const PACKAGE: &str = "creme-crm==2.8.6";
/// The filled database, in the folder.
const DATABASE: &str = "filled.sqlite3";

/// Installs it and fills its database, unless that was done with the same files.
///
/// # Errors
/// When Python, a Debian package or PyPI is missing.
pub fn setup(paths: &Paths) -> Result<()> {
    let folder = paths.rig.join("creme");
    let stamp = folder.join("installed");
    let wanted = ingredients(paths)?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("Creme CRM: installing {PACKAGE} and filling its database, once; this takes a minute");
    if !process::exists("msgfmt") {
        setup::debian(&["gettext"])?;
    }
    let has_venv = Command::new("python3").args(["-c", "import venv, ensurepip"]).stderr(Stdio::null()).status();
    if !has_venv.is_ok_and(|status| status.success()) {
        setup::debian(&["python3", "python3-venv"])?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let python = folder.join("venv/bin/python");
    if !python.is_file() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    }
    let mut pip = Command::new(&python);
    process::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]))?;
    let database = folder.join(DATABASE);
    if database.exists() {
        fs::remove_file(&database)?;
    }
    let creme = folder.join("venv/bin/creme");
    for command in ["migrate", "creme_populate", "generatemedia"] {
        process::output(environment(paths, &database, &creme).arg(command))?;
    }
    process::output(environment(paths, &database, &python).arg(source(paths).join("tests/prepare.py")))?;
    Ok(fs::write(stamp, wanted)?)
}

/// Runs the endpoints' tests in it.
///
/// # Errors
/// When one fails, or Creme is not installed.
pub fn test(paths: &Paths) -> Result<()> {
    setup(paths)?;
    let folder = paths.rig.join("creme");
    let database = folder.join("test.sqlite3");
    fs::copy(folder.join(DATABASE), &database)?;
    let mut python = environment(paths, &database, &folder.join("venv/bin/python"));
    process::run(python.arg(source(paths).join("tests/run.py")))
}

fn source(paths: &Paths) -> PathBuf {
    paths.root.join("component/integrations/creme")
}

/// A program of Creme's environment, which finds our app and settings.
fn environment(paths: &Paths, database: &Path, program: &Path) -> Command {
    let folder = paths.rig.join("creme");
    let places = [source(paths), source(paths).join("tests"), folder.clone()];
    let mut path = OsString::new();
    for place in places {
        path.push(place);
        path.push(":");
    }
    let mut command = Command::new(program);
    command.env("CREME_FOLDER", &folder).env("CREME_DATABASE", database).env("SOFT_PHONE_DIST", &paths.dist);
    command.env("PYTHONPATH", path).env("DJANGO_SETTINGS_MODULE", "soft_phone_test_settings");
    // Nothing is written into the work tree.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONWARNINGS", "ignore");
    command
}

/// What the filled database is made of: when one of these changes, it is made anew.
fn ingredients(paths: &Paths) -> Result<String> {
    let mut text = PACKAGE.to_owned();
    for file in
        ["soft_phone/models.py", "soft_phone/secrets.py", "tests/prepare.py", "tests/soft_phone_test_settings.py"]
    {
        text += &fs::read_to_string(source(paths).join(file)).with_context(|| file.to_owned())?;
    }
    Ok(text)
}
