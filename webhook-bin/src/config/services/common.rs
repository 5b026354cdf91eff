//! What every key service has: a time limit and a quota.
#![cfg_attr(
    not(any(
        feature = "aws",
        feature = "azure",
        feature = "gcp",
        feature = "kms-plugin",
        feature = "pkcs11",
        feature = "vault"
    )),
    allow(dead_code, reason = "this build has no key service")
)]

use std::num::NonZeroU32;
use std::time::Duration;

use kms_backends::CallLimits;
use kms_backends::layer::Quota;

use crate::config::reader::{Field, Members};
use crate::config::rules::Loader;

impl Loader<'_> {
    /// `timeout` of one attempt and `callsPerSecond` over all keys.
    pub(super) fn call_limits(&mut self, members: &Members<'_>, limits: &mut CallLimits) {
        if let Some(field) = members.optional("timeout") {
            let range = Duration::from_millis(100)..=Duration::from_secs(20);
            if let Some(timeout) = field.duration(self.problems, range) {
                limits.attempt_timeout = timeout;
            }
        }
        if let Some(field) = members.optional("callsPerSecond") {
            let calls = field.integer(self.problems, 1..=100_000);
            let calls = calls.and_then(|calls| NonZeroU32::new(u32::try_from(calls).ok()?));
            if let Some(calls) = calls {
                limits.quota = Some(Quota::per_second(calls));
            }
        }
    }

    /// A text, where it stands.
    pub(super) fn optional_text(&mut self, field: Option<Field<'_>>) -> Option<String> {
        field.and_then(|field| field.text(self.problems).map(str::to_owned))
    }
}
