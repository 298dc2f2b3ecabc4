//! Links what the other voice engines need beyond what their own packages say.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_PEERS").is_some() {
        // WebRTC throws by Abseil, its binding names `absl_strings` only.
        println!("cargo:rustc-link-arg=-labsl_throw_delegate");
        println!("cargo:rustc-link-lib=speexdsp");
    }
}
