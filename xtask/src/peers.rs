//! `cargo xtask peers`: JsSIP and SIP.js beside ours, on the same messages, in the same run.
//!
//! What the others do is recorded, not asserted; ours is asserted by `sip/tests/torture.rs`, against the same
//! `sip/tests/data/verdicts.tsv`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::paths::Paths;
use crate::process;
use crate::setup::{self, WASM};

/// The messages that are timed, of `sip/tests/data/messages`: a registration and a call.
const TIMED: [&str; 7] = ["register", "unauthorized", "unregister", "invite", "trying", "ok", "bye"];
const PEERS: [&str; 2] = ["JsSIP", "SIP.js"];

/// Nanoseconds to read and to write a message; `None` for who cannot.
type Time = (Option<f64>, Option<f64>);
/// By message and who reads it.
type Times = BTreeMap<(String, String), Time>;

/// Prints the table of verdicts, then the speeds natively and in Chromium.
///
/// # Errors
/// When npm's packages, Chromium or a build is missing and cannot be made.
pub fn run(paths: &Paths) -> Result<()> {
    setup::npm(paths)?;
    setup::debian(&["chromium"])?;
    verdicts(paths)?;
    native(paths)?;
    chromium(paths)
}

fn verdicts(paths: &Paths) -> Result<()> {
    let data = paths.root.join("sip/tests/data");
    let table = fs::read_to_string(data.join("verdicts.tsv"))?;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    let files: Vec<PathBuf> = rows.iter().map(|row| data.join(row[0]).join(format!("{}.dat", row[1]))).collect();

    let mut inspect = process::cargo();
    inspect.args(["run", "--quiet", "--package", "soft-phone-sip", "--example", "inspect", "--"]).args(&files);
    let ours = process::output(inspect.current_dir(&paths.root))?;
    let theirs = process::output(Command::new("node").arg(bundle(paths, "judge.mjs", "node")?).args(&files))?;

    println!(
        "{:<30} {:<9} {:<12} {:<12} {:<12} {:<12} in the RFC's words",
        "message", "section", "RFC", "ours", "JsSIP", "SIP.js"
    );
    let mut right = [0; 3];
    for ((row, ours), theirs) in rows.iter().zip(ours.lines()).zip(theirs.lines()) {
        let (ours, theirs): (Value, Value) = (serde_json::from_str(ours)?, serde_json::from_str(theirs)?);
        let &[_, name, section, verdict, status, asked] = row.as_slice() else { continue };
        let found = [&ours, &theirs[PEERS[0]], &theirs[PEERS[1]]];
        for (count, found) in right.iter_mut().zip(found) {
            *count += usize::from(fits(verdict, status, asked, found));
        }
        let [a, b, c] = found.map(words);
        let asks = if verdict == "reject" { [verdict, status].join(" ") } else { verdict.to_owned() };
        println!("{name:<30} {section:<9} {:<12} {a:<12} {b:<12} {c:<12} {asked}", asks);
    }
    let total = rows.len();
    println!("as the RFC asks: ours {} of {total}, JsSIP {}, SIP.js {}\n", right[0], right[1], right[2]);
    Ok(())
}

/// Whether what was found is what the RFC's text asks. An accepted message may get any answer: who serves what is the
/// phone's own business. Where the text allows both, both are right.
fn fits(verdict: &str, status: &str, asked: &str, found: &Value) -> bool {
    let said = found["verdict"].as_str().unwrap_or("");
    let refused = |status: &str| said == "reject" && found["status"].as_u64() == status.parse().ok();
    if asked.contains("liberal") {
        return said == "accept" || refused("400");
    }
    match verdict {
        "reject" => refused(status) || (asked.contains("400 too") && refused("400")),
        _ => said == verdict,
    }
}

fn words(found: &Value) -> String {
    let verdict = found["verdict"].as_str().unwrap_or("?");
    format!("{verdict} {}", found["status"].as_u64().map_or("-".to_owned(), |status| status.to_string()))
}

/// Ours by criterion, the others by Node.
fn native(paths: &Paths) -> Result<()> {
    let mut bench = process::cargo();
    bench.args(["bench", "--quiet", "--package", "soft-phone-benches", "--bench", "sip", "--"]);
    bench.args(["^sip/", "--noplot", "--warm-up-time", "1", "--measurement-time", "2"]);
    process::output(bench.current_dir(&paths.root))?;
    let mut times = Times::new();
    for name in TIMED {
        let mean = |what: &str| -> Option<f64> {
            let folder = paths.target.join("criterion/sip").join(format!("{what} {name}"));
            let text = fs::read_to_string(folder.join("new/estimates.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()?["median"]["point_estimate"].as_f64()
        };
        times.insert((name.to_owned(), "ours".to_owned()), (mean("parse"), mean("print")));
    }
    let mut node = Command::new("node");
    let result = process::output(node.arg(bundle(paths, "speed.mjs", "node")?).args(timed(paths)))?;
    add(&mut times, &serde_json::from_str(&result)?);
    print("natively; the others in Node", &times)
}

/// The three in one page of Chromium. Ours is the parser in wasm, built as the page's is.
fn chromium(paths: &Paths) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--quiet", "--package", "soft-phone-bench-wasm", "--target", WASM, "--profile", "page"]);
    process::run(cargo.current_dir(&paths.root))?;
    let wasm = fs::read(paths.target.join(WASM).join("page/soft_phone_bench_wasm.wasm"))?;
    let mut messages = serde_json::Map::new();
    for (name, file) in TIMED.iter().zip(timed(paths)) {
        messages.insert((*name).to_owned(), Value::from(fs::read_to_string(file)?));
    }
    let script = fs::read_to_string(bundle(paths, "page.mjs", "browser")?)?;
    let page = paths.rig.join("peers/page.html");
    // A script ends at `</script`, whatever stands around it.
    let data = |text: String| text.replace("</", "<\\/");
    let html = format!(
        "<!doctype html><meta charset=utf-8><body>\n<script id=messages type=application/json>{}</script>\n\
         <script id=wasm type=text/plain>{}</script>\n<script>{}</script>\n",
        data(Value::Object(messages).to_string()),
        base64(&wasm),
        data(script)
    );
    fs::write(&page, html)?;
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless=new", "--disable-gpu", "--timeout=120000", "--dump-dom"]);
    chromium.arg(format!("--user-data-dir={}", paths.rig.join("peers/profile").display()));
    if process::is_root() {
        chromium.arg("--no-sandbox");
    }
    let dom = process::output(chromium.arg(format!("file://{}", page.display())))?;
    let result = dom.split("RESULT").nth(1).and_then(|rest| rest.split("END").next());
    let mut times = Times::new();
    add(&mut times, &serde_json::from_str(result.with_context(|| format!("no figures in the page:\n{dom}"))?)?);
    print("in Chromium; ours in wasm, texts copied over and back", &times)
}

fn timed(paths: &Paths) -> impl Iterator<Item = PathBuf> {
    let folder = paths.root.join("sip/tests/data/messages");
    TIMED.into_iter().map(move |name| folder.join(format!("{name}.dat")))
}

fn add(times: &mut Times, rows: &Value) {
    for (message, row) in rows.as_object().into_iter().flatten() {
        for (who, time) in row.as_object().into_iter().flatten() {
            let pair = (time["parse"].as_f64(), time["print"].as_f64());
            times.insert((message.clone(), who.clone()), pair);
        }
    }
}

/// Messages per second and how many times as many ours are. Printing is of requests: neither of the others has a
/// response that it could print alone.
fn print(place: &str, times: &Times) -> Result<()> {
    println!("messages per second, {place}");
    println!("{:<22} {:>12} {:>12} {:>12} {:>9} {:>9}", "", "ours", "JsSIP", "SIP.js", "JsSIP", "SIP.js");
    let of = |who: &str, name: &str| times.get(&(name.to_owned(), who.to_owned())).copied().unwrap_or((None, None));
    let row = |what: &str, times: [Option<f64>; 3]| {
        let each = times.map(|time| time.map_or("-".to_owned(), |time| format!("{:.0}", 1e9 / time)));
        let ratio = |theirs: Option<f64>| match (times[0], theirs) {
            (Some(ours), Some(theirs)) => format!("x {:.1}", theirs / ours),
            _ => "-".to_owned(),
        };
        let [ours, a, b] = each;
        println!("{what:<22} {ours:>12} {a:>12} {b:>12} {:>9} {:>9}", ratio(times[1]), ratio(times[2]));
    };
    let who = ["ours", PEERS[0], PEERS[1]];
    for name in TIMED {
        let found = who.map(|who| of(who, name));
        row(&format!("parse {name}"), found.map(|(parse, _)| parse));
        if found.iter().any(|(_, print)| print.is_some()) && found[1].1.or(found[2].1).is_some() {
            row(&format!("print {name}"), found.map(|(_, print)| print));
        }
    }
    // One of each, of the messages that all three can do: the time of a whole registration and call.
    let all = |what: fn(Time) -> Option<f64>| {
        let common: Vec<_> =
            TIMED.into_iter().filter(|name| who.iter().all(|who| what(of(who, name)).is_some())).collect();
        let count = common.len() as f64;
        who.map(|who| Some(common.iter().filter_map(|name| what(of(who, name))).sum::<f64>() / count))
    };
    let (parse, write) = (all(|times| times.0), all(|times| times.1));
    row("parse, mean", parse);
    row("print, mean", write);
    let both = |place: usize| Some(parse[place]? + write[place]?);
    row("parse and print", [both(0), both(1), both(2)]);
    println!();
    Ok(())
}

/// A script of `benches/peers` with all that it imports, as one file.
fn bundle(paths: &Paths, script: &str, platform: &str) -> Result<PathBuf> {
    let target = paths.rig.join("peers").join(Path::new(script).with_extension("cjs"));
    let mut esbuild = Command::new(setup::esbuild(paths));
    esbuild.arg(paths.root.join("benches/peers").join(script)).args(["--bundle", "--log-level=warning"]);
    let format = if platform == "node" { "cjs" } else { "iife" };
    esbuild.args([format!("--platform={platform}"), format!("--format={format}")]);
    esbuild.env("NODE_PATH", paths.rig.join("npm/node_modules"));
    process::run(esbuild.arg(format!("--outfile={}", target.display())))?;
    Ok(target)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let place = (bits >> (18 - 6 * digit)) as usize & 63;
            out.push(if digit <= group.len() { char::from(DIGITS[place]) } else { '=' });
        }
    }
    out
}
