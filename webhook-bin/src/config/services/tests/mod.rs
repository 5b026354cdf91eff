//! What each section of `keyServices` accepts and refuses, in which words, and that the schema says the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{MEMBERS, SECTIONS, Services};
use crate::config::loader::{Overrides, ServingLoader};
use unseal_policy::config::Problems;
use unseal_policy::config::document;
use unseal_policy::config::reader::Setting;

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(feature = "pkcs11")]
mod pkcs11;
#[cfg(feature = "kms-plugin")]
mod plugin;
#[cfg(feature = "vault")]
mod vault;

/// What the schema says of a text that the code refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schema {
    Refuses,
    /// Files, variables and sums of several members are not its business.
    CannotKnow,
}

/// `keyServices` as the file `folder/webhook.yaml` says it.
fn read_in(folder: &Path, text: &str) -> (Services, Vec<String>) {
    let root = document::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    let file = folder.join("webhook.yaml");
    let mut problems = Problems::new(&file);
    let mut loader = ServingLoader::new(&file, Overrides::default(), &mut problems);
    let members = Setting::root(&root)
        .members(loader.rules.problems, &["keyServices"])
        .expect("a mapping");
    let services = loader.services(&members);
    let said = problems.iter().map(ToString::to_string).collect();
    (services, said)
}

fn accepted_in(folder: &Path, text: &str) -> Services {
    assert!(schema_accepts(text), "the schema refuses:\n{text}");
    let (services, problems) = read_in(folder, text);
    assert_eq!(problems, [""; 0], "{text}");
    services
}

fn accepted(text: &str) -> Services {
    accepted_in(Path::new("/etc/privy"), text)
}

/// Each text, the beginning of what is said of it (the path), and a part of it (what to do).
fn each_is_refused(cases: &[(&str, &str, &str, Schema)]) {
    for (text, path, words, schema) in cases {
        let (_, problems) = read_in(Path::new("/etc/privy"), text);
        let said = problems.join("\n");
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with(&format!("{path}: ")) && problem.contains(words)),
            "{text}\nsays: {said}\nnot: {path}: … {words}"
        );
        assert_eq!(
            !schema_accepts(text),
            *schema == Schema::Refuses,
            "the schema on {text}"
        );
    }
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/webhook-config.schema.json");
    serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON")
}

fn schema_accepts(text: &str) -> bool {
    let whole = schema();
    let part = json!({
        "$defs": whole["$defs"],
        "properties": { "keyServices": whole["properties"]["keyServices"] },
    });
    let validator = jsonschema::draft202012::new(&part).expect("a schema");
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options::<Value>(text, options)
        .is_ok_and(|value| validator.is_valid(&value))
}

/// The members that the schema knows of a section, and those that the code lists when it meets one that it does not know.
#[allow(dead_code, reason = "this build may have no key service")]
fn same_members(section: &str) {
    let whole = schema();
    let described: BTreeSet<_> =
        whole["properties"]["keyServices"]["properties"][section]["properties"]
            .as_object()
            .expect("properties")
            .keys()
            .cloned()
            .collect();
    let text = format!("keyServices: {{{section}: {{qqqqqqqqqqqqqqqqqqqqqqqq: 1}}}}");
    let (_, problems) = read_in(Path::new("/etc/privy"), &text);
    let known = problems
        .iter()
        .find_map(|problem| problem.split_once("known are ").map(|(_, list)| list))
        .unwrap_or_else(|| panic!("{problems:?}"));
    let known: BTreeSet<_> = known.split(", ").map(str::to_owned).collect();
    assert_eq!(known, described, "{section}");
}

/// What every section has, refused in the same words. `rest` is what the section cannot do without.
#[allow(dead_code, reason = "this build may have no key service")]
fn common_members(section: &str, rest: &str) {
    let section_path = format!("keyServices.{section}");
    let with = |member: &str| format!("keyServices: {{{section}: {{{rest}{member}}}}}");
    for (member, name, words) in [
        (
            "timeout: 1h",
            "timeout",
            "must be from 100ms to 20s, not 1h",
        ),
        ("timeout: 99ms", "timeout", "must be from 100ms to 20s"),
        ("timeout: 3", "timeout", "a duration such as `10s`"),
        ("timeout: soon", "timeout", "must be a duration such as"),
        (
            "callsPerSecond: 0",
            "callsPerSecond",
            "must be from 1 to 100000, not 0",
        ),
        (
            "callsPerSecond: 100001",
            "callsPerSecond",
            "must be from 1 to 100000",
        ),
        ("callsPerSecond: many", "callsPerSecond", "a whole number"),
    ] {
        let known_to_schema = member.contains("timeout: 1h") || member.contains("99ms");
        let schema = if known_to_schema {
            Schema::CannotKnow
        } else {
            Schema::Refuses
        };
        each_is_refused(&[(
            &with(member),
            &format!("{section_path}.{name}"),
            words,
            schema,
        )]);
    }
    each_is_refused(&[
        (
            &with("verify: false"),
            &section_path,
            "unknown member \"verify\"",
            Schema::Refuses,
        ),
        (
            &with("timeuot: 1s"),
            &section_path,
            "did you mean `timeout`?",
            Schema::Refuses,
        ),
        (
            &format!("keyServices: {{{section}: []}}"),
            &section_path,
            "must be a mapping, not a list",
            Schema::Refuses,
        ),
    ]);
    same_members(section);
}

#[test]
fn every_section_of_the_schema_is_known_and_names_its_feature() {
    let whole = schema();
    let described: BTreeSet<_> = whole["properties"]["keyServices"]["properties"]
        .as_object()
        .expect("properties")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(described, MEMBERS.iter().copied().collect());
    let sections: BTreeSet<_> = SECTIONS.iter().map(|(section, _)| *section).collect();
    assert_eq!(sections, MEMBERS[1..].iter().copied().collect());
}

#[test]
fn a_service_that_is_not_built_in_says_which_feature_has_it() {
    for (section, feature) in SECTIONS {
        let built_in = match *feature {
            "aws" => cfg!(feature = "aws"),
            "azure" => cfg!(feature = "azure"),
            "gcp" => cfg!(feature = "gcp"),
            "kms-plugin" => cfg!(feature = "kms-plugin"),
            "pkcs11" => cfg!(feature = "pkcs11"),
            "vault" => cfg!(feature = "vault"),
            other => panic!("{other}"),
        };
        let (_, problems) = read_in(
            Path::new("/etc/privy"),
            &format!("keyServices: {{{section}: {{}}}}"),
        );
        let expected = format!(
            "keyServices.{section}: is not in this build of privy-webhook; run one that was built with the feature \
             `{feature}`: cargo install webhook-bin --features {feature} (`all-services` has every one)"
        );
        assert_eq!(problems.contains(&expected), !built_in, "{problems:?}");
    }
}

#[test]
fn versions_are_listed_as_often_as_configured() {
    assert_eq!(accepted("{}").refresh, Duration::from_mins(5));
    let services = accepted("keyServices: {refresh: 30s}");
    assert_eq!(services.refresh, Duration::from_secs(30));
    each_is_refused(&[
        (
            "keyServices: {refresh: 9s}",
            "keyServices.refresh",
            "must be from 10s to 86400s",
            Schema::CannotKnow,
        ),
        (
            "keyServices: {refresh: 25h}",
            "keyServices.refresh",
            "must be from 10s",
            Schema::CannotKnow,
        ),
        (
            "keyServices: {refresh: 5}",
            "keyServices.refresh",
            "a duration such as",
            Schema::Refuses,
        ),
        (
            "keyServices: {vlt: {}}",
            "keyServices",
            "did you mean `vault`?",
            Schema::Refuses,
        ),
        (
            "keyServices: [aws]",
            "keyServices",
            "must be a mapping",
            Schema::Refuses,
        ),
    ]);
}

/// The defaults that the schema states are those of the code.
#[test]
fn the_schema_states_the_defaults_of_the_code() {
    let whole = schema();
    let limits = kms_backends::CallLimits::default();
    assert_eq!(whole["$defs"]["attempt"]["default"], "2s");
    assert_eq!(limits.attempt_timeout, Duration::from_secs(2));
    assert_eq!(whole["$defs"]["calls"]["default"], 100);
    assert_eq!(
        limits.quota,
        std::num::NonZeroU32::new(100).map(kms_backends::layer::Quota::per_second)
    );
    assert_eq!(
        whole["properties"]["keyServices"]["properties"]["refresh"]["default"],
        "5m"
    );
}

/// What docs/key-services.md tells people to write is taken, member for member, and each service is told of in full.
#[cfg(all(
    feature = "aws",
    feature = "azure",
    feature = "gcp",
    feature = "kms-plugin",
    feature = "pkcs11",
    feature = "vault"
))]
#[test]
fn the_guide_is_accepted_as_it_stands_and_leaves_nothing_out() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/key-services.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let folder = tempfile::tempdir().expect("a folder");
    let authority = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("vault-ca.pem"), authority.cert.pem()).expect("a file");
    let examples: Vec<_> = guide
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.starts_with("keyServices:"))
        .collect();
    // A plugin needs none.
    assert_eq!(examples.len(), SECTIONS.len() - 1);
    for example in examples {
        accepted_in(folder.path(), example);
    }
    for (heading, scheme) in [
        ("## Vault and OpenBao", "vault-transit://"),
        ("## AWS KMS", "aws-kms://"),
        ("## Google Cloud KMS", "gcp-kms://"),
        ("## Azure Key Vault and Managed HSM", "azure-kv://"),
        ("## A PKCS#11 token", "pkcs11:"),
        ("## A Kubernetes KMS plugin", "kms-plugin:"),
    ] {
        let section = guide
            .split(heading)
            .nth(1)
            .unwrap_or_else(|| panic!("{heading}"));
        let section = section.split("\n## ").next().expect("a first part");
        for told in [
            scheme,
            "```sh",
            "dentity",
            "**Firewall**",
            "**HSM**",
            "rice**",
            "<!-- answers:",
        ] {
            assert!(section.contains(told), "{heading}: {told}");
        }
    }
}
