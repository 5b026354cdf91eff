//! The value to seal: where it comes from, and what looks like a mistake in it.
use anyhow::anyhow;
use jwe_envelope::{Recognized, recognize};
use zeroize::Zeroizing;

use crate::cli::groups::{Decode, ValueArgs};
use crate::failure::Failure;
use crate::io::{Io, files, read_bounded};
use crate::sealing::other_tools::OtherTool;
use crate::text::is_invisible;

/// A Secret holds 1 MiB at most, so no value of it is larger.
pub const VALUE_LIMIT: usize = 1024 * 1024;

/// Refuses a value on the command line, where other users and the shell's history see it.
///
/// # Errors
/// Exit 2, without repeating the value.
pub fn refuse_on_command_line(args: &ValueArgs) -> Result<(), Failure> {
    if args.forbidden_value.is_none() {
        return Ok(());
    }
    Err(on_command_line())
}

/// The answer to a value on the command line.
pub fn on_command_line() -> Failure {
    Failure::usage(anyhow!("a value is never taken from the command line, where other users and the shell's history see it"))
        .hint("leave it out to be asked for it, or use --value-file FILE or standard input")
}

/// Reads the value from `--value-file`, a hidden prompt or standard input, and checks it.
///
/// # Errors
/// Exit 1 when the value is refused; exit 2 when it cannot be read.
pub fn read(args: &ValueArgs, what: &str, io: &mut Io<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    refuse_on_command_line(args)?;
    let bytes = fetch(args, what, io)?;
    let bytes = decode(bytes, args)?;
    let bytes = if args.strip_newline {
        strip_newline(bytes)
    } else {
        bytes
    };
    if bytes.is_empty() && !args.allow_empty {
        return Err(Failure::refused(anyhow!("the value is empty")).hint(
            "did the command before the pipe fail? To seal an empty value, add --allow-empty",
        ));
    }
    if bytes.len() > VALUE_LIMIT {
        return Err(too_large());
    }
    if !args.raw {
        refuse_sealed(&bytes, what)?;
        warn(&doubts(&bytes), io)?;
    }
    Ok(bytes)
}

/// A value that is sealed already is pasted into a manifest as it is, and that of another tool is decrypted first.
fn refuse_sealed(bytes: &[u8], what: &str) -> Result<(), Failure> {
    if let Some(tool) = OtherTool::of(bytes) {
        return Err(tool.refuse(&format!("the value for {what}")));
    }
    let Recognized::Sealed(envelope) = recognize(bytes.trim_ascii()) else {
        return Ok(());
    };
    let whose = if envelope.binding().is_some() {
        "an envelope: it is sealed already"
    } else {
        "encrypted already (a JWE)"
    };
    Err(Failure::refused(anyhow!("the value for {what} is {whose}"))
        .hint("put it into the manifest as it is; to seal it once more anyway, add --raw"))
}

fn fetch(args: &ValueArgs, what: &str, io: &mut Io<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // UTF-16 takes up to twice the room of what it is decoded to.
    let limit = 2 * VALUE_LIMIT + 2;
    if let Some(path) = args
        .value_file
        .as_ref()
        .filter(|path| path.as_os_str() != "-")
    {
        return files::read_or(path, limit, too_large);
    }
    if io.terminal.stdin && args.value_file.is_none() {
        return prompt(what, io);
    }
    read_bounded(io.stdin, limit)
        .map_err(|error| {
            Failure::usage(
                anyhow::Error::new(error).context("cannot read the value from standard input"),
            )
        })?
        .ok_or_else(too_large)
}

fn prompt(what: &str, io: &mut Io<'_>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let no_answer = |error: std::io::Error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask for the value"))
    };
    let first = (io.hidden)(&format!(
        "Value for {what} (not shown; to type several lines, press Enter first): "
    ))
    .map_err(no_answer)?;
    let again = (io.hidden)("The same once more: ").map_err(no_answer)?;
    if *first != *again {
        return Err(
            Failure::refused(anyhow!("the two values differ; nothing was sealed"))
                .hint("try again"),
        );
    }
    Ok(Zeroizing::new(first.as_bytes().to_vec()))
}

fn too_large() -> Failure {
    Failure::refused(anyhow!(
        "the value is larger than 1 MiB, the most that a Kubernetes Secret holds"
    ))
    .hint("split it, or keep it outside of Kubernetes and seal only the password to it")
}

fn decode(bytes: Zeroizing<Vec<u8>>, args: &ValueArgs) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let little = match bytes.first_chunk() {
        Some([0xFF, 0xFE]) => true,
        Some([0xFE, 0xFF]) => false,
        _ if args.decode == Some(Decode::Utf16) => {
            return Err(Failure::refused(anyhow!(
                "the value does not begin with a UTF-16 byte-order mark"
            ))
            .hint("leave --decode out: the value is sealed as it is"));
        }
        _ => return Ok(bytes),
    };
    if args.raw {
        return Ok(bytes);
    }
    if args.decode.is_none() {
        return Err(Failure::refused(anyhow!("the value is UTF-16 text, as PowerShell and Notepad write it"))
            .hint("use --decode utf-16 to seal it as UTF-8, which programs expect, or --raw to seal these very bytes"));
    }
    utf16(&bytes[2..], little).ok_or_else(|| {
        Failure::refused(anyhow!(
            "the value is damaged: it is not the UTF-16 that its first bytes announce"
        ))
    })
}

fn utf16(bytes: &[u8], little: bool) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units = pairs.iter().map(|pair| {
        if little {
            u16::from_le_bytes(*pair)
        } else {
            u16::from_be_bytes(*pair)
        }
    });
    // Three bytes of UTF-8 for one unit at most: the text never moves while it grows.
    let mut text = Zeroizing::new(Vec::with_capacity(3 * pairs.len()));
    let mut buffer = Zeroizing::new([0; 4]);
    for letter in char::decode_utf16(units) {
        text.extend_from_slice(letter.ok()?.encode_utf8(&mut *buffer).as_bytes());
    }
    Some(text)
}

fn strip_newline(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    bytes
}

/// What looks like a mistake, in words that give nothing of the value away.
pub fn doubts(bytes: &[u8]) -> Vec<&'static str> {
    let mut doubts = Vec::new();
    let Ok(text) = std::str::from_utf8(bytes) else {
        if matches!(bytes.first_chunk(), Some([0xFF, 0xFE] | [0xFE, 0xFF])) {
            doubts.push(
                "it begins as UTF-16 text does, which PowerShell and Notepad write and programs rarely expect",
            );
        }
        return doubts;
    };
    let line = text
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_some_and(|line| !line.contains('\n')) && !text.starts_with("-----BEGIN ") {
        doubts.push(
            "it ends with a newline, which becomes part of the value (--strip-newline drops it)",
        );
    }
    if line.unwrap_or(text).contains("\r\n") {
        doubts.push(
            "its lines end as those of Windows do (CR LF), and the CRs become part of the value",
        );
    }
    if is_substituted(text) {
        doubts.push(
            "it contains `${…}`, and what replaces that in files, such as Flux, cannot reach inside an envelope",
        );
    }
    if text.contains("{{") && text.contains("}}") {
        doubts.push(
            "it contains `{{…}}`, and what renders that in files, such as Helm, cannot reach inside an envelope",
        );
    }
    let words = line.unwrap_or(text);
    if words.starts_with([' ', '\t']) {
        doubts.push("it begins with whitespace");
    }
    if words.ends_with([' ', '\t']) {
        doubts.push("it ends with whitespace");
    }
    if text.contains(['\u{a0}', '\u{2007}', '\u{202f}']) {
        doubts.push("it holds a no-break space, which looks like a space and is not");
    }
    if text.chars().any(is_invisible) {
        doubts.push("it holds an invisible character");
    }
    if text.contains(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{201e}']) {
        doubts.push(
            "it holds a typographic quotation mark, as word processors put in place of ' and \"",
        );
    }
    doubts
}

/// Whether there is a variable as Flux and envsubst write them: `${NAME}` or `${NAME:=default}`.
fn is_substituted(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let name = &text[at + 2..];
        let end = name
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(0);
        end > 0
            && !name.starts_with(|letter: char| letter.is_ascii_digit())
            && name[end..].starts_with(['}', ':'])
            && name.contains('}')
    })
}

fn warn(doubts: &[&str], io: &mut Io<'_>) -> Result<(), Failure> {
    for doubt in doubts {
        io.say(format_args!("warning: look at the value: {doubt}"));
    }
    if doubts.is_empty() || !io.can_ask() {
        return Ok(());
    }
    let go_on = io.confirm("Seal it as it is?").map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context("cannot ask whether to go on"))
    })?;
    if go_on {
        return Ok(());
    }
    Err(Failure::refused(anyhow!("cancelled; nothing was sealed"))
        .hint("to seal a value without this question, add --raw"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> ValueArgs {
        ValueArgs::default()
    }

    #[test]
    fn silent_about_ordinary_values() {
        for value in [
            "hunter2",
            "",
            "two\nlines\n",
            "-----BEGIN CERTIFICATE-----\n",
            "-----BEGIN X-----\na\n-----END X-----\n",
            "in side",
            "$1 ${} ${1} ${a b} $b {a}",
        ] {
            assert_eq!(doubts(value.as_bytes()), Vec::<&str>::new(), "{value:?}");
        }
        assert!(doubts(b"\xff\xfd \n").is_empty(), "binary");
    }

    #[test]
    fn doubts_what_looks_like_a_mistake() {
        for (value, expected) in [
            ("hunter2\n", "newline"),
            ("hunter2\r\n", "newline"),
            ("{{ .Values.password }}", "{{…}}"),
            (" hunter2", "begins with whitespace"),
            ("hunter2\t", "ends with whitespace"),
            ("hunter2 \n", "ends with whitespace"),
            ("two\r\nlines\r\n", "CR LF"),
            ("a\u{a0}b", "no-break"),
            ("a\u{200b}b", "invisible"),
            ("\u{feff}a", "invisible"),
            ("\u{201c}a\u{201d}", "quotation"),
            ("a ${SECRET_DOMAIN}", "Flux"),
            ("${port:=5432}", "Flux"),
        ] {
            assert!(
                doubts(value.as_bytes())
                    .iter()
                    .any(|doubt| doubt.contains(expected)),
                "{value:?}"
            );
        }
        assert!(doubts(b"\xff\xfea\0")[0].contains("UTF-16"));
    }

    #[test]
    fn utf16_is_refused_until_told() {
        let bytes = || Zeroizing::new(b"\xff\xfep\0w\0\x3d\xd8\x11\xdd".to_vec());
        assert!(decode(bytes(), &args()).is_err());
        let raw = ValueArgs {
            raw: true,
            ..args()
        };
        assert_eq!(*decode(bytes(), &raw).unwrap(), *bytes());
        let told = ValueArgs {
            decode: Some(Decode::Utf16),
            ..args()
        };
        assert_eq!(*decode(bytes(), &told).unwrap(), "pw🔑".as_bytes());
        let big = Zeroizing::new(b"\xfe\xff\0p\0w".to_vec());
        assert_eq!(*decode(big, &told).unwrap(), b"pw");
        for damaged in [b"\xff\xfep".as_slice(), b"\xff\xfe\x3d\xd8"] {
            assert!(decode(Zeroizing::new(damaged.to_vec()), &told).is_err());
        }
        assert!(decode(Zeroizing::new(b"plain".to_vec()), &told).is_err());
    }

    #[test]
    fn strips_one_line_end() {
        for (value, stripped) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a", "a"),
            ("a\r", "a\r"),
            ("", ""),
        ] {
            assert_eq!(
                *strip_newline(Zeroizing::new(value.as_bytes().to_vec())),
                stripped.as_bytes()
            );
        }
    }
}
