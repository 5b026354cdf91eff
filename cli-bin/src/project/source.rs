//! Files that were found in folders: what is no manifest is passed over with a word, not refused.
//!
//! A file that is named is what the user means, and every fault of it is an error. In a folder there are also templates
//! and data, and whatever is wrong with them keeps no manifest beside them from being sealed.
use secret_walker::{ManifestError, WalkError};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::io::files;
use crate::project::walk::Input;

/// What is in a file.
#[derive(Debug)]
pub enum Source {
    /// Its bytes.
    Bytes(Zeroizing<Vec<u8>>),
    /// It is passed over, for this reason.
    PassedOver(String),
}

/// Reads a file that may be a manifest.
///
/// # Errors
/// Exit 2 for one that was named and cannot be read or is too large.
pub fn read(input: &Input) -> Result<Source, Failure> {
    match files::read(&input.path, files::MANIFEST_LIMIT) {
        Ok(bytes) => Ok(Source::Bytes(bytes)),
        Err(failure) if input.named => Err(failure),
        Err(failure) => Ok(Source::PassedOver(format!(
            "not looked at: {}",
            failure.message()
        ))),
    }
}

/// Why a file is passed over that is no manifest: a template that was found in a folder.
pub fn is_template(input: &Input, fault: &WalkError) -> Option<String> {
    let template = fault.manifest().is_some_and(ManifestError::is_template);
    (!input.named && template).then(|| {
        "not looked at: it is a template; its values are sealed where they come from".to_owned()
    })
}
