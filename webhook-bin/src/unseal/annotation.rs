//! The annotation layout: what an annotation with an envelope, the value beside it and what is stored of both
//! mean together.
//!
//! The annotation has the last word over its key of `data`. An annotation that is as it was, with its value as
//! it was, is passed over before anything of it is parsed.

use secret_walker::{AdmittedSecret, Entry, SealedAnnotation, validate_key};

use super::SealedFormat;
use super::secret::{Subject, is_sealed_entry};
use crate::decide::{Change, Code, Refusal};

/// What becomes of a Secret when an envelope in an annotation is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenRefused {
    /// The whole review is refused.
    Refuse,
    /// It is stored like this already, unopened: nothing gets worse.
    Stay,
    /// The value beside it was written by somebody who may write it; unless trying again may open the envelope.
    Yield,
    /// A Secret is created with annotation and value, as from a backup; unless trying again may open the envelope.
    Restore,
}

/// An annotation that asks for something to be done.
#[derive(Debug)]
pub(super) struct Annotated<'r> {
    pub(super) key: &'r str,
    /// The envelope.
    pub(super) text: &'r str,
    /// What the request does to the value.
    pub(super) change: Change,
    /// What stands under the key in the request.
    pub(super) given: Option<Entry<'r>>,
    /// Whether the value was given against the stored one, rather than carried along.
    pub(super) overridden: bool,
    pub(super) when_refused: WhenRefused,
    /// What is wrong before the envelope is looked at.
    pub(super) fault: Option<Refusal>,
}

/// What the annotations of a Secret ask for.
#[derive(Debug)]
pub(super) enum Asked<'r> {
    /// The envelope is to be opened into `data`.
    Open(Annotated<'r>),
    /// The annotation is gone, and its value, carried along unchanged, goes with it.
    Remove {
        key: &'r str,
        /// The Secret may not change.
        fault: Option<Refusal>,
    },
}

/// Everything that the annotations ask for, in their order; removals last.
pub(super) fn asked<'r>(
    subject: &Subject<'r>,
    formats: &[Box<dyn SealedFormat>],
) -> impl Iterator<Item = Asked<'r>> {
    let (secret, stored) = (subject.secret, subject.stored);
    let opened = secret
        .sealed_annotations()
        .filter_map(move |found| Annotated::new(found, secret, stored, formats))
        .map(Asked::Open);
    let removed = stored
        .into_iter()
        .flat_map(AdmittedSecret::sealed_annotations)
        .filter(move |gone| secret.sealed_annotation(gone.key).is_none())
        .filter(move |gone| {
            let kept = stored.and_then(|stored| stored.get(gone.key));
            kept.is_some() && secret.get(gone.key) == kept
        })
        .map(move |gone| Asked::Remove {
            key: gone.key,
            fault: stored
                .is_some_and(AdmittedSecret::immutable)
                .then(may_not_change),
        });
    opened.chain(removed)
}

impl<'r> Annotated<'r> {
    fn new(
        found: SealedAnnotation<'r>,
        secret: &'r AdmittedSecret<'r>,
        stored: Option<&'r AdmittedSecret<'r>>,
        formats: &[Box<dyn SealedFormat>],
    ) -> Option<Self> {
        let SealedAnnotation { key, text } = found;
        let given = secret.get(key);
        let kept = stored.and_then(|stored| stored.get(key));
        let unchanged = stored.is_some_and(|stored| stored.sealed_annotation(key) == Some(text));
        let when_refused = match (unchanged, given, kept) {
            (true, Some(given), Some(kept)) if given == kept => return None,
            (true, Some(_), _) => WhenRefused::Yield,
            (true, None, None) => WhenRefused::Stay,
            (false, Some(_), _) if stored.is_none() => WhenRefused::Restore,
            // A live value would be lost, or an envelope stored beside a value that is not in it.
            (true, None, Some(_)) | (false, _, _) => WhenRefused::Refuse,
        };
        let in_both = given.is_some_and(|given| is_sealed_entry(&given, formats));
        let fault = match validate_key(key) {
            Err(error) => Some(no_key(&error)),
            Ok(()) if in_both => Some(in_both_layouts(key)),
            Ok(()) => None,
        };
        Some(Self {
            key,
            text,
            change: if kept.is_some() {
                Change::Changed
            } else {
                Change::Created
            },
            given,
            overridden: given.is_some() && given != kept,
            when_refused: if in_both {
                WhenRefused::Refuse
            } else {
                when_refused
            },
            fault,
        })
    }
}

fn no_key(error: &secret_walker::WalkError) -> Refusal {
    Refusal::new(
        Code::WrongPlace,
        format!("the annotation's name ends in no key that `data` can have: {error}"),
        "name the annotation `privyseal.dev/data.` and the key",
    )
}

fn in_both_layouts(key: &str) -> Refusal {
    Refusal::new(
        Code::Ambiguous,
        format!(
            "key {:?} is sealed twice, in its annotation and in `data`",
            crate::refusal::cut(key)
        ),
        "keep one of the two",
    )
}

fn may_not_change() -> Refusal {
    Refusal::new(
        Code::Immutable,
        "the stored Secret may not change (`immutable: true`), and its value would go with the annotation",
        "put the annotation back, or delete the Secret first",
    )
}
