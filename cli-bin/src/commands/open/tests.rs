use std::sync::Arc;

use async_trait::async_trait;
use jwe_envelope::{
    Binding, Curve, KeyKind, LocalKey, ObjectName, Place, Sealer, SecretBytes, UnwrapRequest,
};
use kms_backends::{Category, KeyEntry, KeyUnwrap, NamespaceSet, Registry, UnwrapError};
use tokio::time::Instant;

use super::*;

#[test]
fn a_terminal_gets_text_alone() {
    assert!(is_text("hunter2 ü\n\t".as_bytes()));
    for bytes in [
        b"\xff\xfe".as_slice(),
        b"\x1b[2J",
        b"a\0b",
        "\u{9b}31m".as_bytes(),
    ] {
        assert!(!is_text(bytes));
    }
}

/// A key service that fails in one way.
#[derive(Debug)]
struct Failing(Category);

#[async_trait]
impl KeyUnwrap for Failing {
    async fn unwrap_key(
        &self,
        _: &UnwrapRequest<'_>,
        _: Instant,
    ) -> Result<SecretBytes, UnwrapError> {
        Err(UnwrapError::new(self.0, "it fails"))
    }
}

fn refusal(category: Category) -> Refused {
    let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let binding = Binding::exact(&Place::new("payments", "db", "password").unwrap());
    let mut sealer = Sealer::new(std::slice::from_ref(key.recipient())).unwrap();
    let envelope = sealer.seal(b"x", &binding).unwrap().to_string();
    let entry = KeyEntry::builder("payments", key.recipient().clone())
        .namespaces(NamespaceSet::all())
        .backend(Arc::new(Failing(category)))
        .build();
    let registry = Registry::builder().key(entry).build().unwrap();
    let site = Site {
        namespace: "payments",
        name: ObjectName::Named("db"),
        key: "password",
        signature: None,
        caller: OpeningContext::Admission(Admission::new(Change::Created)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let opened = runtime.block_on(async {
        let deadline = Instant::now() + DEADLINE;
        open_value(
            envelope.as_bytes(),
            &site,
            &Policy::default(),
            &registry,
            0,
            deadline,
        )
        .await
    });
    Refused::by_the_webhooks_code(&opened.unwrap_err(), 1)
}

#[test]
fn what_the_key_service_answers_decides_the_exit_code() {
    for (category, exit, code) in [
        (Category::Unavailable, Exit::Unavailable, "unavailable"),
        (Category::Misconfigured, Exit::Usage, "misconfigured"),
        (Category::Denied, Exit::Refused, "denied"),
        (Category::Rejected, Exit::Refused, "not-opened"),
    ] {
        let refused = refusal(category);
        assert_eq!((refused.failure.exit(), refused.code), (exit, code));
    }
}
