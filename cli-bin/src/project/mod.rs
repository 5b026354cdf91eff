//! The files of a repository, and what its `.privy.yaml` says of them.

pub mod all_or_none;
pub mod contents;
mod file;
mod find;
pub mod git;
pub mod glob;
pub mod lint;
mod paths;
mod reader;
mod rules;
pub mod source;
pub mod walk;

pub use file::{Project, ProjectFault};
pub use find::{FILE_NAME, ProjectPlace, find, find_above};
pub use rules::{Layout, Rule};
