//! Key services behind one trait: unwrap a content key, and nothing else.

mod cache;
mod connect;
pub mod error;
mod flight;
mod health;
mod key_entry;
mod key_unwrap;
mod key_uri;
pub mod layer;
#[cfg(feature = "local")]
pub mod local;
mod namespaces;
mod observer;
mod registry;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

pub use cache::CacheOptions;
pub use connect::{ConnectError, connect, connect_for};
pub use error::{Category, UnwrapError};
pub use health::{Health, KeyStatus};
pub use key_entry::{KeyEntry, KeyEntryBuilder};
pub use key_unwrap::{KeyUnwrap, KeyUnwrapExt, OwnedRequest};
pub use key_uri::{KeyUri, KeyUriError};
pub use namespaces::{NamespaceSet, NamespaceSetError};
pub use observer::{CacheEvent, Observer, Unobserved};
pub use registry::{KeySource, OpenFailure, Opened, Registry, RegistryBuilder, RegistryError};
