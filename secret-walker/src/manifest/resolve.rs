//! What an unquoted scalar is to the readers of manifests.
//!
//! kubectl reads YAML 1.1 in a dialect of its own, other tools read 1.2. A scalar that any of them takes
//! for something other than a string is refused, so this list is the union of theirs.

/// What some reader takes this unquoted scalar for, unless all take it for a string.
pub(super) fn not_a_string(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "" | "~" | "null" => Some("null"),
        "y" | "yes" | "n" | "no" | "on" | "off" | "true" | "false" => Some("true or false"),
        "<<" => Some("a merge key"),
        "=" => Some("a default value"),
        _ if is_number(&lower) => Some("a number"),
        _ if is_date(&lower) => Some("a date"),
        _ => None,
    }
}

/// Integers and floats of YAML 1.1, YAML 1.2 and Go, given in lower case.
fn is_number(text: &str) -> bool {
    let digits = text.replace('_', "");
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    if matches!(unsigned, ".inf" | ".nan" | "inf" | "nan" | "infinity") {
        return true;
    }
    let radix = |prefix: &str, radix: u32| {
        let rest = unsigned.strip_prefix(prefix);
        // Go writes the sign of a binary number behind its prefix, too.
        let rest = rest.map(|rest| rest.strip_prefix(['-', '+']).unwrap_or(rest));
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(radix)))
    };
    radix("0x", 16)
        || radix("0o", 8)
        || radix("0b", 2)
        || is_float(unsigned)
        || is_hex_float(unsigned)
        || is_sexagesimal(unsigned)
}

/// Digits with at most one point, then perhaps an exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        all_digits(digits)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits = !(whole.is_empty() && fraction.is_empty())
        && whole.bytes().all(|byte| byte.is_ascii_digit())
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    mantissa_fits && exponent_fits
}

/// `0x1.8p3`, which Go's number parser reads.
fn is_hex_float(text: &str) -> bool {
    let Some((mantissa, exponent)) = text
        .strip_prefix("0x")
        .and_then(|rest| rest.split_once('p'))
    else {
        return false;
    };
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    all_digits(digits)
        && !mantissa.is_empty()
        && mantissa
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'.')
}

/// `1:30` and `190:20:30.15`, which YAML 1.1 counts by sixties.
fn is_sexagesimal(text: &str) -> bool {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let mut parts = whole.split(':');
    let first = parts.next().is_some_and(all_digits);
    let rest: Vec<&str> = parts.collect();
    first
        && !rest.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && rest.iter().all(|part| part.len() <= 2 && all_digits(part))
}

/// `2026-11-21`, by itself or before a time of day.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day: &str = rest
        .split(|character: char| !character.is_ascii_digit())
        .next()
        .unwrap_or_default();
    let time = &rest[day.len()..];
    year.len() == 4
        && all_digits(year)
        && (1..=2).contains(&month.len())
        && all_digits(month)
        && (1..=2).contains(&day.len())
        && (time.is_empty() || time.starts_with(['t', ' ', '\t']))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::not_a_string;

    #[test]
    fn refuses_what_any_reader_resolves() {
        for (text, kind) in [
            ("", "null"),
            ("~", "null"),
            ("NULL", "null"),
            ("y", "true or false"),
            ("Off", "true or false"),
            ("TRUE", "true or false"),
            ("<<", "a merge key"),
            ("0", "a number"),
            ("-17", "a number"),
            ("+1_000", "a number"),
            ("0777", "a number"),
            ("0o17", "a number"),
            ("0xDEADbeef", "a number"),
            ("0b1_0", "a number"),
            ("1.", "a number"),
            (".5", "a number"),
            ("6.02e+23", "a number"),
            ("1e10", "a number"),
            ("123E4567", "a number"),
            ("-.INF", "a number"),
            (".NaN", "a number"),
            ("0x1.8p3", "a number"),
            ("1:20", "a number"),
            ("190:20:30.15", "a number"),
            ("2026-11-21", "a date"),
            ("2026-1-2T03:04:05Z", "a date"),
            ("2026-11-21 10:00:00", "a date"),
        ] {
            assert_eq!(not_a_string(text), Some(kind), "{text:?}");
        }
    }

    #[test]
    fn takes_strings_for_strings() {
        for text in [
            "hunter2",
            "yep",
            "nullable",
            "0xZZ",
            "1.2.3",
            "10.0.0.1",
            "1e",
            "e1",
            "-",
            "+",
            ".",
            "_",
            "1a",
            "0b12",
            "aHVudGVyMg==",
            "eyJlbmMi.a.b.c.d",
            "2026-11",
            "20261121-",
            "12:345",
            "2026-11-21x",
            "a:b",
            "1-2-3",
            "0x",
            "MTIz",
            "infinite",
        ] {
            assert_eq!(not_a_string(text), None, "{text:?}");
        }
    }
}
