//! Dates and spans as people write them, as Unix seconds.

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
    let (days, rest) = (unix / DAY, unix % DAY);
    let Some((year, month, day)) = civil(days) else {
        return format!("{unix} seconds after 1970");
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / HOUR,
        rest % HOUR / MINUTE,
        rest % MINUTE
    )
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
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(days_since_epoch(year, month, day)? * DAY + hour * HOUR + minute * MINUTE + second)
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

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_lengths(year: u64) -> [u64; 12] {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Leap days from year 1 up to and without `year`.
fn leap_days_before(year: u64) -> u64 {
    let last = year - 1;
    last / 4 - last / 100 + last / 400
}

fn days_before_year(year: u64) -> u64 {
    (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970)
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let lengths = month_lengths(year);
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(month)?;
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    Some(days_before_year(year) + lengths[..month].iter().sum::<u64>() + day - 1)
}

/// Year, month and day; `None` past the year 9999.
fn civil(days: u64) -> Option<(u64, u64, u64)> {
    if days >= days_before_year(10_000) {
        return None;
    }
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before_year(year);
    for (month, length) in (1..).zip(month_lengths(year)) {
        if rest < length {
            return Some((year, month, rest + 1));
        }
        rest -= length;
    }
    None
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
