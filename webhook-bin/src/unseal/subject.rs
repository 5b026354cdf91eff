//! The Secret under review, and what of it is stored, sealed or in use.

use jwe_envelope::ObjectName;
use secret_walker::{AdmittedSecret, Entry};
use zeroize::Zeroizing;

use super::right::UnsealRight;
use unseal_policy::decide::SubmitterCheck;
use unseal_policy::format::SealedFormat;

/// The Secret under review and where it is.
pub(crate) struct Subject<'r> {
    /// `request.uid`, for the log.
    pub(crate) uid: &'r str,
    /// As it is to be stored.
    pub(crate) secret: &'r AdmittedSecret<'r>,
    /// As it is stored, on UPDATE.
    pub(crate) stored: Option<&'r AdmittedSecret<'r>>,
    /// The namespace of the request.
    pub(crate) namespace: &'r str,
    /// Its name, or the beginning of the one that it will get.
    pub(crate) name: ObjectName<'r>,
    /// Whether the user who submits it may have values opened, where that is asked.
    pub(crate) right: Option<&'r dyn UnsealRight>,
    /// Whether the user who submits it may submit values of a key, where that is asked.
    pub(crate) submitter: Option<&'r dyn SubmitterCheck>,
}

impl Subject<'_> {
    /// Whether exactly this value is stored under this key.
    pub(super) fn is_stored(&self, key: &str, value: &[u8]) -> bool {
        self.stored
            .and_then(|stored| stored.get(key))
            .is_some_and(|entry| equals_stored(&entry, value))
    }
}

/// Whether an entry has exactly this value.
pub(super) fn equals_stored(entry: &Entry<'_>, value: &[u8]) -> bool {
    entry.decoded_len() == value.len()
        && entry
            .decode()
            .map(Zeroizing::new)
            .is_ok_and(|held| held.as_slice() == value)
}

/// Whether an entry of `data` is a plain value that is in use: neither empty nor sealed.
pub(super) fn is_in_use(entry: &Entry<'_>, formats: &[Box<dyn SealedFormat>]) -> bool {
    entry.decoded_len() > 0 && !is_sealed_entry(entry, formats)
}

/// Whether an entry of `data` is sealed.
pub(super) fn is_sealed_entry(entry: &Entry<'_>, formats: &[Box<dyn SealedFormat>]) -> bool {
    let mut head = [0; 4];
    let filled = entry.decode_head(&mut head);
    formats
        .iter()
        .any(|format| format.may_begin(&head[..filled]))
        && entry.decode().is_ok_and(|value| {
            let value = Zeroizing::new(value);
            formats
                .iter()
                .any(|format| format.recognize(&value).is_some())
        })
}

/// Whether an opened value is sealed a second time.
pub(super) fn is_sealed(value: &[u8], formats: &[Box<dyn SealedFormat>]) -> bool {
    formats.iter().any(|format| {
        format.may_begin(&value[..value.len().min(4)]) && format.recognize(value).is_some()
    })
}
