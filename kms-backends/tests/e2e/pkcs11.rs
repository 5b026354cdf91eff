//! Keys in a token that others wrote, made there and never out of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use jwe_envelope::{KeyManagement, OaepHash, RecipientKey, UnwrapRequest};
use kms_backends::{
    Category, Connector, KeyServices, KeyUnwrapExt as _, KeyUri, UnwrapError, conformance,
};
use tokio::time::Instant;

const LABEL: &str = "privy";
const PIN: &str = "12345678";
const CURVES: [(&str, &[u8]); 3] = [
    (
        "P-256",
        &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ),
    ("P-384", &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22]),
    ("P-521", &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23]),
];

/// `sha_256`: whether the token knows RSA-OAEP with it.
pub(crate) async fn check(module: &Path, folder: &Path, sha_256: bool) {
    fill(module);
    let pin = folder.join("pin");
    write_pin(&pin, PIN);
    let mut services = KeyServices::default();
    services.pkcs11.modules = vec![module.to_owned()];
    let connector = Connector::new(services);
    let uri = |object: &str| -> KeyUri {
        format!(
            "pkcs11:token={LABEL};object={object}?pin-source=file:{}",
            pin.display()
        )
        .parse()
        .unwrap()
    };

    guards_the_pin(module, &connector, &pin, &[uri("rsa"), uri("P-256")]).await;
    for (curve, _) in CURVES {
        let uri = uri(curve);
        let recipient = connector.public_key(&uri, None, soon()).await.unwrap();
        assert_eq!(recipient.curve().unwrap().to_string(), curve);
        conformance::check(
            async || connector.connect(&uri, &recipient).await.unwrap(),
            &recipient,
        )
        .await;
        println!("pkcs11: {curve} conforms");
    }
    let rsa = uri("rsa");
    let algorithms = if sha_256 {
        vec![
            KeyManagement::RsaOaep256,
            KeyManagement::RsaOaep,
            KeyManagement::RsaOaep512,
        ]
    } else {
        vec![KeyManagement::RsaOaep]
    };
    for algorithm in algorithms {
        let recipient = connector
            .public_key(&rsa, Some(algorithm), soon())
            .await
            .unwrap();
        conformance::check(
            async || connector.connect(&rsa, &recipient).await.unwrap(),
            &recipient,
        )
        .await;
        println!("pkcs11: {algorithm} conforms");
    }
    if !sha_256 {
        // A token that does not know the hash says so in its own words; it is a mistake of the configuration's.
        let recipient = connector
            .public_key(&rsa, Some(KeyManagement::RsaOaep256), soon())
            .await
            .unwrap();
        let error = ask(&connector, &rsa, &recipient).await.unwrap_err();
        assert_eq!(error.category(), Category::Misconfigured, "{error:?}");
        println!("pkcs11: RSA-OAEP-256, which this token lacks, is refused as misconfigured");
    }

    let recipient = connector
        .public_key(&rsa, Some(KeyManagement::RsaOaep), soon())
        .await
        .unwrap();
    let stranger = jwe_envelope::LocalKey::generate(jwe_envelope::KeyKind::Rsa(2048)).unwrap();
    let stranger = stranger
        .recipient()
        .pinned_to(KeyManagement::RsaOaep)
        .unwrap();
    let error = ask(&connector, &rsa, &stranger).await.unwrap_err();
    assert_eq!(
        error.category(),
        Category::Misconfigured,
        "another public key: {error:?}"
    );
    let error = connector
        .public_key(&uri("absent"), None, soon())
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::UnknownKey, "{error:?}");
    let elsewhere = format!(
        "pkcs11:token=absent;object=rsa?pin-source=file:{}",
        pin.display()
    )
    .parse()
    .unwrap();
    let error = connector
        .public_key(&elsewhere, None, soon())
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Unavailable, "{error:?}");
    let other = format!(
        "pkcs11:token={LABEL};object=rsa?module-path=/usr/lib/other.so&pin-source=file:{}",
        pin.display()
    );
    let error = connector
        .connect(&other.parse().unwrap(), &recipient)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not in the list"), "{error}");
    println!("pkcs11: other keys, tokens and modules are told apart");
}

/// A wrong PIN in the file, asked for by several keys and over and over, and a token at its last try.
async fn guards_the_pin(module: &Path, connector: &Connector, file: &Path, keys: &[KeyUri; 2]) {
    let (module, slot) = token(module);
    let log_in = |pin: &str| {
        let session = module.open_ro_session(slot).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(pin.into())))
    };
    let final_try = || module.get_token_info(slot).unwrap().user_pin_final_try();
    // How many wrong PINs bring the token to its last try.
    let until_the_last = || {
        let wrong = |_: &u8| !final_try() && log_in("00000000").is_err();
        (0..20).take_while(wrong).count()
    };
    let algorithm = Some(KeyManagement::RsaOaep);
    let recipient = connector.public_key(&keys[0], algorithm, soon()).await;
    let recipient = recipient.unwrap();
    write_pin(file, "87654321");
    for _ in 0..20 {
        for key in keys {
            let error = connector.public_key(key, None, soon()).await.unwrap_err();
            assert_eq!(error.category(), Category::Misconfigured, "{error:?}");
        }
    }
    many_at_once(connector, &keys[0], &recipient).await;
    let left = until_the_last();
    log_in(PIN).expect("a hundred calls with a wrong PIN do not lock the token");
    let all = until_the_last();
    if final_try() {
        assert_eq!(all - left, 1, "one try spent, however many asked");
        println!("pkcs11: a wrong PIN is tried once, as the token itself counts");
    }

    write_pin(file, PIN);
    if final_try() {
        let error = connector.public_key(&keys[0], None, soon()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("with another tool"), "{error}");
        println!("pkcs11: the last try is left to a person");
    } else {
        println!("pkcs11: this token never says that a try is the last");
    }
    log_in(PIN).expect("a person logs in by hand");
    connector.public_key(&keys[0], None, soon()).await.unwrap();
}

/// Several holders, each with its threads and sessions, that all find the same wrong PIN.
async fn many_at_once(connector: &Connector, key: &KeyUri, recipient: &RecipientKey) {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let unwrapper = connector.connect(key, recipient).await.unwrap();
        for _ in 0..8 {
            let (unwrapper, length) = (Arc::clone(&unwrapper), recipient.modulus_len().unwrap());
            calls.spawn(async move {
                let ciphertext = vec![0x42; length];
                let request = UnwrapRequest::Decrypt {
                    padding: OaepHash::Sha1,
                    ciphertext: &ciphertext,
                };
                unwrapper
                    .unwrap_within(&request, Duration::from_secs(10))
                    .await
                    .map(drop)
            });
        }
    }
    for answer in calls.join_all().await {
        let error = answer.unwrap_err();
        assert_eq!(error.category(), Category::Misconfigured, "{error:?}");
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn ask(
    connector: &Connector,
    uri: &KeyUri,
    recipient: &RecipientKey,
) -> Result<(), UnwrapError> {
    let unwrapper = connector.connect(uri, recipient).await.unwrap();
    let ciphertext = vec![0x42; recipient.modulus_len().unwrap()];
    let request = UnwrapRequest::Decrypt {
        padding: recipient.algorithm().oaep_hash().unwrap(),
        ciphertext: &ciphertext,
    };
    unwrapper
        .unwrap_within(&request, Duration::from_secs(10))
        .await
        .map(drop)
}

fn write_pin(path: &Path, pin: &str) {
    std::fs::write(path, format!("{pin}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn initialized(module: &Path) -> Pkcs11 {
    let module = Pkcs11::new(module).unwrap();
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match module.initialize(arguments) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => module,
        Err(error) => panic!("{error}"),
    }
}

/// The module, and the slot of our token.
fn token(module: &Path) -> (Pkcs11, Slot) {
    let module = initialized(module);
    // A token may move to another slot when it is made.
    let slots = module.get_slots_with_token().unwrap();
    let ours = |slot: &Slot| module.get_token_info(*slot).unwrap().label() == LABEL;
    let slot = slots.into_iter().find(ours).unwrap();
    (module, slot)
}

/// A new token with an RSA key and one of each curve.
fn fill(path: &Path) {
    let module = initialized(path);
    let pin = AuthPin::new(PIN.into());
    let slot = module.get_slots_with_token().unwrap()[0];
    module.init_token(slot, &pin, LABEL).unwrap();
    let (_, slot) = token(path);
    let session = module.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&pin)).unwrap();
    session.init_pin(&pin).unwrap();
    session.logout().unwrap();
    session.login(UserType::User, Some(&pin)).unwrap();
    let rsa = [
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
        Attribute::Encrypt(true),
    ];
    pair(
        &session,
        &Mechanism::RsaPkcsKeyPairGen,
        "rsa",
        &rsa,
        &Attribute::Decrypt(true),
    );
    for (curve, oid) in CURVES {
        let public = [Attribute::EcParams(oid.to_vec())];
        pair(
            &session,
            &Mechanism::EccKeyPairGen,
            curve,
            &public,
            &Attribute::Derive(true),
        );
    }
    session.logout().unwrap();
}

fn pair(
    session: &Session,
    mechanism: &Mechanism<'_>,
    label: &str,
    public: &[Attribute],
    right: &Attribute,
) {
    let common = [
        Attribute::Token(true),
        Attribute::Label(label.into()),
        Attribute::Id(label.into()),
    ];
    let public = [&common[..], public].concat();
    let private = [
        &common[..],
        &[
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            right.clone(),
        ],
    ]
    .concat();
    session
        .generate_key_pair(mechanism, &public, &private)
        .unwrap();
}
