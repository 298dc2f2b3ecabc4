//! What installs the phone into an application: vtiger's module as a zip, and the tests of the adapters that need no
//! browser.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::paths::Paths;
use crate::process;
use crate::setup;

/// Where vtiger's module has the files of `component/dist`.
const PHONE: &str = "modules/SoftPhone/resources/phone";
/// vtiger reads this first, and takes no zip without it.
const MANIFEST: &str = "manifest.xml";

/// Writes `integrations/SoftPhone.zip` in the target folder, from what `build` has written, and says where it is.
///
/// # Errors
/// When the phone is not built, or a file cannot be read or written.
pub fn run(paths: &Paths) -> Result<PathBuf> {
    let module = paths.root.join("component/integrations/vtiger/module");
    let folder = paths.target.join("integrations");
    fs::create_dir_all(&folder)?;
    let target = folder.join("SoftPhone.zip");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for name in list(&module)? {
        let mut bytes = fs::read(module.join(&name))?;
        if name == MANIFEST {
            let text = String::from_utf8(bytes)?.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
            bytes = text.into_bytes();
        }
        files.push((name, bytes));
    }
    for name in list(&paths.dist).context("component/dist is not built")? {
        files.push((format!("{PHONE}/{name}"), fs::read(paths.dist.join(&name))?));
    }
    files.sort_by_key(|(name, _)| (name != MANIFEST, name.clone()));
    let mut zip = ZipWriter::new(File::create(&target).with_context(|| target.display().to_string())?);
    // No times of this machine: the same files make the same zip.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o644);
    for (name, bytes) in files {
        zip.start_file(name, options)?;
        zip.write_all(&bytes)?;
    }
    zip.finish()?;
    eprintln!("{}", target.display());
    Ok(target)
}

/// The tests of the adapters and of the example server: every PHP file is read by PHP, vtiger's module runs against stubs
/// of vtiger, the scripts run in Node. With the phone built, the zip is made and looked into.
///
/// # Errors
/// When one fails, or PHP or Node is missing and cannot be installed.
pub fn test(paths: &Paths, results: &mut Vec<String>) -> Result<()> {
    setup::php()?;
    let mut files = Vec::new();
    for folder in ["component/integrations", "demo/example"] {
        let folder = paths.root.join(folder);
        files.extend(list(&folder)?.iter().map(|name| folder.join(name)));
    }
    let named = |end: &str| files.iter().filter(|file| file.to_string_lossy().ends_with(end)).collect::<Vec<_>>();
    ensure!(!named(".php").is_empty() && !named(".test.mjs").is_empty(), "there is nothing to test");
    for file in named(".php") {
        process::output(Command::new("php").arg("-l").arg(file))?;
    }
    process::run_tests(
        Command::new("php").arg(paths.root.join("component/integrations/vtiger/tests/run.php")),
        results,
    )?;
    process::run(Command::new("node").arg("--test").args(named(".test.mjs")))?;
    if paths.dist.join("soft-phone.js").is_file() { check(&run(paths)?) } else { Ok(()) }
}

/// What vtiger's importer wants of a zip: the manifest first, then folders that it knows.
fn check(zip: &Path) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(zip)?)?;
    let names = archive.file_names().map(|name| Ok(name?.into_owned())).collect::<Result<Vec<String>>>()?;
    ensure!(names.first().is_some_and(|name| name == MANIFEST), "the manifest is not first in {names:?}");
    for needed in [
        "modules/SoftPhone/SoftPhone.php",
        "modules/SoftPhone/actions/CallEvent.php",
        "modules/SoftPhone/resources/phone/soft-phone.js",
        "modules/SoftPhone/resources/phone/soft-phone.wasm",
        "modules/SoftPhone/resources/phone/popup.html",
        "settings/actions/Save.php",
        "languages/en_us/SoftPhone.php",
    ] {
        ensure!(names.iter().any(|name| name == needed), "{needed} is not in {}", zip.display());
    }
    let known = ["modules/SoftPhone/", "settings/actions/", "settings/models/", "settings/views/", "languages/"];
    let strange: Vec<_> =
        names.iter().filter(|name| *name != MANIFEST && !known.iter().any(|folder| name.starts_with(folder))).collect();
    ensure!(strange.is_empty(), "vtiger would leave out {strange:?}");
    let manifest = std::io::read_to_string(archive.by_name(MANIFEST)?)?;
    ensure!(!manifest.contains('@'), "the manifest has no version");
    Ok(())
}

/// The files below a folder, by their names from there, with `/`.
fn list(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let here = folder.join(&below);
        for entry in fs::read_dir(&here).with_context(|| here.display().to_string())? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                let words: Vec<_> = path.iter().map(|word| word.to_string_lossy()).collect();
                names.push(words.join("/"));
            }
        }
    }
    names.sort();
    Ok(names)
}
