//! The checks that go with a Secret's type, made on the opened values before the API server makes them.
//!
//! Its own refusal is a 422, on which some deployment tools delete the Secret and create it again.
//! The rules are those of Kubernetes' validation; types that it does not know are not checked.

use secret_walker::AdmittedSecret;
use serde::de::IgnoredAny;

/// What the API server would say of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeFault {
    /// The key of `data`, or what is in its place.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks the Secret as it will be stored: `opened` gives the new value of a field that was opened.
pub fn check<'p>(
    secret: &AdmittedSecret<'_>,
    opened: impl Fn(&str) -> Option<&'p [u8]>,
) -> Vec<TypeFault> {
    check_without(secret, opened, |_| false)
}

/// The same where some fields go: `removed` says which.
pub fn check_without<'p>(
    secret: &AdmittedSecret<'_>,
    opened: impl Fn(&str) -> Option<&'p [u8]>,
    removed: impl Fn(&str) -> bool,
) -> Vec<TypeFault> {
    let missing = |keys: &[&'static str]| {
        keys.iter()
            .filter(|key| removed(key) || secret.get(key).is_none() && opened(key).is_none())
            .map(|field| TypeFault {
                field,
                reason: "is missing, and a Secret of this type needs it",
            })
            .collect::<Vec<_>>()
    };
    match secret.secret_type().unwrap_or_default() {
        "kubernetes.io/basic-auth" => {
            let mut faults = missing(&["username", "password"]);
            // One of the two is enough.
            if faults.len() < 2 {
                faults.clear();
            }
            for fault in &mut faults {
                fault.reason =
                    "is missing, and a Secret of this type needs `username` or `password`";
            }
            faults
        }
        "kubernetes.io/dockercfg" => registry_login(".dockercfg", &missing, &opened),
        "kubernetes.io/dockerconfigjson" => registry_login(".dockerconfigjson", &missing, &opened),
        "kubernetes.io/service-account-token" => {
            let named = secret
                .annotation("kubernetes.io/service-account.name")
                .is_some_and(|name| !name.is_empty());
            if named {
                Vec::new()
            } else {
                vec![TypeFault {
                    field: "metadata.annotations[kubernetes.io/service-account.name]",
                    reason: "is missing, and a Secret of this type needs it",
                }]
            }
        }
        "kubernetes.io/ssh-auth" => {
            let key = "ssh-privatekey";
            let empty = match opened(key) {
                Some(value) => value.is_empty(),
                None => secret
                    .get(key)
                    .is_some_and(|entry| entry.decoded_len() == 0),
            };
            let mut faults = missing(&[key]);
            if empty {
                faults.push(TypeFault {
                    field: key,
                    reason: "is empty, and a Secret of this type needs a key in it",
                });
            }
            faults
        }
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
        // `Opaque`, bootstrap tokens and types of others hold anything.
        _ => Vec::new(),
    }
}

fn registry_login<'p>(
    field: &'static str,
    missing: &impl Fn(&[&'static str]) -> Vec<TypeFault>,
    opened: &impl Fn(&str) -> Option<&'p [u8]>,
) -> Vec<TypeFault> {
    let mut faults = missing(&[field]);
    if opened(field).is_some_and(|value| !reads_as_go_map(value)) {
        faults.push(TypeFault {
            field,
            reason: "does not hold a JSON object, and a Secret of this type needs one",
        });
    }
    faults
}

/// Whether Go reads the text into a `map[string]interface{}`: an object or `null`, every number within the range
/// of a float, at most 10,000 levels deep. Looks on, copies nothing: the text is a secret.
fn reads_as_go_map(text: &[u8]) -> bool {
    let first = text.trim_ascii_start().first();
    matches!(first, Some(b'{' | b'n'))
        && serde_json::from_slice::<IgnoredAny>(text).is_ok()
        && numbers_and_depth_fit(text)
}

/// Goes over JSON whose grammar is known to be right.
fn numbers_and_depth_fit(text: &[u8]) -> bool {
    const DEEPEST: usize = 10_000;
    let mut depth = 0_usize;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let [byte, after @ ..] = rest {
                    rest = if *byte == b'\\' {
                        after.get(1..).unwrap_or_default()
                    } else {
                        after
                    };
                    if *byte == b'"' {
                        break;
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let more = after
                    .iter()
                    .take_while(|byte| {
                        matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
                    })
                    .count();
                let start = text.len() - after.len() - 1;
                rest = &after[more..];
                let finite = std::str::from_utf8(&text[start..=start + more])
                    .ok()
                    .and_then(|number| number.parse::<f64>().ok())
                    .is_some_and(f64::is_finite);
                if !finite {
                    return false;
                }
            }
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(secret: &str, opened: &[(&str, &str)]) -> Vec<&'static str> {
        let secret = AdmittedSecret::from_json(secret).unwrap();
        check(&secret, |key| {
            opened
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.as_bytes())
        })
        .into_iter()
        .map(|fault| fault.field)
        .collect()
    }

    #[test]
    fn a_registry_login_is_an_object_as_go_reads_it() {
        let login =
            r#"{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"eA=="}}"#;
        for good in [
            r#"{"auths":{"r":{"auth":"eDp5"}}}"#,
            "{}",
            " {\"a\":[1,2.5,null,true,\"x\"]}\n",
            "null",
            r#"{"a":1,"a":2}"#,
            r#"{"1e999":"1e999 \" 1e999","b":-0.5e-7}"#,
        ] {
            assert_eq!(
                faults(login, &[(".dockerconfigjson", good)]),
                [""; 0],
                "{good}"
            );
        }
        for bad in [
            "",
            "x",
            "[]",
            "\"x\"",
            "1",
            "{",
            "{}{}",
            r#"{"a":[-1e999]}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(
                faults(login, &[(".dockerconfigjson", bad)]),
                [".dockerconfigjson"],
                "{bad}"
            );
        }
        let deep =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(
            faults(login, &[(".dockerconfigjson", &deep(9_999))]),
            [""; 0]
        );
        assert_eq!(
            faults(login, &[(".dockerconfigjson", &deep(10_000))]).len(),
            1
        );
        // What was not opened is not ours to judge.
        assert_eq!(faults(login, &[("other", "x")]), [""; 0]);
        let older = r#"{"type":"kubernetes.io/dockercfg","data":{".dockercfg":"eA=="}}"#;
        assert_eq!(faults(older, &[(".dockercfg", "x")]), [".dockercfg"]);
    }

    #[test]
    fn each_type_names_what_it_misses() {
        for (secret, opened, expected) in [
            (r#"{"type":"Opaque","data":{"a":""}}"#, "a", &[][..]),
            (r#"{"data":{"a":""}}"#, "a", &[]),
            (r#"{"type":"example.org/own","data":{"a":""}}"#, "a", &[]),
            (
                r#"{"type":"bootstrap.kubernetes.io/token","data":{"a":""}}"#,
                "a",
                &[],
            ),
            (
                r#"{"type":"kubernetes.io/tls","data":{"tls.crt":""}}"#,
                "tls.crt",
                &["tls.key"],
            ),
            (
                r#"{"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":null}}"#,
                "tls.crt",
                &[],
            ),
            (
                r#"{"type":"kubernetes.io/basic-auth","data":{"password":""}}"#,
                "password",
                &[],
            ),
            (
                r#"{"type":"kubernetes.io/basic-auth","data":{"x":""}}"#,
                "x",
                &["username", "password"],
            ),
            (
                r#"{"type":"kubernetes.io/dockerconfigjson","data":{"x":""}}"#,
                "x",
                &[".dockerconfigjson"],
            ),
            (
                r#"{"type":"kubernetes.io/ssh-auth","data":{"x":""}}"#,
                "x",
                &["ssh-privatekey"],
            ),
            // What comes out of an annotation is not in `data` before.
            (
                r#"{"type":"kubernetes.io/ssh-auth"}"#,
                "ssh-privatekey",
                &[],
            ),
            (r#"{"type":"kubernetes.io/basic-auth"}"#, "username", &[]),
            (
                r#"{"type":"kubernetes.io/tls","data":{"tls.crt":""}}"#,
                "tls.key",
                &[],
            ),
            (
                r#"{"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":"eA=="}}"#,
                "ssh-privatekey",
                &[],
            ),
            (
                r#"{"type":"kubernetes.io/service-account-token","data":{"x":""}}"#,
                "x",
                &["metadata.annotations[kubernetes.io/service-account.name]"],
            ),
            (
                r#"{"type":"kubernetes.io/service-account-token","metadata":{"annotations":{"kubernetes.io/service-account.name":"a"}},"data":{"x":""}}"#,
                "x",
                &[],
            ),
        ] {
            assert_eq!(faults(secret, &[(opened, "value")]), expected, "{secret}");
        }
    }

    #[test]
    fn what_goes_with_its_annotation_is_missing() {
        let secret = r#"{"type":"kubernetes.io/tls","data":{"tls.crt":"","tls.key":""}}"#;
        let secret = AdmittedSecret::from_json(secret).unwrap();
        let faults = check_without(&secret, |_| None, |key| key == "tls.key");
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].field, "tls.key");
    }

    #[test]
    fn an_ssh_key_is_not_empty() {
        let secret = r#"{"type":"kubernetes.io/ssh-auth","data":{"ssh-privatekey":"eA=="}}"#;
        assert_eq!(
            faults(secret, &[("ssh-privatekey", "")]),
            ["ssh-privatekey"]
        );
    }
}
