//! `privy key wrap`: a private key in a file that only a KMS plugin can open.

use tokio::time::Instant;

use crate::cli::WrapArgs;
use crate::io::Io;
use crate::io::files::{self, Audience, Existing};
use crate::report::{Exit, Failure};
use crate::services;
use crate::text::shell_word;

/// Has the plugin wrap the key, writes the file and says how a configuration names it.
///
/// # Errors
/// Exit 1 when the plugin refuses, 2 for wrong usage or a file that exists, 3 when the plugin does not answer.
pub fn run(args: &WrapArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    files::require_folder(&args.out)?;
    let deadline = Instant::now() + services::LIMIT;
    let wrapping = kms_backends::kms_plugin::wrap_file(&args.plugin, &args.key, deadline);
    let text = services::runtime()?
        .block_on(wrapping)
        .map_err(services::failure)?;
    files::write(&args.out, text.as_bytes(), Audience::Usual, Existing::Keep)?;
    let reference = format!(
        "kms-plugin:{}?key={}",
        args.plugin.display(),
        args.out.display()
    );
    let answer = format!(
        "Next: name it in the webhook's configuration as {}, make its card with `privy key show`, and destroy {}\n",
        shell_word(&reference),
        shell_word(&args.key.display().to_string())
    );
    io.answer(answer.as_bytes())?;
    Ok(Exit::Done)
}
