//! Fuzzing: every target, from the corpora that the repository keeps.

use anyhow::{Context, Result};

use crate::{command, tree};

/// The fuzz targets, in name order.
pub fn targets() -> Vec<String> {
    tree::files("fuzz/fuzz_targets")
        .into_iter()
        .filter_map(|path| Some(path.rsplit('/').next()?.strip_suffix(".rs")?.to_owned()))
        .collect()
}

/// Runs every target for so many seconds. A crash, a hang over 10 s or a leak fails.
pub fn run(seconds: u32) -> Result<()> {
    for target in targets() {
        let time = format!("-max_total_time={seconds}");
        let folder = tree::root().join("fuzz/corpus").join(&target);
        std::fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        // New inputs go to a scratch folder, so that a smoke run leaves the kept corpus alone.
        let scratch = tree::root().join("fuzz/target/corpus-new").join(&target);
        std::fs::create_dir_all(&scratch)?;
        fuzz(&[
            "run",
            &target,
            &scratch.to_string_lossy(),
            &folder.to_string_lossy(),
            "--",
            &time,
            "-timeout=10",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
        ])?;
    }
    Ok(())
}

/// Merges what runs found into the kept corpora, in minimised form.
pub fn minimise() -> Result<()> {
    for target in targets() {
        let kept = tree::root().join("fuzz/corpus").join(&target);
        let scratch = tree::root().join("fuzz/target/corpus-new").join(&target);
        let merged = tree::root().join("fuzz/target/corpus-merged").join(&target);
        let _ = std::fs::remove_dir_all(&merged);
        std::fs::create_dir_all(&merged)?;
        std::fs::create_dir_all(&scratch)?;
        let [merged_text, scratch_text, kept_text] =
            [&merged, &scratch, &kept].map(|path| path.to_string_lossy().into_owned());
        fuzz(&["run", &target, &merged_text, &scratch_text, &kept_text, "--", "-merge=1"])?;
        std::fs::remove_dir_all(&kept)?;
        std::fs::create_dir_all(&kept)?;
        for entry in std::fs::read_dir(&merged)? {
            let entry = entry?;
            std::fs::copy(entry.path(), kept.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// libFuzzer's instrumentation wants unstable compiler flags; the pinned toolchain grants them by this variable.
fn fuzz(arguments: &[&str]) -> Result<()> {
    let mut all = vec!["fuzz"];
    all.extend(arguments);
    command::run_with("cargo", &all, &[("RUSTC_BOOTSTRAP", "1")])
}
