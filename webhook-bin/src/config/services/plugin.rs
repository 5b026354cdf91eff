//! `keyServices.kmsPlugin`

use super::Services;
use crate::config::reader::Field;
use crate::config::rules::Loader;

impl Loader<'_> {
    pub(super) fn kms_plugin(&mut self, field: &Field<'_>, services: &mut Services) {
        if let Some(members) = field.members(self.problems, &["timeout", "callsPerSecond"]) {
            self.call_limits(&members, &mut services.options.plugin.limits);
        }
    }
}
