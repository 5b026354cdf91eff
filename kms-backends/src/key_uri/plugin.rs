//! `kms-plugin:SOCKET?key=FILE`

use std::fmt;
use std::path::{Path, PathBuf};

const FORM: &str = "write `kms-plugin:SOCKET?key=FILE`: the path of the plugin's socket and that of the wrapped key";

/// A private key that a Kubernetes KMS v2 plugin has wrapped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginKey {
    socket: PathBuf,
    wrapped_key: PathBuf,
}

impl PluginKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let (socket, query) = rest.split_once('?').ok_or(FORM)?;
        let wrapped_key = query.strip_prefix("key=").ok_or(FORM)?;
        // `unix:///run/kms.sock` is how Kubernetes writes it; three slashes are one here as well.
        let socket = match socket.strip_prefix("//") {
            None => socket,
            Some(path) if path.starts_with('/') && !path.starts_with("//") => path,
            Some(_) => return Err(FORM),
        };
        let illegal =
            |path: &str| path.is_empty() || path.ends_with('/') || path.contains(['?', '&', '#']);
        if illegal(socket) || illegal(wrapped_key) {
            return Err(FORM);
        }
        Ok(Self {
            socket: PathBuf::from(socket),
            wrapped_key: PathBuf::from(wrapped_key),
        })
    }

    /// The plugin's unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The file of the wrapped private key.
    pub fn wrapped_key(&self) -> &Path {
        &self.wrapped_key
    }

    pub(super) fn relative_to(self, base: &Path) -> Self {
        Self {
            socket: base.join(self.socket),
            wrapped_key: base.join(self.wrapped_key),
        }
    }
}

impl fmt::Display for PluginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}?key={}",
            self.socket.display(),
            self.wrapped_key.display()
        )
    }
}
