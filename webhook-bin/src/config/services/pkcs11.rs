//! `keyServices.pkcs11`

use std::path::PathBuf;

use super::Services;
use crate::config::loader::ServingLoader;
use unseal_policy::config::quoted;
use unseal_policy::config::reader::Setting;

const KNOWN: &[&str] = &["modules", "sessions", "timeout", "callsPerSecond"];

impl ServingLoader<'_> {
    pub(super) fn pkcs11(&mut self, field: &Setting<'_>, services: &mut Services) {
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.pkcs11;
        if let Some(field) = members.optional("modules") {
            let modules = field.list(self.rules.problems).unwrap_or_default();
            options.modules = modules
                .iter()
                .filter_map(|field| self.module(field))
                .collect();
        }
        if let Some(field) = members.optional("sessions") {
            options.sessions = field.integer(self.rules.problems, 1..=64);
        }
        self.call_limits(&members, &mut options.limits);
    }
    /// Code that runs in this process: named exactly, wherever the configuration lies.
    fn module(&mut self, field: &Setting<'_>) -> Option<PathBuf> {
        let path = PathBuf::from(field.text(self.rules.problems)?);
        if path.is_absolute() {
            return Some(path);
        }
        field.problem(
            self.rules.problems,
            format!(
                "must be an absolute path such as `/usr/lib/softhsm/libsofthsm2.so`, not {}: it is code that runs in this process",
                quoted(&path.display().to_string())
            ),
        );
        None
    }
}
