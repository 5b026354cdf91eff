//! PEM as it is found in the wild: text around the blocks, several blocks, any line length (RFC 7468, lax form).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::KeyError;

/// One block, its content wiped when dropped.
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Whether there is a PEM block anywhere in `text`.
pub(crate) fn looks_like_pem(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The labels in order, without decoding anything.
pub(crate) fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| rest.split_once(DASHES).map(|(label, _)| label))
}

/// Decodes the first block that carries one of `labels`.
pub(crate) fn first<'a>(text: &'a str, labels: &[&str]) -> Result<Option<Block<'a>>, KeyError> {
    for rest in text.split(BEGIN).skip(1) {
        let Some((label, body)) = rest.split_once(DASHES) else {
            return Err(KeyError::Unreadable);
        };
        if !labels.contains(&label) {
            continue;
        }
        let (body, end) = body.split_once("-----END ").ok_or(KeyError::Unreadable)?;
        if end.split_once(DASHES).map(|(label, _)| label) != Some(label) {
            return Err(KeyError::Unreadable);
        }
        // RFC 1421 headers stand before the data of encrypted keys of the older formats.
        if body.contains("Proc-Type:") {
            return Err(KeyError::Encrypted);
        }
        let mut packed = Zeroizing::new(String::with_capacity(body.len()));
        packed.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let mut der = Zeroizing::new(Vec::with_capacity(packed.len()));
        STANDARD
            .decode_vec(packed.as_bytes(), &mut der)
            .map_err(|_| KeyError::Unreadable)?;
        return Ok(Some(Block { label, der }));
    }
    Ok(None)
}

/// One block with lines of 64 characters, wiped when dropped.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let chars = der.len().div_ceil(3) * 4;
    let mut packed = Zeroizing::new(String::with_capacity(chars));
    STANDARD.encode_string(der, &mut packed);

    let mut text = Zeroizing::new(String::with_capacity(
        chars + chars / 64 + 2 * label.len() + 64,
    ));
    text.push_str(BEGIN);
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = packed.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        for len in [0, 1, 47, 48, 49, 1000] {
            let der = vec![0xa5; len];
            let text = encode("PUBLIC KEY", &der);
            assert!(text.lines().all(|line| line.len() <= 64));
            let block = first(&text, &["PUBLIC KEY"]).unwrap().unwrap();
            assert_eq!(
                (block.label, block.der.as_slice()),
                ("PUBLIC KEY", &der[..])
            );
        }
    }

    #[test]
    fn finds_the_block_among_others_and_text() {
        let text = "subject=CN = x\r\n-----BEGIN EC PARAMETERS-----\r\nBggqhkjOPQMBBw==\r\n-----END EC PARAMETERS-----\r\n\
                    -----BEGIN EC PRIVATE KEY-----\r\nAAEC\r\nAwQF\r\n-----END EC PRIVATE KEY-----\r\n";
        let block = first(text, &["EC PRIVATE KEY"]).unwrap().unwrap();
        assert_eq!(*block.der, [0, 1, 2, 3, 4, 5]);
        assert_eq!(
            labels(text).collect::<Vec<_>>(),
            ["EC PARAMETERS", "EC PRIVATE KEY"]
        );
    }

    #[test]
    fn mismatched_or_missing_end_is_unreadable() {
        for text in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\nAAAA\n-----END B-----\n",
            "-----BEGIN A-----\nA*AA\n-----END A-----\n",
        ] {
            assert_eq!(first(text, &["A"]).err(), Some(KeyError::Unreadable));
        }
    }
}
