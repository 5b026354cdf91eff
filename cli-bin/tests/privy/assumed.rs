//! `privy open --sa NAME`: an assumption of anyone who holds the private key, and no proof of anything. Who asks at run
//! time is proved by a token, to a program that holds the key in their place.
use crate::support::{Bench, CANARY, Ended};

const PLACE: &str = "payments/db/password";

fn sealed_for(bench: &Bench, account: &str) -> Vec<u8> {
    let seal = [
        "seal",
        "--key",
        "payments.card.json",
        "--for",
        PLACE,
        "--sa",
        account,
    ];
    bench.run(&seal, CANARY).succeeded().stdout
}

fn open(bench: &Bench, flags: &[&str], envelope: &[u8]) -> Ended {
    let open = ["open", "--key", "payments.pem", "--for", PLACE];
    bench.run(&[&open, flags].concat(), envelope)
}

#[test]
fn whoever_holds_the_private_key_opens_for_any_service_account_by_naming_it() {
    let bench = Bench::new();
    for account in ["billing", "audit"] {
        let envelope = sealed_for(&bench, account);
        let opened = open(&bench, &["--sa", account], &envelope).succeeded();
        assert_eq!(opened.stdout, CANARY.as_bytes());
        // The name only has to be the one that `privy inspect` shows to everyone.
        let shown = bench
            .run(&["inspect", "--output", "json"], &envelope)
            .succeeded();
        assert!(shown.text().contains(account));
    }
}

#[test]
fn an_assumed_name_that_is_not_the_envelopes_is_pointed_out() {
    let bench = Bench::new();
    let envelope = sealed_for(&bench, "billing");
    let other = open(&bench, &["--sa", "other", "--output", "json"], &envelope);
    assert_eq!(other.json()["code"], "wrong-service-account");
    let none = open(&bench, &["--output", "json"], &envelope);
    assert_eq!(none.json()["code"], "run-time-only");
}

#[test]
fn the_help_says_that_the_name_proves_nothing() {
    let help = Bench::empty().run(&["open", "--help"], "").succeeded();
    let words: Vec<_> = help.text().split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("The name is taken on your word and proves nothing"),
        "{words}"
    );
}
