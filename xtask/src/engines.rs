//! What building the voice engines of others needs: the feature `peers` of `benches`. For `bench` and `quality` only.
//!
//! WebRTC's C++ is built by Meson from the sources in its crate. Two things of Debian 12 are too old for it: Meson, taken
//! from PyPI instead, and Abseil, of which it uses nothing newer than the two headers in `benches/include`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::{process, setup};

const PACKAGES: [&str; 9] = [
    "build-essential",
    "clang",
    "libabsl-dev",
    "libclang-dev",
    "libspeexdsp-dev",
    "ninja-build",
    "pkg-config",
    "python3",
    "python3-venv",
];

/// The Abseil that WebRTC's build asks for.
const ABSEIL: &str = "20240722";

/// What a build of the engines finds in its environment.
pub struct Environment {
    path: OsString,
    pkg_config: PathBuf,
}

impl Environment {
    /// For a command that builds the feature `peers`.
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PATH", &self.path).env("PKG_CONFIG_PATH", &self.pkg_config)
    }
}

/// Installs what is missing; the rest lies in the rig's folder.
///
/// # Errors
/// When a package is missing and cannot be installed.
pub fn set_up(paths: &Paths) -> Result<Environment> {
    setup::debian(&PACKAGES)?;
    let folder = paths.rig.join("engines");
    let meson = venv(&folder.join("meson"), &["meson==1.12.1"])?;
    let pkg_config = folder.join("pkgconfig");
    abseil(&pkg_config, &paths.root.join("benches/include"))?;
    let mut path = vec![meson];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    Ok(Environment { path: std::env::join_paths(path)?, pkg_config })
}

/// Makes a Python environment with these packages in `folder`, once, and returns its folder of programs.
///
/// # Errors
/// When Python or one of the packages does not install.
pub fn venv(folder: &Path, packages: &[&str]) -> Result<PathBuf> {
    let programs = folder.join("bin");
    let installed = folder.join("installed.txt");
    let wanted = packages.join("\n");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = programs.join("pip");
    process::run(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    fs::write(installed, wanted)?;
    Ok(programs)
}

/// The system's descriptions of Abseil with the version that is asked for, and the headers that it lacks in front.
fn abseil(folder: &Path, headers: &Path) -> Result<()> {
    let base = ["--variable=pcfiledir", "absl_base"];
    let system = process::output(Command::new("pkg-config").args(base).env_remove("PKG_CONFIG_PATH"))?;
    let version =
        process::output(Command::new("pkg-config").args(["--modversion", "absl_base"]).env_remove("PKG_CONFIG_PATH"))?;
    let version = version.trim();
    fs::create_dir_all(folder)?;
    let mut written = 0;
    for entry in fs::read_dir(system.trim())? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("absl_") {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let text = if version < ABSEIL {
            let flags = format!("Cflags: -I{}", headers.display());
            text.replace(version, ABSEIL).replace("Cflags:", &flags)
        } else {
            text
        };
        let target = folder.join(name);
        // A newer file would build WebRTC again.
        if fs::read_to_string(&target).is_ok_and(|there| there == text) {
            written += 1;
            continue;
        }
        fs::write(target, text)?;
        written += 1;
    }
    if written == 0 {
        bail!("{} describes no Abseil", system.trim());
    }
    Ok(())
}
