//! `keyServices.gcp`

use super::Services;
use crate::config::reader::Field;
use crate::config::rules::Loader;

const KNOWN: &[&str] = &["endpoint", "timeout", "callsPerSecond"];

impl Loader<'_> {
    pub(super) fn gcp(&mut self, field: &Field<'_>, services: &mut Services) {
        let Some(members) = field.members(self.problems, KNOWN) else {
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
