//! `privy diff`: what became of sealed values, without a look at any.

pub mod args;
pub mod compare;
pub mod git;
pub mod live;
pub mod report;
pub mod sides;
pub mod snapshot;

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use self::args::DiffArgs;
use self::sides::Sides;
use crate::cli::ReportFormat;
use crate::commands::lint::report::Paint;
use crate::io::Io;
use crate::report::{Exit, Failure};

/// Compares and reports.
///
/// # Errors
/// Exit 2 for sides that are none, exit 3 when the cluster does not answer.
pub fn run(args: &DiffArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let paint = Paint::for_stdout(io);
    let (text, differs) = if args.live {
        let live = live::compare(args)?;
        let differs = live.fields.iter().any(|field| field.standing.differs());
        let text = match args.output {
            ReportFormat::Text => report::live_text(&live, paint),
            ReportFormat::Json => report::live_json(&live),
        };
        (text, differs)
    } else {
        let mut sides = sides(args)?;
        let before = std::mem::take(&mut sides.before);
        let after = std::mem::take(&mut sides.after);
        let differences = compare::compare(before, after);
        let text = match args.output {
            ReportFormat::Text => report::text(&sides, &differences, paint),
            ReportFormat::Json => report::json(&sides, &differences),
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
    let range = |word: &str| {
        word.split_once("..")
            .map(|(from, to)| (from.to_owned(), to.trim_start_matches('.').to_owned()))
            .filter(|(from, _)| !from.is_empty())
    };
    let (mut commits, mut paths) = (Vec::new(), args.paths.clone());
    for (index, word) in words.iter().enumerate() {
        if let Some((from, to)) = range(word).filter(|_| index == 0 && !Path::new(word).exists()) {
            commits = vec![from, if to.is_empty() { "HEAD".to_owned() } else { to }];
        } else if paths.len() == args.paths.len() && commits.len() < 2 && git::is_commit(word)? {
            commits.push((*word).to_owned());
        } else if Path::new(word).exists() {
            paths.push(PathBuf::from(word));
        } else {
            return Err(Failure::usage(anyhow!(
                "{:?} is neither a commit nor a file here",
                crate::text::printable(word, 100)
            ))
            .hint("give commits as `git log` names them; files and folders go behind `--`"));
        }
    }
    let mut commits = commits.into_iter();
    let from = commits.next().unwrap_or_else(|| "HEAD".to_owned());
    git::read(&from, commits.next().as_deref(), &paths)
}
