//! `privy key generate`: a private key in a file of one's own, and the card for everyone else.
use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::{Curve, KeyKind, LocalKey, LocalSigner};

use crate::cli::{GenerateArgs, LocalKeyKind};
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::keys::card::{self, Note};
use crate::keys::describe;
use crate::keys::name_of_file;
use crate::project::walk;
use crate::text::{Shown as _, shell_path};

/// Makes the key, writes both files and says what to do with them.
///
/// # Errors
/// Exit 2 when a file exists or cannot be written; no file is left half-written.
pub fn run(args: &GenerateArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    check_files(args)?;
    let Some(kind) = kind(args.kind) else {
        return signer(args, existing, io);
    };
    let key = LocalKey::generate(kind)
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context("cannot make a key")))?;
    let name = args
        .noted
        .name
        .clone()
        .unwrap_or_else(|| card::name_from(&name_of_file(&args.out)));
    let note = Note {
        name: &name,
        namespaces: &args.noted.namespace,
        clusters: &args.noted.cluster,
    };
    let card = card::write(key.recipient(), note)?;
    files::create(
        &args.out,
        key.to_pkcs8_pem().as_bytes(),
        Audience::Owner,
        existing,
    )?;
    warn_in_work_tree(&args.out, io);
    if let Some(path) = &args.card {
        files::create(path, card.as_bytes(), Audience::Usual, existing)
            .map_err(|failure| failure.context("the private key was written, its card was not"))?;
    }
    let mut text = describe::describe(&name, key.recipient());
    let _ = write!(text, "\n{}", next_steps(args));
    io.report(&text, false)?;
    Ok(Exit::Done)
}

/// Said before a key is made, which takes a moment; the files are still created exclusively.
fn check_files(args: &GenerateArgs) -> Result<(), Failure> {
    if args.card.as_ref() == Some(&args.out) {
        return Err(
            Failure::usage(anyhow!("--out and --card name the same file")).hint(
                "the private key stays with you, the card is for others: give them two files",
            ),
        );
    }
    for path in [Some(&args.out), args.card.as_ref()].into_iter().flatten() {
        files::require_folder(path)?;
    }
    if args.force {
        return Ok(());
    }
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    let files = [Some(args.out.as_path()), args.card.as_deref()];
    match files.into_iter().flatten().find(exists) {
        None => Ok(()),
        Some(path) => Err(Failure::usage(anyhow!("`{}` exists, and nothing was changed", path.shown())).hint(
            "choose another name; --force replaces it, and what was sealed for a replaced key can no longer be opened",
        )),
    }
}

/// The kind of a key that is sealed for.
const fn kind(kind: LocalKeyKind) -> Option<KeyKind> {
    Some(match kind {
        LocalKeyKind::Rsa4096 => KeyKind::Rsa(4096),
        LocalKeyKind::Rsa3072 => KeyKind::Rsa(3072),
        LocalKeyKind::Rsa2048 => KeyKind::Rsa(2048),
        LocalKeyKind::P256 => KeyKind::Ec(Curve::P256),
        LocalKeyKind::P384 => KeyKind::Ec(Curve::P384),
        LocalKeyKind::P521 => KeyKind::Ec(Curve::P521),
        LocalKeyKind::X25519 => KeyKind::Ec(Curve::X25519),
        LocalKeyKind::Ed25519 => return None,
    })
}

/// A key that signs cards has no card of its own.
fn signer(args: &GenerateArgs, existing: Existing, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let private = shell_path(&args.out);
    if args.card.is_some() {
        return Err(Failure::usage(anyhow!(
            "a key of this kind signs key cards, and has none itself"
        ))
        .hint(format!(
            "leave --card out; its public half is shown by `privy key show {private} --output pem`"
        )));
    }
    let cannot = |error| Failure::usage(anyhow::Error::new(error).context("cannot make a key"));
    let key = LocalSigner::generate().map_err(cannot)?;
    let pem = key.to_pkcs8_pem().map_err(cannot)?;
    files::create(&args.out, pem.as_bytes(), Audience::Owner, existing)?;
    warn_in_work_tree(&args.out, io);
    let name = name_of_file(&args.out);
    let public = shell_path(format!("{name}.pub.pem").as_ref());
    let mut text = describe::describe_signer(&name, key.public());
    let _ = write!(
        text,
        "\nThe private key is in {private}; keep it out of version control.\n\
         Next: commit its public half, read the fingerprint to those who seal, and sign the cards:\n  \
         privy key show {private} --output pem > {public}\n  \
         privy key sign CARD --with {private}\n"
    );
    io.report(&text, false)?;
    Ok(Exit::Done)
}

/// A private key in a Git work tree is one `git add` away from everyone who reads the repository. `.gitignore` makes no
/// difference here: images, backups and `git add --force` take what it names.
fn warn_in_work_tree(private: &Path, io: &mut Io<'_>) {
    let folder = match private.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(root) = walk::work_tree_of(folder) else {
        return;
    };
    let file = shell_path(private);
    io.say(format_args!(
        "warning: the private key `{}` is in the Git work tree `{}`, where it may be committed by mistake. Move it out of the \
         repository: mv {file} ~/",
        private.shown(),
        root.shown()
    ));
}

fn next_steps(args: &GenerateArgs) -> String {
    let private = shell_path(&args.out);
    let mut text = format!("The private key is in {private}; keep it out of version control.\n");
    let _ = match &args.card {
        Some(card) => {
            let card = shell_path(card);
            writeln!(
                text,
                "Next: commit the card {card}, and read the fingerprint to those who seal; they type it at\n  \
                 privy key trust {card}"
            )
        }
        None => writeln!(
            text,
            "Next: write the card for those who seal, and read the fingerprint to them:\n  \
             privy key show {private} --output card > key.card.json"
        ),
    };
    text
}
