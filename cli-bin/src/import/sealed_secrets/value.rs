//! One encrypted value: `uint16 length ‖ RSA-OAEP-SHA256(session key, label) ‖ AES-256-GCM`, the nonce zero.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What a Kubernetes Secret holds at most, and what encryption adds, as base64.
const LONGEST_TEXT: usize = (1024 * 1024 + 2 + 1024 + 16) / 3 * 4 + 64;

/// An encrypted value in its two parts.
pub(super) struct Parts {
    /// The session key, encrypted.
    pub(super) wrapped: Vec<u8>,
    content: Vec<u8>,
}

/// Reads the text of a value.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Parts, &'static str> {
    const TAG: usize = 16;
    if text.len() > LONGEST_TEXT {
        return Err("is longer than any value of a Secret");
    }
    let packed: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = STANDARD.decode(packed).map_err(|_| "is not base64")?;
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return Err("is cut off");
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length == 0 {
        return Err("is not of the form that kubeseal writes");
    }
    if rest.len() < length + TAG {
        return Err("is cut off");
    }
    let (wrapped, content) = rest.split_at(length);
    Ok(Parts {
        wrapped: wrapped.to_vec(),
        content: content.to_vec(),
    })
}

impl Parts {
    /// The value; nothing when it was changed or the session key does not match.
    pub(super) fn open(self, session_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let key = UnboundKey::new(&AES_256_GCM, session_key).ok()?;
        let mut content = Zeroizing::new(self.content);
        // The session key is new for each value, so its nonce may be zero.
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let length = LessSafeKey::new(key)
            .open_in_place(nonce, Aad::empty(), &mut content)
            .ok()?
            .len();
        content.truncate(length);
        Some(content)
    }
}
