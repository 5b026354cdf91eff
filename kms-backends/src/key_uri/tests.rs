use super::*;

/// As the form of its scheme, whether or not this build has the backend.
fn check(text: &str) -> Result<Target, String> {
    let (scheme, rest) = text.split_once(':').unwrap();
    let parsed = match scheme {
        "aws-kms" => AwsKey::parse(rest).map(Target::Aws),
        "azure-kv" => AzureKey::parse(rest).map(Target::Azure),
        "file" => FileKey::parse(rest).map(Target::File),
        "gcp-kms" => GcpKey::parse(rest).map(Target::Gcp),
        "kms-plugin" => PluginKey::parse(rest).map(Target::Plugin),
        "pkcs11" => Pkcs11Key::parse(rest).map(Target::Pkcs11),
        "vault-transit" => VaultKey::parse(rest).map(Target::Vault),
        other => panic!("{other}"),
    };
    parsed.map_err(str::to_owned)
}

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const GCP: &str =
    "gcp-kms://projects/acme-prod/locations/europe-west3/keyRings/git/cryptoKeys/payments";
const AZURE_VERSION: &str = "0123456789abcdef0123456789abcdef";

#[cfg(feature = "local")]
#[test]
fn reads_files() {
    for (text, path) in [
        ("file:/etc/privy/a.pem", "/etc/privy/a.pem"),
        ("file:///etc/privy/a.pem", "/etc/privy/a.pem"),
        ("file:a.pem", "a.pem"),
        ("file:../keys/a b%20.jwk", "../keys/a b%20.jwk"),
    ] {
        let uri: KeyUri = text.parse().unwrap();
        assert_eq!(uri.file(), Some(Path::new(path)));
        assert_eq!(uri.scheme(), "file");
        assert_eq!(uri.to_string(), format!("file:{path}"));
        assert_eq!(uri.to_string().parse::<KeyUri>().unwrap(), uri);
    }
}

#[test]
fn what_is_read_is_written_as_it_was() {
    for text in [
        &format!("aws-kms://{ARN}"),
        "aws-kms://arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef",
        GCP,
        &format!("{GCP}/cryptoKeyVersions/12"),
        "gcp-kms://projects/example.com:old/locations/global/keyRings/r/cryptoKeys/k_1",
        "azure-kv://acme-prod/payments",
        &format!("azure-kv://acme-prod/payments/{AZURE_VERSION}"),
        &format!("azure-kv://hsm1.managedhsm.azure.net/payments/{AZURE_VERSION}"),
        "vault-transit://transit/payments",
        "vault-transit://transit/payments#3",
        "vault-transit://team-a/transit/pay.ments_2#10",
        "pkcs11:token=HSM%20one;object=payments?module-path=/usr/lib/m.so&pin-source=/run/pin",
        "pkcs11:serial=1234;id=%01%FF",
        "kms-plugin:/run/kms.sock?key=/etc/privy/payments.wrapped",
    ] {
        let target = check(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(KeyUri::from(target).to_string(), text);
    }
}

#[test]
fn refuses_names_outside_the_services_alphabets() {
    for text in [
        "aws-kms:arn:aws:kms:eu:111122223333:key/1",
        "aws-kms://arn:aws:kms:eu:11112222333:key/1",
        "aws-kms://arn:aws:kms:eu:111122223333:key/",
        "aws-kms://arn:aws:kms:eu:111122223333:key/../x",
        "aws-kms://arn:aws:kms:eu.evil:111122223333:key/1",
        "aws-kms://arn:aws:s3:eu:111122223333:key/1",
        "aws-kms://key/1",
        "azure-kv://acme",
        "azure-kv://acme/",
        "azure-kv://acme/k/../../secrets/s",
        "azure-kv://acme/../secrets/s",
        "azure-kv://acme/k/latest",
        "azure-kv://acme/k/",
        "azure-kv://ACME/k",
        "azure-kv://user@acme.example/k",
        "azure-kv://acme.example:444/k",
        "azure-kv://acme./k",
        "azure-kv://ac/k",
        "azure-kv://acme-prod/k/0123456789ABCDEF0123456789ABCDEF",
        "gcp-kms://projects/p/locations/l",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/..",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/../cryptoKeyVersions/1",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/latest",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/01",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/0",
        "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/",
        "gcp-kms://projects/p/locations/l/keyRings/r%2f/cryptoKeys/k",
        "gcp-kms://projects/a..b/locations/l/keyRings/r/cryptoKeys/k",
        "vault-transit://payments#3",
        "vault-transit://transit/payments#",
        "vault-transit://transit/payments#0",
        "vault-transit://transit/payments#03",
        "vault-transit://transit/payments#latest",
        "vault-transit://transit/..",
        "vault-transit://transit/../payments",
        "vault-transit://../transit/payments",
        "vault-transit://transit/pay..ments",
        "vault-transit://transit//payments",
        "vault-transit://transit/pay%2fments",
        "vault-transit://transit/pay ments",
        "vault-transit://transit/payments?x=1",
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:object=a",
        "pkcs11:token=a;object=b;object=c",
        "pkcs11:token=a;object=b;unknown=c",
        "pkcs11:token=a;object=b;type=public",
        "pkcs11:token=a;object=",
        "pkcs11:token=a;object=%0",
        "pkcs11:token=a;object=%00",
        "pkcs11:token=a;object=b?pin-source=|cat /etc/shadow",
        "pkcs11:token=a;object=b?pin-source=file://host/pin",
        "pkcs11:token=a;object=b?module-name=m",
        "kms-plugin:/run/kms.sock",
        "kms-plugin:?key=a",
        "kms-plugin:/run/kms.sock?key=",
        "kms-plugin:/run/kms.sock?key=a&key=b",
        "kms-plugin://host/run/kms.sock?key=a",
    ] {
        assert!(check(text).is_err(), "{text}");
    }
}

#[test]
fn an_alias_is_no_reference() {
    let why = check("aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/payments").unwrap_err();
    assert!(why.contains("key's ARN"), "{why}");
}

#[test]
fn a_pin_is_refused_and_not_repeated() {
    let why = check("pkcs11:token=a;object=b?pin-value=12345").unwrap_err();
    assert!(why.contains("pin-source"), "{why}");
    let message = "pkcs11:token=a;object=b?pin-value=12345"
        .parse::<KeyUri>()
        .unwrap_err()
        .to_string();
    assert!(!message.contains("12345"), "{message}");
}

#[test]
fn versions_may_be_left_out_where_a_service_has_them() {
    let lacks = |text: &str| KeyUri::from(check(text).unwrap()).lacks_version();
    assert!(lacks(GCP));
    assert!(!lacks(&format!("{GCP}/cryptoKeyVersions/1")));
    assert!(lacks("azure-kv://acme-prod/payments"));
    assert!(!lacks(&format!(
        "azure-kv://acme-prod/payments/{AZURE_VERSION}"
    )));
    assert!(lacks("vault-transit://transit/payments"));
    assert!(!lacks("vault-transit://transit/payments#1"));
    assert!(!lacks(&format!("aws-kms://{ARN}")));
    assert!(!lacks("pkcs11:token=a;object=b"));
}

#[test]
fn a_version_is_added_only_where_it_is_one() {
    let Target::Vault(key) = check("vault-transit://transit/payments").unwrap() else {
        panic!("not Vault");
    };
    assert_eq!(key.at_version(4).unwrap().to_string(), "transit/payments#4");
    assert!(key.at_version(0).is_none());
    let Target::Gcp(key) = check(GCP).unwrap() else {
        panic!("not Google");
    };
    let version = key.at_version(2).unwrap();
    assert_eq!(
        version.version_name().unwrap(),
        format!("{}/cryptoKeyVersions/2", &GCP[10..])
    );
    assert!(key.version_name().is_none());
    let Target::Azure(key) = check("azure-kv://acme-prod/payments").unwrap() else {
        panic!("not Azure");
    };
    assert!(key.at_version("../secrets").is_none());
    assert!(key.at_version("").is_none());
    assert_eq!(
        key.at_version(AZURE_VERSION).unwrap().version(),
        Some(AZURE_VERSION)
    );
    assert_eq!(key.host(), "acme-prod.vault.azure.net");
}

#[test]
fn relative_paths_start_at_the_configuration() {
    let base = Path::new("/etc/privy");
    for (text, expected) in [
        ("file:a.pem", "file:/etc/privy/a.pem"),
        ("file:/a.pem", "file:/a.pem"),
        (
            "kms-plugin:kms.sock?key=a",
            "kms-plugin:/etc/privy/kms.sock?key=/etc/privy/a",
        ),
        (
            "pkcs11:token=a;object=b?pin-source=file:pin",
            "pkcs11:token=a;object=b?pin-source=/etc/privy/pin",
        ),
        (
            "vault-transit://transit/payments",
            "vault-transit://transit/payments",
        ),
    ] {
        let uri = KeyUri::from(check(text).unwrap());
        assert_eq!(uri.relative_to(base).to_string(), expected);
    }
}

#[cfg(not(feature = "local"))]
#[test]
fn files_need_the_local_feature() {
    let error = "file:/a.pem".parse::<KeyUri>().unwrap_err();
    assert!(error.to_string().contains("feature `local`"), "{error}");
}

#[test]
fn names_the_feature_that_a_backend_needs() {
    for (text, feature, present) in [
        (GCP, "`gcp`", cfg!(feature = "gcp")),
        (&format!("aws-kms://{ARN}"), "`aws`", cfg!(feature = "aws")),
        ("azure-kv://acme-prod/k", "`azure`", cfg!(feature = "azure")),
        (
            "vault-transit://transit/payments#3",
            "`vault`",
            cfg!(feature = "vault"),
        ),
        (
            "pkcs11:token=a;object=b",
            "`pkcs11`",
            cfg!(feature = "pkcs11"),
        ),
        (
            "kms-plugin:/s?key=k",
            "`kms-plugin`",
            cfg!(feature = "kms-plugin"),
        ),
    ] {
        match text.parse::<KeyUri>() {
            Ok(uri) => assert!(present, "{uri}"),
            Err(error) => {
                let message = error.to_string();
                assert!(!present, "{message}");
                assert!(message.contains("not in this build"), "{message}");
                assert!(message.contains(feature), "{message}");
            }
        }
    }
}

#[test]
fn refuses_what_is_no_reference() {
    for text in [
        "",
        "a.pem",
        "/etc/a.pem",
        "C:/a.pem",
        "https://kms",
        "FILE:/a.pem",
        ":a",
        "file:",
        "file:/a/",
        "file:/a\n",
        "file://host/a.pem",
        "file:////host/a.pem",
        "file:/a\0b",
        "file-x:/a",
    ] {
        assert!(text.parse::<KeyUri>().is_err(), "{text:?}");
    }
    assert!(
        format!("file:{}", "a".repeat(5000))
            .parse::<KeyUri>()
            .is_err()
    );
}

#[test]
fn errors_stay_short() {
    for text in [
        "x".repeat(4000),
        format!("vault-transit://{}", "x".repeat(4000)),
    ] {
        let message = text.parse::<KeyUri>().unwrap_err().to_string();
        assert!(message.len() < 350, "{message}");
    }
}
