//! `keyServices.gcp`

use super::Services;
use crate::config::loader::ServingLoader;
use unseal_policy::config::reader::Setting;

const KNOWN: &[&str] = &["endpoint", "timeout", "callsPerSecond"];

impl ServingLoader<'_> {
    pub(super) fn gcp(&mut self, field: &Setting<'_>, services: &mut Services) {
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.gcp;
        options.endpoint = self.endpoint(
            members.optional("endpoint"),
            "https://cloudkms.googleapis.com",
        );
        self.call_limits(&members, &mut options.limits);
        let warnings = options.warnings();
        services
            .warnings
            .extend(warnings.iter().map(|warning| format!("gcp: {warning}")));
    }
}
