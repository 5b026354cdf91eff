//! Objects of JSON: members in document order, none of them twice.

use super::cursor::{Cursor, JsonFault};
use crate::error::WalkError;
use crate::text::{Text, cut};

/// A map from string to string or `null`, in document order.
#[derive(Default)]
pub(crate) struct TextMap<'a> {
    entries: Vec<(Text<'a>, Option<Text<'a>>)>,
    /// Indices sorted by key, for maps too long to be searched entry by entry.
    by_key: Vec<u32>,
}

impl<'a> TextMap<'a> {
    /// Up to this length, looking at every entry is as fast as any index.
    const SHORT: usize = 16;

    /// Entries of `data`, `stringData` or the annotations. What an API server stores is 1.5 MiB at most, keys included;
    /// a Secret with more entries would have keys and values of two or three bytes.
    const MOST: usize = 128 << 10;

    pub(crate) fn read(cursor: &mut Cursor<'a>, name: &'static str) -> Result<Self, WalkError> {
        let mut map = Self::default();
        if cursor.take_word("null") {
            return Ok(map);
        }
        if cursor.peek() != Some(b'{') {
            return Err(WalkError::WrongType {
                member: name,
                expected: "an object",
            });
        }
        cursor.bump();
        if cursor.peek() == Some(b'}') {
            cursor.bump();
            return Ok(map);
        }
        loop {
            let key = cursor.member_name()?;
            let mut value = None;
            text_member(
                cursor,
                "every value of data, stringData and annotations",
                &mut value,
            )?;
            if map.entries.len() == Self::MOST {
                return Err(WalkError::TooMany {
                    member: name,
                    most: Self::MOST,
                });
            }
            map.entries.push((key, value));
            if !cursor.another_member()? {
                break;
            }
        }
        map.index(name)?;
        Ok(map)
    }

    /// Refuses a key that occurs twice.
    fn index(&mut self, name: &'static str) -> Result<(), WalkError> {
        let twice = |key: &str| WalkError::DuplicateMember {
            object: name,
            member: cut(key),
        };
        let key = |index: u32| self.entries[index as usize].0.as_str();
        if self.entries.len() <= Self::SHORT {
            let mut rest = &self.entries[..];
            while let Some(((last, _), before)) = rest.split_last() {
                if before
                    .iter()
                    .any(|(other, _)| other.as_str() == last.as_str())
                {
                    return Err(twice(last.as_str()));
                }
                rest = before;
            }
        } else {
            let count = u32::try_from(self.entries.len())
                .expect("a bounded review holds fewer than 2³² entries");
            let mut by_key: Vec<u32> = (0..count).collect();
            by_key.sort_unstable_by(|a, b| key(*a).cmp(key(*b)));
            if let Some(pair) = by_key.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
                return Err(twice(key(pair[0])));
            }
            self.by_key = by_key;
        }
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.entries.iter().map(entry)
    }

    pub(crate) fn get(&self, key: &str) -> Option<(&str, Option<&str>)> {
        if self.entries.len() <= Self::SHORT {
            return self.iter().find(|(known, _)| *known == key);
        }
        let place = self
            .by_key
            .binary_search_by(|index| self.entries[*index as usize].0.as_str().cmp(key))
            .ok()?;
        Some(entry(&self.entries[self.by_key[place] as usize]))
    }
}

fn entry<'s>((key, value): &'s (Text<'_>, Option<Text<'_>>)) -> (&'s str, Option<&'s str>) {
    (key.as_str(), value.as_ref().map(Text::as_str))
}

/// Members of an object whose members have names of their own: the known ones, and some of the future.
const MOST_MEMBERS: usize = 4096;

/// Hands every member of the object to `take`, refuses members that occur twice; false for `null`.
pub(crate) fn walk_object<'a>(
    cursor: &mut Cursor<'a>,
    name: &'static str,
    mut take: impl FnMut(&str, &mut Cursor<'a>) -> Result<(), WalkError>,
) -> Result<bool, WalkError> {
    if cursor.take_word("null") {
        return Ok(false);
    }
    if cursor.peek() != Some(b'{') {
        return Err(WalkError::WrongType {
            member: name,
            expected: "an object",
        });
    }
    cursor.bump();
    if cursor.peek() == Some(b'}') {
        cursor.bump();
        return Ok(true);
    }
    let mut members: TextMap<'a> = TextMap::default();
    loop {
        let member = cursor.member_name()?;
        if members.entries.len() == MOST_MEMBERS {
            return Err(WalkError::TooMany {
                member: name,
                most: MOST_MEMBERS,
            });
        }
        take(member.as_str(), cursor)?;
        members.entries.push((member, None));
        if !cursor.another_member()? {
            break;
        }
    }
    members.index(name)?;
    Ok(true)
}

/// A string, or nothing for `null`.
pub(crate) fn text_member<'a>(
    cursor: &mut Cursor<'a>,
    member: &'static str,
    slot: &mut Option<Text<'a>>,
) -> Result<(), WalkError> {
    if cursor.take_word("null") {
        return Ok(());
    }
    if cursor.peek() != Some(b'"') {
        return Err(WalkError::WrongType {
            member,
            expected: "a string",
        });
    }
    *slot = Some(cursor.string()?);
    Ok(())
}

/// `true` or `false`; false for `null`.
pub(crate) fn flag_member(
    cursor: &mut Cursor<'_>,
    member: &'static str,
) -> Result<bool, WalkError> {
    if cursor.take_word("true") {
        Ok(true)
    } else if cursor.take_word("false") || cursor.take_word("null") {
        Ok(false)
    } else {
        Err(WalkError::WrongType {
            member,
            expected: "true or false",
        })
    }
}

impl From<JsonFault> for WalkError {
    fn from(fault: JsonFault) -> Self {
        Self::NotJson {
            offset: fault.offset,
            reason: fault.reason,
        }
    }
}
