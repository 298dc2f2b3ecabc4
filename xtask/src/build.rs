//! Builds what a page loads into `component/dist`.
//!
//! `soft-phone.js` is wasm-bindgen's glue followed by the element's class: one module, no bundler. The engine has no
//! imports and no glue; it is built twice, as a page cannot ask a browser without SIMD to skip an instruction.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::panics;
use crate::paths::Paths;
use crate::process;
use crate::setup::{self, WASM};
use crate::wasm;

/// The page's wasm as the glue and the page know it.
const PAGE: &str = "soft-phone.wasm";
/// The weights of the neural engine, and the licence of those that they began with.
const NETWORK: [&str; 2] = ["suppressor.bin", "suppressor.license.txt"];
/// What goes behind the glue into one module: what makes one phone of all tabs, and the class. Every other script beside
/// them is served by itself.
const BUNDLED: [&str; 2] = ["tabs.js", "element.js"];

/// Writes all files of `component/dist` anew.
///
/// # Errors
/// When cargo, wasm-bindgen or wasm-opt fails, or the glue is not what this file expects.
pub fn run(paths: &Paths) -> Result<()> {
    let start = Instant::now();
    let fresh = paths.target.join("dist.new");
    remove(&fresh)?;
    fs::create_dir_all(&fresh)?;

    let optimiser = Optimiser::find(paths);
    page(paths, &fresh, optimiser.as_ref())?;
    engine(paths, &fresh.join("engine.wasm"), "+simd128", optimiser.as_ref())?;
    engine(paths, &fresh.join("engine-scalar.wasm"), "-simd128", optimiser.as_ref())?;
    receive(paths, &fresh.join("receive.wasm"), "", optimiser.as_ref())?;
    receive(paths, &fresh.join("receive-opus.wasm"), "opus", optimiser.as_ref())?;
    for name in NETWORK {
        fs::copy(paths.root.join("dsp/models").join(name), fresh.join(name)).context(name)?;
    }
    scripts(paths, &fresh)?;
    numbers(paths, &fresh)?;

    // In one step, so that a server that runs meanwhile never serves half of the old and half of the new.
    remove(&paths.dist)?;
    fs::rename(&fresh, &paths.dist).or_else(|_| copy(&fresh, &paths.dist))?;
    eprintln!("{} written in {:.1} s", paths.dist.display(), start.elapsed().as_secs_f32());
    Ok(())
}

/// Digests are computed once in minutes: their small form, a loop, instead of the unrolled one.
const FLAGS: [&str; 2] = ["--cfg", "sha2_backend_soft=\"compact\""];

/// Flags that take the builder's folders out of the places that the wasm names, and a few hundred bytes with them.
fn plain_paths() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let folders = sources.into_iter().flatten().flatten().map(|entry| entry.path());
    folders.map(|folder| format!("--remap-path-prefix={}/=", folder.display())).collect()
}

/// The page's wasm and `soft-phone.js`.
fn page(paths: &Paths, dist: &Path, optimiser: Option<&Optimiser>) -> Result<()> {
    let plain = plain_paths();
    let flags: Vec<_> = FLAGS.into_iter().chain(plain.iter().map(String::as_str)).collect();
    let wasm = cargo_build(paths, "soft-phone-component", "page", &paths.target, &flags)?;
    let mut output = Bindgen::new()
        .web(true)?
        .typescript(false)
        .omit_default_module_path(false)
        // The optimiser sorts by them.
        .remove_name_section(optimiser.is_none())
        .remove_producers_section(true)
        .out_name("soft-phone")
        .input_path(&wasm)
        .generate_output()
        .context("wasm-bindgen")?;
    let inline = output.snippets().iter().filter(|(_, code)| !code.is_empty()).map(|(package, _)| package);
    let modules: Vec<_> = inline.chain(output.local_modules().keys()).collect();
    if !modules.is_empty() {
        bail!("soft-phone.js must stay one file, but there is inline_js or a module of its own in {modules:?}");
    }
    panics::silence(output.wasm_mut())?;
    let target = dist.join(PAGE);
    let mut glue = output.js().to_owned();
    for (number, import) in output.wasm_mut().imports.iter_mut().enumerate() {
        let short = format!("i{number}");
        glue = renamed(&glue, &import.name, &short)?;
        import.name = short;
    }
    fs::write(&target, output.wasm_mut().emit_wasm())?;
    if let Some(optimiser) = optimiser {
        // Measured after brotli: these 124.2 kB; with functions of one caller inlined 126.0, `-Oz` 127.7, `-O1` alone
        // 129.6. What makes code short makes it less alike. Beside each other by name, functions are like their neighbours:
        // 251.0 kB, in the compiler's order, which depends on the builder's folder, 252.7.
        let inlining = ["--one-caller-inline-max-function-size", "0"];
        let passes = ["--reorder-functions-by-name", "-O2", "--flatten", "--rereloop", "-O1", "--code-folding"];
        optimiser.run(&target, &[&passes[..], &inlining].concat())?;
    }
    let mut scripts = Vec::new();
    for name in BUNDLED {
        let file = paths.root.join("component/js").join(name);
        scripts.push(fs::read_to_string(&file).with_context(|| file.display().to_string())?);
    }
    let script = dist.join("soft-phone.js");
    fs::write(&script, bundle(&glue, &scripts)?)?;
    minify(paths, &script)
}

/// Takes comments, spaces and long names out of a module, where `cargo xtask setup` has put what does it.
fn minify(paths: &Paths, script: &Path) -> Result<()> {
    let program = setup::esbuild(paths);
    if !program.is_file() {
        return Ok(());
    }
    let mut esbuild = std::process::Command::new(program);
    esbuild.args(["--minify", "--format=esm", "--log-level=warning", "--allow-overwrite"]).arg(script);
    process::run(esbuild.arg(format!("--outfile={}", script.display())))
}

/// The glue with a shorter name for one of its functions. wasm-bindgen's names end in 16 digits of a hash, which stand
/// in both files and which no compression makes smaller.
fn renamed(glue: &str, import: &str, short: &str) -> Result<String> {
    let long = format!("{import}: function");
    if glue.matches(&long).count() != 1 {
        bail!("wasm-bindgen's glue no longer defines `{long}`: teach xtask the new form");
    }
    Ok(glue.replace(&long, &format!("{short}: function")))
}

/// The glue, loading [`PAGE`] from beside the module, and the scripts in one module: without what they take from each other.
fn bundle(glue: &str, scripts: &[String]) -> Result<String> {
    let url = "new URL('soft-phone_bg.wasm', import.meta.url)";
    if glue.matches(url).count() != 1 {
        bail!("wasm-bindgen's glue no longer names its wasm as `{url}`: teach xtask the new form");
    }
    let mut bundle = glue.trim_end().replace(url, &format!("new URL('{PAGE}', import.meta.url)"));
    bundle.push('\n');
    for line in scripts.iter().flat_map(|script| script.lines()).filter(|line| !is_import_of_bundled(line)) {
        // Classes are everybody's; functions were for the other script alone.
        bundle += line.strip_prefix("export ").filter(|line| line.starts_with("const ")).unwrap_or(line);
        bundle.push('\n');
    }
    Ok(bundle)
}

fn is_import_of_bundled(line: &str) -> bool {
    line.starts_with("import ") && BUNDLED.iter().any(|name| line.ends_with(&format!("from './{name}';")))
}

/// The worklet's wasm, with or without SIMD.
fn engine(paths: &Paths, target: &Path, feature: &str, optimiser: Option<&Optimiser>) -> Result<()> {
    // Each set of flags has its own folder: in a shared one each build would throw the other away.
    let folder = paths.target.join(format!("engine{feature}"));
    let wasm =
        cargo_build(paths, "soft-phone-worklet", "engine", &folder, &["-C", &format!("target-feature={feature}")])?;
    plain_module(&wasm, target, optimiser)
}

/// A module that asks nothing of its host.
fn plain_module(wasm: &Path, target: &Path, optimiser: Option<&Optimiser>) -> Result<()> {
    fs::copy(wasm, target)?;
    if let Some(optimiser) = optimiser {
        optimiser.run(target, &["-O3"])?;
    }
    match wasm::imports(&fs::read(target)?)? {
        0 => Ok(()),
        // A worklet has nothing to give.
        imports => bail!("{} has {imports} imports: there must be none", target.display()),
    }
}

/// What stands above the bundle: its parts' licences ask for it.
const NOTICE: &str = "/*! libphonenumber-js, Copyright (c) 2016 @catamphetamine, MIT License; with metadata of Google's \
     libphonenumber, Apache License 2.0 */";

/// What knows the telephone numbers of the world, in one module: our rules, libphonenumber-js and its metadata, where
/// `cargo xtask setup` has put the library and what bundles it.
fn numbers(paths: &Paths, dist: &Path) -> Result<()> {
    let (program, modules) = (setup::esbuild(paths), setup::node_modules(paths));
    if !program.is_file() || !modules.join("libphonenumber-js").is_dir() {
        eprintln!("numbers.js is left out, so numbers are called as they are written; `cargo xtask setup` installs it");
        return Ok(());
    }
    let mut esbuild = std::process::Command::new(program);
    esbuild.arg(paths.root.join("component/js/numbers/numbers.js")).env("NODE_PATH", modules);
    esbuild.args(["--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=warning"]);
    esbuild.arg(format!("--banner:js={NOTICE}"));
    process::run(esbuild.arg(format!("--outfile={}", dist.join("numbers.js").display())))
}

/// The wasm of what is received, with or without Opus. Without SIMD: one file less for a part that takes little time.
fn receive(paths: &Paths, target: &Path, features: &str, optimiser: Option<&Optimiser>) -> Result<()> {
    let options = ["--no-default-features", "--features", features];
    let wasm = cargo_build_with(paths, "soft-phone-receive", "engine", &paths.target.join("receive"), &[], &options)?;
    plain_module(&wasm, target, optimiser)
}

/// The scripts, and the page of the phone's own window, each by itself.
fn scripts(paths: &Paths, dist: &Path) -> Result<()> {
    for entry in fs::read_dir(paths.root.join("component/js"))? {
        let file = entry?.path();
        let Some(name) = file.file_name().filter(|name| BUNDLED.iter().all(|bundled| name != bundled)) else {
            continue;
        };
        let extension = file.extension().unwrap_or_default();
        if extension == "js" || extension == "html" {
            fs::copy(&file, dist.join(name))?;
        }
        if extension == "js" {
            minify(paths, &dist.join(name))?;
        }
    }
    Ok(())
}

/// Builds a package for wasm and returns the path of its module.
fn cargo_build(paths: &Paths, package: &str, profile: &str, folder: &Path, flags: &[&str]) -> Result<PathBuf> {
    cargo_build_with(paths, package, profile, folder, flags, &[])
}

/// The same, with more options for cargo.
fn cargo_build_with(
    paths: &Paths,
    package: &str,
    profile: &str,
    folder: &Path,
    flags: &[&str],
    options: &[&str],
) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--quiet", "--target", WASM, "--package", package, "--profile", profile]).args(options);
    cargo.arg("--target-dir").arg(folder).current_dir(&paths.root);
    // The flags of whoever calls (warnings as errors, a native CPU) are not meant for what is shipped.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    if !flags.is_empty() {
        cargo.arg("--config").arg(format!("target.{WASM}.rustflags={flags:?}"));
    }
    process::run(&mut cargo)?;
    let module = folder.join(WASM).join(profile).join(package.replace('-', "_")).with_extension("wasm");
    if module.is_file() { Ok(module) } else { Err(anyhow!("{} was not built", module.display())) }
}

/// Binaryen's `wasm-opt`, where `cargo xtask setup` has put it.
struct Optimiser(PathBuf);

impl Optimiser {
    fn find(paths: &Paths) -> Option<Self> {
        let program = setup::wasm_opt(paths);
        if program.is_file() {
            return Some(Self(program));
        }
        eprintln!("the wasm files stay as rustc wrote them; `cargo xtask setup` installs what makes them smaller");
        None
    }

    /// Replaces `file` by its optimised form, without debug information.
    fn run(&self, file: &Path, passes: &[&str]) -> Result<()> {
        let mut command = std::process::Command::new(&self.0);
        command.args(passes).args(["--strip-debug", "--strip-producers", "--strip-target-features"]);
        // What rustc's LLVM takes for granted, spelt out: `strip` may have taken the module's own list away.
        for feature in FEATURES {
            command.arg(format!("--enable-{feature}"));
        }
        process::run(command.arg(file).arg("-o").arg(file))
    }
}

/// The wasm features that rustc's output uses, in Binaryen's words.
const FEATURES: [&str; 7] =
    ["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext", "simd"];

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// For a target folder on another file system, where a rename is refused.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let file = entry?.path();
        if let Some(name) = file.file_name() {
            fs::copy(&file, to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{bundle, renamed};

    #[test]
    fn imports_are_renamed_where_they_are_defined() {
        let glue = "const import0 = {\n__wbg_stop_0123456789abcdef: function(arg0) {\n},\n};";
        let short = renamed(glue, "__wbg_stop_0123456789abcdef", "i7").unwrap();
        assert_eq!(short, "const import0 = {\ni7: function(arg0) {\n},\n};");
        assert!(renamed(glue, "__wbg_start_0123456789abcdef", "i8").is_err());
    }

    #[test]
    fn the_module_loads_the_wasm_that_lies_beside_it_and_no_script_of_its_own() {
        let glue = "a(new URL('soft-phone_bg.wasm', import.meta.url));\n\n";
        let tabs = "export const join = () => {};\n".to_owned();
        let element =
            "import { join } from './tabs.js';\nimport { open } from './studio.js';\nexport class SoftPhone {}\n";
        let module = bundle(glue, &[tabs, element.to_owned()]).unwrap();
        let scripts = "const join = () => {};\nimport { open } from './studio.js';\nexport class SoftPhone {}\n";
        assert_eq!(module, format!("a(new URL('soft-phone.wasm', import.meta.url));\n{scripts}"));
    }

    #[test]
    fn glue_of_another_form_is_refused() {
        let error = bundle("fetch('soft-phone_bg.wasm')", &[]).unwrap_err();
        assert!(error.to_string().contains("teach xtask"), "{error}");
    }
}
