//! `keyServices.kmsPlugin`

use super::Services;
use crate::config::loader::ServingLoader;
use unseal_policy::config::reader::Setting;

impl ServingLoader<'_> {
    pub(super) fn kms_plugin(&mut self, field: &Setting<'_>, services: &mut Services) {
        if let Some(members) = field.members(self.rules.problems, &["timeout", "callsPerSecond"]) {
            self.call_limits(&members, &mut services.options.plugin.limits);
        }
    }
}
