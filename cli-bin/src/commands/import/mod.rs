//! `privy import`: what another tool encrypted becomes Secrets that are sealed.
//!
//! All files are opened and sealed in memory before the first is written, so that one refusal leaves all of them as
//! they were.

mod decrypt;
mod report;
mod verify;

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use secret_walker::{MAX_MANIFEST_BYTES, Manifest};

use self::report::{Imported, Outcome, Tool};
use crate::cli::ReportFormat;
use crate::cli::groups::BoundsArgs;
use crate::cli::import::ImportArgs;
use crate::failure::{Exit, Failure, fault};
use crate::import::live::{self, Live};
use crate::import::sealed_secrets::{self, ControllerKeys, Sealed};
use crate::import::sops::{self, Encrypted};
use crate::import::{Draft, DraftSecret, Fault, Scope};
use crate::io::files::{self, Content};
use crate::io::{Io, read_bounded};
use crate::keys::earlier::Earlier;
use crate::keys::{Choice, Chooser};
use crate::project::all_or_none::{self, Change, Fate, Tick, Work, Written};
use crate::project::source::{self, Source};
use crate::project::walk::Input;
use crate::sealing::manifest::{Placing, Sealing, seal_given_values, seal_plain_values};
use crate::sealing::options::Manner;
use crate::sealing::other_tools::OtherTool;
use crate::sealing::place::{Limits, Part, Target};
use crate::text::{Shown as _, printable};

/// Imports files.
///
/// # Errors
/// Exit 1 when a file cannot be imported; exit 2 for wrong usage. No file is changed then.
pub fn run(args: &ImportArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if args.files == [Path::new("-")] {
        return standard_input(args, io);
    }
    let keys = read_keys(args, io)?;
    let mut plans = Plans {
        args,
        chooser: Chooser::new(&args.key),
        made: Vec::new(),
    };
    let work = Work {
        files: &args.files,
        jobs: args.jobs,
        dry_run: !args.write,
        done: "imported",
    };
    let Written {
        outcomes,
        not_searched,
    } = all_or_none::in_place(&work, io, |batch, tick, io| {
        import_batch(batch, &keys, &mut plans, tick, io)
    })?;
    match args.output {
        ReportFormat::Json => report::json(args, &outcomes, not_searched, io)?,
        ReportFormat::Text => report::text(args, &outcomes, io),
    }
    Ok(Exit::Done)
}

/// What `kubectl` prints of a whole cluster, with the releases of Helm.
const LIVE_LIMIT: usize = 64 * 1024 * 1024;

/// Secrets of a cluster, which come sealed to standard output.
fn standard_input(args: &ImportArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    if args.write || args.output == ReportFormat::Json {
        return Err(Failure::usage(anyhow!(
            "`-` writes the sealed manifests to standard output, so --write and --output json do not go with it"
        ))
        .hint("leave them out: kubectl get secret -o json … | privy import - > secrets.yaml"));
    }
    if io.terminal.stdin {
        return Err(
            Failure::usage(anyhow!("there is nothing on standard input"))
                .hint("kubectl get secret -o json … | privy import - > secrets.yaml"),
        );
    }
    let bytes = read_bounded(io.stdin, LIVE_LIMIT)
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("cannot read standard input"))
        })?
        .ok_or_else(|| Failure::refused(anyhow!("standard input is larger than 64 MiB")))?;
    let Live { draft, left_out } = live::read(&bytes)
        .map_err(|fault| refused(fault).context("cannot import what is on standard input"))?;
    for why in &left_out {
        io.say(format_args!("note: {why}"));
    }
    if draft.secrets.is_empty() {
        return Err(
            Failure::refused(anyhow!("there is no Secret to import on standard input"))
                .hint("did the command before the pipe fail?"),
        );
    }
    let choice = Chooser::new(&args.key).keys_and_place(None, io)?;
    let plan = Plan::new(choice, args, io)?;
    let sealed = seal_draft(&draft, |_| Tool::Live, &plan, args)?;
    io.answer(&sealed.text)?;
    report::live(&sealed.secrets, &sealed.warnings, &plan.choice, io);
    Ok(Exit::Done)
}

/// A controller that is older than ten years has this much of keys and certificates.
const KEYS_LIMIT: usize = 4 * 1024 * 1024;

fn read_keys(args: &ImportArgs, io: &mut Io<'_>) -> Result<ControllerKeys, Failure> {
    let mut keys = ControllerKeys::default();
    for path in &args.open_with {
        let bytes = files::read(path, KEYS_LIMIT)?;
        files::warn_if_shared(path, io);
        keys.add(&bytes).map_err(|fault| {
            let hint = fault.next();
            let context = format!("cannot read the keys in `{}`", path.shown());
            let failure = Failure::usage(anyhow::Error::new(fault).context(context));
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })?;
    }
    Ok(keys)
}

fn refused(fault: Fault) -> Failure {
    let hint = fault.next();
    let failure = Failure::refused(fault);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn named(failure: Failure, path: &Path) -> Failure {
    failure.context(format!("cannot import `{}`", path.shown()))
}

/// What there is to import in a file.
enum Found<'b> {
    SealedSecrets(Sealed<'b>),
    Sops(Encrypted),
}

/// Why a whole file is left that something encrypted, or that only points to such files.
fn left(bytes: &[u8]) -> Option<String> {
    if let Some(tool) = OtherTool::of(bytes) {
        return Some(format!(
            "left as it is: {} encrypted it; {}",
            tool.name(),
            tool.next()
        ));
    }
    let word = b"viaduct.ai/v1";
    let is_generator = bytes.len() <= MAX_MANIFEST_BYTES
        && bytes.windows(word.len()).any(|part| part == word)
        && String::from_utf8_lossy(bytes)
            .lines()
            .any(|line| line.trim_end() == "apiVersion: viaduct.ai/v1");
    is_generator.then(|| {
        "left as it is: a generator of KSOPS; import the files that it names, and list them as `resources` instead"
            .to_owned()
    })
}

/// Looks for something to import.
fn find(bytes: &[u8]) -> Result<Option<Found<'_>>, Fault> {
    let word = b"SealedSecret";
    if sops::may_be_encrypted(bytes)
        && let Some(encrypted) = sops::find(bytes)?
    {
        return Ok(Some(Found::Sops(encrypted)));
    }
    // A look that costs little: most files of a repository are something else.
    if bytes.len() <= MAX_MANIFEST_BYTES && !bytes.windows(word.len()).any(|part| part == word) {
        return Ok(None);
    }
    Ok(sealed_secrets::find(bytes)?.map(Found::SealedSecrets))
}

/// A file that is being imported.
struct Job<'b> {
    /// Which one of its batch.
    index: usize,
    input: &'b Input,
    before: &'b [u8],
    found: Found<'b>,
    plan: Arc<Plan>,
}

/// What came of each file of a batch; the outer error ends everything.
fn import_batch(
    batch: &[Input],
    keys: &ControllerKeys,
    plans: &mut Plans<'_>,
    tick: &mut Tick<'_>,
    io: &mut Io<'_>,
) -> Result<Vec<Result<Fate<Outcome>, Failure>>, Failure> {
    let mut fates: Vec<Option<Result<Fate<Outcome>, Failure>>> = Vec::new();
    let mut sources = Vec::with_capacity(batch.len());
    let read = tick.map("reading", batch, io, source::read);
    for (index, (input, read)) in batch.iter().zip(read).enumerate() {
        fates.push(match read {
            Ok(Source::Bytes(bytes)) => {
                sources.push((index, input, bytes));
                None
            }
            Ok(Source::PassedOver(why)) => Some(Ok((Outcome::PassedOver(why), None))),
            Err(failure) => Some(Err(failure)),
        });
    }
    let mut jobs = Vec::new();
    for (index, input, before) in &sources {
        let path = &input.path;
        let nothing = || {
            let outcome = if input.named {
                Outcome::Nothing
            } else {
                Outcome::Passed
            };
            Some(Ok((outcome, None)))
        };
        if let Some(why) = left(before) {
            fates[*index] = Some(Ok((Outcome::PassedOver(why), None)));
            continue;
        }
        match find(before) {
            Ok(None) => fates[*index] = nothing(),
            Ok(Some(Found::Sops(Encrypted::Other))) => {
                let why = "left as it is: SOPS encrypted it, and it is no manifest of a Secret; values of Helm, dotenv \
                           files and the sources of generators become Secrets where they are used";
                fates[*index] = Some(Ok((Outcome::PassedOver(why.to_owned()), None)));
            }
            Ok(Some(found)) => {
                let plan = plans.of(path, before, io);
                jobs.push(Job {
                    index: *index,
                    input,
                    before,
                    found,
                    plan: plan.map_err(|failure| named(failure, path))?,
                });
            }
            Err(_) if !input.named && before.windows(2).any(|pair| pair == b"{{") => {
                let why = "not looked at: it is a template; import the SealedSecrets that it makes";
                fates[*index] = Some(Ok((Outcome::PassedOver(why.to_owned()), None)));
            }
            Err(fault) => fates[*index] = Some(Err(named(refused(fault), path))),
        }
    }
    let args = plans.args;
    let done = tick.map_counted("importing", &jobs, io, |job| {
        job.run(keys, args)
            .map_err(|failure| named(failure, &job.input.path))
    });
    for (job, fate) in jobs.iter().zip(done) {
        fates[job.index] = Some(fate);
    }
    Ok(fates.into_iter().flatten().collect())
}

impl Job<'_> {
    fn run(&self, keys: &ControllerKeys, args: &ImportArgs) -> Result<Fate<Outcome>, Failure> {
        match &self.found {
            Found::SealedSecrets(sealed) => self.sealed_secrets(sealed, keys, args),
            Found::Sops(encrypted) => self.sops(*encrypted, args),
        }
    }

    fn finished(
        &self,
        secrets: Vec<Imported>,
        warnings: Vec<String>,
        after: Vec<u8>,
    ) -> Fate<Outcome> {
        let outcome = Outcome::Imported {
            secrets,
            warnings,
            choice: Arc::clone(&self.plan.choice),
        };
        let before = Content::of(self.before);
        (outcome, Some(Change { before, after }))
    }

    fn sops(&self, encrypted: Encrypted, args: &ImportArgs) -> Result<Fate<Outcome>, Failure> {
        if let Encrypted::Manifest { comments: 1.., .. } = encrypted
            && !args.plain_comments
        {
            return Err(Failure::refused(anyhow!(
                "SOPS encrypted comments in it, too, and they would be written in plain text"
            ))
            .hint(
                "see with `sops --decrypt FILE` that they are no secret, and add --plain-comments",
            ));
        }
        let plain = decrypt::sops(&args.sops, &self.input.path, encrypted.form())?;
        let manifest = Manifest::parse(&plain).map_err(fault)?;
        sops::check(&manifest).map_err(refused)?;
        let mut edits = manifest.edits();
        let (mut imported, mut warnings) = (Vec::new(), Vec::new());
        let sealing = self.plan.sealing(None, args);
        for secret in manifest.secrets() {
            let values =
                seal_plain_values(secret, &sealing, &mut edits, &mut warnings, &|_, _| true)?;
            let namespace = secret.namespace().map(|namespace| namespace.text);
            let name = secret.name().or(secret.generate_name());
            let name = name.map_or("", |name| name.text);
            let name = match namespace.or(self.plan.namespace.as_deref()) {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.to_owned(),
            };
            if args.verify_live {
                let mut plain = Vec::with_capacity(secret.fields().len());
                for field in secret.fields() {
                    plain.push((field.key().to_owned(), field.value().map_err(fault)?));
                }
                verify::equals(&name, &plain, args)?;
            }
            imported.push(Imported {
                from: Tool::Sops,
                name,
                line: secret.line(),
                values,
                verified: args.verify_live,
            });
        }
        let after = edits.apply().map_err(fault)?;
        Ok(self.finished(imported, warnings, after))
    }

    fn sealed_secrets(
        &self,
        sealed: &Sealed<'_>,
        keys: &ControllerKeys,
        args: &ImportArgs,
    ) -> Result<Fate<Outcome>, Failure> {
        if keys.is_empty() {
            return Err(
                Failure::usage(anyhow!("nothing was named that opens a SealedSecret")).hint(
                    "add --open-with with the private keys of the controller: privy import --help",
                ),
            );
        }
        let namespace = self.plan.namespace.as_deref();
        let draft = sealed.open(keys, namespace).map_err(refused)?;
        let sealed = seal_draft(&draft, Tool::SealedSecrets, &self.plan, args)?;
        Ok(self.finished(sealed.secrets, sealed.warnings, sealed.text))
    }
}

/// A draft with its values.
struct SealedDraft {
    text: Vec<u8>,
    secrets: Vec<Imported>,
    warnings: Vec<String>,
}

/// Seals the values of a draft.
fn seal_draft(
    whole: &Draft,
    from: fn(Scope) -> Tool,
    plan: &Plan,
    args: &ImportArgs,
) -> Result<SealedDraft, Failure> {
    let manifest = Manifest::parse(whole.text.as_bytes()).map_err(fault)?;
    let mut edits = manifest.edits();
    let mut imported = Vec::with_capacity(whole.secrets.len());
    let mut warnings = Vec::new();
    for draft in &whole.secrets {
        let secret = manifest
            .secrets()
            .iter()
            .find(|secret| secret.line() == draft.line)
            .ok_or_else(|| {
                Failure::refused(anyhow!(
                    "what is on line {} cannot be written as a Secret",
                    draft.line_before
                ))
            })?;
        let target = target(draft, plan.namespace.as_deref(), args)?;
        let sealing = plan.sealing(target.as_ref(), args);
        warnings.extend(draft.notes.iter().cloned());
        warnings.extend(target.as_ref().map(|target| {
            format!(
                "the values of {} can be opened wherever `{}` fits, as before; --exact seals each for its own place",
                printable(&draft.name, 200),
                printable(&target.describe(), 300)
            )
        }));
        let (values, edits) = (&draft.values, &mut edits);
        seal_given_values(secret, values, &sealing, edits, &mut warnings).map_err(|failure| {
            failure.context(format!("{} on line {}", draft.name, draft.line_before))
        })?;
        if args.verify_live {
            verify::equals(&draft.name, &draft.values, args)?;
        }
        imported.push(Imported {
            from: from(draft.scope),
            name: draft.name.clone(),
            line: draft.line_before,
            values: draft.values.len(),
            verified: args.verify_live,
        });
    }
    let after = edits.apply().map_err(fault)?;
    Ok(SealedDraft {
        text: after,
        secrets: imported,
        warnings,
    })
}

/// Where the values of a Secret may be opened from now on; where they stand, if nothing is said.
fn target(
    secret: &DraftSecret,
    namespace: Option<&str>,
    args: &ImportArgs,
) -> Result<Option<Target>, Failure> {
    let open = |namespace| Target {
        namespace,
        name: Part::Open,
        field: Part::Open,
    };
    if args.exact {
        return Ok(None);
    }
    match secret.scope {
        Scope::Strict => Ok(None),
        Scope::Namespace => {
            let own = secret.name.split_once('/').map(|(namespace, _)| namespace);
            Ok(own
                .or(namespace)
                .map(|namespace| open(Part::Named(namespace.to_owned()))))
        }
        Scope::Cluster if args.anywhere => Ok(Some(open(Part::Open))),
        Scope::Cluster => Err(Failure::refused(anyhow!(
            "the SealedSecret {} on line {} could be opened in the whole cluster (cluster-wide)",
            secret.name,
            secret.line_before
        ))
        .hint("add --exact to seal its values for their own place, or --anywhere to keep them open to every namespace")),
    }
}

/// How the files of one rule are sealed.
struct Plan {
    choice: Arc<Choice>,
    /// Of manifests that name none.
    namespace: Option<String>,
    limits: Limits,
    manner: Manner,
}

impl Plan {
    fn new(choice: Arc<Choice>, args: &ImportArgs, io: &mut Io<'_>) -> Result<Self, Failure> {
        let namespace = args.namespace.as_ref().or(choice.namespace.as_ref());
        Ok(Self {
            // A pattern names no namespace that something could have been sealed for.
            namespace: namespace
                .filter(|namespace| !namespace.ends_with('*'))
                .cloned(),
            limits: Limits::of(&BoundsArgs::default(), &choice.clusters(), io.now)?,
            manner: Manner::new(&choice, &args.sealing, false, io)?,
            choice,
        })
    }

    fn sealing<'s>(&'s self, target: Option<&'s Target>, args: &ImportArgs) -> Sealing<'s> {
        Sealing {
            placing: Placing {
                anywhere: false,
                namespace: None,
                fallback: self.namespace.as_deref(),
                name: None,
                target,
                limits: &self.limits,
            },
            manner: &self.manner,
            layout: args.layout.layout.or(self.choice.layout),
            // The values are in use: what looks like a mistake in one is none.
            raw: true,
        }
    }
}

/// The plans of all files, one for each rule.
struct Plans<'a> {
    args: &'a ImportArgs,
    chooser: Chooser,
    made: Vec<Arc<Plan>>,
}

impl Plans<'_> {
    fn of(&mut self, path: &Path, before: &[u8], io: &mut Io<'_>) -> Result<Arc<Plan>, Failure> {
        let choice = self.chooser.keys_and_place(Some(path), io)?;
        if let Ok(manifest) = Manifest::parse(before) {
            let earlier = Earlier::of(&manifest);
            self.chooser.confirm_change(&choice, &earlier, path, io)?;
        }
        let same = |plan: &&Arc<Plan>| Arc::ptr_eq(&plan.choice, &choice);
        if let Some(plan) = self.made.iter().find(same) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::new(choice, self.args, io)?);
        self.made.push(Arc::clone(&plan));
        Ok(plan)
    }
}
