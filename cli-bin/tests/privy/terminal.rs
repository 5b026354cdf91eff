//! What happens when someone sits at the terminal: hidden prompts, questions, and what a screen must not get.
use std::ffi::OsString;
use std::path::Path;

use cli_bin::failure::Exit;
use cli_bin::io::{Io, Terminals};
use zeroize::Zeroizing;

use crate::support::{Bench, CANARY};

/// A person who types.
struct Person<'a> {
    /// Lines that are seen while they are typed.
    typed: &'a str,
    /// Lines that are not.
    hidden: &'a [&'a str],
}

struct Seen {
    exit: Exit,
    stdout: Vec<u8>,
    stderr: String,
    asked: usize,
}

impl Person<'_> {
    fn runs(&self, bench: &Bench, arguments: &[&str]) -> Seen {
        let configuration = OsString::from(bench.path(".configuration"));
        let (mut stdin, mut stdout, mut stderr) = (self.typed.as_bytes(), Vec::new(), Vec::new());
        let mut asked = 0;
        let mut answers = self.hidden.iter();
        let exit = cli_bin::run(
            ["privy"].iter().chain(arguments).map(OsString::from),
            &mut Io {
                stdin: &mut stdin,
                stdout: &mut stdout,
                stderr: &mut stderr,
                terminal: Terminals {
                    stdin: true,
                    stdout: true,
                    stderr: true,
                },
                hidden: &mut |_| {
                    asked += 1;
                    Ok(Zeroizing::new(
                        answers.next().copied().unwrap_or_default().to_owned(),
                    ))
                },
                discard_typed: &mut || (),
                environment: &|name| match name {
                    "PRIVY_CONFIG_DIR" => Some(configuration.clone()),
                    "EDITOR" => Some(format!("sh {}", path(bench, "editor.sh")).into()),
                    "XDG_RUNTIME_DIR" => Some(bench.path("runtime").into()),
                    _ => None,
                },
                now: 1_800_000_000,
            },
        );
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(!stderr.contains(CANARY), "{stderr}");
        Seen {
            exit,
            stdout,
            stderr,
            asked,
        }
    }
}

fn path(bench: &Bench, name: &str) -> String {
    bench.path(name).to_str().unwrap().to_owned()
}

const NOBODY: Person<'_> = Person {
    typed: "",
    hidden: &[],
};

#[test]
fn a_value_is_asked_for_twice_and_not_shown() {
    let bench = Bench::new();
    let key = path(&bench, "payments.card.json");
    let seal = ["seal", "--key", &key, "--for", "payments/db/password"];
    let seen = Person {
        typed: "",
        hidden: &[CANARY, CANARY],
    }
    .runs(&bench, &seal);
    assert_eq!((seen.exit, seen.asked), (Exit::Done, 2), "{}", seen.stderr);
    assert_eq!(
        bench
            .open("payments/db/password", &seen.stdout)
            .succeeded()
            .stdout,
        CANARY.as_bytes()
    );
    let seen = Person {
        typed: "",
        hidden: &[CANARY, "another"],
    }
    .runs(&bench, &seal);
    assert_eq!(seen.exit, Exit::Refused);
    assert!(seen.stderr.contains("the two values differ") && seen.stdout.is_empty());
}

#[test]
fn a_doubtful_value_is_asked_about() {
    let bench = Bench::trusting();
    let key = path(&bench, "payments.card.json");
    let seal = ["seal", "--key", &key, "--for", "payments/db/password"];
    for (answer, exit) in [
        ("y\n", Exit::Done),
        ("yes\n", Exit::Done),
        ("n\n", Exit::Refused),
        ("\n", Exit::Refused),
        ("", Exit::Refused),
    ] {
        let seen = Person {
            typed: answer,
            hidden: &[" x", " x"],
        }
        .runs(&bench, &seal);
        assert_eq!(seen.exit, exit, "{answer:?}: {}", seen.stderr);
        assert!(
            seen.stderr.contains("begins with whitespace")
                && seen.stderr.contains("Seal it as it is?")
        );
        assert_eq!(seen.stdout.is_empty(), exit != Exit::Done);
    }
    let raw = [&seal[..], &["--raw"]].concat();
    let seen = Person {
        typed: "",
        hidden: &[" x", " x"],
    }
    .runs(&bench, &raw);
    assert_eq!((seen.exit, seen.stderr.as_str()), (Exit::Done, ""));
}

#[test]
fn set_asks_for_the_value_when_the_place_is_known_to_be_good() {
    let bench = Bench::new();
    let (key, file) = (path(&bench, "payments.card.json"), path(&bench, "new.yaml"));
    let set = [
        "set",
        &file,
        "password",
        "--key",
        &key,
        "--namespace",
        "payments",
        "--name",
        "db",
    ];
    let seen = Person {
        typed: "",
        hidden: &["x", "x"],
    }
    .runs(&bench, &set);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    assert!(bench.text("new.yaml").contains("password: eyJ"));
    let bad = [
        "set",
        &file,
        "password",
        "--key",
        &key,
        "--namespace",
        "other",
    ];
    let seen = NOBODY.runs(&bench, &bad);
    assert_eq!(
        (seen.exit, seen.asked),
        (Exit::Usage, 0),
        "nobody types a value in vain"
    );
}

#[test]
fn seal_without_anything_does_not_wait_for_a_manifest_to_be_typed() {
    let bench = Bench::new();
    let key = path(&bench, "payments.card.json");
    let seen = NOBODY.runs(&bench, &["seal", "--key", &key]);
    assert_eq!(seen.exit, Exit::Usage);
    assert!(seen.stderr.contains("there is nothing to seal"));
}

#[test]
fn the_fingerprint_is_typed_and_never_shown_first() {
    let bench = Bench::new();
    let key = path(&bench, "payments.card.json");
    let right = bench.fingerprint("payments.card.json");
    let wrong = right.replace(&right[..5], "00000");
    let first_group = &right[..5];
    let seen = Person {
        typed: &format!("{wrong}\n"),
        hidden: &[],
    }
    .runs(&bench, &["key", "trust", &key]);
    assert_eq!(seen.exit, Exit::Refused);
    assert!(!seen.stderr.contains(first_group), "{}", seen.stderr);
    assert!(!bench.path(".configuration").exists());
    let seen = Person {
        typed: &format!("{right}\n"),
        hidden: &[],
    }
    .runs(&bench, &["key", "trust", &key]);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    assert!(!seen.stderr.contains(first_group));
    bench.run(&["key", "trust", "--list"], "").succeeded();
}

#[test]
fn the_first_use_of_a_repositorys_key_asks_for_the_fingerprint() {
    let bench = Bench::new();
    bench.write(
        ".privy.yaml",
        "version: 1\nrules:\n  - paths: [\"**\"]\n    key: payments.card.json\n",
    );
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  a: x\n";
    bench.write("db.yaml", manifest);
    let file = path(&bench, "db.yaml");
    let seen = NOBODY.runs(&bench, &["seal", "-i", &file]);
    assert_eq!(seen.exit, Exit::Refused, "{}", seen.stderr);
    assert_eq!(bench.text("db.yaml"), manifest);
    let right = format!("{}\n", bench.fingerprint("payments.card.json"));
    let seen = Person {
        typed: &right,
        hidden: &[],
    }
    .runs(&bench, &["seal", "-i", &file]);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    bench.write("db.yaml", manifest);
    assert_eq!(
        NOBODY.runs(&bench, &["seal", "-i", &file]).exit,
        Exit::Done,
        "asked once"
    );
}

#[test]
fn binary_values_do_not_reach_the_screen() {
    let bench = Bench::new();
    let key = path(&bench, "payments.pem");
    let open = ["open", "--key", &key, "--for", "payments/db/password"];
    let binary = String::from_utf8(bench.sealed(b"\x1b[2J\xff")).unwrap();
    let seen = Person {
        typed: &binary,
        hidden: &[],
    }
    .runs(&bench, &open);
    assert_eq!(seen.exit, Exit::Refused);
    assert!(seen.stderr.contains("--out FILE") && seen.stdout.is_empty());
    let text = String::from_utf8(bench.sealed("hunter2")).unwrap();
    let seen = Person {
        typed: &text,
        hidden: &[],
    }
    .runs(&bench, &open);
    assert_eq!(
        (seen.exit, seen.stdout.as_slice()),
        (Exit::Done, b"hunter2".as_slice())
    );
    let out = path(&bench, "value");
    let seen = Person {
        typed: &binary,
        hidden: &[],
    }
    .runs(&bench, &[&open[..], &["--out", &out]].concat());
    assert_eq!(seen.exit, Exit::Done);
    assert_eq!(std::fs::read(Path::new(&out)).unwrap(), b"\x1b[2J\xff");
}

#[cfg(unix)]
#[test]
fn a_broken_edit_may_be_mended() {
    const MANIFEST: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  a: x\n";
    let bench = Bench::new();
    let (key, file) = (path(&bench, "payments.card.json"), path(&bench, "db.yaml"));
    bench.make_runtime();
    bench.write("db.yaml", MANIFEST);
    // Breaks the manifest first, and fixes what it finds broken.
    bench.write(
        "editor.sh",
        "if grep -q broken \"$1\"; then sed -i 's/.*broken.*/  b: new/' \"$1\"; else echo ': [broken' >> \"$1\"; fi\n",
    );
    let edit = ["edit", "--key", &key, &file];
    let seen = Person {
        typed: "no\n",
        hidden: &[],
    }
    .runs(&bench, &edit);
    assert_eq!(seen.exit, Exit::Refused, "{}", seen.stderr);
    assert!(seen.stderr.contains("not YAML") && seen.stderr.contains("your edits were discarded"));
    assert_eq!(bench.text("db.yaml"), MANIFEST);
    let seen = Person {
        typed: "\n",
        hidden: &[],
    }
    .runs(&bench, &edit);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    assert!(seen.stderr.contains("Edit it again?"), "{}", seen.stderr);
    let text = bench.text("db.yaml");
    assert!(
        text.starts_with(MANIFEST) && text.contains("\n  b: eyJ"),
        "{text}"
    );
    let left = std::fs::read_dir(bench.path("runtime")).unwrap().count();
    assert_eq!(left, 0, "nothing is left of what was typed");
}

#[test]
fn a_changed_rule_for_a_sealed_file_is_asked_about_before_the_value() {
    let bench = Bench::trusting();
    bench.generate("dev");
    bench.trust("dev.card.json");
    let rule = |key: &str| {
        let rule = format!("paths: [\"**\"]\n    key: {key}.card.json\n    namespace: payments");
        bench.write(
            ".privy.yaml",
            format!("version: 1\nrules:\n  - {rule}\n    name: db\n"),
        );
    };
    rule("payments");
    bench.run(&["set", "db.yaml", "password"], "x").succeeded();
    rule("dev");
    let before = bench.text("db.yaml");
    let file = path(&bench, "db.yaml");
    let set = ["set", &file, "token"];
    for answer in ["n\n", "\n", ""] {
        let person = Person {
            typed: answer,
            hidden: &[],
        };
        let seen = person.runs(&bench, &set);
        assert_eq!((seen.exit, seen.asked), (Exit::Refused, 0), "{answer:?}");
        assert!(seen.stderr.contains("cancelled; nothing was sealed"));
        assert_eq!(bench.text("db.yaml"), before);
    }
    let person = Person {
        typed: "y\n",
        hidden: &["x", "x"],
    };
    let seen = person.runs(&bench, &set);
    assert_eq!((seen.exit, seen.asked), (Exit::Done, 2), "{}", seen.stderr);
    for card in ["payments.card.json", "dev.card.json"] {
        assert!(seen.stderr.contains(&bench.label(card)), "{}", seen.stderr);
    }
}

#[test]
fn a_signer_of_cards_is_asked_for_with_the_names_of_the_cards() {
    let bench = Bench::new();
    let generate = [
        "key",
        "generate",
        "--kind",
        "ed25519",
        "--out",
        "manager.pem",
    ];
    bench.run(&generate, "").succeeded();
    let public = bench.run(&["key", "show", "manager.pem", "--output", "pem"], "");
    bench.write("manager.pub.pem", public.succeeded().stdout);
    let heard = bench.fingerprint("manager.pub.pem");
    let file = path(&bench, "manager.pub.pem");
    let typed = format!("payments, team-*\n{heard}\n");
    let person = Person {
        typed: &typed,
        hidden: &[],
    };
    let seen = person.runs(&bench, &["key", "trust", "--card-signer", &file]);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    for words in [
        "decides which keys you seal for",
        "may introduce the keys of these cards: payments, team-*",
    ] {
        assert!(seen.stderr.contains(words), "{}", seen.stderr);
    }
    assert!(!seen.stderr.contains(&heard), "heard, and never shown");
    let person = Person {
        typed: &heard,
        hidden: &[],
    };
    let seen = person.runs(&bench, &["key", "trust", "--value-signer", &file]);
    assert_eq!(seen.exit, Exit::Done, "{}", seen.stderr);
    assert!(
        seen.stderr.contains("They introduce no keys."),
        "{}",
        seen.stderr
    );
}
