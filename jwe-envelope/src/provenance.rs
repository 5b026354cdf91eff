//! Who sealed a value, when and why: the `sealed` member, a claim tied to the value.

/// `sealed`: `at` always; `by` and `why` only when given. At most 1 KiB, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    at: u64,
    by: Option<String>,
    why: Option<String>,
}

impl Provenance {
    /// At Unix time `at`, by and why as given.
    pub fn new(
        at: u64,
        by: Option<&str>,
        why: Option<&str>,
    ) -> Result<Self, crate::error::SealError> {
        let _ = (at, by, why);
        todo!()
    }
    /// Unix seconds.
    pub fn at(&self) -> u64 {
        self.at
    }
    /// The claimed sealer. Untrusted: escape before printing.
    pub fn by(&self) -> Option<&str> {
        self.by.as_deref()
    }
    /// The claimed reason. Untrusted: escape before printing.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }
}
