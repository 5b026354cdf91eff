use proptest::prelude::*;

use super::*;
use crate::error::ParseError;

fn read(json: &str) -> Result<Binding, ParseError> {
    Binding::from_json(json)
}

fn fault(json: &str) -> BindingError {
    match read(json) {
        Err(ParseError::Binding(fault)) => fault,
        other => panic!("{json}: {other:?}"),
    }
}

fn place() -> Place {
    Place::new("payments", "db", "password").unwrap()
}

#[test]
fn reads_what_the_wire_profile_shows() {
    let json = r#"{"v":1,"ns":"payments","name":"db","key":"password"}"#;
    let binding = read(json).unwrap();
    assert_eq!(binding, Binding::exact(&place()));
    assert_eq!(binding.to_json(), json);
    assert_eq!(binding.to_string(), "payments/db/password");
}

#[test]
fn reads_every_member() {
    let json = r#"{"v":1,"any":true,"name":"db-*","key":"tls.*","sa":"app","aud":["a","b"],"nbf":1,"exp":9007199254740991}"#;
    let binding = read(json).unwrap();
    assert_eq!(*binding.scope(), Scope::Any);
    assert_eq!(binding.name().unwrap().as_str(), "db-*");
    assert_eq!(binding.name().unwrap().literal(), Some("db-"));
    assert_eq!(binding.key().unwrap().as_str(), "tls.*");
    assert_eq!(binding.service_account(), Some("app"));
    assert_eq!(binding.audience(), ["a", "b"]);
    assert_eq!(binding.not_before(), Some(1));
    assert_eq!(binding.expires(), Some((1 << 53) - 1));
    assert_eq!(binding.to_json(), json);
}

#[test]
fn members_may_stand_in_any_order_and_be_escaped() {
    let json = r#" { "key" : "p\u0061ssword", "n\u0073":"payments","name":"db", "v":1 } "#;
    assert_eq!(read(json).unwrap(), Binding::exact(&place()));
}

#[test]
fn the_version_is_the_integer_1() {
    for v in [
        "1.0", "\"1\"", "2", "0", "-1", "1e0", "10e-1", "true", "null", "[1]", "{}", "1.5",
    ] {
        assert_eq!(
            fault(&format!(r#"{{"v":{v},"ns":"a"}}"#)),
            BindingError::Version,
            "{v}"
        );
    }
    assert_eq!(fault(r#"{"ns":"a"}"#), BindingError::Version);
    assert_eq!(fault("{}"), BindingError::Version);
    // A later version may have members that we do not know; the version is the thing to say.
    assert_eq!(fault(r#"{"res":"x","v":2}"#), BindingError::Version);
}

#[test]
fn exactly_one_of_ns_and_any() {
    assert_eq!(fault(r#"{"v":1}"#), BindingError::Scope);
    assert_eq!(fault(r#"{"v":1,"name":"db"}"#), BindingError::Scope);
    assert_eq!(fault(r#"{"v":1,"ns":"a","any":true}"#), BindingError::Scope);
    for any in ["false", "1", "\"true\"", "null", "{}", "[true]"] {
        let json = format!(r#"{{"v":1,"any":{any}}}"#);
        assert_eq!(fault(&json), BindingError::Any, "{any}");
    }
}

#[test]
fn wrong_types_are_refused() {
    for json in ["null", "[]", "\"payments\"", "1", "true"] {
        assert!(matches!(
            fault(json),
            BindingError::WrongType { member: "bind", .. }
        ));
    }
    for member in ["ns", "name", "key", "sa"] {
        for value in ["null", "1", "true", "[\"a\"]", "{}"] {
            let scope = if member == "ns" { "" } else { r#","any":true"# };
            let json = format!(r#"{{"v":1{scope},"{member}":{value}}}"#);
            assert!(
                matches!(fault(&json), BindingError::WrongType { member: m, .. } if m == member),
                "{json}"
            );
        }
    }
    for value in ["null", "\"a\"", "{}", "[1]", "[\"a\",null]", "[[\"a\"]]"] {
        let json = format!(r#"{{"v":1,"any":true,"aud":{value}}}"#);
        assert!(
            matches!(fault(&json), BindingError::WrongType { member: "aud", .. }),
            "{json}"
        );
    }
}

#[test]
fn unknown_members_are_refused() {
    let unknown = |json: &str| match fault(json) {
        BindingError::UnknownMember { name } => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(unknown(r#"{"v":1,"ns":"a","kind":"Secret"}"#), "kind");
    assert_eq!(unknown(r#"{"v":1,"ns":"a","NS":"b"}"#), "NS");
    assert_eq!(unknown(r#"{"v":1,"ns":"a","":1}"#), "");
    assert_eq!(unknown(r#"{"v":1,"ns":"a","iat":1}"#), "iat");
}

#[test]
fn a_member_twice_is_refused_also_when_escaped() {
    for json in [
        r#"{"v":1,"ns":"a","ns":"b"}"#,
        r#"{"v":1,"ns":"a","n\u0073":"b"}"#,
        r#"{"v":1,"v":1,"ns":"a"}"#,
    ] {
        assert!(
            matches!(read(json), Err(ParseError::DuplicateMember { .. })),
            "{json}"
        );
    }
}

#[test]
fn times_are_whole_seconds() {
    for member in ["nbf", "exp"] {
        for value in [
            "1.0",
            "1e3",
            "-0",
            "-1",
            "\"1\"",
            "null",
            "true",
            "9007199254740992",
            "18446744073709551616",
            "1e400",
            "[1]",
        ] {
            let json = format!(r#"{{"v":1,"ns":"a","{member}":{value}}}"#);
            match read(&json) {
                Err(ParseError::Binding(BindingError::Time { member: m })) => assert_eq!(m, member),
                // Past what JSON readers hold at all.
                Err(ParseError::Syntax { .. }) if value == "1e400" => {}
                other => panic!("{json}: {other:?}"),
            }
        }
        for value in ["0", "1", "9007199254740991"] {
            read(&format!(r#"{{"v":1,"ns":"a","{member}":{value}}}"#)).unwrap();
        }
    }
    assert_eq!(
        fault(r#"{"v":1,"ns":"a","nbf":2,"exp":1}"#),
        BindingError::TimesReversed
    );
    assert_eq!(
        fault(r#"{"v":1,"ns":"a","exp":1,"nbf":2}"#),
        BindingError::TimesReversed
    );
    read(r#"{"v":1,"ns":"a","nbf":2,"exp":2}"#).unwrap();
}

#[test]
fn names_are_legal_in_kubernetes() {
    let long = |len: usize| "a".repeat(len);
    let legal = |member: &str, value: &str| {
        let scope = if member == "ns" { "" } else { r#","any":true"# };
        let value = serde_json::to_string(value).unwrap();
        read(&format!(r#"{{"v":1{scope},"{member}":{value}}}"#)).is_ok()
    };
    for (member, values) in [
        ("ns", vec!["a", "9", "a-b", "0-0"]),
        ("name", vec!["a", "a.b", "a-b.c-d", "0.0"]),
        (
            "key",
            vec!["a", "A_b.c-d", ".dockerconfigjson", "-", "_", "a..b", ".a"],
        ),
        ("sa", vec!["app", "a.b", "default-2", "defaults"]),
    ] {
        for value in values {
            assert!(legal(member, value), "{member} {value:?}");
        }
    }
    for (member, values) in [
        (
            "ns",
            vec![
                "", "-a", "a-", "A", "a.b", "a_b", "ä", "a b", "a/b", "a\0", "a\n",
            ],
        ),
        (
            "name",
            vec![
                "", "-a", "a-", "A", "a..b", ".a", "a.", "a.-b", "a_b", "ａ", "a/b",
            ],
        ),
        (
            "key",
            vec!["", ".", "..", "..a", "a b", "a/b", "ä", "a\n", "a:b"],
        ),
        (
            "sa",
            vec!["", "default", "A", "a_b", "-a", "a*", "app-*", "*"],
        ),
    ] {
        for value in values {
            assert!(!legal(member, value), "{member} {value:?}");
        }
    }
    for (member, limit) in [("ns", 63), ("name", 253), ("key", 253), ("sa", 253)] {
        assert!(legal(member, &long(limit)), "{member}");
        assert!(!legal(member, &long(limit + 1)), "{member}");
    }
}

#[test]
fn the_default_service_account_is_refused_on_both_ways() {
    assert_eq!(
        fault(r#"{"v":1,"ns":"a","sa":"default"}"#),
        BindingError::DefaultServiceAccount
    );
    assert_eq!(
        Binding::anywhere().with_service_account("default"),
        Err(BindingError::DefaultServiceAccount)
    );
}

#[test]
fn audience_is_one_to_sixteen_distinct_clusters() {
    let json = |names: &[String]| {
        let names = serde_json::to_string(names).unwrap();
        format!(r#"{{"v":1,"any":true,"aud":{names}}}"#)
    };
    let many = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
    assert_eq!(fault(&json(&[])), BindingError::AudienceSize);
    assert_eq!(read(&json(&many(16))).unwrap().audience().len(), 16);
    assert_eq!(fault(&json(&many(17))), BindingError::AudienceSize);
    assert!(matches!(
        fault(&json(&["a".into(), "b".into(), "a".into()])),
        BindingError::DuplicateCluster { cluster } if cluster == "a"
    ));
    for legal in [
        "prod",
        "Prod_1",
        "arn:aws:eks:eu-central-1:111122223333:cluster/prod",
        "gke_project_europe-west1_prod",
        "a",
    ] {
        read(&json(&[legal.into()])).unwrap();
    }
    for illegal in ["", "-a", "a-", "a b", "ä", "a*", "*", "a\"b", "a\\", "a,b"] {
        assert!(
            matches!(
                fault(&json(&[illegal.into()])),
                BindingError::IllegalName { .. }
            ),
            "{illegal:?}"
        );
    }
    read(&json(&["a".repeat(253)])).unwrap();
    assert!(read(&json(&["a".repeat(254)])).is_err());
}

#[test]
fn a_star_stands_at_the_end_after_a_separator() {
    let read = |member: &str, value: &str| {
        let scope = if member == "ns" { "" } else { r#","any":true"# };
        read(&format!(r#"{{"v":1{scope},"{member}":"{value}"}}"#))
    };
    for (member, value) in [
        ("ns", "team-*"),
        ("name", "db-*"),
        ("name", "db.*"),
        ("name", "a.b-*"),
        ("key", "tls.*"),
        ("key", "tls-*"),
        ("key", "tls_*"),
        ("key", "-*"),
        ("key", "_*"),
        ("key", ".*"),
    ] {
        read(member, value).unwrap_or_else(|error| panic!("{member} {value}: {error}"));
    }
    for (member, value) in [
        ("ns", "*"),
        ("ns", "team*"),
        ("ns", "team-**"),
        ("ns", "te-*m-*"),
        ("ns", "*-team"),
        ("ns", "team.*"),
        ("ns", "team_*"),
        ("ns", "-*"),
        ("name", "*"),
        ("name", "db*"),
        ("name", "db_*"),
        ("name", "-*"),
        ("name", ".*"),
        ("name", "a.-*"),
        ("name", "a-.*"),
        ("name", "d*b-*"),
        ("key", "*"),
        ("key", "tls*"),
        ("key", "..*"),
        ("key", "t/ls.*"),
    ] {
        assert!(
            matches!(
                read(member, value),
                Err(ParseError::Binding(
                    BindingError::IllegalPattern { .. } | BindingError::IllegalName { .. }
                ))
            ),
            "{member} {value}"
        );
    }
    // One more character must still fit.
    read("ns", &format!("{}-*", "a".repeat(61))).unwrap();
    assert!(read("ns", &format!("{}-*", "a".repeat(62))).is_err());
}

fn named<'a>(namespace: &'a str, name: &'a str, key: &'a str) -> FoundPlace<'a> {
    let name = ObjectName::Named(name);
    FoundPlace {
        namespace,
        name,
        key,
    }
}

fn generated<'a>(namespace: &'a str, prefix: &'a str, key: &'a str) -> FoundPlace<'a> {
    let name = ObjectName::Generated(prefix);
    FoundPlace {
        namespace,
        name,
        key,
    }
}

#[test]
fn a_star_takes_one_character_or_more() {
    let binding = Binding::namespace("team-*").unwrap();
    let fits = |namespace| binding.check_place(named(namespace, "x", "y")).is_ok();
    assert!(fits("team-a") && fits("team-a-b"));
    assert!(!fits("team-") && !fits("team") && !fits("steam-a") && !fits("Team-a"));
}

#[test]
fn a_place_fits_byte_for_byte() {
    let binding = Binding::exact(&place());
    let check = |namespace, name, key| binding.check_place(named(namespace, name, key));
    assert_eq!(check("payments", "db", "password"), Ok(()));
    assert_eq!(
        check("Payments", "db", "password").unwrap_err().to_string(),
        r#"sealed for the namespace "payments", found in "Payments""#
    );
    assert_eq!(
        check("payments", "db2", "password")
            .unwrap_err()
            .to_string(),
        r#"sealed for the Secret "db", found in "db2""#
    );
    assert_eq!(
        check("payments", "db", "passwor").unwrap_err().to_string(),
        r#"sealed for the field "password", found in "passwor""#
    );
}

#[test]
fn what_is_left_out_is_left_open() {
    let anywhere = Binding::anywhere();
    anywhere.check_place(named("a", "b", "c")).unwrap();
    anywhere.check_place(generated("a", "b-", "c")).unwrap();
    let namespace = Binding::namespace("a").unwrap();
    namespace.check_place(generated("a", "b-", "c")).unwrap();
    namespace
        .check_place(generated("b", "b-", "c"))
        .unwrap_err();
}

#[test]
fn a_generated_name_fits_only_a_pattern_whose_literal_begins_it() {
    let check = |bound: &str, prefix: &str| {
        let bound = Binding::anywhere().with_name(bound).unwrap();
        bound.check_place(generated("ns", prefix, "key"))
    };
    assert_eq!(check("db-*", "db-"), Ok(()));
    assert_eq!(check("db-*", "db-blue-"), Ok(()));
    for (bound, prefix) in [
        ("db-*", "db"),
        ("db-*", "d"),
        ("db-*", ""),
        ("db-*", "xdb-"),
        ("db-blue-*", "db-"),
        ("db", "db"),
        ("db", "db-"),
    ] {
        assert!(
            matches!(
                check(bound, prefix),
                Err(BindingMismatch::GeneratedName { .. })
            ),
            "{bound} {prefix}"
        );
    }
}

#[test]
fn audience_needs_the_configured_cluster() {
    let binding = Binding::anywhere()
        .with_audience(["prod-eu", "prod-us"])
        .unwrap();
    assert_eq!(binding.check_audience(Some("prod-us")), Ok(()));
    assert_eq!(
        binding
            .check_audience(Some("prod-ap"))
            .unwrap_err()
            .to_string(),
        r#"sealed for cluster "prod-eu" or "prod-us", this is "prod-ap""#
    );
    assert_eq!(
        binding.check_audience(None).unwrap_err().to_string(),
        r#"sealed for cluster "prod-eu" or "prod-us"; this webhook has no cluster name configured"#
    );
    assert_eq!(Binding::anywhere().check_audience(None), Ok(()));
    assert_eq!(Binding::anywhere().check_audience(Some("x")), Ok(()));
}

#[test]
fn times_have_the_tolerance_given() {
    let binding = Binding::anywhere()
        .starting_at(1000)
        .unwrap()
        .expiring_at(2000)
        .unwrap();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let minute = Duration::from_mins(1);
    let check = |now| binding.check_time(at(now), minute);
    assert_eq!(
        check(939),
        Err(BindingMismatch::NotYetValid {
            not_before: 1000,
            now: 939
        })
    );
    assert_eq!(check(940), Ok(()));
    assert_eq!(check(2059), Ok(()));
    assert_eq!(
        check(2060),
        Err(BindingMismatch::Expired {
            expires: 2000,
            now: 2060
        })
    );
    let exactly = |now| binding.check_time(now, Duration::ZERO);
    let instant = Duration::from_nanos(1);
    assert!(exactly(at(1000) - instant).is_err() && exactly(at(1000)).is_ok());
    assert!(exactly(at(2000) - instant).is_ok() && exactly(at(2000)).is_err());
    assert!(exactly(UNIX_EPOCH - minute).is_err());
    assert_eq!(
        check(2060).unwrap_err().to_string(),
        "expired at 1970-01-01T00:33:20Z, it is 1970-01-01T00:34:20Z"
    );
    let forever = Binding::anywhere().expiring_at(MAX_INTEGER).unwrap();
    assert_eq!(forever.check_time(UNIX_EPOCH, Duration::MAX), Ok(()));
    assert!(
        forever
            .check_time(at(MAX_INTEGER + 1), Duration::ZERO)
            .is_err()
    );
}

#[test]
fn a_service_account_opens_at_run_time_only() {
    let bound = Binding::anywhere().with_service_account("app").unwrap();
    let open = Binding::anywhere();
    assert_eq!(bound.check_service_account(Some("app")), Ok(()));
    assert_eq!(open.check_service_account(None), Ok(()));
    for (binding, caller, text) in [
        (
            &bound,
            Some("ap"),
            r#"sealed for service account "app", opened by "ap""#,
        ),
        (
            &bound,
            None,
            r#"sealed for service account "app" to open at run time, not for the webhook"#,
        ),
        (
            &open,
            Some("app"),
            r#"sealed for the webhook to open, not for service account "app""#,
        ),
    ] {
        assert_eq!(
            binding
                .check_service_account(caller)
                .unwrap_err()
                .to_string(),
            text
        );
    }
}

#[test]
fn people_read_a_binding() {
    let binding = Binding::namespace("team-*")
        .unwrap()
        .with_key("url")
        .unwrap();
    assert_eq!(binding.to_string(), "team-*/*/url");
    assert_eq!(Binding::anywhere().to_string(), "anywhere");
    let binding = Binding::anywhere()
        .with_name("db")
        .and_then(|binding| binding.with_service_account("app"))
        .and_then(|binding| binding.with_audience(["a", "b"]))
        .and_then(|binding| binding.starting_at(0))
        .and_then(|binding| binding.expiring_at(86_400))
        .unwrap();
    assert_eq!(
        binding.to_string(),
        "*/db/*, for service account app, in cluster a or b, from 1970-01-01T00:00:00Z, until 1970-01-02T00:00:00Z"
    );
}

#[test]
fn a_content_key_is_shared_by_values_that_differ_in_key_alone() {
    let base = Binding::exact(&place());
    let other = |key: &str| base.clone().with_key(key).unwrap();
    assert!(base.may_share_content_key(&base));
    assert!(base.may_share_content_key(&other("user")));
    assert!(base.may_share_content_key(&Binding {
        key: None,
        ..base.clone()
    }));
    assert!(!base.may_share_content_key(&other("user").with_name("db2").unwrap()));
    assert!(!base.may_share_content_key(&other("user").expiring_at(5).unwrap()));
    let account = base.clone().with_service_account("app").unwrap();
    assert!(!account.may_share_content_key(&account));
    assert!(!base.may_share_content_key(&account));
}

#[test]
fn places_are_three_legal_parts() {
    let parsed: Place = "payments/db/password".parse().unwrap();
    assert_eq!(parsed, place());
    assert_eq!(parsed.to_string(), "payments/db/password");
    for text in [
        "", "a", "a/b", "a/b/c/d", "/b/c", "a//c", "a/b/", "A/b/c", "a/b/c*",
    ] {
        assert!(text.parse::<Place>().is_err(), "{text:?}");
    }
}

/// The rule of the wire profile, said the slow way: try every way to fill the star.
fn naive(pattern: &str, found: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => pattern.as_bytes() == found.as_bytes(),
        Some(literal) => (1..=found.chars().count()).any(|taken| {
            let keep = found.chars().count() - taken;
            found.chars().take(keep).collect::<String>() == literal
        }),
    }
}

fn any_binding() -> impl Strategy<Value = Binding> {
    let namespace = "[a-z][a-z0-9]{0,5}(-[a-z]{1,3})?";
    let optional = proptest::option::of::<&'static str>;
    (
        proptest::option::of(namespace),
        optional("[a-z]{1,4}([.-][a-z0-9]{1,3}){0,2}([.-]\\*)?"),
        optional("[A-Za-z0-9]{1,4}[-._]{0,1}[a-z]{1,3}([._-]\\*)?"),
        proptest::option::of("app[a-z0-9]{0,4}"),
        proptest::collection::btree_set("[A-Za-z0-9]([-._/:]?[a-z0-9]){0,5}", 0..5),
        proptest::option::of(0..1_000_000_u64),
        proptest::option::of(1_000_000..=MAX_INTEGER),
    )
        .prop_map(
            |(namespace, name, key, account, audience, not_before, expires)| {
                let mut binding = match namespace {
                    Some(namespace) => Binding::namespace(&namespace).unwrap(),
                    None => Binding::anywhere(),
                };
                if let Some(name) = name {
                    binding = binding.with_name(&name).unwrap();
                }
                if let Some(key) = key {
                    binding = binding.with_key(&key).unwrap();
                }
                if let Some(account) = account {
                    binding = binding.with_service_account(&account).unwrap();
                }
                if !audience.is_empty() {
                    binding = binding.with_audience(audience).unwrap();
                }
                if let Some(not_before) = not_before {
                    binding = binding.starting_at(not_before).unwrap();
                }
                if let Some(expires) = expires {
                    binding = binding.expiring_at(expires).unwrap();
                }
                binding
            },
        )
}

proptest! {
    #[test]
    fn printed_bindings_read_back(binding in any_binding()) {
        let json = binding.to_json();
        let again = Binding::from_json(&json).unwrap();
        prop_assert_eq!(&again, &binding);
        prop_assert_eq!(again.to_json(), json);
    }

    #[test]
    fn patterns_match_as_the_rule_says(
        literal in "[a-c]{1,3}[-.][a-c-]{0,2}",
        star in any::<bool>(),
        found in "[a-c.-]{0,8}",
    ) {
        let text = if star { format!("{literal}*") } else { literal };
        if let Ok(pattern) = Pattern::new(&text, NameKind::Name) {
            prop_assert_eq!(pattern.matches(&found), naive(&text, &found));
        }
    }

    #[test]
    fn a_generated_name_that_fits_fits_whatever_the_server_appends(
        literal in "[ab]{1,3}-",
        prefix in "[ab-]{0,6}",
        suffix in "[bcdfg]{5}",
    ) {
        let binding = Binding::anywhere().with_name(&format!("{literal}*")).unwrap();
        if binding.check_place(generated("ns", &prefix, "key")).is_ok() {
            let name = format!("{prefix}{suffix}");
            prop_assert!(binding.check_place(named("ns", &name, "key")).is_ok());
        }
    }

    #[test]
    fn reading_never_panics(json in r#"\{"v":1(,"(ns|any|name|key|sa|aud|nbf|exp|x)":("[a-z*.-]{0,4}"|true|[0-9]{1,3}|\["a"\])){0,5}\}"#) {
        let _ = Binding::from_json(&json);
    }
}
