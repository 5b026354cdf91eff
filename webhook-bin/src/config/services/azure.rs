//! `keyServices.azure`

use super::Services;
use crate::config::reader::Field;
use crate::config::rules::Loader;

const KNOWN: &[&str] = &[
    "address",
    "authorityHost",
    "caFile",
    "timeout",
    "callsPerSecond",
];

impl Loader<'_> {
    pub(super) fn azure(&mut self, field: &Field<'_>, services: &mut Services) {
        let Some(members) = field.members(self.problems, KNOWN) else {
            return;
        };
        let options = &mut services.options.azure;
        options.authority_host = self.optional_text(members.optional("authorityHost"));
        options.ca_file = members
            .optional("caFile")
            .and_then(|field| self.path(&field));
        if let Some(field) = members.optional("address")
            && let Some(text) = field.text(self.problems)
        {
            options.address = text.parse().ok();
            if options.address.is_none() {
                field.problem(
                    self.problems,
                    "must be an address and a port such as `10.0.0.4:443`",
                );
            }
        }
        self.call_limits(&members, &mut options.limits);
        let warnings = options.warnings();
        services
            .warnings
            .extend(warnings.iter().map(|warning| format!("azure: {warning}")));
    }
}
