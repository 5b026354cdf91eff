//! Many manifests: sealed in one go, and linted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::Arguments;
use crate::peers::Peers;
use crate::timing::{Run, middle};

/// Values of each manifest that is sealed.
const VALUES: usize = 20;
/// Values of each manifest that is linted.
const LINTED_VALUES: usize = 2;

/// `privy seal -i` over all files at once, beside peers that take one file per process.
pub(crate) fn seal(
    arguments: &Arguments,
    privy: &Path,
    key: &str,
    peers: Option<&Peers>,
) -> Result<()> {
    let (count, measured) = (arguments.manifests, arguments.peer_manifests);
    println!("\n{count} manifests of {VALUES} values, RSA-4096 (sops: age, X25519)");
    let folder = tempfile::tempdir()?;
    let files = paths(folder.path(), count);
    let mut times = Vec::new();
    // The first run does not count.
    for run in 0..=arguments.tree_runs {
        // In place: each run begins with open values.
        write(&files, VALUES)?;
        let time = seal_all(privy, key, &files).once()?;
        if run > 0 {
            times.push(time);
        }
    }
    let ours = middle(times);
    println!("  privy seal -i, one process {ours:>19.0} ms");
    let Some(peers) = peers else { return Ok(()) };

    write(&files, VALUES)?;
    let mut theirs: Vec<(String, f64)> = Vec::new();
    for file in files.iter().take(measured) {
        for (at, run) in peers
            .seal_manifest(&file.display().to_string())
            .iter()
            .enumerate()
        {
            let time = run.once()?;
            match theirs.get_mut(at) {
                Some((_, sum)) => *sum += time,
                None => theirs.push((run.name.clone(), time)),
            }
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a few hundred files")]
    let scale = count as f64 / measured.min(count).max(1) as f64;
    for (name, sum) in theirs {
        let all = sum * scale;
        println!(
            "  {name:<15} {all:>30.0} ms, {:.1} times ours (one process per file, one after the other: {measured} files measured, scaled to {count})",
            all / ours
        );
    }
    Ok(())
}

/// `privy lint` over a folder of sealed manifests.
pub(crate) fn lint(arguments: &Arguments, privy: &Path, key: &str) -> Result<()> {
    println!(
        "\nlint of {} manifests of {LINTED_VALUES} sealed values",
        arguments.lint
    );
    let folder = tempfile::tempdir()?;
    let files = paths(folder.path(), arguments.lint);
    write(&files, LINTED_VALUES)?;
    // Sealed in parts: a command line has its limits.
    for part in files.chunks(2_000) {
        seal_all(privy, key, part).once()?;
    }
    let place = folder.path().display().to_string();
    // It ends with 0 only when every value of every file was found in order.
    let lint = Run::new(privy, &["lint", "--key", key, &place]);
    let time = crate::timing::median(arguments.tree_runs, &lint)?;
    println!("  privy lint, one process {time:>22.0} ms");
    Ok(())
}

fn seal_all(privy: &Path, key: &str, files: &[PathBuf]) -> Run {
    let files: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut command = vec!["seal", "--key", key, "-i"];
    command.extend(files.iter().map(String::as_str));
    Run::new(privy, &command)
}

/// Files in folders of a hundred, as in a repository of some age.
fn paths(folder: &Path, count: usize) -> Vec<PathBuf> {
    (0..count)
        .map(|number| folder.join(format!("team-{}/db-{number}.yaml", number / 100)))
        .collect()
}

fn write(files: &[PathBuf], values: usize) -> Result<()> {
    for (number, file) in files.iter().enumerate() {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, manifest(number, values))?;
    }
    Ok(())
}

/// An open Secret.
pub(crate) fn manifest(number: usize, values: usize) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db-{number}\n  namespace: payments\ntype: Opaque\nstringData:\n"
    );
    for value in 0..values {
        writeln!(
            text,
            "  field-{value}: a-value-of-some-length-{number}-{value}"
        )
        .expect("a string takes everything");
    }
    text
}
