//! `privy key remove`: a key or a signer is no longer trusted.
use anyhow::anyhow;

use crate::cli::RemoveArgs;
use crate::failure::{Exit, Failure};
use crate::io::Io;
use crate::keys::trust::Store;
use crate::text::printable;

/// Takes a name out of the user's own list.
///
/// # Errors
/// Exit 2 for a name that is not in it.
pub fn run(args: &RemoveArgs, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mut store = Store::load(io)?;
    let name = printable(&args.name, 64);
    let removed = if args.signer {
        store.remove_signer(&args.name)?
    } else {
        store.remove(&args.name)?
    };
    if removed {
        let what = if args.signer { "signer" } else { "key" };
        io.say(format_args!("the {what} {name:?} is no longer trusted"));
        return Ok(Exit::Done);
    }
    // The other list may have it.
    let elsewhere = if args.signer {
        store.by_name(&args.name).is_some()
    } else {
        store.has_signer(&args.name)
    };
    let hint = match (elsewhere, args.signer) {
        (true, true) => "a key has this name; leave --signer out to remove it",
        (true, false) => "a signer has this name; add --signer to remove it",
        (false, _) => "`privy key list` shows the names",
    };
    Err(Failure::usage(anyhow!("nothing that you trust is called {name:?}")).hint(hint))
}
