//! `keyServices.pkcs11`

use std::path::PathBuf;

use super::Services;
use crate::config::problem::quoted;
use crate::config::reader::Field;
use crate::config::rules::Loader;

const KNOWN: &[&str] = &["modules", "sessions", "timeout", "callsPerSecond"];

impl Loader<'_> {
    pub(super) fn pkcs11(&mut self, field: &Field<'_>, services: &mut Services) {
        let Some(members) = field.members(self.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.pkcs11;
        if let Some(field) = members.optional("modules") {
            let modules = field.list(self.problems).unwrap_or_default();
            options.modules = modules
                .iter()
                .filter_map(|field| self.module(field))
                .collect();
        }
        if let Some(field) = members.optional("sessions") {
            options.sessions = field.integer(self.problems, 1..=64);
        }
        self.call_limits(&members, &mut options.limits);
    }
    /// Code that runs in this process: named exactly, wherever the configuration lies.
    fn module(&mut self, field: &Field<'_>) -> Option<PathBuf> {
        let path = PathBuf::from(field.text(self.problems)?);
        if path.is_absolute() {
            return Some(path);
        }
        field.problem(
            self.problems,
            format!(
                "must be an absolute path such as `/usr/lib/softhsm/libsofthsm2.so`, not {}: it is code that runs in this process",
                quoted(&path.display().to_string())
            ),
        );
        None
    }
}
