//! Bodies that are no reviews, and reviews that no API server would send.

use serde_json::{Value, json};

use test_support::reviews::*;

/// What a review must be answered with.
pub(super) enum Answer {
    /// Allowed without a patch.
    Allowed,
    /// Denied with this status code.
    Denied(u64),
    /// Not answered as a review: HTTP 400.
    Invalid,
}

pub(super) fn hostile_reviews() -> Vec<(&'static str, Vec<u8>, Answer)> {
    use Answer::{Allowed, Denied, Invalid};
    let plain = || Review::create(&[("password", "x")]);
    let sealed_one = || Review::create(&[("password", &sealed("hunter2", "password"))]);
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let removed = |review: Review, member: &str| {
        let mut value = review.0;
        value["request"].as_object_mut().unwrap().remove(member);
        value.to_string()
    };
    let top = |member: &str, value: Value| {
        let mut review = sealed_one().0;
        review[member] = value;
        review.to_string()
    };
    let raw_object = |object: &str| {
        let mut review = plain().0;
        review["request"]["object"] = "@".into();
        review.to_string().replacen("\"@\"", object, 1)
    };
    let many = format!(
        "{{\"kind\":\"Secret\",\"metadata\":{{\"name\":\"db\"}},\"data\":{{{}}}}}",
        (0..80_000)
            .map(|n| format!("\"k{n}\":\"YQ==\""))
            .collect::<Vec<_>>()
            .join(",")
    );
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut cases: Vec<(&'static str, Vec<u8>, Answer)> = Vec::new();
    let mut text = |name: &'static str, body: String, answer: Answer| {
        cases.push((name, body.into_bytes(), answer));
    };

    text("empty body", String::new(), Invalid);
    text("a word", "hello".into(), Invalid);
    text("null", "null".into(), Invalid);
    text("an array", "[]".into(), Invalid);
    text("an empty object", "{}".into(), Invalid);
    text(
        "cut in the middle",
        sealed_one().body()[..900].to_owned(),
        Invalid,
    );
    text(
        "something after the review",
        format!("{} {{}}", sealed_one().body()),
        Invalid,
    );
    text("two reviews", sealed_one().body().repeat(2), Invalid);
    text(
        "byte order mark",
        format!("\u{feff}{}", sealed_one().body()),
        Invalid,
    );
    text(
        "v1beta1",
        top("apiVersion", "admission.k8s.io/v1beta1".into()),
        Invalid,
    );
    text(
        "v2",
        top("apiVersion", "admission.k8s.io/v2".into()),
        Invalid,
    );
    text("no apiVersion", top("apiVersion", Value::Null), Invalid);
    text(
        "another kind of review",
        top("kind", "ConversionReview".into()),
        Invalid,
    );
    text("no request", top("request", Value::Null), Invalid);
    text("request a list", top("request", json!([])), Invalid);
    text("no uid", removed(sealed_one(), "uid"), Invalid);
    text(
        "empty uid",
        sealed_one().request_with("uid", "".into()).body(),
        Invalid,
    );
    text(
        "uid a number",
        sealed_one().request_with("uid", 1.into()).body(),
        Invalid,
    );
    text(
        "uid of a megabyte",
        sealed_one()
            .request_with("uid", "u".repeat(1 << 20).into())
            .body(),
        Invalid,
    );
    text("no operation", removed(sealed_one(), "operation"), Invalid);
    text(
        "operation in lower case",
        sealed_one()
            .request_with("operation", "create".into())
            .body(),
        Invalid,
    );
    text(
        "an operation of the future",
        sealed_one()
            .request_with("operation", "PATCH".into())
            .body(),
        Invalid,
    );
    text("no kind", removed(sealed_one(), "kind"), Invalid);
    text(
        "uid twice",
        sealed_one()
            .body()
            .replacen("\"uid\":", "\"uid\":\"x\",\"uid\":", 1),
        Invalid,
    );
    text(
        "object twice",
        sealed_one()
            .body()
            .replacen("\"object\":", "\"object\":{},\"object\":", 1),
        Invalid,
    );
    text(
        "dryRun a string",
        sealed_one().request_with("dryRun", "true".into()).body(),
        Invalid,
    );
    text(
        "groups a string",
        sealed_one()
            .request_with("userInfo", json!({"groups": "x"}))
            .body(),
        Invalid,
    );
    text("nested ten thousand levels", deep(10_000), Invalid);
    text(
        "unknown member nested twenty thousand levels",
        plain()
            .body()
            .replacen('{', &format!("{{\"x\":{},", deep(20_000)), 1),
        Invalid,
    );

    text("no object", removed(sealed_one(), "object"), Denied(400));
    text(
        "object null",
        sealed_one().request_with("object", Value::Null).body(),
        Denied(400),
    );
    text("object a string", raw_object("\"x\""), Denied(400));
    text("object a list", raw_object("[]"), Denied(400));
    text(
        "data a list",
        plain().with("/data", json!([])).body(),
        Denied(400),
    );
    text(
        "a value that is a number",
        plain().with("/data", json!({"a": 1})).body(),
        Denied(400),
    );
    text(
        "a value that is an object",
        plain().with("/data", json!({"a": {}})).body(),
        Denied(400),
    );
    text(
        "metadata a string",
        plain().with("/metadata", "x".into()).body(),
        Denied(400),
    );
    text(
        "annotations a list",
        plain().with("/metadata/annotations", json!([])).body(),
        Denied(400),
    );
    text(
        "a key of data twice",
        raw_object(r#"{"metadata":{"name":"db"},"data":{"a":"YQ==","a":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "a key of data twice, once escaped",
        raw_object(r#"{"metadata":{"name":"db"},"data":{"a":"YQ==","\u0061":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "data twice",
        raw_object(r#"{"metadata":{"name":"db"},"data":{},"data":{"a":"Yg=="}}"#),
        Denied(400),
    );
    text(
        "metadata nested twenty thousand levels",
        raw_object(&format!(
            r#"{{"metadata":{{"name":"db","x":{}}},"data":{{}}}}"#,
            deep(20_000)
        )),
        Invalid,
    );
    text(
        "names that differ",
        sealed_one().request_with("name", "other".into()).body(),
        Denied(400),
    );
    text(
        "no name at all",
        removed(Review(plain().with("/metadata", json!({})).0), "name"),
        Denied(400),
    );
    text(
        "UPDATE without oldObject",
        sealed_one()
            .request_with("operation", "UPDATE".into())
            .body(),
        Denied(400),
    );
    text(
        "UPDATE with oldObject a string",
        sealed_one()
            .request_with("operation", "UPDATE".into())
            .request_with("oldObject", "x".into())
            .body(),
        Denied(400),
    );
    text(
        "an envelope that is not base64",
        plain()
            .with("/data", json!({"password": "ZXlKhbGci*"}))
            .body(),
        Denied(400),
    );
    text(
        "no namespace",
        removed(sealed_one(), "namespace"),
        Denied(403),
    );
    text(
        "empty namespace",
        sealed_one().request_with("namespace", "".into()).body(),
        Denied(403),
    );
    text(
        "a namespace with a NUL",
        sealed_one()
            .request_with("namespace", "payments\0".into())
            .body(),
        Denied(403),
    );
    text(
        "a namespace in capitals",
        sealed_one()
            .request_with("namespace", "PAYMENTS".into())
            .body(),
        Denied(403),
    );
    text(
        "the namespace of the object alone",
        sealed_one()
            .request_with("namespace", "other".into())
            .body(),
        Denied(403),
    );
    text(
        "a namespace of a megabyte",
        sealed_one()
            .request_with("namespace", "n".repeat(1 << 20).into())
            .body(),
        Denied(403),
    );

    text(
        "data null",
        plain().with("/data", Value::Null).body(),
        Allowed,
    );
    text(
        "data empty",
        plain().with("/data", json!({})).body(),
        Allowed,
    );
    text(
        "no data",
        raw_object(r#"{"metadata":{"name":"db"}}"#),
        Allowed,
    );
    text(
        "a null value",
        plain().with("/data", json!({"a": null, "b": ""})).body(),
        Allowed,
    );
    text(
        "a value that is not base64",
        plain().with("/data", json!({"a": "***"})).body(),
        Allowed,
    );
    text("80,000 keys", raw_object(&many), Allowed);
    text(
        "an empty key",
        plain().with("/data", json!({"": "YQ=="})).body(),
        Allowed,
    );
    text(
        "two MiB of values",
        plain()
            .with("/data", json!({"a": "YWFh".repeat(700_000)}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of e",
        plain()
            .with("/data", json!({"a": b64("e".repeat(1 << 20))}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of braces",
        plain()
            .with("/data", json!({"a": b64("{".repeat(1 << 20))}))
            .body(),
        Allowed,
    );
    text(
        "a MiB of {\"",
        plain()
            .with(
                "/data",
                json!({"a": b64("{\"ciphertext\":".repeat(80_000))}),
            )
            .body(),
        Allowed,
    );
    text(
        "unknown members",
        plain()
            .request_with("later", json!({"a": [1]}))
            .with("/later", json!({}))
            .body(),
        Allowed,
    );
    text(
        "DELETE",
        sealed_one()
            .request_with("operation", "DELETE".into())
            .body(),
        Allowed,
    );
    text(
        "DELETE of nothing",
        removed(
            sealed_one().request_with("operation", "DELETE".into()),
            "object",
        ),
        Allowed,
    );
    text(
        "DELETE of a broken object",
        sealed_one()
            .request_with("operation", "DELETE".into())
            .request_with("object", "x".into())
            .body(),
        Allowed,
    );
    text(
        "CONNECT",
        sealed_one()
            .request_with("operation", "CONNECT".into())
            .body(),
        Allowed,
    );
    text(
        "a subresource",
        sealed_one()
            .request_with("subResource", "status".into())
            .body(),
        Allowed,
    );
    text(
        "a ConfigMap",
        plain()
            .request_with("kind", kind("", "v1", "ConfigMap"))
            .body(),
        Allowed,
    );
    text(
        "a Secret of another group",
        plain()
            .request_with("kind", kind("example.org", "v1", "Secret"))
            .body(),
        Allowed,
    );
    text(
        "a sealed Secret of another group",
        sealed_one()
            .request_with("kind", kind("example.org", "v1", "Secret"))
            .body(),
        Denied(403),
    );
    text(
        "a sealed Secret of another version",
        sealed_one()
            .request_with("kind", kind("", "v2", "Secret"))
            .body(),
        Denied(403),
    );
    text(
        "another kind nested too deeply",
        raw_object(&deep(20_000)).replace(
            r#""kind":"Secret","version""#,
            r#""kind":"Thing","version""#,
        ),
        Invalid,
    );
    text(
        "userInfo null",
        plain().request_with("userInfo", Value::Null).body(),
        Allowed,
    );
    text(
        "a user of a megabyte",
        plain()
            .request_with("userInfo", json!({"username": "u".repeat(1 << 20)}))
            .body(),
        Allowed,
    );
    text(
        "ten thousand groups",
        plain()
            .request_with("userInfo", json!({"groups": vec!["g"; 10_000]}))
            .body(),
        Allowed,
    );
    text(
        "a user with a line break",
        plain()
            .request_with("userInfo", json!({"username": "a\n{\"uid\":\"forged\"}"}))
            .body(),
        Allowed,
    );

    for (name, bytes) in [
        ("bad UTF-8", &b"{\"apiVersion\":\"\xff\"}"[..]),
        ("an overlong slash", b"{\"apiVersion\":\"\xc0\xaf\"}"),
        (
            "half a surrogate in UTF-8",
            b"{\"apiVersion\":\"\xed\xa0\x80\"}",
        ),
        ("NULs", b"\0\0\0\0"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("UTF-16", b"\xff\xfe{\0}\0"),
        ("half a surrogate escaped", br#"{"apiVersion":"\ud800"}"#),
    ] {
        cases.push((name, bytes.to_vec(), Invalid));
    }
    cases
}
