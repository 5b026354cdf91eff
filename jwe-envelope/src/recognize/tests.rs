use super::*;
use crate::base64url;

/// What a value is, in one word.
fn word(value: impl AsRef<[u8]>) -> &'static str {
    match recognize(value.as_ref()) {
        Recognized::Plain => "plain",
        Recognized::Sealed(_) => "sealed",
        Recognized::Malformed(_) => "damaged",
    }
}

fn compact(header: &str) -> String {
    let header = base64url::encode(header.as_bytes());
    format!("{header}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
}

const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;

#[test]
fn ordinary_values_are_plain() {
    for value in [
        &b""[..],
        b" ",
        b"hunter2",
        b"e",
        b"ey",
        b"eyJ",
        b"eyJ.",
        b"eyJ...",
        b"eyJh.b.c.d",
        b"{",
        b"{}",
        b"{{{{",
        b"[]",
        b"....",
        b"a.b.c.d.e",
        b"C.",
        b"D",
        b"I=",
        b"\xff\xfe",
        b"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
        br#"{"auths":{"registry":{"auth":"dTpw"}}}"#,
        br#"{"ciphertext":"AAAA"}"#,
        br#"{"protected":"AAAA"}"#,
        br#"{"data":{"ciphertext":"AAAA","protected":"AAAA"}}"#,
        br#"[{"ciphertext":"AAAA","protected":"AAAA"}]"#,
        br#"{"a":"\"ciphertext\":1,\"protected\":2"}"#,
        br#"{"text":"ciphertext","other":"header"}"#,
    ] {
        assert_eq!(word(value), "plain", "{:?}", String::from_utf8_lossy(value));
    }
}

#[test]
fn signed_tokens_are_plain() {
    let header = base64url::encode(br#"{"alg":"RS256","typ":"JWT"}"#);
    let token = format!("{header}.eyJzdWIiOiJhIn0.AAAA");
    assert_eq!(word(&token), "plain");
    assert_eq!(word(format!("{token}\n")), "plain");
    assert_eq!(word(format!("{token}\n{token}\n")), "plain");
    assert_eq!(word(format!("{token} {token} {token}")), "plain");
    assert_eq!(word(&header), "plain");
}

/// An envelope that was pasted with a newline before it is one anyway: called plain, it would be stored in place of
/// the value that it replaces.
#[test]
fn spaces_and_newlines_are_trimmed_at_both_ends() {
    let flattened = r#"{"ciphertext":1,"protected":2}"#;
    let text = compact(HEADER);
    for before in ["", " ", "\n", "\r\n\t ", "\u{feff}", "\u{feff}\n"] {
        for after in ["", "\n", " \t\r\n"] {
            assert_eq!(word(format!("{before}{text}{after}")), "sealed");
            assert_eq!(word(format!("{before}{flattened}{after}")), "damaged");
            assert!(Envelope::parse(format!("{before}{text}{after}").as_bytes()).is_ok());
        }
    }
    assert!(matches!(
        Envelope::parse(b"  hunter2 "),
        Err(ParseError::NotAnEnvelope)
    ));
    assert_eq!(word(" \n"), "plain");
    assert_eq!(word("\u{feff}"), "plain");
}

#[test]
fn four_dots_after_ey_j_are_a_claim() {
    for value in [
        "eyJ....",
        "eyJ.....",
        "eyJhbGciOiJIUzI1NiJ9.a.b.c.d",
        "eyJ!.?.?.?.?",
        "eyJ\u{e4}....",
    ] {
        assert_eq!(word(value), "damaged", "{value}");
    }
}

#[test]
fn a_first_part_with_enc_is_a_claim() {
    let encode = |json: &str| base64url::encode(json.as_bytes());
    for json in [
        HEADER,
        r#"{"enc":"A256GCM"}"#,
        r#" {"enc":"A256GCM"}"#,
        "\n{\"enc\":1}",
        "\t{\"enc\":1}",
        r#"{"\u0065nc":"A256GCM"}"#,
        r#"{"a":{"b":["}"]},"enc":null}"#,
    ] {
        let first = encode(json);
        for rest in ["", ".", "..", ".a.b", ".a.b.c.d.e"] {
            assert_eq!(word(format!("{first}{rest}")), "damaged", "{json} {rest}");
        }
    }
    for json in [
        r#"{"alg":"RS256"}"#,
        r#"{"a":{"enc":1}}"#,
        r#"{"a":"enc"}"#,
        r#"["enc"]"#,
        r#""enc":"#,
        "enc",
    ] {
        assert_eq!(word(encode(json)), "plain", "{json}");
    }
}

#[test]
fn a_text_cut_after_its_enc_is_damaged() {
    let text = compact(r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#);
    // `{"enc":` is whole from here on, whatever follows.
    for end in "eyJlbmMiOi".len()..text.len() {
        assert_eq!(word(&text[..end]), "damaged", "{}", &text[..end]);
    }
}

#[test]
fn padding_and_stray_bits_do_not_hide_a_claim() {
    let mut first = base64url::encode(br#"{"enc":"A256GCM" }"#);
    assert_eq!(word(format!("{first}..")), "damaged");
    first = base64url::encode(br#"{"enc":"A256GCM"}"#);
    assert_eq!(word(format!("{first}=.a.b")), "damaged");
    assert_eq!(first.pop(), Some('0'));
    assert_eq!(word(format!("{first}1.a.b")), "damaged");
}

#[test]
fn an_envelope_broken_over_lines_is_damaged_and_says_so() {
    let text = compact(HEADER);
    for blank in ["\n", "\r\n", " ", "\n  ", "\t"] {
        for at in [3, 10, text.find('.').unwrap(), text.len() - 1] {
            let broken = format!("{}{blank}{}", &text[..at], &text[at..]);
            match recognize(broken.as_bytes()) {
                Recognized::Malformed(ParseError::Broken) => {}
                other => panic!("{broken:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn json_is_a_claim_by_its_own_members() {
    for json in [
        r#"{"ciphertext":1,"protected":2}"#,
        r#"{"ciphertext":1,"header":2}"#,
        r#"{"ciphertext":1,"recipients":2}"#,
        r#"{ "x" : [ { } ] , "recipients" : [] , "ciphertext" : "" }"#,
        r#"{"\u0063iphertext":1,"prot\u0065cted":2}"#,
        r#"{"protected":"","ciphertext":"","#,
        r#"{"protected":"","ciphertext":"cut"#,
        r#"{"protected":"","ciphertext":""} trailing"#,
        "{\"x\":\"\u{0}\",\"header\":{},\"ciphertext\":\"\"}",
    ] {
        assert_eq!(word(json), "damaged", "{json}");
    }
    // Cut off before the second of the two, it is no JSON object with both.
    assert_eq!(word(r#"{"protected":"AAAA","ciphertex"#), "plain");
}

#[test]
fn json_that_is_not_utf_8_is_damaged() {
    let fault = match recognize(b"{\"header\":1,\"ciphertext\":\"\xff\"}") {
        Recognized::Malformed(fault) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fault,
        ParseError::Utf8 {
            part: "JSON envelope"
        }
    );
}

#[test]
fn what_is_too_large_is_damaged_when_it_claims_to_be_an_envelope() {
    let header = base64url::encode(HEADER.as_bytes());
    let sized = |len: usize| {
        let fixed = format!("{header}.AAAA.AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA").len();
        let ciphertext = "A".repeat(len - fixed);
        format!("{header}.AAAA.AAAAAAAAAAAAAAAA.{ciphertext}.AAAAAAAAAAAAAAAAAAAAAA")
    };
    assert_eq!(word(sized(MAX_ENVELOPE)), "sealed");
    assert!(matches!(
        recognize(sized(MAX_ENVELOPE + 1).as_bytes()),
        Recognized::Malformed(ParseError::TooLarge { .. })
    ));
    let json = format!(
        r#"{{"protected":"AAAA","ciphertext":"{}"}}"#,
        "A".repeat(MAX_ENVELOPE)
    );
    assert!(matches!(
        recognize(json.as_bytes()),
        Recognized::Malformed(ParseError::TooLarge { .. })
    ));
    // Plain values may have any size.
    assert_eq!(word("e".repeat(4 << 20)), "plain");
    assert_eq!(word("{".repeat(4 << 20)), "plain");
    let blob = base64url::encode(format!(r#"{{"a":"{}"}}"#, "x".repeat(2 << 20)).as_bytes());
    assert_eq!(word(blob), "plain");
}
