//! Public keys to seal for, the signers of cards and values, and which of them the user trusts.

pub mod card;
mod chooser;
pub mod describe;
pub mod earlier;
pub mod fetch;
mod files;
mod names;
pub mod pinning;
pub mod services;
pub mod settings;
pub mod signed;
pub mod trust;

pub use chooser::{Choice, Chooser, Fallback};
pub use files::{KEY_FILE_LIMIT, SealKey, changed, label, other_form, read_key_file};
pub use names::{is_card, is_private, name_of_file};
