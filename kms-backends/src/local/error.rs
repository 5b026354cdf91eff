//! Why a private key file cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use jwe_envelope::KeyError;

/// A PKCS#8 RSA-4096 key takes 3.3 KB as PEM, a JWK 3.2 KB.
pub(super) const LARGEST: u64 = 64 * 1024;

/// Why a private key file cannot be used. Each says what to do; none holds a byte of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFileError {
    /// It does not contain a usable private key.
    #[error("private key file {path:?} does not contain a usable private key")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        #[source]
        source: KeyError,
    },
    /// A folder, a pipe, a device.
    #[error("private key file {path:?} is not a regular file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Others may read or change it.
    #[error(
        "private key file {path:?} can be used by others (mode {mode:04o}); restrict it with `chmod 600 {}`",
        quoted(path)
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user.
    #[error(
        "private key file {path:?} belongs to user {owner}, who could replace it; \
         change the owner with `chown {user} {}`",
        quoted(path)
    )]
    OtherOwner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Larger than any key.
    #[error("private key file {path:?} is larger than {LARGEST} bytes, too large for a key")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Missing, or not readable.
    #[error("private key file {path:?} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

/// As a shell reads it back.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_messages_survive_odd_names() {
        assert_eq!(quoted(Path::new("/a/b.pem")), "/a/b.pem");
        assert_eq!(quoted(Path::new("my key.pem")), "'my key.pem'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
        assert_eq!(quoted(Path::new("-rf")), "'-rf'");
    }
}
