//! `privy key wrap`: a private key in a file that only a KMS plugin can open.

use crate::cli::WrapArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
#[cfg(feature = "kms-plugin")]
use crate::text::Shown as _;

/// Has the plugin wrap the key, writes the file and says how a configuration names it.
///
/// # Errors
/// Exit 1 when the plugin refuses, 2 for wrong usage or a file that exists, 3 when the plugin does not answer.
#[cfg(feature = "kms-plugin")]
pub fn run(args: &WrapArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    use crate::io::files::{self, Audience, Existing};
    use crate::keys::services;

    check(args)?;
    let deadline = tokio::time::Instant::now() + services::LIMIT;
    let wrapping = kms_backends::kms_plugin::wrap_file(&args.plugin, &args.key, deadline);
    let text = services::runtime()?.block_on(wrapping).map_err(failure)?;
    files::create(&args.out, text.as_bytes(), Audience::Usual, Existing::Keep)?;
    io.report(&next_steps(args), false)?;
    Ok(Exit::Done)
}

/// There is no plugin to ask.
///
/// # Errors
/// Exit 2.
#[cfg(not(feature = "kms-plugin"))]
pub fn run(_: &WrapArgs, _: &mut Io<'_>) -> Result<Exit, Failure> {
    Err(crate::keys::services::not_in_this_build(
        "KMS plugins are",
        "kms-plugin",
    ))
}

/// What is wrong with the files, said before the plugin is asked.
#[cfg(feature = "kms-plugin")]
fn check(args: &WrapArgs) -> Result<(), Failure> {
    crate::io::files::require_folder(&args.out)?;
    if args.out.symlink_metadata().is_ok() {
        let exists = anyhow::anyhow!("`{}` exists, and nothing was changed", args.out.shown());
        return Err(Failure::usage(exists)
            .hint("choose another name; what was sealed for the key in that file may need it"));
    }
    kms_backends::local::LocalBackend::open(&args.key, None).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("no key was wrapped")).hint(
            "give the private key's own file, which no one else can read: PKCS#8 PEM without passphrase, or JWK",
        )
    })?;
    Ok(())
}

/// The reference as the configuration will have it, and what is left to do.
#[cfg(feature = "kms-plugin")]
fn next_steps(args: &WrapArgs) -> String {
    use crate::text::{shell_path, shell_word};

    let reference = format!(
        "kms-plugin:{}?key={}",
        args.plugin.to_string_lossy(),
        args.out.to_string_lossy()
    );
    format!(
        "Next: name it in the webhook's configuration as {}, make its card with `privy key show`, and destroy {}\n",
        shell_word(&reference),
        shell_path(&args.key)
    )
}

/// The plugin's answers; who uses a key and who wraps one need different things.
#[cfg(feature = "kms-plugin")]
fn failure(error: kms_backends::UnwrapError) -> Failure {
    use kms_backends::Category;

    let hint = match error.category() {
        Category::Denied | Category::UnknownKey => {
            "the plugin's own KMS refuses; ask the plugin's administrator for the right to encrypt with its key"
        }
        Category::Unavailable => {
            "see that a KMS v2 plugin listens at --plugin and is well, then try again"
        }
        Category::Misconfigured | Category::Rejected => {
            "see that --plugin is the socket of a KMS v2 plugin that you or root run"
        }
    };
    crate::keys::services::failure(error).hint(hint)
}
