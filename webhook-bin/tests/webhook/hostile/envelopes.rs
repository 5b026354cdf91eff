//! Algorithms, extensions, duplicates and encodings.

use super::*;
use test_support::reviews::*;

pub(super) fn algorithms() -> Vec<Case> {
    let mut cases = Vec::new();
    for alg in [
        "RSA1_5",
        "none",
        "dir",
        "A128KW",
        "A192KW",
        "A256KW",
        "A128GCMKW",
        "A192GCMKW",
        "A256GCMKW",
        "HS256",
        "rsa-oaep-256",
        "RSA-OAEP-256 ",
        "RSA-OAEP-257",
        "ECDH-1PU",
        "HPKE-0",
    ] {
        cases.push(early(
            "unsupported",
            format!("alg {alg}"),
            with_header(&changed("alg", alg.into())),
        ));
    }
    for alg in [
        "PBES2-HS256+A128KW",
        "PBES2-HS384+A192KW",
        "PBES2-HS512+A256KW",
    ] {
        let mut header = changed("alg", alg.into());
        header["p2c"] = json!(2_147_483_647_u32);
        header["p2s"] = b64url([9; 16]).into();
        cases.push(early(
            "unsupported",
            format!("alg {alg} with p2c"),
            with_header(&header),
        ));
    }
    for alg in [
        "RSA-OAEP",
        "RSA-OAEP-384",
        "RSA-OAEP-512",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A192KW",
        "ECDH-ES+A256KW",
    ] {
        cases.push(early(
            "wrong-key-algorithm",
            format!("alg {alg}"),
            with_header(&changed("alg", alg.into())),
        ));
    }
    for enc in [
        "A128CTR",
        "none",
        "A512GCM",
        "a256gcm",
        "A256CBC-HS512 ",
        "C20P",
        "XC20P",
    ] {
        cases.push(early(
            "unsupported",
            format!("enc {enc}"),
            with_header(&changed("enc", enc.into())),
        ));
    }
    for (name, header) in [
        ("enc missing", without("enc")),
        ("enc a number", changed("enc", json!(1))),
        ("enc null", changed("enc", Value::Null)),
        ("alg missing", without("alg")),
        ("alg a list", changed("alg", json!(["RSA-OAEP-256"]))),
        ("kid a number", changed("kid", json!(7))),
        ("kid an object", changed("kid", json!({}))),
    ] {
        cases.push(early("damaged", name, with_header(&header)));
    }
    for zip in ["DEF", "GZIP", "none"] {
        cases.push(early(
            "unsupported",
            format!("zip {zip}"),
            with_header(&changed("zip", zip.into())),
        ));
    }
    cases.push(late(
        "not-opened",
        "alg as pinned, key of somebody else",
        with_header(&good()),
    ));
    cases
}

pub(super) fn criticals() -> Vec<Case> {
    let crit = |list: Value| with_header(&changed("crit", list));
    let mut understood = changed("crit", json!(["b64"]));
    understood["b64"] = true.into();
    vec![
        early("unsupported", "crit names what we do not know", {
            let mut header = changed("crit", json!(["http://example.org/x"]));
            header["http://example.org/x"] = 1.into();
            with_header(&header)
        }),
        early("unsupported", "crit names b64", with_header(&understood)),
        early("damaged", "crit empty", crit(json!([]))),
        early("damaged", "crit a string", crit("bind".into())),
        early("damaged", "crit of numbers", crit(json!([1]))),
        early(
            "damaged",
            "crit names an absent member",
            crit(json!(["absent"])),
        ),
        early("damaged", "crit names alg", crit(json!(["alg"]))),
        early(
            "damaged",
            "crit names bind twice",
            crit(json!(["bind", "bind"])),
        ),
        early(
            "damaged",
            "crit outside the protected header",
            flattened(|value| {
                value["header"]["crit"] = json!(["bind"]);
            }),
        ),
        late(
            "not-opened",
            "crit names bind, which we know",
            crit(json!(["bind"])),
        ),
    ]
}

pub(super) fn duplicates() -> Vec<Case> {
    let bind = here().to_string();
    let kid = rsa_kid();
    let twice = |members: &str| {
        with_raw_header(&format!(
            r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{bind},{members}}}"#
        ))
    };
    vec![
        early("damaged", "alg twice", twice(r#""alg":"RSA-OAEP-256""#)),
        early(
            "damaged",
            "alg twice, once escaped",
            twice(r#""\u0061lg":"RSA1_5""#),
        ),
        early("damaged", "enc twice", twice(r#""enc":"A128GCM""#)),
        early("damaged", "kid twice", twice(r#""kid":"other""#)),
        early(
            "damaged",
            "bind twice",
            twice(r#""bind":{"v":1,"any":true}"#),
        ),
        early("damaged", "unknown member twice", twice(r#""x":1,"x":2"#)),
        early(
            "damaged",
            "ns twice within bind",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{{"v":1,"ns":"elsewhere","ns":"payments"}}}}"#
            )),
        ),
        early(
            "damaged",
            "any twice within bind",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{kid}","bind":{{"v":1,"any":true,"any":true}}}}"#
            )),
        ),
        early(
            "damaged",
            "member in protected and unprotected",
            flattened(|value| {
                value["header"]["enc"] = "A256GCM".into();
            }),
        ),
        early(
            "damaged",
            "kid in header and unprotected",
            flattened(|value| {
                value["unprotected"] = json!({"kid": "other"});
            }),
        ),
        early(
            "damaged",
            "ciphertext twice",
            flattened(|_| ()).replacen(
                "\"ciphertext\":",
                "\"ciphertext\":\"AAAA\",\"ciphertext\":",
                1,
            ),
        ),
        early(
            "damaged",
            "protected twice",
            flattened(|_| ()).replacen("\"protected\":", "\"protected\":\"e30\",\"protected\":", 1),
        ),
    ]
}

pub(super) fn encodings() -> Vec<Case> {
    let mut cases = Vec::new();
    let text = with_header(&good());
    let parts: Vec<&str> = text.split('.').collect();
    for (index, name) in ["header", "encrypted key", "iv", "ciphertext", "tag"]
        .into_iter()
        .enumerate()
    {
        let part = parts[index];
        for (what, bad) in [
            ("padded", format!("{part}=")),
            ("with +", format!("{}+", &part[..part.len() - 1])),
            (
                "with a blank inside",
                format!("{} {}", &part[..4], &part[4..]),
            ),
            (
                "with a line break inside",
                format!("{}\n{}", &part[..4], &part[4..]),
            ),
            ("with a NUL", format!("{}\0", &part[..part.len() - 1])),
        ] {
            cases.push(early(
                "damaged",
                format!("{name} {what}"),
                with_part(index, &bad),
            ));
        }
    }
    for (name, text) in [
        (
            "stray bits in the tag",
            with_part(4, "AAAAAAAAAAAAAAAAAAAAAB"),
        ),
        (
            "stray bits in the encrypted key",
            with_part(1, &format!("{}B", &b64url(EK)[..341])),
        ),
        (
            "one character too many in the ciphertext",
            with_part(3, "AAAAA"),
        ),
        ("six parts", format!("{text}.AAAA")),
        ("four parts", text.rsplit_once('.').unwrap().0.to_owned()),
        ("empty header", with_part(0, "eyJ9")),
        ("header is not JSON", with_raw_header(r#"{"enc":"A256GCM""#)),
        (
            "header with something after it",
            with_raw_header(&format!("{}x", good())),
        ),
        (
            "header with a byte order mark inside",
            with_raw_header(&good().to_string().replacen("{\"", "{\u{feff}\"", 1)),
        ),
        (
            "header is not UTF-8",
            with_part(0, &b64url(b"{\"enc\":\"\xff\xfe\"}")),
        ),
        (
            "header with half a surrogate pair",
            with_raw_header(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","x":"\ud800"}"#),
        ),
        (
            "header with a raw control character",
            with_raw_header("{\"enc\":\"A256GCM\",\"x\":\"\u{1}\"}"),
        ),
        (
            "header deeply nested",
            with_raw_header(&format!(
                r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","x":{}{}}}"#,
                "[".repeat(10_000),
                "]".repeat(10_000)
            )),
        ),
        (
            "header of objects deeply nested",
            with_raw_header(&format!(
                r#"{{"enc":"A256GCM","x":{}1{}}}"#,
                r#"{"a":"#.repeat(5_000),
                "}".repeat(5_000)
            )),
        ),
        (
            "header of a megabyte",
            with_header(&changed("x", "y".repeat(1 << 20).into())),
        ),
        (
            "header of 100 KiB",
            with_header(&changed("x", "y".repeat(100 << 10).into())),
        ),
        (
            "iv of 11 bytes",
            compact(&good(), &EK, &[1; 11], &TEXT, &TAG),
        ),
        (
            "iv of 16 bytes",
            compact(&good(), &EK, &[1; 16], &TEXT, &TAG),
        ),
        ("no iv", compact(&good(), &EK, &[], &TEXT, &TAG)),
        (
            "tag of 15 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 15]),
        ),
        (
            "tag of 12 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 12]),
        ),
        (
            "tag of 17 bytes",
            compact(&good(), &EK, &IV, &TEXT, &[3; 17]),
        ),
        ("no tag", compact(&good(), &EK, &IV, &TEXT, &[])),
        (
            "CBC with the iv of GCM",
            compact(
                &changed("enc", "A128CBC-HS256".into()),
                &EK,
                &IV,
                &TEXT,
                &TAG,
            ),
        ),
        (
            "CBC-HS512 with the tag of HS256",
            compact(
                &changed("enc", "A256CBC-HS512".into()),
                &EK,
                &[1; 16],
                &TEXT,
                &TAG,
            ),
        ),
        (
            "encrypted key one byte short",
            compact(&good(), &EK[1..], &IV, &TEXT, &TAG),
        ),
        (
            "encrypted key one byte long",
            compact(&good(), &[EK.as_slice(), &[1]].concat(), &IV, &TEXT, &TAG),
        ),
        (
            "encrypted key twice as long",
            compact(&good(), &[1; 512], &IV, &TEXT, &TAG),
        ),
        ("no encrypted key", compact(&good(), &[], &IV, &TEXT, &TAG)),
    ] {
        cases.push(early("damaged", name, text));
    }
    // How long a ciphertext must be only its decryption says.
    let header = changed("enc", "A128CBC-HS256".into());
    for (name, ciphertext) in [
        ("CBC with half a block", &[2; 24][..]),
        ("CBC without a block", &[]),
    ] {
        cases.push(late(
            "not-opened",
            name,
            compact(&header, &EK, &[1; 16], ciphertext, &TAG),
        ));
    }
    cases
}
