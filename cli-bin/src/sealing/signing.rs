//! The custodian's own signature beside what they seal: with which key, under which annotation.
//!
//! The key is named by `--sign`, or by the file `sign-with` in the user's own configuration. Nothing in a repository can
//! name it: a repository can only demand that there is one.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use jwe_envelope::{Envelope, KeyError, LocalSigner};
use secret_walker::{SIGNATURE_PREFIX, validate_key};

use crate::failure::Failure;
use crate::io::Io;
use crate::io::files;
use crate::keys::KEY_FILE_LIMIT;
use crate::keys::trust;
use crate::text::{Shown as _, printable, shell_path};

/// The longest key that the annotation's name has room for: 63 characters without `sig.`.
pub const LONGEST_KEY: usize = 59;

/// The file of the user's configuration that names the private key.
const SIGN_WITH: &str = "sign-with";

/// More than any path.
const PATH_LIMIT: usize = 8 * 1024;

const HOW_TO_MAKE: &str = "make a key once with `privy key generate --kind ed25519 --out ~/me.pem`, have the administrator add its public half to `signers`, and name it: --sign ~/me.pem";

/// A private key that signs envelopes.
#[derive(Debug)]
pub struct SigningKey {
    signer: LocalSigner,
    path: PathBuf,
}

impl SigningKey {
    /// Reads the key; others who may read it are warned about.
    ///
    /// # Errors
    /// Exit 2 for a file that cannot be read or holds no private key that signs.
    pub fn read(path: &Path, io: &mut Io<'_>) -> Result<Self, Failure> {
        let private = files::read(path, KEY_FILE_LIMIT)?;
        let signer = LocalSigner::from_pkcs8_pem(&private).map_err(|error| {
            let context = format!("cannot sign with `{}`", path.shown());
            let error = match error {
                KeyError::NotPrivate => {
                    anyhow!("it is a public key; signing needs the private one")
                }
                error => error.into(),
            };
            Failure::usage(error.context(context)).hint(HOW_TO_MAKE)
        })?;
        files::warn_if_shared(path, io);
        Ok(Self {
            signer,
            path: path.to_owned(),
        })
    }

    /// The key of the flag, or else that of the user's configuration; `demanded` when `.privy.yaml` wants signatures.
    ///
    /// # Errors
    /// Exit 2 for a key that cannot be used, and for none where one is demanded.
    pub fn choose(
        flag: Option<&Path>,
        demanded: bool,
        io: &mut Io<'_>,
    ) -> Result<Option<Arc<Self>>, Failure> {
        let path = match flag {
            Some(path) => Some(path.to_owned()),
            None => configured(io)?,
        };
        match path {
            Some(path) => Self::read(&path, io).map(Arc::new).map(Some),
            None if demanded => Err(Failure::usage(anyhow!(
                "`.privy.yaml` wants the values of this path signed, and no key to sign with is named"
            ))
            .hint(HOW_TO_MAKE)),
            None => Ok(None),
        }
    }

    /// RFC 7638 thumbprint of the public half.
    pub fn key_id(&self) -> String {
        self.signer.public().kid()
    }

    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The signature of an envelope.
    ///
    /// # Errors
    /// Exit 2 when the provider does not sign.
    pub fn sign(&self, envelope: &Envelope<'_>, now: u64) -> Result<String, Failure> {
        self.signer
            .sign_envelope(&envelope.digest(), now)
            .map_err(|error| {
                let context = format!("cannot sign with `{}`", self.path.shown());
                Failure::usage(anyhow::Error::new(error).context(context)).hint(HOW_TO_MAKE)
            })
    }

    /// Whether this is a good signature of this very key for the envelope.
    pub fn has_signed(&self, envelope: &Envelope<'_>, signature: &str) -> bool {
        let public = self.signer.public();
        public
            .verify_envelope(signature.as_bytes(), &envelope.digest())
            .is_ok()
    }
}

/// What the user's configuration names.
fn configured(io: &Io<'_>) -> Result<Option<PathBuf>, Failure> {
    let Some(folder) = trust::folder(io.environment) else {
        return Ok(None);
    };
    let file = folder.join(SIGN_WITH);
    if file.symlink_metadata().is_err() {
        return Ok(None);
    }
    let bytes = files::read(&file, PATH_LIMIT)?;
    let text = std::str::from_utf8(&bytes).map(str::trim);
    match text {
        Ok(path) if !path.is_empty() && !path.contains('\n') => Ok(Some(folder.join(path))),
        _ => Err(
            Failure::usage(anyhow!("`{}` does not name a file", file.shown())).hint(format!(
                "write the path of your private key into it, on one line, or remove it: rm {}",
                shell_path(&file)
            )),
        ),
    }
}

/// The annotation with the signature of a key.
pub fn annotation_of(key: &str) -> String {
    format!("{SIGNATURE_PREFIX}{key}")
}

/// Whether the value of this key can be signed.
///
/// # Errors
/// Exit 2 for a key that is no part of an annotation's name.
pub fn check_key(key: &str) -> Result<(), Failure> {
    let refuse = |why: String| {
        Err(Failure::usage(anyhow!("{why}"))
            .hint("give the field another name, or seal it without a signature"))
    };
    if let Err(error) = validate_key(key) {
        return refuse(error.to_string());
    }
    if key.len() > LONGEST_KEY {
        return refuse(format!(
            "the key `{}` is longer than {LONGEST_KEY} characters, the most that the annotation of its signature has room for",
            printable(key, 80)
        ));
    }
    if !key.ends_with(|last: char| last.is_ascii_alphanumeric()) {
        return refuse(format!(
            "the key `{}` cannot be signed: the annotation of its signature would not end in a letter or digit",
            printable(key, 80)
        ));
    }
    Ok(())
}

/// What is said when a value changes and no one signs the new one.
pub fn dropped(key: &str) -> String {
    format!(
        "the signature of `{}` is gone: it was for the value before; add --sign KEYFILE, or sign the new one with `privy sign`",
        printable(key, 80)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_fit_the_name_of_an_annotation() {
        for good in ["password", ".dockerconfigjson", &"a".repeat(59), "a.b-c_d"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a-", "a.", "a_", &"a".repeat(60)] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }
}
