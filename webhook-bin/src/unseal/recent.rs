//! Envelopes that were opened recently, as they were read.
//!
//! Deployment tools apply the same manifests again and again. What an envelope's text says (headers, binding,
//! digest, the public checks against its key) follows from the text only, so it is read once and kept for a
//! while. Nothing secret is kept: a stored value is still closed, and opening it takes a content key each time.
//! Only a value whose tag has verified gets in, so that no one fills the room with rubbish.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use unseal_policy::format::SealedValue;

/// Bytes of text in each of the two generations. What is read from a text is about as large as the text.
const ROOM: usize = 2 << 20;
/// Longer texts are read again: what reading them costs is little beside decrypting them.
const LONGEST: usize = 16 << 10;

/// Two generations: what was asked for recently, and what was before. When the younger one is full, it becomes
/// the older one and the older one goes.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Texts,
    old: Texts,
    /// Bytes of the younger one's texts.
    used: usize,
}

/// The hash is seeded for each process; the whole text is compared besides.
type Texts = HashMap<Box<str>, Arc<dyn SealedValue>, RandomState>;

impl Recent {
    /// What this text was read as, where it was opened recently.
    pub(crate) fn get(&self, text: &str) -> Option<Arc<dyn SealedValue>> {
        if text.len() > LONGEST {
            return None;
        }
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(text) {
            return Some(Arc::clone(value));
        }
        let (text, value) = generations.old.remove_entry(text)?;
        generations.insert(text, Arc::clone(&value));
        Some(value)
    }

    /// Keeps what a text was read as; `value` is made only where there is room for it.
    pub(crate) fn keep(&self, text: &str, value: impl FnOnce() -> Option<Arc<dyn SealedValue>>) {
        if text.len() > LONGEST {
            return;
        }
        if let Some(value) = value() {
            self.lock().insert(text.into(), value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, text: Box<str>, value: Arc<dyn SealedValue>) {
        if self.used + text.len() > ROOM {
            self.old = mem::take(&mut self.young);
            self.used = 0;
        }
        let len = text.len();
        if self.young.insert(text, value).is_none() {
            self.used += len;
        }
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unseal_policy::decide::{Decision, Site, Untouched};
    use unseal_policy::format::{Context, Facts, Opener};

    struct Named(String);

    impl SealedValue for Named {
        fn facts(&self) -> Facts {
            Facts {
                kid: Some(self.0.clone()),
                digest: None,
            }
        }

        fn decide<'o>(&'o self, _: &Site<'_>, _: &Context<'o>) -> Decision<Box<dyn Opener + 'o>> {
            Decision::Leave(Untouched::Plain)
        }
    }

    fn keep(recent: &Recent, text: &str) {
        recent.keep(text, || Some(Arc::new(Named(text.to_owned()))));
    }

    fn kept(recent: &Recent, text: &str) -> bool {
        let value = recent.get(text);
        assert!(
            value
                .as_ref()
                .is_none_or(|value| value.facts().kid.as_deref() == Some(text))
        );
        value.is_some()
    }

    #[test]
    fn gives_back_what_was_read_of_exactly_this_text() {
        let recent = Recent::default();
        keep(&recent, "a");
        assert!(kept(&recent, "a"));
        for other in ["", "b", "A", "a ", "aa"] {
            assert!(!kept(&recent, other), "{other:?}");
        }
    }

    #[test]
    fn forgets_what_nobody_asks_for_and_stays_within_its_room() {
        let recent = Recent::default();
        let text = |number: usize| format!("{number:0>LONGEST$}");
        let per_generation = ROOM / LONGEST;
        for number in 0..4 * per_generation {
            keep(&recent, &text(number));
            // Asked for all the time, so it stays through every change of generations.
            assert!(kept(&recent, &text(0)), "after {number}");
        }
        assert!(!kept(&recent, &text(1)));
        let generations = recent.lock();
        let bytes = |texts: &Texts| texts.keys().map(|text| text.len()).sum::<usize>();
        assert!(bytes(&generations.young) <= ROOM && bytes(&generations.old) <= ROOM);
        assert_eq!(bytes(&generations.young), generations.used);
    }

    #[test]
    fn long_texts_are_not_kept() {
        let recent = Recent::default();
        let long = "x".repeat(LONGEST + 1);
        keep(&recent, &long);
        assert!(!kept(&recent, &long));
    }
}
