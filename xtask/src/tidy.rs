//! The laws of the house that no compiler checks.

use anyhow::{Result, bail};

use crate::tree;

/// Crates that must stay free of I/O, runtimes and serde (style: who may import whom).
const PURE: [&str; 4] = ["wayhouse-wire", "wayhouse-registry", "wayhouse-proto", "wayhouse-node"];
const BANNED_DEPENDENCIES: [&str; 11] =
    ["tokio", "serde", "serde_json", "socket2", "libc", "rustix", "rustls", "openssl", "axum", "anyhow", "getrandom"];

/// Checks every law and reports all breaches.
pub fn run() -> Result<()> {
    let mut problems = Vec::new();
    manifests(&mut problems);
    sources(&mut problems);
    documents(&mut problems);
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    if !problems.is_empty() {
        bail!("{} breach(es) of the house's laws", problems.len());
    }
    println!("tidy: all laws kept");
    Ok(())
}

fn manifests(problems: &mut Vec<String>) {
    for name in PURE {
        let path = format!("crates/{name}/Cargo.toml");
        let Ok(manifest) = tree::read(&path).parse::<toml::Table>() else {
            problems.push(format!("{path} cannot be read"));
            continue;
        };
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(|table| table.keys()) {
            if BANNED_DEPENDENCIES.contains(&dependency.as_str()) {
                problems.push(format!("{path}: {dependency} belongs in the binary"));
            }
            let crosses = (name == "wayhouse-registry" && dependency == "wayhouse-proto")
                || (name == "wayhouse-proto" && dependency == "wayhouse-registry")
                || (name == "wayhouse-wire" && dependency.starts_with("wayhouse"));
            if crosses {
                problems.push(format!("{path}: {name} must not know {dependency}"));
            }
        }
        if !std::path::Path::new(&tree::root().join(format!("crates/{name}/clippy.toml"))).exists() {
            problems.push(format!("crates/{name} has no clippy.toml of its own"));
        }
    }
}

fn sources(problems: &mut Vec<String>) {
    let files: Vec<String> = ["crates", "xtask", "fuzz"]
        .iter()
        .flat_map(|folder| tree::files(folder))
        .filter(|path| path.ends_with(".rs"))
        .collect();
    for path in &files {
        let text = tree::read(path);
        if path.ends_with("/mod.rs") {
            problems.push(format!("{path}: module files are `foo.rs` beside `foo/`"));
        }
        if path.starts_with("xtask/") {
            continue;
        }
        if path.ends_with("/src/lib.rs") && !text.contains("#![forbid(unsafe_code)]") {
            problems.push(format!("{path}: #![forbid(unsafe_code)] is missing"));
        }
        if text.contains("unsafe {") && !path.ends_with("shell/udp.rs") && !path.starts_with("fuzz/") {
            problems.push(format!("{path}: unsafe code lives in shell/udp.rs alone"));
        }
        for (what, why) in [
            ("#[ignore", "no ignored tests"),
            ("should_panic", "a bug panics, a test asserts"),
            ("todo!(", "unfinished code"),
            ("unimplemented!(", "unfinished code"),
            ("thread::sleep", "nothing sleeps"),
        ] {
            if text.contains(what) {
                problems.push(format!("{path}: {what} ({why})"));
            }
        }
        is_reachable(path, problems);
        if let Some(below) = path.strip_prefix("crates/wayhouse-node/src/face/") {
            let own = below.split(['/', '.']).next().unwrap_or_default();
            for line in text.lines() {
                let other = line.split("crate::face::").nth(1).map(|rest| {
                    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
                });
                // What starts with a capital is a type that all faces share.
                if other.is_some_and(|other| other.starts_with(|c: char| c.is_lowercase()) && other != own) {
                    problems.push(format!("{path}: a face imports another face: {}", line.trim()));
                }
            }
        }
        if path.starts_with("crates/wayhouse-registry/src/") {
            for word in ["fn decode", "fn encode"] {
                if text.contains(word) {
                    problems.push(format!("{path}: {word}: formats live in the wire crate"));
                }
            }
        }
        if path.starts_with("crates/wayhouse-wire/src/") && (text.contains("std::time") || text.contains("tracing")) {
            problems.push(format!("{path}: the wire crate knows no time and logs nothing"));
        }
    }
}

/// Whether a module file is named by a `mod` line of the file above it: cargo does not notice orphans.
fn is_reachable(path: &str, problems: &mut Vec<String>) {
    let Some((folder, file)) = path.rsplit_once('/') else { return };
    let name = file.trim_end_matches(".rs");
    let is_root = ["lib", "main", "build"].contains(&name)
        || folder.ends_with("/benches")
        || folder.ends_with("/fuzz_targets")
        || folder.ends_with("/examples")
        || folder.ends_with("/bin");
    if is_root {
        return;
    }
    let parents = [format!("{folder}.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")];
    let is_named = parents
        .iter()
        .map(|parent| tree::read(parent))
        .any(|text| text.lines().any(|line| line.trim().trim_end_matches(';').ends_with(&format!("mod {name}"))));
    if !is_named {
        problems.push(format!("{path}: no `mod {name}` names it"));
    }
}

fn documents(problems: &mut Vec<String>) {
    let readme = tree::read("README.md");
    if !readme.contains("cargo xtask ci") || !readme.contains("cargo run --release -- run") {
        problems.push("README.md must name `cargo run --release -- run` and `cargo xtask ci`".into());
    }
    if !tree::read(".ci/run").contains("cargo xtask ci") {
        problems.push(".ci/run must call `cargo xtask ci`".into());
    }
    // Every path that a document puts in backticks and that looks like one of ours must exist.
    for document in tree::files("").into_iter().filter(|path| path.ends_with(".md") && !path.contains("docs/specs/")) {
        let text = tree::read(&document);
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.trim_end_matches('/');
            let is_ours =
                ["crates/", "docs/", "etc/", "xtask/", "fuzz/", "interop/"].iter().any(|s| path.starts_with(s))
                    && !path.contains(['*', ' ', '{', '<', '…']);
            if is_ours && !tree::root().join(path).exists() {
                problems.push(format!("{document}: `{quoted}` does not exist"));
            }
        }
    }
    // The project speaks of itself alone.
    let root = tree::root();
    let machine_path = format!("{}/", root.parent().unwrap_or(&root).display());
    for path in tree::files("") {
        let text = tree::read(&path);
        if machine_path.len() > 2 && text.contains(&machine_path) && !path.starts_with("target") {
            problems.push(format!("{path}: names a path of this machine"));
        }
        let is_half_merged = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
        if !path.starts_with("fuzz/corpus") && text.lines().any(is_half_merged) {
            problems.push(format!("{path}: holds the marks of a merge"));
        }
    }
}
