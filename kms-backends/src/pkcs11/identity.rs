//! What keeps a wrong PIN from locking a token.
//!
//! Tokens count wrong PINs and lock themselves after a few, across sessions, keys and processes. So all keys of one token share
//! one guard, whatever made them: a PIN that the token rejected is tried once, not once for each key and call. It is tried
//! again when the file changes, even by `touch`, because then someone has looked at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_lc_rs::digest;
use cryptoki::error::{Error, RvError};

use crate::sync::lock;

/// Logins in a row that may fail for a reason that could be the PIN without saying so. No token locks itself at the second.
const MOST_DOUBTFUL: u8 = 2;

/// A PIN that was read, by its digest and the time of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TriedPin {
    digest: Vec<u8>,
    written: Option<SystemTime>,
}

impl TriedPin {
    pub(super) fn new(pin: &str, written: Option<SystemTime>) -> Self {
        Self {
            digest: digest::digest(&digest::SHA256, pin.as_bytes())
                .as_ref()
                .to_vec(),
            written,
        }
    }
}

/// What a token says of its user's PIN.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PinFlags {
    pub(super) count_low: bool,
    pub(super) final_try: bool,
    pub(super) locked: bool,
}

/// Of one token, for all of its keys.
#[derive(Debug, Default)]
pub(super) struct PinGuard {
    failed: Option<(TriedPin, u8)>,
}

/// What a failed login means for the PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinOutcome {
    /// It may have been checked and rejected.
    Doubtful,
    /// It was not checked.
    Untouched,
    /// It is wrong.
    Wrong,
}

static GUARDS: Mutex<BTreeMap<String, Arc<Mutex<PinGuard>>>> = Mutex::new(BTreeMap::new());

/// The guard of `token`, which is its maker, model, serial number and label.
pub(super) fn guard(token: String) -> Arc<Mutex<PinGuard>> {
    Arc::clone(lock(&GUARDS).entry(token).or_default())
}

impl PinGuard {
    /// Whether one login with this PIN can do no harm; else why not, and what to do.
    pub(super) fn may_try(&self, pin: &TriedPin, flags: PinFlags) -> Result<(), &'static str> {
        let failures = match &self.failed {
            Some((failed, failures)) if failed == pin => *failures,
            _ => 0,
        };
        if flags.locked {
            return Err("has locked its PIN; unlock it first");
        }
        if failures >= MOST_DOUBTFUL {
            return Err(
                "has rejected this PIN already; it is not tried again until the PIN file changes",
            );
        }
        if flags.final_try || (flags.count_low && failures > 0) {
            return Err(
                "would lock itself after one more wrong PIN; log in with another tool first",
            );
        }
        Ok(())
    }

    pub(super) fn succeeded(&mut self) {
        self.failed = None;
    }

    pub(super) fn failed(&mut self, pin: TriedPin, pin_outcome: PinOutcome) {
        let before = match self.failed.take() {
            Some((failed, failures)) if failed == pin => failures,
            _ => 0,
        };
        let failures = match pin_outcome {
            PinOutcome::Doubtful => before + 1,
            PinOutcome::Untouched => before,
            PinOutcome::Wrong => MOST_DOUBTFUL,
        };
        self.failed = (failures > 0).then_some((pin, failures));
    }
}

/// What the error of `C_Login` says about the PIN. Some tokens call a wrong one a general failure or a device error.
pub(super) fn pin_outcome(error: &Error) -> PinOutcome {
    use RvError as E;
    match error {
        Error::Pkcs11(
            E::PinExpired
            | E::PinIncorrect
            | E::PinInvalid
            | E::PinLenRange
            | E::PinLocked
            | E::PinTooWeak
            | E::UserPinNotInitialized,
            _,
        ) => PinOutcome::Wrong,
        Error::Pkcs11(
            E::CryptokiNotInitialized
            | E::DeviceRemoved
            | E::HostMemory
            | E::OperationActive
            | E::SessionClosed
            | E::SessionCount
            | E::SessionHandleInvalid
            | E::SessionReadOnlyExists
            | E::TokenNotPresent
            | E::UserAlreadyLoggedIn
            | E::UserAnotherAlreadyLoggedIn
            | E::UserTooManyTypes
            | E::UserTypeInvalid,
            _,
        ) => PinOutcome::Untouched,
        _ => PinOutcome::Doubtful,
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    /// A token that counts, behind the guard that all of its keys share.
    struct FakeToken {
        pin: &'static str,
        tries: u8,
        /// What it answers to a wrong PIN.
        word: RvError,
        says_how_many: bool,
        guard: PinGuard,
    }

    impl FakeToken {
        fn new(word: RvError, says_how_many: bool) -> Self {
            Self {
                pin: "right",
                tries: 3,
                word,
                says_how_many,
                guard: PinGuard::default(),
            }
        }

        /// As a session does it; `Err` is what people read.
        fn log_in(&mut self, pin: &str, written: u64) -> Result<(), String> {
            let found = TriedPin::new(
                pin,
                SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(written)),
            );
            let flags = PinFlags {
                count_low: self.says_how_many && self.tries < 3,
                final_try: self.says_how_many && self.tries == 1,
                locked: self.says_how_many && self.tries == 0,
            };
            self.guard.may_try(&found, flags)?;
            let failure = if self.tries == 0 {
                RvError::PinLocked
            } else if pin == self.pin {
                self.tries = 3;
                self.guard.succeeded();
                return Ok(());
            } else {
                self.tries -= 1;
                self.word
            };
            let error = Error::Pkcs11(failure, Function::Login);
            self.guard.failed(found, pin_outcome(&error));
            Err(error.to_string())
        }
    }

    #[test]
    fn a_wrong_pin_is_tried_once_however_many_keys_and_calls_there_are() {
        let mut token = FakeToken::new(RvError::PinIncorrect, true);
        for _ in 0..1000 {
            token.log_in("wrong", 0).unwrap_err();
        }
        assert_eq!(token.tries, 2);
        let words = token.log_in("wrong", 0).unwrap_err();
        assert!(words.contains("until the PIN file changes"), "{words}");
        token.log_in("right", 1).unwrap();
        assert_eq!(token.tries, 3);
    }

    #[test]
    fn a_token_that_does_not_say_what_is_wrong_is_not_locked_either() {
        for word in [
            RvError::GeneralError,
            RvError::FunctionFailed,
            RvError::DeviceError,
        ] {
            for says_how_many in [true, false] {
                let mut token = FakeToken::new(word, says_how_many);
                for _ in 0..1000 {
                    token.log_in("wrong", 0).unwrap_err();
                }
                assert!(token.tries >= 1, "{word:?}, {says_how_many}");
                token.log_in("right", 1).unwrap();
            }
        }
    }

    #[test]
    fn the_last_try_is_left_to_a_person_even_with_new_pins() {
        let mut token = FakeToken::new(RvError::PinIncorrect, true);
        for file in 0..10 {
            token.log_in("wrong", file).unwrap_err();
        }
        assert_eq!(token.tries, 1);
        let words = token.log_in("right", 99).unwrap_err();
        assert!(words.contains("with another tool"), "{words}");
    }

    #[test]
    fn a_locked_token_is_not_asked_and_says_so() {
        let guard = PinGuard::default();
        let flags = PinFlags {
            locked: true,
            ..PinFlags::default()
        };
        let words = guard
            .may_try(&TriedPin::new("right", None), flags)
            .unwrap_err();
        assert!(words.contains("unlock"), "{words}");
    }

    #[test]
    fn a_person_who_touches_the_file_has_another_try() {
        let mut token = FakeToken::new(RvError::PinIncorrect, true);
        token.pin = "other";
        token.log_in("right", 0).unwrap_err();
        token.pin = "right";
        token.log_in("right", 0).unwrap_err();
        token.log_in("right", 1).unwrap();
    }

    #[test]
    fn trouble_before_the_pin_costs_no_try() {
        let mut guard = PinGuard::default();
        let pin = TriedPin::new("right", None);
        for word in [
            RvError::TokenNotPresent,
            RvError::SessionCount,
            RvError::DeviceRemoved,
        ] {
            guard.failed(
                pin.clone(),
                pin_outcome(&Error::Pkcs11(word, Function::Login)),
            );
        }
        guard.may_try(&pin, PinFlags::default()).unwrap();
    }

    #[test]
    fn keys_of_one_token_share_its_guard() {
        let first = guard("maker model 1 acme".to_owned());
        let pin = TriedPin::new("wrong", None);
        lock(&first).failed(pin.clone(), PinOutcome::Wrong);
        let second = guard("maker model 1 acme".to_owned());
        lock(&second)
            .may_try(&pin, PinFlags::default())
            .unwrap_err();
        let other = guard("maker model 2 acme".to_owned());
        lock(&other).may_try(&pin, PinFlags::default()).unwrap();
    }
}
