//! Dates and spans as people write them, as Unix seconds.
use std::time::Duration;

use der::DateTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A moment that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither a date (2027-01-31), a date with time (2027-01-31T12:00:00Z) nor a span (90d, 12h, 30m)"
)]
pub struct MomentError(String);

/// Reads a date (midnight UTC), a date with time in UTC, or a span from `now`.
///
/// # Errors
/// When it is none of them, or no day of the calendar.
pub fn parse(text: &str, now: u64) -> Result<u64, MomentError> {
    span(text)
        .and_then(|seconds| now.checked_add(seconds))
        .or_else(|| date_and_time(text))
        .ok_or_else(|| MomentError(text.chars().take(40).collect()))
}

/// RFC 3339 in UTC, to the second.
pub fn format(unix: u64) -> String {
    match DateTime::from_unix_duration(Duration::from_secs(unix)) {
        Ok(moment) => moment.to_string(),
        Err(_) => format!("{unix} seconds after 1970"),
    }
}

fn span(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b'm' => MINUTE,
        b'h' => HOUR,
        b'd' => DAY,
        b'w' => 7 * DAY,
        _ => return None,
    };
    digits(&text[..text.len() - 1])?.checked_mul(unit)
}

fn date_and_time(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time.strip_suffix('Z')?)),
        None => (text, None),
    };
    let [year, month, day] = parts(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = match time {
        Some(time) => parts(time, ':', [2, 2, 2])?,
        None => [0; 3],
    };
    // Two digits each.
    let small = |number: u64| u8::try_from(number).ok();
    let moment = DateTime::new(
        u16::try_from(year).ok()?,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
    );
    Some(moment.ok()?.unix_duration().as_secs())
}

fn parts(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut words = text.split(separator);
    let mut numbers = [0; 3];
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = words
            .next()
            .filter(|word| word.len() == width)
            .and_then(digits)?;
    }
    words.next().is_none().then_some(numbers)
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (text, unix) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-11-21T09:39:14Z", 1_795_253_954),
            ("2100-03-01", 4_107_542_400),
        ] {
            assert_eq!(parse(text, 0), Ok(unix), "{text}");
        }
        assert_eq!(format(1_795_253_954), "2026-11-21T09:39:14Z");
        assert_eq!(format(951_782_400), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn every_day_of_four_centuries_reads_back() {
        for day in 0..146_097 {
            let text = format(day * DAY);
            assert_eq!(parse(&text, 0), Ok(day * DAY), "{text}");
        }
    }

    #[test]
    fn spans_count_from_now() {
        assert_eq!(parse("90d", 100), Ok(100 + 90 * DAY));
        assert_eq!(parse("12h", 0), Ok(12 * HOUR));
        assert_eq!(parse("30m", 0), Ok(30 * MINUTE));
        assert_eq!(parse("2w", 0), Ok(14 * DAY));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "d",
            "-1d",
            "+1d",
            "1y",
            "tomorrow",
            "2027-1-31",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-01-00",
            "1969-12-31",
            "2027-01-31T12:00:00",
            "2027-01-31T24:00:00Z",
            "2027-01-31T12:00Z",
            "99999999999999999999d",
            "18446744073709551615d",
            "2027-01-31-01",
        ] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn far_times_are_numbers() {
        assert_eq!(format(u64::MAX), "18446744073709551615 seconds after 1970");
    }
}
