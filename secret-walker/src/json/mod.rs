//! JSON without recursion: a cursor over the text, and what reads objects through it.

pub(crate) mod cursor;
pub(crate) mod object;
mod reader;

pub use cursor::MAX_JSON_DEPTH;
pub use reader::JsonReader;
