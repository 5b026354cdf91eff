//! Unix seconds as people read them.

use std::fmt;
use std::time::Duration;

use ::der::DateTime;

/// `2026-11-21T09:45:00Z`, from Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc(pub(crate) u64);

impl Utc {
    /// Reads `2027-12-31T00:00:00Z`, that form only, from 1970 on.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let time: DateTime = text.parse().ok()?;
        Some(Self(time.unix_duration().as_secs()))
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_unix_duration(Duration::from_secs(self.0)) {
            Ok(time) => time.fmt(f),
            // A header can hold years of more than four digits.
            Err(_) => f.write_str("9999-12-31T23:59:59Z or later"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Utc;

    #[test]
    fn leap_days_and_ends_of_years() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc(seconds).to_string(), text);
        }
    }

    #[test]
    fn the_latest_time_that_a_header_can_hold_prints() {
        for seconds in [253_402_300_800, (1 << 53) - 1, u64::MAX] {
            assert_eq!(Utc(seconds).to_string(), "9999-12-31T23:59:59Z or later");
        }
    }
}
