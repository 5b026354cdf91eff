//! `keyServices.aws`

use std::path::PathBuf;

use kms_backends::aws::AwsIdentity;

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/privy";

#[test]
fn takes_every_member() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("ca.pem"), authority.cert.pem()).expect("a file");
    let services = accepted_in(
        folder.path(),
        &format!(
            "keyServices: {{aws: {{endpoint: \"https://vpce-1.kms.eu-central-1.vpce.amazonaws.com\", caFile: ca.pem, timeout: 1500ms, \
             callsPerSecond: 300, auth: {{webIdentity: {{roleArn: \"{ROLE}\", tokenFile: token, sessionName: prod}}}}}}}}"
        ),
    );
    let aws = &services.options.aws;
    assert_eq!(
        aws.endpoint.as_deref(),
        Some("https://vpce-1.kms.eu-central-1.vpce.amazonaws.com")
    );
    assert_eq!(aws.ca_file, Some(folder.path().join("ca.pem")));
    assert_eq!(aws.limits.attempt_timeout, Duration::from_millis(1500));
    assert_eq!(
        aws.limits.quota.expect("a quota"),
        kms_backends::layer::Quota::per_second(300.try_into().expect("not 0"))
    );
    let expected = AwsIdentity::WebIdentity {
        role_arn: ROLE.to_owned(),
        token_file: folder.path().join("token"),
        session_name: "prod".to_owned(),
    };
    assert_eq!(aws.identity, expected);
    assert!(services.warnings.is_empty(), "{:?}", services.warnings);
}

#[test]
fn the_platform_is_who_we_are_by_default() {
    for text in [
        "{}",
        "keyServices: {aws: {}}",
        "keyServices: {aws: {auth: {platform: {}}}}",
    ] {
        let services = accepted(text);
        assert_eq!(
            services.options.aws.identity,
            AwsIdentity::Platform,
            "{text}"
        );
        assert!(services.warnings.is_empty());
    }
    let named = accepted(&format!(
        "keyServices: {{aws: {{auth: {{webIdentity: {{roleArn: \"{ROLE}\", tokenFile: /t}}}}}}}}"
    ));
    let AwsIdentity::WebIdentity {
        token_file,
        session_name,
        ..
    } = named.options.aws.identity
    else {
        panic!("another identity")
    };
    assert_eq!(
        (token_file, session_name.as_str()),
        (PathBuf::from("/t"), "privy-webhook")
    );
    let described =
        &schema()["properties"]["keyServices"]["properties"]["aws"]["properties"]["auth"];
    let described = &described["properties"]["webIdentity"]["properties"]["sessionName"]["default"];
    assert_eq!(described, "privy-webhook");
}

#[test]
fn refuses_each_mistake() {
    common_members("aws", "");
    let auth = "keyServices.aws.auth";
    let identity = "keyServices.aws.auth.webIdentity";
    each_is_refused(&[
        (
            "keyServices: {aws: {endpoint: kms}}",
            "keyServices.aws.endpoint",
            "write `https://kms.eu-central-1.amazonaws.com`",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {endpoint: \"http://kms.example\"}}",
            "keyServices.aws.endpoint",
            "plain http",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {caFile: missing.pem}}",
            "keyServices.aws.caFile",
            "cannot be read",
            Schema::CannotKnow,
        ),
        (
            "keyServices: {aws: {region: eu-central-1}}",
            "keyServices.aws",
            "unknown member \"region\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {}}}",
            auth,
            "must name one way; say who we are: `platform`",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {platform: {}, environment: {}}}}",
            auth,
            "must name one way",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: platform}}",
            auth,
            "must be a mapping, not a text",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {profile: dev}}}",
            auth,
            "unknown member \"profile\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {platform: {role: x}}}}",
            "keyServices.aws.auth.platform",
            "unknown member",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {webIdentity: {tokenFile: /t}}}}",
            identity,
            "`roleArn` is missing; name the role to assume",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {webIdentity: {roleArn: \"arn:aws:iam::111122223333:role/r\"}}}}",
            identity,
            "`tokenFile` is missing; name the file of the projected token",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {webIdentity: {roleArn: privy, tokenFile: /t}}}}",
            "keyServices.aws.auth.webIdentity.roleArn",
            "must be a role's ARN such as `arn:aws:iam::111122223333:role/privy`, not \"privy\"",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {webIdentity: {roleArn: \"arn:aws:iam::111122223333:user/privy\", tokenFile: /t}}}}",
            "keyServices.aws.auth.webIdentity.roleArn",
            "must be a role's ARN",
            Schema::Refuses,
        ),
        (
            "keyServices: {aws: {auth: {webIdentity: {roleArn: \"arn:aws:iam::111122223333:role/r\", tokenFile: /t, sessionName: a b}}}}",
            "keyServices.aws.auth.webIdentity.sessionName",
            "must be 2 to 64 characters",
            Schema::Refuses,
        ),
    ]);
}

#[test]
fn every_fault_of_an_identity_is_named_at_once() {
    let (_, problems) = read_in(
        Path::new("/etc/privy"),
        "keyServices: {aws: {endpoint: kms, auth: {webIdentity: {roleArn: privy, sessionName: \"-\"}}}}",
    );
    assert_eq!(problems.len(), 4, "{problems:?}");
}
