//! `pkcs11:token=T;object=O?module-path=M&pin-source=file:P`, RFC 7512.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

const FORM: &str = "write `pkcs11:token=T;object=O?module-path=/path/of/module.so&pin-source=file:/path/of/pin`; \
     `serial`, `manufacturer`, `model` and `slot-id` also choose a token, `id` also chooses an object";

/// A private key in a PKCS#11 token ([RFC 7512](https://www.rfc-editor.org/rfc/rfc7512)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pkcs11Key {
    token: Option<String>,
    manufacturer: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    slot_id: Option<u64>,
    object: Option<String>,
    id: Option<Vec<u8>>,
    module_path: Option<PathBuf>,
    pin_source: Option<PathBuf>,
}

impl Pkcs11Key {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut key = Self::default();
        for attribute in path.split(';') {
            key.path_attribute(attribute)?;
        }
        for attribute in query.into_iter().flat_map(|query| query.split('&')) {
            key.query_attribute(attribute)?;
        }
        let token = key.token.is_some() || key.serial.is_some() || key.slot_id.is_some();
        let object = key.object.is_some() || key.id.is_some();
        if token && object { Ok(key) } else { Err(FORM) }
    }

    /// Each at most once, RFC 7512 §2.3; what we do not know is refused rather than passed over.
    fn path_attribute(&mut self, attribute: &str) -> Result<(), &'static str> {
        let (name, value) = attribute.split_once('=').ok_or(FORM)?;
        match name {
            "id" => once(&mut self.id, bytes(value)?),
            "manufacturer" => once(&mut self.manufacturer, text(value)?),
            "model" => once(&mut self.model, text(value)?),
            "object" => once(&mut self.object, text(value)?),
            "serial" => once(&mut self.serial, text(value)?),
            "slot-id" => once(&mut self.slot_id, value.parse().map_err(|_| FORM)?),
            "token" => once(&mut self.token, text(value)?),
            "type" if value == "private" => Ok(()),
            "type" => Err("`type` must be `private`, or left out"),
            _ => Err(FORM),
        }
    }

    fn query_attribute(&mut self, attribute: &str) -> Result<(), &'static str> {
        let (name, value) = attribute.split_once('=').ok_or(FORM)?;
        match name {
            "module-path" => once(&mut self.module_path, PathBuf::from(text(value)?)),
            "pin-source" => {
                let source = text(value)?;
                // RFC 7512 §2.4: a file URI or a path. The form `|command` is a program, and we run none.
                let path = source.strip_prefix("file:").unwrap_or(&source);
                let path = match path.strip_prefix("//") {
                    None => path,
                    Some(rest) if rest.starts_with('/') => rest,
                    Some(_) => return Err(FORM),
                };
                if path.is_empty() || path.starts_with('|') {
                    return Err("`pin-source` must name a file with the PIN");
                }
                once(&mut self.pin_source, PathBuf::from(path))
            }
            "pin-value" => Err(
                "a PIN does not belong in a reference; put it into a file and name the file in `pin-source`",
            ),
            _ => Err(FORM),
        }
    }

    /// CKA_LABEL of the token.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The token's manufacturer.
    pub fn manufacturer(&self) -> Option<&str> {
        self.manufacturer.as_deref()
    }

    /// The token's model.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The token's serial number.
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// The slot that the token is in.
    pub fn slot_id(&self) -> Option<u64> {
        self.slot_id
    }

    /// CKA_LABEL of the key.
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// CKA_ID of the key.
    pub fn id(&self) -> Option<&[u8]> {
        self.id.as_deref()
    }

    /// The module's library.
    pub fn module_path(&self) -> Option<&Path> {
        self.module_path.as_deref()
    }

    /// The file that holds the PIN.
    pub fn pin_source(&self) -> Option<&Path> {
        self.pin_source.as_deref()
    }

    pub(super) fn relative_to(self, base: &Path) -> Self {
        Self {
            module_path: self.module_path.map(|path| base.join(path)),
            pin_source: self.pin_source.map(|path| base.join(path)),
            ..self
        }
    }
}

impl fmt::Display for Pkcs11Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = Vec::new();
        for (name, value) in [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
        ] {
            path.extend(
                value
                    .as_ref()
                    .map(|value| format!("{name}={}", encoded(value.as_bytes()))),
            );
        }
        path.extend(self.slot_id.map(|slot| format!("slot-id={slot}")));
        path.extend(
            self.object
                .as_ref()
                .map(|value| format!("object={}", encoded(value.as_bytes()))),
        );
        path.extend(self.id.as_ref().map(|id| format!("id={}", encoded(id))));
        f.write_str(&path.join(";"))?;
        let mut query = Vec::new();
        for (name, value) in [
            ("module-path", &self.module_path),
            ("pin-source", &self.pin_source),
        ] {
            query.extend(
                value
                    .as_ref()
                    .map(|value| format!("{name}={}", encoded(value.to_string_lossy().as_bytes()))),
            );
        }
        if query.is_empty() {
            return Ok(());
        }
        write!(f, "?{}", query.join("&"))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("an attribute is given twice"),
    }
}

fn text(value: &str) -> Result<String, &'static str> {
    let text = String::from_utf8(bytes(value)?).map_err(|_| FORM)?;
    if text.chars().any(char::is_control) {
        return Err(FORM);
    }
    Ok(text)
}

/// Percent-decoded; at least one byte.
fn bytes(value: &str) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit =
                |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).ok_or(FORM);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            out.push(u8::try_from(value).map_err(|_| FORM)?);
        } else {
            out.push(byte);
        }
    }
    if out.is_empty() { Err(FORM) } else { Ok(out) }
}

fn encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a String takes any text");
        }
    }
    out
}
