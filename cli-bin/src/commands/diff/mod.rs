//! `privy diff`: the outcome of sealed values, without a look at any.

pub mod compare;
pub mod git;
pub mod live;
pub mod report;
pub mod sides;
pub mod snapshot;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use jwe_envelope::untrusted;

use self::sides::Sides;
use crate::cli::ReportFormat;
use crate::cli::diff::DiffArgs;
use crate::commands::lint::report::Paint;
use crate::failure::{Exit, Failure};
use crate::io::Io;

/// Compares and reports.
///
/// # Errors
/// Exit 2 for sides that are none, exit 3 when the cluster does not answer.
pub fn run(args: &DiffArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let paint = Paint::for_stdout(io);
    let (text, differs) = if args.live {
        let live = live::compare(args)?;
        let differs = live.fields.iter().any(|field| field.live_state.differs());
        let text = match args.output {
            ReportFormat::Text => paint.finish(&report::live_text(&live, paint)),
            ReportFormat::Json => untrusted::json(&report::live_json(&live)).into_owned(),
        };
        (text, differs)
    } else {
        let mut sides = sides(args)?;
        let before = std::mem::take(&mut sides.before);
        let after = std::mem::take(&mut sides.after);
        let differences = compare::compare(before, after);
        let text = match args.output {
            ReportFormat::Text => paint.finish(&report::text(&sides, &differences, paint)),
            ReportFormat::Json => untrusted::json(&report::json(&sides, &differences)).into_owned(),
        };
        (text, !differences.is_empty())
    };
    io.answer(text.as_bytes())?;
    Ok(if args.exit_code && differs {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// Two files or folders where both are there; commits otherwise.
fn sides(args: &DiffArgs) -> Result<Sides, Failure> {
    let words: Vec<&str> = args.sides.iter().map(String::as_str).collect();
    if let [before, after] = words[..]
        && args.paths.is_empty()
        && Path::new(before).exists()
        && Path::new(after).exists()
    {
        return sides::from_paths(Path::new(before), Path::new(after));
    }
    let or_head = |name: &str| match name {
        "" => "HEAD".to_owned(),
        name => name.to_owned(),
    };
    let range = |word: &str| -> Result<Option<Vec<String>>, Failure> {
        if word == ".." || word == "..." || Path::new(word).exists() {
            return Ok(None);
        }
        // As Git has it: what the second has since they parted.
        if let Some((from, to)) = word.split_once("...") {
            let (from, to) = (or_head(from), or_head(to));
            return Ok(Some(vec![git::merge_base(&from, &to)?, to]));
        }
        let ends = word.split_once("..");
        Ok(ends.map(|(from, to)| vec![or_head(from), or_head(to)]))
    };
    let (mut commits, mut paths) = (Vec::new(), args.paths.clone());
    for (index, word) in words.iter().enumerate() {
        let ends = if index == 0 { range(word)? } else { None };
        if let Some(ends) = ends {
            commits = ends;
        } else if paths.len() == args.paths.len() && commits.len() < 2 && git::is_commit(word)? {
            commits.push((*word).to_owned());
        } else if Path::new(word).exists() {
            paths.push(PathBuf::from(word));
        } else {
            return Err(Failure::usage(anyhow!(
                "{:?} is neither a commit nor a file here",
                crate::text::printable(word, 100)
            ))
            .hint("give commits as `git log` names them; put files and folders after `--`"));
        }
    }
    let mut commits = commits.into_iter();
    let (from, to) = (commits.next(), commits.next());
    if args.cached && to.is_some() {
        return Err(Failure::usage(anyhow!(
            "--cached compares one commit with what is staged, and two are given"
        ))
        .hint("leave out --cached or one of the commits"));
    }
    let to = match to {
        Some(to) => git::After::Commit(to),
        None if args.cached => git::After::Index,
        None => git::After::WorkingTree,
    };
    git::read(from.as_deref(), &to, &paths)
}
