//! Reviews as the webhook's own audit log tells of them.
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Lab, eventually};

impl Lab {
    /// The lines about `namespace` that the webhook wrote so far. First a review of its own goes through, so that no
    /// earlier line is still on its way.
    pub fn reviews(&self, namespace: &str) -> Result<Vec<Value>> {
        let mark = format!("mark-{}", self.counter.fetch_add(1, Ordering::Relaxed));
        let sealed = self.key.seal(&format!("{namespace}/{mark}/field"), b"mark");
        let secret = crate::sealing::secret(namespace, &mark, &[("field", &sealed)]);
        self.api("admin")?.create_dry(&secret)?.accepted()?;
        eventually("the audit line is written", Duration::from_secs(30), || {
            let lines: Vec<Value> = self
                .webhook_log()?
                .lines()
                .filter(|line| line.contains(namespace))
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(|line: &Value| line["namespace"] == namespace)
                .collect();
            ensure!(
                lines.iter().any(|line| line["name"] == mark.as_str()),
                "not yet"
            );
            Ok(lines
                .into_iter()
                .filter(|line| {
                    !line["name"]
                        .as_str()
                        .is_some_and(|name| name.starts_with("mark-"))
                })
                .collect())
        })
    }

    /// How often the webhook asked its key service on behalf of `namespace`.
    pub fn unwraps(&self, namespace: &str) -> Result<u64> {
        Ok(self
            .reviews(namespace)?
            .iter()
            .filter_map(|line| line["unwraps"].as_u64())
            .sum())
    }
}
