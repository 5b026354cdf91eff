//! Typed access to the tree. A value that is not what it should be is noted, and reading goes on, so that
//! a person sees all faults of a file at once.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::{ConfigNode, ConfigValue, Member};
use super::problem::{Problems, quoted};

/// A value with its name and its line.
#[derive(Clone, Debug)]
pub struct Setting<'n> {
    /// As in `keys[1].aliases`.
    pub path: String,
    /// Counted from 1.
    pub line: u64,
    value: &'n ConfigValue,
}

/// The members of one mapping. Those that no one knows are faults.
pub struct SettingMembers<'n> {
    path: String,
    line: u64,
    entries: &'n [Member],
    known: &'static [&'static str],
}

impl<'n> Setting<'n> {
    /// The whole file.
    pub fn root(node: &'n ConfigNode) -> Self {
        Self {
            path: String::new(),
            line: node.referenced.line(),
            value: &node.value,
        }
    }

    /// Notes a fault of this value.
    pub fn problem(&self, problems: &mut Problems, message: impl Into<String>) {
        problems.add(self.line, &self.path, message);
    }

    /// The line of the member `name`, or that of the whole mapping.
    pub fn line_of(&self, name: &str) -> u64 {
        let ConfigValue::Mapping(members) = self.value else {
            return self.line;
        };
        members
            .iter()
            .find(|(key, _)| key.value == name)
            .map_or(self.line, |(key, _)| key.referenced.line())
    }

    /// Whether the value is `null`, or left out behind the colon.
    pub fn is_nothing(&self) -> bool {
        matches!(self.value, ConfigValue::Null)
    }

    fn expected<T>(&self, problems: &mut Problems, what: &str) -> Option<T> {
        self.problem(
            problems,
            format!("must be {what}, not {}", self.value.kind()),
        );
        None
    }

    /// The members; what is not in `known` is noted with the name that was probably meant.
    pub fn members(
        &self,
        problems: &mut Problems,
        known: &'static [&'static str],
    ) -> Option<SettingMembers<'n>> {
        let members: &[Member] = match self.value {
            ConfigValue::Mapping(members) => members,
            _ => return self.expected(problems, "a mapping"),
        };
        for (name, _) in members {
            if !known.contains(&name.value.as_str()) {
                let shown = quoted(&name.value);
                let message = match nearest(&name.value, known) {
                    Some(meant) => format!("unknown member {shown}; did you mean `{meant}`?"),
                    None => format!("unknown member {shown}; known are {}", known.join(", ")),
                };
                problems.add(name.referenced.line(), &self.path, message);
            }
        }
        Some(SettingMembers {
            path: self.path.clone(),
            line: self.line,
            entries: members,
            known,
        })
    }

    /// The members, where someone else looks after those that no one knows.
    pub fn members_alone(&self) -> Option<SettingMembers<'n>> {
        let ConfigValue::Mapping(members) = self.value else {
            return None;
        };
        Some(SettingMembers {
            path: self.path.clone(),
            line: self.line,
            entries: members,
            known: &["submitters", "namespaces", "owners"],
        })
    }

    /// The values of a list.
    pub fn list(&self, problems: &mut Problems) -> Option<Vec<Setting<'n>>> {
        let ConfigValue::List(list) = self.value else {
            return self.expected(problems, "a list");
        };
        let fields = list.iter().enumerate().map(|(index, node)| Setting {
            path: format!("{}[{index}]", self.path),
            line: node.referenced.line(),
            value: &node.value,
        });
        Some(fields.collect())
    }

    /// A text with at least one character.
    pub fn text(&self, problems: &mut Problems) -> Option<&'n str> {
        match self.value {
            ConfigValue::Text(text) if text.is_empty() => {
                self.problem(problems, "must not be empty");
                None
            }
            ConfigValue::Text(text) => Some(text),
            ConfigValue::Flag(_) | ConfigValue::Integer(_) | ConfigValue::Number => {
                self.expected(problems, "a text (put it in quotes)")
            }
            _ => self.expected(problems, "a text"),
        }
    }

    /// A list of texts, each with the field that it came from.
    pub fn texts(&self, problems: &mut Problems) -> Vec<(Setting<'n>, &'n str)> {
        let fields = self.list(problems).unwrap_or_default();
        fields
            .into_iter()
            .filter_map(|field| field.text(problems).map(|text| (field, text)))
            .collect()
    }

    /// As [`texts`](Self::texts), for a list that must have at least one; `hint` says what to write.
    pub fn some_texts(&self, problems: &mut Problems, hint: &str) -> Vec<(Setting<'n>, &'n str)> {
        if matches!(self.value, ConfigValue::List(list) if list.is_empty()) {
            self.problem(problems, format!("must not be empty; {hint}"));
        }
        self.texts(problems)
    }

    /// `true` or `false`.
    pub fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            ConfigValue::Flag(flag) => Some(*flag),
            _ => self.expected(problems, "true or false"),
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, problems: &mut Problems, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(problems)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let list: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.problem(
            problems,
            format!("must be {}, not {}", list.join(" or "), quoted(text)),
        );
        None
    }

    /// A whole number within `range`.
    pub fn integer(&self, problems: &mut Problems, range: RangeInclusive<i64>) -> Option<usize> {
        let ConfigValue::Integer(number) = self.value else {
            return self.expected(problems, "a whole number");
        };
        if !range.contains(number) {
            let message = match (range.start(), range.end()) {
                (least, most) if least == most => format!("must be {least}, not {number}"),
                (least, most) => format!("must be from {least} to {most}, not {number}"),
            };
            self.problem(problems, message);
            return None;
        }
        usize::try_from(*number).ok()
    }

    /// A duration such as `10s`, `250ms`, `5m` or `1h`, within `range`.
    pub fn duration(
        &self,
        problems: &mut Problems,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let ConfigValue::Text(text) = self.value else {
            return self.expected(problems, "a duration such as `10s`");
        };
        let Some(duration) = parse_duration(text) else {
            self.problem(
                problems,
                format!(
                    "must be a duration such as `250ms`, `10s`, `5m` or `1h`, not {}",
                    quoted(text)
                ),
            );
            return None;
        };
        if !range.contains(&duration) {
            self.problem(
                problems,
                format!(
                    "must be from {} to {}, not {text}",
                    written(*range.start()),
                    written(*range.end())
                ),
            );
            return None;
        }
        Some(duration)
    }

    /// A size such as `8MiB`, `512KiB` or a number of bytes, within `range`.
    pub fn bytes(&self, problems: &mut Problems, range: RangeInclusive<usize>) -> Option<usize> {
        let parsed = match self.value {
            ConfigValue::Text(text) => parse_bytes(text),
            ConfigValue::Integer(number) => usize::try_from(*number).ok(),
            _ => return self.expected(problems, "a size such as `8MiB`"),
        };
        let Some(bytes) = parsed else {
            self.problem(
                problems,
                "must be a size such as `512KiB`, `8MiB` or a number of bytes",
            );
            return None;
        };
        if !range.contains(&bytes) {
            self.problem(
                problems,
                format!(
                    "must be from {} to {} bytes, not {bytes}",
                    range.start(),
                    range.end()
                ),
            );
            return None;
        }
        Some(bytes)
    }
}

impl<'n> SettingMembers<'n> {
    /// The member `name`, where it stands.
    pub fn optional(&self, name: &str) -> Option<Setting<'n>> {
        debug_assert!(
            self.known.contains(&name),
            "{name} is missing from the known members"
        );
        let (_, node) = self.entries.iter().find(|(key, _)| key.value == name)?;
        Some(Setting {
            path: self.path_of(name),
            line: node.referenced.line(),
            value: &node.value,
        })
    }

    /// The member `name`, whose absence is a fault.
    pub fn required(&self, problems: &mut Problems, name: &str, hint: &str) -> Option<Setting<'n>> {
        let field = self.optional(name);
        if field.is_none() {
            problems.add(
                self.line,
                &self.path,
                format!("`{name}` is missing; {hint}"),
            );
        }
        field
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if digits > 9 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3_600),
        _ => return None,
    })
}

/// A bound in the notation that the file uses.
fn written(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if digits > 9 {
        return None;
    }
    let number: usize = number.parse().ok()?;
    let factor = match unit {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let distance = |candidate: &str| {
        strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase())
    };
    known
        .iter()
        .map(|candidate| (distance(candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 3))
        .map(|(_, candidate)| candidate)
}
