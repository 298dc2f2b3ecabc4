//! What a page downloads, as it is, gzipped and in brotli, against the bar.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use brotli::enc::BrotliEncoderParams;

use crate::paths::Paths;

/// The whole phone without DSP should take no more than this many bytes on the wire, in brotli. A phone that signs in and
/// calls did; with transfer, conference, messages, subscriptions and the rest it does not.
const GOAL: usize = 130_000;
/// More than this it must not take: what it takes today, with some room for the folder that it is built in.
const BAR: usize = 262_000;
/// The voice engine, loaded with the first call, without the network's weights.
const ENGINE_BAR: usize = 120_000;
/// The numbers of the world, loaded with the first click on one.
const NUMBERS_BAR: usize = 40_000;
const NUMBERS: &str = "numbers.js";
const ENGINES: [&str; 2] = ["engine.wasm", "engine-scalar.wasm"];
/// Jitter buffer and decoders with Opus, loaded with the first call that they are wanted in.
const RECEIVE_BAR: usize = 150_000;
const RECEIVE: &str = "receive-opus.wasm";
/// What is loaded before the first call.
const PAGE: [&str; 2] = ["soft-phone.js", "soft-phone.wasm"];

#[derive(Clone, Copy, Default)]
struct Sizes {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

/// Prints a line for each file of `component/dist` and the total of what the page needs.
///
/// # Errors
/// When there is nothing built, or the page's files are above the bar.
pub fn run(paths: &Paths) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(&paths.dist)
        .with_context(|| format!("{}: cargo xtask build writes it", paths.dist.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();

    println!("{:<20} {:>9} {:>9} {:>9}   bytes", "", "raw", "gzip", "brotli");
    let (mut total, mut engine, mut numbers, mut receive) = (Sizes::default(), 0, 0, 0);
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let sizes = measure(file)?;
        print(&name, sizes);
        if PAGE.contains(&name.as_ref()) {
            total.raw += sizes.raw;
            total.gzip += sizes.gzip;
            total.brotli += sizes.brotli;
        }
        if ENGINES.contains(&name.as_ref()) {
            engine = engine.max(sizes.brotli);
        }
        if name == NUMBERS {
            numbers = sizes.brotli;
        }
        if name == RECEIVE {
            receive = sizes.brotli;
        }
    }
    print("page: wasm + script", total);
    println!("{:<20} {:>29}", "goal", GOAL);
    if total.brotli > GOAL {
        println!("{:<20} {:>29}", "above the goal", total.brotli - GOAL);
    }
    println!("{:<20} {:>29}", "bar", BAR);
    if total.brotli > BAR {
        bail!("the page's wasm and script take {} bytes in brotli, {} above the bar", total.brotli, total.brotli - BAR);
    }
    println!("{:<20} {:>29}", "engine's bar", ENGINE_BAR);
    if engine > ENGINE_BAR {
        bail!("the voice engine takes {engine} bytes in brotli, {} above its bar", engine - ENGINE_BAR);
    }
    println!("{:<20} {:>29}", "numbers' bar", NUMBERS_BAR);
    if numbers > NUMBERS_BAR {
        bail!("{NUMBERS} takes {numbers} bytes in brotli, {} above its bar", numbers - NUMBERS_BAR);
    }
    println!("{:<20} {:>29}", "receive path's bar", RECEIVE_BAR);
    if receive > RECEIVE_BAR {
        bail!("the receive path takes {receive} bytes in brotli, {} above its bar", receive - RECEIVE_BAR);
    }
    Ok(())
}

fn print(name: &str, sizes: Sizes) {
    println!("{name:<20} {:>9} {:>9} {:>9}", sizes.raw, sizes.gzip, sizes.brotli);
}

/// Both compressors at their best, as a server that compresses ahead of time does.
fn measure(file: &Path) -> Result<Sizes> {
    let bytes = fs::read(file)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes)?;
    let mut brotli = Vec::new();
    let best = BrotliEncoderParams { quality: 11, lgwin: 22, size_hint: bytes.len(), ..Default::default() };
    brotli::BrotliCompress(&mut bytes.as_slice(), &mut brotli, &best)?;
    Ok(Sizes { raw: bytes.len(), gzip: gzip.finish()?.len(), brotli: brotli.len() })
}
