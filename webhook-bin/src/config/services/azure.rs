//! `keyServices.azure`

use super::Services;
use super::common::is_https;
use crate::config::problem::quoted;
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
        options.authority_host = self.word_like(
            members.optional("authorityHost"),
            is_https,
            "an address such as `https://login.microsoftonline.com`",
        );
        options.ca_file = self.authorities(members.optional("caFile"));
        if let Some(field) = members.optional("address")
            && let Some(text) = field.text(self.problems)
        {
            options.address = text.parse().ok();
            if options.address.is_none() {
                field.problem(
                    self.problems,
                    format!(
                        "must be an address and a port such as `10.0.0.4:443`, not {}",
                        quoted(text)
                    ),
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
