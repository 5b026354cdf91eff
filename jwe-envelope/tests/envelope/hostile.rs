//! Texts that claim to be envelopes and are not well-formed ones, each with the exact fault.
//!
//! `recognize` must call every one of them damaged, with the same fault that `Envelope::parse` names.
#![allow(clippy::too_many_lines, reason = "tables, one case per line")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwe_envelope::{
    BindingError, ContentEncryption, Envelope, ParseError, ProvenanceError, Recognized, recognize,
};

const IV: &str = "AAAAAAAAAAAAAAAA";
const TAG: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const HEADER: &str = r#"{"enc":"A256GCM","alg":"RSA-OAEP-256","kid":"k"}"#;
const PROTECTED: &str = "protected header";
const JSON: &str = "JSON envelope";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A compact envelope with this protected header.
fn compact(header: impl AsRef<[u8]>) -> String {
    format!("{}.AAAA.{IV}.AAAA.{TAG}", encode(header))
}

/// A compact envelope with these members after `enc` and `alg`.
fn with(members: &str) -> String {
    compact(format!(
        r#"{{"enc":"A256GCM","alg":"RSA-OAEP-256",{members}}}"#
    ))
}

fn bind(value: &str) -> String {
    with(&format!(r#""bind":{value}"#))
}

fn sealed(value: &str) -> String {
    with(&format!(r#""sealed":{value}"#))
}

/// Flattened JSON with these members before `iv`, `ciphertext` and `tag`.
fn flattened(members: &str) -> String {
    format!(r#"{{{members},"iv":"{IV}","ciphertext":"AAAA","tag":"{TAG}"}}"#)
}

/// Flattened JSON with a good protected header, then these members.
fn beside(members: &str) -> String {
    flattened(&format!(r#""protected":"{}",{members}"#, encode(HEADER)))
}

/// General JSON with `enc` protected and these recipients.
fn general(recipients: &str) -> String {
    let protected = encode(r#"{"enc":"A256GCM"}"#);
    flattened(&format!(
        r#""protected":"{protected}","recipients":{recipients}"#
    ))
}

fn recipient(kid: &str) -> String {
    format!(r#"{{"header":{{"alg":"RSA-OAEP-256","kid":"{kid}"}},"encrypted_key":"AAAA"}}"#)
}

/// Checks a table, case by case, and says all that differ.
#[track_caller]
fn check(cases: Vec<(&str, String, ParseError)>) {
    let mut wrong = Vec::new();
    for (name, text, expected) in cases {
        let parsed = Envelope::parse(text.as_bytes()).err();
        let recognized = match recognize(text.as_bytes()) {
            Recognized::Malformed(fault) => Some(fault),
            Recognized::Plain | Recognized::Sealed(_) => None,
        };
        if parsed.as_ref() != Some(&expected) || recognized != parsed {
            wrong.push(format!(
                "{name}: {parsed:?}, recognized {recognized:?}, expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn character(part: &'static str, found: char, at: usize) -> ParseError {
    ParseError::Base64Character { part, found, at }
}

fn wrong_type(name: &'static str, expected: &'static str) -> ParseError {
    ParseError::WrongType { name, expected }
}

fn syntax(part: &'static str, line: usize, column: usize) -> ParseError {
    ParseError::Syntax { part, line, column }
}

fn duplicate(part: &'static str, name: &str) -> ParseError {
    let name = name.into();
    ParseError::DuplicateMember { part, name }
}

#[test]
fn the_texts_that_the_tables_spoil_are_good() {
    for text in [
        compact(HEADER),
        with(r#""kid":"k""#),
        flattened(&format!(r#""protected":"{}""#, encode(HEADER))),
        beside(r#""encrypted_key":"AAAA""#),
        general(&format!("[{},{}]", recipient("a"), recipient("b"))),
        bind(r#"{"v":1,"ns":"payments"}"#),
        sealed(r#"{"at":1}"#),
    ] {
        Envelope::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
#[rustfmt::skip]
fn compact_parts() {
    let good = compact(HEADER);
    let first = encode(HEADER);
    let segments = |found| ParseError::Segments { found };
    let missing = |part| ParseError::Missing { part };
    check(vec![
        ("header alone", first.clone(), segments(1)),
        ("two parts", format!("{first}.AAAA"), segments(2)),
        ("three parts", format!("{first}.AAAA.AAAA"), segments(3)),
        ("four parts", format!("{first}.AAAA.{IV}.AAAA"), segments(4)),
        ("six parts", format!("{good}.AAAA"), segments(6)),
        ("a trailing dot", format!("{good}."), segments(6)),
        ("a thousand dots", format!("{good}{}", ".".repeat(1000)), segments(6)),
        ("dots alone after eyJ", "eyJ....".into(), ParseError::Base64TrailingBits { part: PROTECTED }),
        ("no iv", format!("{first}.AAAA..AAAA.{TAG}"), missing("initialization vector")),
        ("no tag", format!("{first}.AAAA.{IV}.AAAA."), missing("authentication tag")),
        ("line break at the end of a part", good.replacen('.', ".\n", 1), ParseError::Broken),
        ("line break within a part", format!("{}\n{}", &good[..20], &good[20..]), ParseError::Broken),
        ("carriage returns", good.replace('.', "\r\n."), ParseError::Broken),
        ("a blank", good.replacen('.', " .", 1), ParseError::Broken),
        ("two envelopes, one per line", format!("{good}\n{good}"), ParseError::Broken),
    ]);
}

#[test]
#[rustfmt::skip]
fn base64url() {
    let first = encode(HEADER);
    let iv = "initialization vector";
    let ciphertext = "ciphertext";
    let stray = |part| ParseError::Base64TrailingBits { part };
    let length = |part, len| ParseError::Base64Length { part, len };
    check(vec![
        ("padding in the header", format!("{first}=.AAAA.{IV}.AAAA.{TAG}"), character(PROTECTED, '=', first.len())),
        ("padding in the key", format!("{first}.AA==.{IV}.AAAA.{TAG}"), character("encrypted key", '=', 2)),
        ("padding in the tag", format!("{first}.AAAA.{IV}.AAAA.{TAG}=="), character("authentication tag", '=', 22)),
        ("plus", format!("{first}.AAAA.{IV}.AA+A.{TAG}"), character(ciphertext, '+', 2)),
        ("slash", format!("{first}.AAAA.{IV}./AAA.{TAG}"), character(ciphertext, '/', 0)),
        ("a letter with an accent", format!("{first}.AAAA.{IV}.AAä.{TAG}"), character(ciphertext, 'ä', 2)),
        ("a zero byte", format!("{first}.AAAA.{IV}.A\0AA.{TAG}"), character(ciphertext, '\0', 1)),
        ("a full-width letter", format!("{first}.Ａ.{IV}.AAAA.{TAG}"), character("encrypted key", 'Ａ', 0)),
        ("stray bits, two characters", format!("{first}.AB.{IV}.AAAA.{TAG}"), stray("encrypted key")),
        ("stray bits, three characters", format!("{first}.AAAA.{IV}.AAB.{TAG}"), stray(ciphertext)),
        ("stray bits in the tag", format!("{first}.AAAA.{IV}.AAAA.{}B", &TAG[1..]), stray("authentication tag")),
        ("stray bits in the header", format!("{}.AAAA.{IV}.AAAA.{TAG}", encode(r#"{"enc":"A256GCM"}"#).replace("In0", "In1")), stray(PROTECTED)),
        ("one character too many", format!("{first}.AAAAA.{IV}.AAAA.{TAG}"), length("encrypted key", 5)),
        ("a cut ciphertext", format!("{first}.AAAA.{IV}.A.{TAG}"), length(ciphertext, 1)),
        ("a cut iv", format!("{first}.AAAA.A.AAAA.{TAG}"), length(iv, 1)),
        ("not UTF-8 in JSON is elsewhere; blanks in JSON text", beside(r#""encrypted_key":"AA AA""#), character("encrypted key", ' ', 2)),
        ("escaped line break in JSON text", beside(r#""encrypted_key":"AAAA\n""#), character("encrypted key", '\n', 4)),
        ("dots in JSON text", beside(r#""encrypted_key":"A.AA""#), character("encrypted key", '.', 1)),
        ("aad that is not base64url", beside(r#""aad":"a b""#), character("additional authenticated data", ' ', 1)),
        ("aad with stray bits", beside(r#""aad":"AB""#), stray("additional authenticated data")),
    ]);
}

#[test]
#[rustfmt::skip]
fn protected_headers() {
    let too_long = format!(r#"{{"enc":"A256GCM","alg":"{}"}}"#, "x".repeat(8 * 1024));
    let deep = |levels: usize| {
        let members = format!(r#""x":{}{}"#, "[".repeat(levels), "]".repeat(levels));
        with(&members)
    };
    let many = format!(r#""x":[{}0]"#, "0,".repeat(1100));
    check(vec![
        ("not UTF-8", compact(b"{\"enc\":\"A256GCM\",\"alg\":\"\xff\"}"), ParseError::Utf8 { part: PROTECTED }),
        ("overlong UTF-8", compact(b"{\"enc\":\"A256GCM\",\"alg\":\"\xc0\xaf\"}"), ParseError::Utf8 { part: PROTECTED }),
        ("a surrogate", compact(br#"{"enc":"\ud800","alg":"x"}"#), syntax(PROTECTED, 1, 15)),
        ("a cut object", compact(r#"{"enc":"A256GCM","alg":"RSA-OAEP""#), syntax(PROTECTED, 1, 33)),
        ("a comma too many", compact(r#"{"enc":"A256GCM","alg":"x",}"#), syntax(PROTECTED, 1, 28)),
        ("single quotes", compact(r#"{"enc":"A256GCM",'alg':'x'}"#), syntax(PROTECTED, 1, 18)),
        ("a comment", compact(r#"{"enc":"A256GCM"/**/,"alg":"x"}"#), syntax(PROTECTED, 1, 17)),
        ("a control character", compact("{\"enc\":\"A256\nGCM\",\"alg\":\"x\"}"), syntax(PROTECTED, 2, 0)),
        ("something after it", compact(r#"{"enc":"A256GCM","alg":"x"}x"#), ParseError::TrailingText { part: PROTECTED, line: 1, column: 28 }),
        ("a zero byte after it", compact("{\"enc\":\"A256GCM\",\"alg\":\"x\"}\0"), ParseError::TrailingText { part: PROTECTED, line: 1, column: 28 }),
        ("two objects", compact(r#"{"enc":"A256GCM"}{"alg":"x"}"#), ParseError::TrailingText { part: PROTECTED, line: 1, column: 18 }),
        ("too long", compact(&too_long), ParseError::HeaderTooLong { limit: 8192 }),
        ("nine levels", deep(8), ParseError::TooDeep { part: PROTECTED, limit: 8 }),
        ("thousands of levels", deep(2500), ParseError::TooDeep { part: PROTECTED, limit: 8 }),
        ("too many values", with(&many), ParseError::TooManyValues { part: PROTECTED, limit: 1024 }),
        ("a number out of range", with(r#""x":1e999"#), syntax(PROTECTED, 1, 47)),
        ("enc twice", compact(r#"{"enc":"A256GCM","alg":"x","enc":"A128GCM"}"#), duplicate(PROTECTED, "enc")),
        ("alg twice, once escaped", compact(r#"{"enc":"A256GCM","alg":"x","\u0061lg":"y"}"#), duplicate(PROTECTED, "alg")),
        ("an unknown member twice", with(r#""x":1,"x":1"#), duplicate(PROTECTED, "x")),
        ("a member twice, deep inside", with(r#""x":[{"y":{"z":1,"z":2}}]"#), duplicate(PROTECTED, "z")),
        ("epk with x twice", with(r#""epk":{"kty":"EC","x":"A","y":"B","x":"C"}"#), duplicate(PROTECTED, "x")),
        ("bind with ns twice", bind(r#"{"v":1,"ns":"a","ns":"b"}"#), duplicate(PROTECTED, "ns")),
        ("sealed with at twice", sealed(r#"{"at":1,"a\u0074":2}"#), duplicate(PROTECTED, "at")),
    ]);
}

#[test]
#[rustfmt::skip]
fn header_members() {
    let long_kid = format!(r#""kid":"{}""#, "k".repeat(257));
    let party = |name: &str, len: usize| format!(r#""{name}":"{}""#, encode(vec![0; len]));
    let too_long = |name, len, limit| ParseError::TooLong { name, len, limit };
    check(vec![
        ("no enc", compact(r#"{"alg":"RSA-OAEP-256"}"#), ParseError::NoContentEncryption),
        ("no alg", compact(r#"{"enc":"A256GCM"}"#), ParseError::NoAlgorithm),
        ("neither", compact("{}").replace("e30", "eyJ4IjoxfQ"), ParseError::NoAlgorithm),
        ("Enc", compact(r#"{"Enc":"A256GCM","alg":"x"}"#), ParseError::NoContentEncryption),
        ("enc a number", compact(r#"{"enc":1,"alg":"x"}"#), wrong_type("enc", "a string")),
        ("enc null", compact(r#"{"enc":null,"alg":"x"}"#), wrong_type("enc", "a string")),
        ("enc an array", compact(r#"{"enc":["A256GCM"],"alg":"x"}"#), wrong_type("enc", "a string")),
        ("alg null", compact(r#"{"enc":"A256GCM","alg":null}"#), wrong_type("alg", "a string")),
        ("alg an object", compact(r#"{"enc":"A256GCM","alg":{}}"#), wrong_type("alg", "a string")),
        ("kid a number", with(r#""kid":7"#), wrong_type("kid", "a string")),
        ("kid too long", with(&long_kid), too_long("kid", 257, 256)),
        ("epk a string", with(r#""epk":"key""#), wrong_type("epk", "an object")),
        ("epk null", with(r#""epk":null"#), wrong_type("epk", "an object")),
        ("apu an array", with(r#""apu":[]"#), wrong_type("apu", "a string")),
        ("apu not base64url", with(r#""apu":"a b""#), character("apu", ' ', 1)),
        ("apv with padding", with(r#""apv":"AA==""#), character("apv", '=', 2)),
        ("apv with stray bits", with(r#""apv":"AB""#), ParseError::Base64TrailingBits { part: "apv" }),
        ("apu too long", with(&party("apu", 513)), too_long("apu", 513, 512)),
        ("apv too long", with(&party("apv", 600)), too_long("apv", 600, 512)),
        ("typ a number", with(r#""typ":1"#), wrong_type("typ", "a string")),
        ("zip true", with(r#""zip":true"#), wrong_type("zip", "a string")),
    ]);
}

#[test]
#[rustfmt::skip]
fn crit() {
    let listed = |name: &str| with(&format!(r#""crit":["{name}"]"#));
    let registered = |name: &str| ParseError::CritRegistered { name: name.into() };
    let missing = |name: &str| ParseError::CritMissing { name: name.into() };
    check(vec![
        ("null", with(r#""crit":null"#), ParseError::CritMalformed),
        ("a string", with(r#""crit":"bind""#), ParseError::CritMalformed),
        ("empty", with(r#""crit":[]"#), ParseError::CritMalformed),
        ("of numbers", with(r#""crit":[1]"#), ParseError::CritMalformed),
        ("of arrays", with(r#""crit":[["bind"]]"#), ParseError::CritMalformed),
        ("bind, which is not there", listed("bind"), missing("bind")),
        ("an unknown name that is not there", listed("exp"), missing("exp")),
        ("an empty name", listed(""), missing("")),
        ("a name in other case", with(r#""crit":["Bind"],"bind":{"v":1,"any":true}"#), missing("Bind")),
        ("twice", with(r#""crit":["bind","bind"],"bind":{"v":1,"any":true}"#), ParseError::CritDuplicate { name: "bind".into() }),
        ("twice, once escaped", with(r#""crit":["x","\u0078"],"x":1"#), ParseError::CritDuplicate { name: "x".into() }),
        ("alg", listed("alg"), registered("alg")),
        ("enc", listed("enc"), registered("enc")),
        ("crit itself", listed("crit"), registered("crit")),
        ("zip", with(r#""zip":"DEF","crit":["zip"]"#), registered("zip")),
        ("epk", with(r#""epk":{},"crit":["epk"]"#), registered("epk")),
        ("p2c", with(r#""p2c":1,"crit":["p2c"]"#), registered("p2c")),
        ("x5t#S256", with(r#""x5t#S256":"A","crit":["x5t#S256"]"#), registered("x5t#S256")),
        ("outside the protected header", beside(r#""header":{"x":1,"crit":["x"]}"#), ParseError::MustBeProtected { name: "crit" }),
        ("in the shared header", beside(r#""unprotected":{"x":1,"crit":["x"]}"#), ParseError::MustBeProtected { name: "crit" }),
    ]);
}

#[test]
#[rustfmt::skip]
fn bindings() {
    let any = |members: &str| bind(&format!(r#"{{"v":1,"any":true,{members}}}"#));
    let fault = ParseError::Binding;
    let wrong = |member, expected| fault(BindingError::WrongType { member, expected });
    let protected = ParseError::MustBeProtected { name: "bind" };
    check(vec![
        ("null", bind("null"), wrong("bind", "an object")),
        ("a string", bind(r#""payments""#), wrong("bind", "an object")),
        ("an array", bind("[]"), wrong("bind", "an object")),
        ("empty", bind("{}"), fault(BindingError::Version)),
        ("no version", bind(r#"{"ns":"a"}"#), fault(BindingError::Version)),
        ("version 2", bind(r#"{"v":2,"ns":"a"}"#), fault(BindingError::Version)),
        ("version 1.0", bind(r#"{"v":1.0,"ns":"a"}"#), fault(BindingError::Version)),
        ("version \"1\"", bind(r#"{"v":"1","ns":"a"}"#), fault(BindingError::Version)),
        ("version true", bind(r#"{"v":true,"ns":"a"}"#), fault(BindingError::Version)),
        ("no scope", bind(r#"{"v":1}"#), fault(BindingError::Scope)),
        ("both scopes", any(r#""ns":"a""#), fault(BindingError::Scope)),
        ("any false", bind(r#"{"v":1,"any":false}"#), fault(BindingError::Any)),
        ("any 1", bind(r#"{"v":1,"any":1}"#), fault(BindingError::Any)),
        ("an unknown member", any(r#""kind":"Secret""#), fault(BindingError::UnknownMember { name: "kind".into() })),
        ("ns null", bind(r#"{"v":1,"ns":null}"#), wrong("ns", "a string")),
        ("name a number", any(r#""name":1"#), wrong("name", "a string")),
        ("ns of another alphabet", bind(r#"{"v":1,"ns":"pаyments"}"#), fault(BindingError::IllegalName { found: "pаyments".into(), expected: "a namespace (1 to 63 lower-case letters, digits, `-`)" })),
        ("a star alone", bind(r#"{"v":1,"ns":"*"}"#), fault(BindingError::IllegalPattern { found: "*".into(), what: "namespace", after: "`-`" })),
        ("a star after a letter", any(r#""name":"db*""#), fault(BindingError::IllegalPattern { found: "db*".into(), what: "Secret's name", after: "`-` or `.`" })),
        ("sa default", any(r#""sa":"default""#), fault(BindingError::DefaultServiceAccount)),
        ("aud empty", any(r#""aud":[]"#), fault(BindingError::AudienceSize)),
        ("aud twice", any(r#""aud":["a","a"]"#), fault(BindingError::DuplicateCluster { cluster: "a".into() })),
        ("aud a string", any(r#""aud":"prod""#), wrong("aud", "an array of cluster names")),
        ("nbf 1e3", any(r#""nbf":1e3"#), fault(BindingError::Time { member: "nbf" })),
        ("exp negative", any(r#""exp":-1"#), fault(BindingError::Time { member: "exp" })),
        ("exp a string", any(r#""exp":"1""#), fault(BindingError::Time { member: "exp" })),
        ("nbf after exp", any(r#""nbf":2,"exp":1"#), fault(BindingError::TimesReversed)),
        ("in the recipient's header", beside(r#""header":{"bind":{"v":1,"any":true}}"#), protected.clone()),
        ("in the shared header", beside(r#""unprotected":{"bind":{"v":1,"any":true}}"#), protected.clone()),
        ("outside, and broken there", beside(r#""header":{"bind":7}"#), protected),
    ]);
}

#[test]
#[rustfmt::skip]
fn provenance() {
    let fault = ParseError::Provenance;
    let long = format!(r#"{{"at":1,"why":"{}"}}"#, "x".repeat(1024));
    check(vec![
        ("a string", sealed(r#""mara""#), fault(ProvenanceError::WrongType { member: "sealed", expected: "an object" })),
        ("no time", sealed(r#"{"by":"mara"}"#), fault(ProvenanceError::At)),
        ("a time in words", sealed(r#"{"at":"today"}"#), fault(ProvenanceError::At)),
        ("an unknown member", sealed(r#"{"at":1,"sig":"A"}"#), fault(ProvenanceError::UnknownMember { name: "sig".into() })),
        ("an escape sequence", sealed(r#"{"at":1,"by":"\u001b[31m"}"#), fault(ProvenanceError::Control { member: "by", found: '\u{1b}' })),
        ("too long", sealed(&long), fault(ProvenanceError::TooLong { limit: 1024 })),
        ("outside the protected header", beside(r#""header":{"sealed":{"at":1}}"#), ParseError::MustBeProtected { name: "sealed" }),
    ]);
}

#[test]
fn iv_and_tag_lengths() {
    let parts = |enc: &str, iv: usize, tag: usize| {
        let header = encode(format!(r#"{{"enc":"{enc}","alg":"x"}}"#));
        format!(
            "{header}.AAAA.{}.AAAA.{}",
            encode(vec![0; iv]),
            encode(vec![0; tag])
        )
    };
    let mut cases = Vec::new();
    for encryption in ContentEncryption::ALL {
        let (enc, iv, tag) = (
            encryption.as_str(),
            encryption.iv_len(),
            encryption.tag_len(),
        );
        Envelope::parse(parts(enc, iv, tag).as_bytes()).unwrap();
        for found in [iv - 1, iv + 1, 2 * iv] {
            cases.push((
                enc,
                parts(enc, found, tag),
                ParseError::IvLength { encryption, found },
            ));
        }
        for found in [1, tag / 2, tag - 1, tag + 1] {
            cases.push((
                enc,
                parts(enc, iv, found),
                ParseError::TagLength { encryption, found },
            ));
        }
    }
    check(cases);
}

#[test]
#[rustfmt::skip]
fn json_members() {
    let protected = encode(HEADER);
    let empty = |member| ParseError::Empty { member };
    let text = |name| wrong_type(name, "a string");
    let object = |name| wrong_type(name, "an object");
    let good = flattened(&format!(r#""protected":"{protected}""#));
    let spoiled = |from: &str, to: &str| good.replacen(from, to, 1);
    let deep = format!(r#""x":{}{}"#, "[".repeat(8), "]".repeat(8));
    let iv = format!(r#""iv":"{IV}""#);
    let tag = format!(r#""tag":"{TAG}""#);
    check(vec![
        ("protected empty", flattened(r#""protected":"""#), empty("protected")),
        ("protected null", flattened(r#""protected":null"#), text("protected")),
        ("protected an object", flattened(r#""protected":{"enc":"A256GCM"}"#), text("protected")),
        ("protected an encoded string", flattened(&format!(r#""protected":"{}""#, encode("\"enc\""))), wrong_type(PROTECTED, "a JSON object")),
        ("protected an encoded array", flattened(&format!(r#""protected":"{}""#, encode("[]"))), wrong_type(PROTECTED, "a JSON object")),
        ("protected nothing at all", flattened(&format!(r#""protected":"{}""#, encode(" "))), syntax(PROTECTED, 1, 1)),
        ("protected with a byte order mark", flattened(&format!(r#""protected":"{}""#, encode(format!("\u{feff}{HEADER}")))), ParseError::ByteOrderMark),
        ("unprotected empty", beside(r#""unprotected":{}"#), empty("unprotected")),
        ("unprotected null", beside(r#""unprotected":null"#), object("unprotected")),
        ("unprotected encoded", beside(r#""unprotected":"e30""#), object("unprotected")),
        ("header empty", beside(r#""header":{}"#), empty("header")),
        ("header null", beside(r#""header":null"#), object("header")),
        ("header an array", beside(r#""header":[]"#), object("header")),
        ("encrypted_key empty", beside(r#""encrypted_key":"""#), empty("encrypted_key")),
        ("encrypted_key null", beside(r#""encrypted_key":null"#), text("encrypted_key")),
        ("aad empty", beside(r#""aad":"""#), empty("aad")),
        ("aad null", beside(r#""aad":null"#), text("aad")),
        ("iv empty", spoiled(&iv, r#""iv":"""#), empty("iv")),
        ("iv null", spoiled(&iv, r#""iv":null"#), text("iv")),
        ("iv absent", spoiled(&iv, r#""vi":"""#), ParseError::Missing { part: "initialization vector" }),
        ("tag empty", spoiled(&tag, r#""tag":"""#), empty("tag")),
        ("tag absent", spoiled(&tag, r#""gat":1"#), ParseError::Missing { part: "authentication tag" }),
        ("ciphertext null", spoiled(r#""ciphertext":"AAAA""#, r#""ciphertext":null"#), text("ciphertext")),
        ("ciphertext an array", spoiled(r#""ciphertext":"AAAA""#, r#""ciphertext":["AAAA"]"#), text("ciphertext")),
        ("protected twice", beside(&format!(r#""protected":"{protected}""#)), duplicate(JSON, "protected")),
        ("ciphertext twice, once escaped", beside(r#""cipherte\u0078t":"AAAA""#), duplicate(JSON, "ciphertext")),
        ("an unknown member twice", beside(r#""x":1,"x":2"#), duplicate(JSON, "x")),
        ("a member twice in an ignored one", beside(r#""x":{"y":1,"y":1}"#), duplicate(JSON, "y")),
        ("kid twice in header", beside(r#""header":{"x":"a","x":"b"}"#), duplicate(JSON, "x")),
        ("nine levels in an ignored member", beside(&deep), ParseError::TooDeep { part: JSON, limit: 8 }),
        ("cut short", good[..good.len() - 1].to_owned(), syntax(JSON, 1, good.len() - 1)),
        ("something after it", format!("{good},"), ParseError::TrailingText { part: JSON, line: 1, column: good.len() + 1 }),
        ("two of them, one per line", format!("{good}\n{good}"), ParseError::TrailingText { part: JSON, line: 2, column: 1 }),
    ]);
}

#[test]
#[rustfmt::skip]
fn header_unions() {
    let shared = |name: &str| ParseError::SharedName { name: name.into() };
    check(vec![
        ("alg in protected and header", beside(r#""header":{"alg":"RSA-OAEP-256"}"#), shared("alg")),
        ("kid in protected and unprotected", beside(r#""unprotected":{"kid":"k"}"#), shared("kid")),
        ("kid escaped", beside(r#""unprotected":{"k\u0069d":"k"}"#), shared("kid")),
        ("enc in protected and header", beside(r#""header":{"enc":"A128GCM"}"#), shared("enc")),
        ("an unknown name in unprotected and header", beside(r#""unprotected":{"x":1},"header":{"x":1}"#), shared("x")),
        ("zip outside", beside(r#""header":{"zip":"DEF"}"#), ParseError::MustBeProtected { name: "zip" }),
        ("zip in the shared header", beside(r#""unprotected":{"zip":"DEF"}"#), ParseError::MustBeProtected { name: "zip" }),
        ("alg nowhere", general(r#"[{"encrypted_key":"AAAA"}]"#), ParseError::NoAlgorithm),
        ("alg for one recipient only", general(&format!(r#"[{},{{"encrypted_key":"AAAA"}}]"#, recipient("a"))), ParseError::NoAlgorithm),
        ("enc nowhere", flattened(r#""header":{"alg":"RSA-OAEP-256"}"#), ParseError::NoContentEncryption),
    ]);
}

#[test]
#[rustfmt::skip]
fn recipients() {
    let list = wrong_type("recipients", "an array of objects");
    let one = recipient("a");
    let beside_header = |member: &str| general(&format!("[{one}],{member}"));
    let ambiguous = |member| ParseError::AmbiguousRecipients { member };
    let seventeen: Vec<String> = (0..17).map(|n| recipient(&n.to_string())).collect();
    check(vec![
        ("none", general("[]"), ParseError::NoRecipients),
        ("null", general("null"), list.clone()),
        ("an object", general(&one), list.clone()),
        ("of strings", general(r#"["AAAA"]"#), list.clone()),
        ("of null", general("[null]"), list),
        ("seventeen", general(&format!("[{}]", seventeen.join(","))), ParseError::TooManyRecipients { limit: 16 }),
        ("with a header beside", beside_header(r#""header":{"alg":"x"}"#), ambiguous("header")),
        ("with an encrypted key beside", beside_header(r#""encrypted_key":"AAAA""#), ambiguous("encrypted_key")),
        ("of one kid", general(&format!("[{one},{one}]")), ParseError::DuplicateKeyId { kid: "a".into() }),
        ("of one kid, once escaped", general(&format!("[{one},{}]", recipient(r"\u0061"))), ParseError::DuplicateKeyId { kid: "a".into() }),
        ("with an empty header", general(r#"[{"header":{},"encrypted_key":"AAAA"}]"#), ParseError::Empty { member: "header" }),
        ("with an empty key", general(r#"[{"header":{"alg":"x"},"encrypted_key":""}]"#), ParseError::Empty { member: "encrypted_key" }),
        ("with a bad key in the last", general(&format!(r#"[{one},{{"header":{{"alg":"x"}},"encrypted_key":"AB"}}]"#)), ParseError::Base64TrailingBits { part: "encrypted key" }),
        ("with a shared kid for both", flattened(&format!(r#""protected":"{}","recipients":[{{"encrypted_key":"AAAA"}},{{"encrypted_key":"BBBB"}}]"#, encode(HEADER))), ParseError::DuplicateKeyId { kid: "k".into() }),
    ]);
}

#[test]
fn untrusted_text_in_a_fault_is_cut_short() {
    let name = "x".repeat(4000);
    let fault = Envelope::parse(with(&format!(r#""{name}":1,"{name}":2"#)).as_bytes()).unwrap_err();
    assert!(fault.to_string().len() < 200, "{fault}");
    let text = bind(&format!(r#"{{"v":1,"ns":"{name}"}}"#));
    let fault = Envelope::parse(text.as_bytes()).unwrap_err();
    assert!(fault.to_string().len() < 250, "{fault}");
}

#[test]
fn faults_read_as_errors_do() {
    let fault = Envelope::parse(b"eyJ....").unwrap_err().to_string();
    assert!(
        fault.starts_with(char::is_lowercase) && !fault.ends_with('.'),
        "{fault}"
    );
    let text = compact(HEADER).replacen('.', "\n.", 1);
    assert_eq!(
        Envelope::parse(text.as_bytes()).unwrap_err().to_string(),
        "compact envelope contains spaces or newlines; join it into one line"
    );
}
