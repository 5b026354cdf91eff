//! The rule `private-key`: a private key that is in a Git work tree, tracked or not.
//!
//! Looked for in every small file of the searched folders, whatever it is called: a key that is not committed today is with
//! the next `git add`. `.gitignore` makes no difference, for it keeps nothing out of images, backups and `git add --force`.
use std::path::Path;

use serde::Deserialize;

use super::finding::Finding;
use super::setup::LintSetup;
use crate::keys::KEY_FILE_LIMIT;
use crate::project::lint::rules::RuleId;

/// What a file holds, and on which line it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    what: &'static str,
    line: usize,
}

/// Whether a file is worth reading: larger ones hold no key, and smaller ones have no room for one.
pub fn may_hold(length: u64) -> bool {
    (32..=KEY_FILE_LIMIT as u64).contains(&length)
}

/// Looks into a file that is no manifest. One that cannot be read now holds nothing that Git would take.
pub fn look_into(path: &Path, name: &str, setup: &LintSetup) -> Option<Finding> {
    let bytes = setup.contents.read(path, KEY_FILE_LIMIT).ok()?;
    finding(&bytes, path, name, setup)
}

/// The finding of a file with this content.
pub fn finding(bytes: &[u8], path: &Path, name: &str, setup: &LintSetup) -> Option<Finding> {
    let found = find(bytes)?;
    let message = format!("{} is in a file of the repository", found.what);
    let mut finding = Finding::new(RuleId::PrivateKey, name, message);
    finding.line = found.line;
    finding.suppressed = setup
        .path_rules(path)
        .reason_for(RuleId::PrivateKey)
        .map(str::to_owned);
    Some(finding)
}

fn find(bytes: &[u8]) -> Option<Found> {
    match std::str::from_utf8(bytes) {
        Ok(text) => pem(text).or_else(|| jwk(text)),
        Err(_) => der(bytes),
    }
    .or_else(|| der(bytes))
}

/// A PEM block of a private key that has content: a heading by itself is in documents and programs.
fn pem(text: &str) -> Option<Found> {
    const BEGIN: &str = "-----BEGIN ";
    const LONGEST_LABEL: usize = 40;
    for (at, _) in text.match_indices(BEGIN) {
        let rest = &text[at + BEGIN.len()..];
        let (label, content) = rest.split_once("-----")?;
        if label.len() > LONGEST_LABEL || !label.contains("PRIVATE KEY") || !has_content(content) {
            continue;
        }
        let encrypted =
            label.contains("ENCRYPTED") || content.trim_start().starts_with("Proc-Type:");
        return Some(Found {
            what: if encrypted {
                "an encrypted private key (PEM)"
            } else {
                "a private key (PEM)"
            },
            line: 1 + text[..at].matches('\n').count(),
        });
    }
    None
}

/// Base64, or the headers of OpenSSL and OpenPGP before it; also where newlines are written as `\n`.
fn has_content(text: &str) -> bool {
    const ENOUGH: usize = 24;
    let text = text.trim_start_matches(|letter: char| letter.is_whitespace());
    let mut text = text;
    while let Some(rest) = text
        .strip_prefix("\\n")
        .or_else(|| text.strip_prefix("\\r"))
    {
        text = rest.trim_start();
    }
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    text.starts_with("Proc-Type:")
        || text.starts_with("Version:")
        || text.bytes().take_while(base64).count() >= ENOUGH
}

/// A JWK, or a set of them, with a private or symmetric member.
fn jwk(text: &str) -> Option<Found> {
    #[derive(Deserialize)]
    struct Jwk<'a> {
        #[serde(borrow, default)]
        kty: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default)]
        d: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default)]
        k: Option<std::borrow::Cow<'a, str>>,
        #[serde(borrow, default)]
        keys: Vec<Jwk<'a>>,
    }
    fn secret(jwk: &Jwk<'_>) -> bool {
        jwk.kty.is_some() && (jwk.d.is_some() || jwk.k.is_some()) || jwk.keys.iter().any(secret)
    }
    if !text.trim_start().starts_with('{') || !text.contains("\"kty\"") {
        return None;
    }
    let jwk: Jwk<'_> = serde_json::from_str(text).ok()?;
    secret(&jwk).then_some(Found {
        what: "a private key (JWK)",
        line: 1,
    })
}

/// PKCS#8, PKCS#1 or SEC 1 without PEM around it, the first also encrypted.
fn der(bytes: &[u8]) -> Option<Found> {
    const PBES2: &[u8] = &[
        0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d,
    ];
    let (content, rest) = sequence(bytes)?;
    if !rest.is_empty() {
        return None;
    }
    let private = match content {
        // Version 0 or 1, then an algorithm (PKCS#8), a modulus (PKCS#1) or the key itself (SEC 1).
        [0x02, 0x01, 0x00 | 0x01, 0x30 | 0x02 | 0x04, ..] => true,
        _ => false,
    };
    if private {
        return Some(Found {
            what: "a private key (DER)",
            line: 1,
        });
    }
    let (algorithm, _) = sequence(content)?;
    algorithm.starts_with(PBES2).then_some(Found {
        what: "an encrypted private key (DER)",
        line: 1,
    })
}

/// The content of a DER sequence, and what follows it.
fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, content) = match bytes {
        [0x30, length @ 0..=0x7f, rest @ ..] | [0x30, 0x81, length, rest @ ..] => {
            (usize::from(*length), rest)
        }
        [0x30, 0x82, high, low, rest @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), rest)
        }
        _ => return None,
    };
    content.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";

    #[test]
    fn private_keys_are_known_in_every_form() {
        for text in [
            format!("-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n"),
            format!("# mine\n  -----BEGIN RSA PRIVATE KEY-----\r\n  {BODY}\n"),
            format!("-----BEGIN EC PRIVATE KEY-----\n{BODY}"),
            format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{BODY}"),
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\n{BODY}"
            ),
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}"),
            format!("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}"),
            format!("{{\"key\": \"-----BEGIN PRIVATE KEY-----\\n{BODY}\\n\"}}"),
            r#"{"kty":"RSA","n":"x","e":"AQAB","d":"x"}"#.to_owned(),
            r#" {"keys":[{"kty":"EC"},{"kty":"OKP","d":"x"}]}"#.to_owned(),
            r#"{"kty":"oct","k":"x"}"#.to_owned(),
        ] {
            assert!(find(text.as_bytes()).is_some(), "{text}");
        }
        let found = find(format!("a\nb\n-----BEGIN PRIVATE KEY-----\n{BODY}").as_bytes()).unwrap();
        assert_eq!(found.line, 3);
    }

    #[test]
    fn der_is_known_by_its_structure() {
        let mut pkcs8 = vec![0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30];
        pkcs8.resize(3 + 0x87, 0xff);
        let mut encrypted = vec![
            0x30, 0x20, 0x30, 0x10, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05,
            0x0d,
        ];
        encrypted.resize(2 + 0x20, 0xff);
        for key in [&pkcs8, &encrypted] {
            assert!(find(key).is_some(), "{key:?}");
            let longer = [key.as_slice(), &[0]].concat();
            assert_eq!(find(&longer), None);
        }
        // A certificate and a public key begin otherwise.
        let mut public = vec![0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce];
        public.resize(2 + 0x59, 0xff);
        assert_eq!(find(&public), None);
    }

    #[test]
    fn what_only_speaks_of_private_keys_is_none() {
        for text in [
            "",
            "const MARK: &str = \"-----BEGIN PRIVATE KEY-----\";",
            "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
            "`-----BEGIN PRIVATE KEY-----` begins a private key, and more of this sentence follows",
            "-----BEGIN PUBLIC KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
            "-----BEGIN CERTIFICATE-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
            r#"{"kty":"RSA","n":"x","e":"AQAB"}"#,
            r#"{"d":"x","k":"y"}"#,
            r#"{"keys":[{"kty":"EC"}]}"#,
        ] {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }
}
