//! The `limits` and the `cache` of the configuration.

use std::time::Duration;

use kms_backends::CacheOptions;

use super::loader::ServingLoader;
use crate::net::limits::Limits;
use unseal_policy::config::reader::{Setting, SettingMembers};

impl ServingLoader<'_> {
    pub(super) fn limits(&mut self, members: &SettingMembers<'_>) -> Limits {
        const KNOWN: &[&str] = &[
            "bodyBytes",
            "inflightBytes",
            "reviews",
            "connections",
            "handshake",
            "headers",
            "body",
            "answer",
            "idle",
            "connectionAge",
            "drain",
        ];
        let mut limits = Limits::default();
        let Some(field) = members.optional("limits") else {
            return limits;
        };
        let Some(members) = field.members(self.rules.problems, KNOWN) else {
            return limits;
        };
        let problems = &mut *self.rules.problems;
        let seconds = Duration::from_secs;
        let mut bytes = |name, slot: &mut usize, range| {
            let value = members
                .optional(name)
                .and_then(|field: Setting<'_>| field.bytes(problems, range));
            *slot = value.unwrap_or(*slot);
        };
        bytes("bodyBytes", &mut limits.body_bytes, 64 << 10..=64 << 20);
        bytes(
            "inflightBytes",
            &mut limits.inflight_bytes,
            1 << 20..=16 << 30,
        );
        let mut number = |name, slot: &mut usize, range| {
            let value = members
                .optional(name)
                .and_then(|field: Setting<'_>| field.integer(problems, range));
            *slot = value.unwrap_or(*slot);
        };
        number("reviews", &mut limits.reviews, 1..=100_000);
        number("connections", &mut limits.connections, 1..=100_000);
        let mut duration = |name, slot: &mut Duration, range| {
            let value = members
                .optional(name)
                .and_then(|field: Setting<'_>| field.duration(problems, range));
            *slot = value.unwrap_or(*slot);
        };
        duration(
            "handshake",
            &mut limits.handshake,
            Duration::from_millis(100)..=seconds(60),
        );
        duration(
            "headers",
            &mut limits.headers,
            Duration::from_millis(100)..=seconds(60),
        );
        duration(
            "body",
            &mut limits.body,
            Duration::from_millis(100)..=seconds(60),
        );
        duration(
            "answer",
            &mut limits.answer,
            Duration::from_millis(100)..=seconds(120),
        );
        // The API server keeps a connection for 90 seconds and must be the one to close it.
        duration("idle", &mut limits.idle, seconds(120)..=seconds(3_600));
        duration(
            "connectionAge",
            &mut limits.age,
            seconds(10)..=seconds(86_400),
        );
        duration("drain", &mut limits.drain, seconds(0)..=seconds(300));
        if limits.inflight_bytes < limits.body_bytes {
            let line = members
                .optional("inflightBytes")
                .map_or(field.line, |field| field.line);
            self.rules.problems.add(
                line,
                "limits.inflightBytes",
                format!(
                    "must be at least `bodyBytes` ({}), or the longest body would never fit",
                    limits.body_bytes
                ),
            );
        }
        limits
    }

    pub(super) fn cache(&mut self, members: &SettingMembers<'_>) -> CacheOptions {
        let mut cache = CacheOptions::default();
        let Some(field) = members.optional("cache") else {
            return cache;
        };
        let Some(members) = field.members(
            self.rules.problems,
            &["enabled", "entries", "lifetime", "outageLifetime"],
        ) else {
            return cache;
        };
        let range = Duration::from_secs(1)..=Duration::from_hours(24);
        if let Some(enabled) = members
            .optional("enabled")
            .and_then(|field| field.flag(self.rules.problems))
        {
            cache.enabled = enabled;
        }
        if let Some(entries) = members
            .optional("entries")
            .and_then(|field| field.integer(self.rules.problems, 1..=1_000_000))
        {
            cache.capacity = entries.try_into().unwrap_or(cache.capacity);
        }
        if let Some(lifetime) = members
            .optional("lifetime")
            .and_then(|field| field.duration(self.rules.problems, range.clone()))
        {
            cache.lifetime = lifetime;
            cache.outage_lifetime = cache.outage_lifetime.max(lifetime);
        }
        if let Some(field) = members.optional("outageLifetime")
            && let Some(lifetime) = field.duration(self.rules.problems, range)
        {
            if lifetime < cache.lifetime {
                field.problem(self.rules.problems, "must not be shorter than `lifetime`");
            }
            cache.outage_lifetime = lifetime;
        }
        cache
    }
}
