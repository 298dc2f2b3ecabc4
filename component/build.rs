//! Takes comments and needless white space out of the style sheet: it is part of what every page downloads.

use std::path::PathBuf;
use std::{env, fs, io};

const STYLE: &str = "src/view/style.css";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={STYLE}");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(PathBuf::from(out).join("style.css"), minify(&fs::read_to_string(STYLE)?))
}

/// One line, without comments; white space goes where the syntax puts a delimiter anyway. Our style sheet has no
/// strings with delimiters in them.
fn minify(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    let mut out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    for delimiter in ["{", "}", ";", ","] {
        for spaced in [format!(" {delimiter}"), format!("{delimiter} ")] {
            out = out.replace(&spaced, delimiter);
        }
    }
    out.replace(": ", ":").replace(";}", "}")
}
