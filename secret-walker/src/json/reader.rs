//! Reading other JSON than a Secret with the same care: no recursion, bounded depth, no member twice, borrowed
//! where there is no escape, and errors without values.

use std::borrow::Cow;

use crate::error::WalkError;
use crate::json::cursor::Cursor;
use crate::json::object::walk_object;
use crate::text::Text;

/// A position before a value of a JSON text. It returns [`None`] for `null`.
///
/// ```
/// use secret_walker::JsonReader;
///
/// let (mut name, mut raw) = (None, None);
/// JsonReader::read_object(r#"{"name":"db","spec":{"a":[1]},"later":null}"#, |member, value| {
///     match member {
///         "name" => name = value.string("name")?,
///         "spec" => raw = value.raw()?,
///         _ => value.skip()?,
///     }
///     Ok(())
/// })?;
/// assert_eq!((name.as_deref(), raw), (Some("db"), Some(r#"{"a":[1]}"#)));
/// # Ok::<(), secret_walker::WalkError>(())
/// ```
#[derive(Debug)]
pub struct JsonReader<'r, 'a>(&'r mut Cursor<'a>);

impl<'a> JsonReader<'_, 'a> {
    /// Reads a text that is one object, handing each member to `take`, which must read or skip its value.
    ///
    /// # Errors
    /// For anything other than an object, for a member that occurs twice, and whatever `take` returns.
    pub fn read_object(
        text: &'a str,
        take: impl FnMut(&str, &mut JsonReader<'_, 'a>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let mut cursor = Cursor::new(text);
        let is_object = JsonReader(&mut cursor).object("the text", take)?;
        if !is_object {
            return Err(WalkError::WrongType {
                member: "the text",
                expected: "an object",
            });
        }
        Ok(cursor.expect_end()?)
    }

    /// Reads an object in the same way; false for `null`.
    ///
    /// # Errors
    /// As [`JsonReader::read_object`].
    pub fn object(
        &mut self,
        member: &'static str,
        mut take: impl FnMut(&str, &mut JsonReader<'_, 'a>) -> Result<(), WalkError>,
    ) -> Result<bool, WalkError> {
        walk_object(self.0, member, |name, cursor| {
            take(name, &mut JsonReader(cursor))
        })
    }

    /// Reads an array, handing each element to `take`; nothing for `null`.
    ///
    /// # Errors
    /// For anything other than an array, and whatever `take` returns.
    pub fn array(
        &mut self,
        member: &'static str,
        mut take: impl FnMut(&mut JsonReader<'_, 'a>) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        if self.0.take_word("null") {
            return Ok(());
        }
        if self.0.peek() != Some(b'[') {
            return Err(WalkError::WrongType {
                member,
                expected: "an array",
            });
        }
        self.0.bump();
        if self.0.peek() == Some(b']') {
            self.0.bump();
            return Ok(());
        }
        loop {
            take(&mut JsonReader(self.0))?;
            match self.0.peek() {
                Some(b',') => self.0.bump(),
                Some(b']') => {
                    self.0.bump();
                    return Ok(());
                }
                _ => {
                    return Err(self
                        .0
                        .fault("expected a comma or the end of the array")
                        .into());
                }
            }
        }
    }

    /// Reads a string.
    ///
    /// # Errors
    /// For anything other than a string or `null`.
    pub fn string(&mut self, member: &'static str) -> Result<Option<Cow<'a, str>>, WalkError> {
        if self.0.take_word("null") {
            return Ok(None);
        }
        if self.0.peek() != Some(b'"') {
            return Err(WalkError::WrongType {
                member,
                expected: "a string",
            });
        }
        Ok(Some(match self.0.string()? {
            Text::Borrowed(text) => Cow::Borrowed(text),
            Text::Owned(mut text) => Cow::Owned(std::mem::take(&mut *text)),
        }))
    }

    /// Reads `true` or `false`.
    ///
    /// # Errors
    /// For anything other than the two or `null`.
    pub fn flag(&mut self, member: &'static str) -> Result<Option<bool>, WalkError> {
        if self.0.take_word("true") {
            Ok(Some(true))
        } else if self.0.take_word("false") {
            Ok(Some(false))
        } else if self.0.take_word("null") {
            Ok(None)
        } else {
            Err(WalkError::WrongType {
                member,
                expected: "true or false",
            })
        }
    }

    /// Steps over a value of any type and gives its text, whose grammar has been checked.
    ///
    /// # Errors
    /// For text that is not JSON or nested too deeply.
    pub fn raw(&mut self) -> Result<Option<&'a str>, WalkError> {
        if self.0.take_word("null") {
            return Ok(None);
        }
        Ok(Some(self.0.raw_value()?))
    }

    /// Steps over a value of any type.
    ///
    /// # Errors
    /// For text that is not JSON or nested too deeply.
    pub fn skip(&mut self) -> Result<(), WalkError> {
        Ok(self.0.skip_value()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, WalkError> {
        let mut found = Vec::new();
        JsonReader::read_object(text, |member, value| {
            found.push(match member {
                "s" => format!("{:?}", value.string("s")?),
                "f" => format!("{:?}", value.flag("f")?),
                "r" => format!("{:?}", value.raw()?),
                "a" => {
                    let mut count = 0;
                    value.array("a", |element| {
                        count += 1;
                        element.skip()
                    })?;
                    count.to_string()
                }
                "o" => value.object("o", |_, value| value.skip())?.to_string(),
                _ => {
                    value.skip()?;
                    "-".to_owned()
                }
            });
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn reads_each_type_and_null() {
        assert_eq!(
            read(
                r#" {"s":"a\u0062","f":true,"r": {"x":[1, 2]} ,"a":[1,"2",[]],"o":{"p":1},"z":9} "#
            )
            .unwrap(),
            [
                r#"Some("ab")"#,
                "Some(true)",
                r#"Some("{\"x\":[1, 2]}")"#,
                "3",
                "true",
                "-"
            ]
        );
        assert_eq!(
            read(r#"{"s":null,"f":null,"r":null,"a":null,"o":null,"z":null}"#).unwrap(),
            ["None", "None", "None", "0", "false", "-"]
        );
        assert_eq!(read(r#"{"a":[],"f":false}"#).unwrap(), ["0", "Some(false)"]);
        assert_eq!(read("{}").unwrap(), [""; 0]);
    }

    #[test]
    fn refuses_without_quoting() {
        for text in [
            "",
            "null",
            "[]",
            "x",
            r#"{"s":1}"#,
            r#"{"f":"hunter2"}"#,
            r#"{"a":{}}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":[1,]}"#,
            r#"{"o":[]}"#,
            r#"{"r":}"#,
            r#"{"z":1,"z":2}"#,
            r#"{"z":1}x"#,
            r#"{"z":nulx}"#,
            r#"{"s":"hunter2"#,
            r#"{"r":{"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let (open, close) = ("[".repeat(20_000), "]".repeat(20_000));
        let deep = format!(r#"{{"r":{open}{close}}}"#);
        assert!(read(&deep).is_err());
    }
}
