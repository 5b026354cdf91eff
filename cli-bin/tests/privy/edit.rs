//! `privy edit`: what is new is sealed, what is old stays, and nothing that was typed stays anywhere else.
#![cfg(unix)]
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Bench, CANARY, Ended};

const MANIFEST: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
stringData:
  user: app # plain, and stays so
  password: old
";

/// A manifest whose `password` is sealed, and a folder for what is edited.
fn bench() -> Bench {
    let bench = Bench::trusting();
    bench.make_runtime();
    bench.write("db.yaml", MANIFEST);
    let set = ["set", "db.yaml", "password", "--key", "payments.card.json"];
    bench.run(&set, "old").succeeded();
    bench
}

fn edit(bench: &Bench, script: &str, more: &[&str]) -> Ended {
    edit_file(bench, "db.yaml", script, more)
}

/// Edits with a shell script, which finds the file as `$1` and keeps what it saw in `seen`.
fn edit_file(bench: &Bench, file: &str, script: &str, more: &[&str]) -> Ended {
    let output = command(bench, file, script, more).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(bench.path("runtime")).unwrap().collect();
    assert!(left.is_empty(), "{left:?} is left over");
    Ended {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: without_note(&String::from_utf8(output.stderr).unwrap()),
    }
}

/// The editors of the tests are scripts, and that privy does not know them is said first.
fn without_note(stderr: &str) -> String {
    const BEGIN: &str = "note: `sh editor.sh` is not an editor that privy knows";
    match stderr
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.split_once('\n'))
    {
        Some((_, rest)) => rest.to_owned(),
        None => stderr.to_owned(),
    }
}

fn command(bench: &Bench, file: &str, script: &str, more: &[&str]) -> Command {
    bench.write("editor.sh", format!("set -e\ncp \"$1\" seen\n{script}\n"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_privy"));
    command
        .args(["edit", file, "--key", "payments.card.json"])
        .args(more)
        .current_dir(bench.path("."))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("PRIVY_CONFIG_DIR", bench.path(".configuration"))
        .env("XDG_RUNTIME_DIR", bench.path("runtime"))
        .env("EDITOR", "sh editor.sh")
        .stdin(Stdio::null());
    command
}

fn value(bench: &Bench, key: &str) -> String {
    let text = bench.text("db.yaml");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{key}: ")))
        .unwrap();
    line.split(' ').next().unwrap().to_owned()
}

fn opened(bench: &Bench, key: &str) -> Vec<u8> {
    let place = format!("payments/db/{key}");
    bench.open(&place, value(bench, key)).succeeded().stdout
}

#[test]
fn the_editor_sees_placeholders_and_not_envelopes() {
    let bench = bench();
    let before = bench.text("db.yaml");
    let ended = edit(&bench, "stat -c %a \"$1\" $(dirname \"$1\") > modes", &[]).succeeded();
    assert!(ended.stderr.starts_with("db.yaml: not changed\n"));
    assert_eq!(bench.text("db.yaml"), before);
    assert_eq!(bench.text("modes"), "600\n700\n");
    let seen = bench.text("seen");
    assert!(
        !seen.contains("eyJ") && seen.contains("  password: SEALED.password."),
        "{seen}"
    );
    assert!(seen.contains("  user: app # plain, and stays so\n"));
}

#[test]
fn what_is_new_is_sealed_and_the_rest_stays_byte_by_byte() {
    let bench = bench();
    let before = bench.text("db.yaml");
    let script = format!("printf '  token: {CANARY}\\n  # a comment\\n' >> \"$1\"");
    let ended = edit(&bench, &script, &[]).succeeded();
    assert_eq!(
        ended.stderr,
        format!(
            "db.yaml: 1 value sealed for the key {}\n\
             db.yaml: 1 value is plain as before; `privy seal -i` seals plain values, too\n",
            bench.label("payments.card.json")
        )
    );
    let after = bench.text("db.yaml");
    assert!(
        after.starts_with(&before) && after.ends_with("  # a comment\n"),
        "{after}"
    );
    assert_eq!(opened(&bench, "token"), CANARY.as_bytes());
    assert_eq!(opened(&bench, "password"), b"old");
}

#[test]
fn a_value_in_place_of_a_placeholder_is_sealed() {
    let bench = bench();
    edit(&bench, "sed -i 's/SEALED.*/new/' \"$1\"", &[]).succeeded();
    assert_eq!(opened(&bench, "password"), b"new");
}

#[test]
fn a_changed_plain_value_is_sealed() {
    let bench = bench();
    edit(&bench, "sed -i 's/user: app/user: root/' \"$1\"", &[]).succeeded();
    assert_eq!(opened(&bench, "user"), b"root");
    assert!(bench.text("db.yaml").contains(" # plain, and stays so\n"));
}

#[test]
fn flags_apply_to_what_is_new() {
    let bench = bench();
    let sealed = value(&bench, "password");
    let flags = [
        "--layout",
        "annotation",
        "--why",
        "ticket 7",
        "--expires",
        "90d",
        "--name",
        "*",
    ];
    edit(&bench, "printf '  token: x\\n' >> \"$1\"", &flags).succeeded();
    let text = bench.text("db.yaml");
    assert!(
        text.contains("    privyseal.dev/data.token: eyJ") && text.contains(&sealed),
        "{text}"
    );
    let seen = bench
        .run(&["inspect", "--output", "json", "db.yaml"], "")
        .succeeded()
        .json();
    let fields = seen["inputs"][0]["secrets"][0]["fields"]
        .as_array()
        .unwrap();
    let token = fields
        .iter()
        .find(|field| field["field"] == "data/token")
        .unwrap();
    assert_eq!(token["envelope"]["sealed"]["why"], "ticket 7");
    assert!(token["envelope"]["bind"]["expires"].is_u64());
    assert!(token["envelope"]["bind"]["name"].is_null());
}

#[test]
fn a_broken_edit_changes_nothing_and_leaves_nothing() {
    for (script, words) in [
        (format!("printf 'x: [{CANARY}\\n' >> \"$1\""), "not YAML"),
        (
            "sed -i 's/SEALED.password/SEALED.passw/' \"$1\"".to_owned(),
            "placeholder of a sealed value was changed",
        ),
        (
            "sed -i 's/SEALED.*/SEALED.password/' \"$1\"".to_owned(),
            "placeholder of a sealed value was changed",
        ),
        (
            "sed -i 's/  password:/  passwort:/' \"$1\"".to_owned(),
            "cannot be opened in this place",
        ),
        (
            "sed -i 's/  name: db/  name: api/' \"$1\"".to_owned(),
            "cannot be opened in this place",
        ),
        (
            format!("printf 'data:\\n  token: {CANARY}\\n' >> \"$1\""),
            "base64",
        ),
        (
            "printf 'data:\\n  user: YXBw\\n' >> \"$1\"".to_owned(),
            "both `data` and `stringData`",
        ),
        ("printf '\\377' >> \"$1\"".to_owned(), "not UTF-8"),
    ] {
        let bench = bench();
        let before = bench.text("db.yaml");
        let ended = edit(&bench, &script, &[]).failed(1, words);
        assert_eq!(bench.text("db.yaml"), before, "{script}");
        if !words.contains("UTF-8") {
            assert!(
                ended.stderr.contains("your edits were discarded"),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let bench = bench();
    let before = bench.text("db.yaml");
    edit(&bench, "printf '  token: x\\n' >> \"$1\"; exit 3", &[])
        .failed(1, "ended with an error")
        .hints("EDITOR");
    assert_eq!(bench.text("db.yaml"), before);
    let mut missing = command(&bench, "db.yaml", "", &[]);
    missing.env("EDITOR", "/no/such/editor");
    assert_eq!(missing.output().unwrap().status.code(), Some(1));
    assert_eq!(bench.text("db.yaml"), before);
}

#[test]
fn visual_comes_before_editor() {
    let bench = bench();
    let mut command = command(&bench, "db.yaml", "", &[]);
    command.env("VISUAL", "sh -c 'printf \"  token: x\\n\" >> \"$1\"' --");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert_eq!(opened(&bench, "token"), b"x");
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten() {
    let bench = bench();
    let script =
        format!("printf '  token: {CANARY}\\n' >> \"$1\"; printf '  # theirs\\n' >> db.yaml");
    edit(&bench, &script, &[])
        .failed(1, "changed by someone else")
        .hints("db.yaml.edited");
    assert!(bench.text("db.yaml").ends_with("  # theirs\n"));
    let edited = bench.text("db.yaml.edited");
    assert!(edited.contains("  token: eyJ") && !edited.contains(CANARY));
}

#[test]
fn a_signal_wipes_what_was_typed() {
    let bench = bench();
    let script = "touch ready; while [ -e \"$1\" ]; do sleep 0.05; done";
    let mut signals = vec![
        "HUP", "INT", "QUIT", "ABRT", "USR1", "USR2", "ALRM", "TERM", "XCPU", "XFSZ", "VTALRM",
        "PROF", "SYS", "TRAP", "BUS",
    ];
    if cfg!(target_os = "linux") {
        signals.extend(["IO", "PWR", "STKFLT", "35", "50", "64"]);
    }
    for signal in signals {
        let mut child = command(&bench, "db.yaml", script, &[]).spawn().unwrap();
        while !bench.path("ready").exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let file = || -> Option<PathBuf> {
            let folder = std::fs::read_dir(bench.path("runtime")).unwrap().next()?;
            Some(folder.unwrap().path())
        };
        // Another name of the file shows the outcome of its content.
        let text = file().unwrap().join("db.yaml");
        let witness = bench.path("runtime/witness");
        std::fs::hard_link(text, &witness).unwrap();
        let killed = Command::new("bash")
            .args(["-c", "kill -s \"$1\" \"$2\"", "--", signal])
            .arg(child.id().to_string())
            .status()
            .unwrap();
        assert!(killed.success(), "{signal}");
        let status = child.wait().unwrap();
        assert!(!status.success(), "{signal}");
        let left = std::fs::read(&witness).unwrap();
        assert!(
            !left.is_empty() && left.iter().all(|byte| *byte == 0),
            "{signal}"
        );
        std::fs::remove_file(&witness).unwrap();
        assert_eq!(file(), None, "{signal}: nothing is left");
        std::fs::remove_file(bench.path("ready")).unwrap();
    }
}

#[test]
fn whatever_an_editor_leaves_beside_the_file_is_gone() {
    let bench = bench();
    let script = "cd $(dirname \"$1\"); mkdir undo; for file in .db.yaml.swp db.yaml~ '#db.yaml#' undo/%db; do \
                  cp db.yaml \"$file\"; done; ln -s /etc/passwd link";
    edit(&bench, script, &[]).succeeded();
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[test]
fn known_editors_are_told_to_keep_nothing_elsewhere_and_never_see_a_name_as_a_flag() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = bench();
    let name = "--cmd=quit.yaml";
    std::fs::copy(bench.path("db.yaml"), bench.path(name)).unwrap();
    for (editor, flag) in [
        ("vim", "NONE"),
        ("emacs", "--eval"),
        ("nano", "--ignorercfiles"),
    ] {
        bench.write(editor, "#!/bin/sh\nprintf '%s\\n' \"$@\" > arguments\n");
        std::fs::set_permissions(bench.path(editor), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        let mut command = command(&bench, "db.yaml", "", &[]);
        command.env("EDITOR", format!("./{editor}"));
        let mut with_name = Command::new(env!("CARGO_BIN_EXE_privy"));
        with_name
            .args(["edit", "--key", "payments.card.json", "--", name])
            .current_dir(bench.path("."))
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let output = with_name.output().unwrap();
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!("{name}: not changed\n"),
            "{editor}"
        );
        let arguments = bench.text("arguments");
        let lines: Vec<_> = arguments.lines().collect();
        assert!(lines.contains(&flag), "{editor}: {arguments}");
        let file = lines.last().unwrap();
        assert!(
            file.starts_with('/') && file.ends_with(name),
            "{editor}: {arguments}"
        );
    }
}

#[test]
fn an_unknown_editor_is_said_to_be_one() {
    let bench = bench();
    let output = command(&bench, "db.yaml", "", &[]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("backup, swap or undo files"), "{stderr}");
}

#[test]
fn an_editor_that_crashes_writes_no_core() {
    let bench = bench();
    edit(&bench, "ulimit -S -c > soft; ulimit -H -c > hard", &[]).succeeded();
    assert_eq!(bench.text("soft") + &bench.text("hard"), "0\n0\n");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_edited_is_in_memory_even_without_a_runtime_folder() {
    let bench = bench();
    let mut without = command(&bench, "db.yaml", "stat -f -c %T \"$1\" > kind", &[]);
    without.env_remove("XDG_RUNTIME_DIR");
    assert!(without.output().unwrap().status.success());
    assert_eq!(bench.text("kind"), "tmpfs\n");
}

#[test]
fn what_is_new_may_be_sealed_for_more_than_its_place_and_that_is_said() {
    for (flags, wherever, name) in [
        (&["--for", "payments/db-*/token"][..], None, None),
        (
            &["--for", "payments/*/token"],
            Some("payments/*/token"),
            None,
        ),
        (&["--for", "pay*/db/*"], None, None),
        (&["--anywhere"], Some("*/db/token"), Some("db")),
        (&["--for", "payments/d-*/*"], None, None),
        (&["--for", "payments/db/token"], Some(""), Some("db")),
    ] {
        let bench = bench();
        let sealed = value(&bench, "password");
        let ended = edit(&bench, "printf '  token: x\\n' >> \"$1\"", flags);
        let Some(wherever) = wherever else {
            // A place that the field is not in, or no place at all: nothing is written.
            assert_eq!(ended.code, 2, "{flags:?}: {}", ended.stderr);
            assert!(!bench.text("db.yaml").contains("token"), "{flags:?}");
            continue;
        };
        let ended = ended.succeeded();
        let warning = format!(
            "warning: the value of `token` can be opened wherever `{wherever}` fits, not only in `payments/db/token`\n"
        );
        assert_eq!(
            ended.stderr.contains(&warning),
            !wherever.is_empty(),
            "{flags:?}: {}",
            ended.stderr
        );
        assert_eq!(value(&bench, "password"), sealed, "only what is new");
        assert_eq!(opened(&bench, "token"), b"x");
        let inspected = bench
            .run(&["inspect", "--output", "json", "db.yaml"], "")
            .succeeded()
            .json();
        let fields = inspected["inputs"][0]["secrets"][0]["fields"].clone();
        let fields = fields.as_array().unwrap();
        let token = fields
            .iter()
            .find(|field| field["field"] == "stringData/token");
        assert_eq!(token.unwrap()["envelope"]["bind"]["name"].as_str(), name);
    }
}

#[test]
fn a_place_that_is_none_is_refused_before_the_editor_opens() {
    let bench = bench();
    for place in [
        "payments/db",
        "*/db/token",
        "payments/db*/token",
        "Payments/db/token",
    ] {
        let ended = edit(
            &bench,
            "printf '  token: x\\n' >> \"$1\"",
            &["--for", place],
        );
        assert_eq!(ended.code, 2, "{place}: {}", ended.stderr);
        assert!(!bench.path("seen").exists(), "{place}");
    }
}

#[test]
fn without_a_terminal_and_an_editor_nothing_waits_and_the_next_step_is_named() {
    let bench = bench();
    let before = bench.text("db.yaml");
    let mut command = command(&bench, "db.yaml", "", &[]);
    let output = command.env_remove("EDITOR").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("there is no terminal to edit on"),
        "{stderr}"
    );
    assert!(stderr.contains("privy set FILE FIELD"), "{stderr}");
    assert_eq!(bench.text("db.yaml"), before);
}

#[test]
fn an_emptied_text_cancels_the_edit() {
    let bench = bench();
    let before = bench.text("db.yaml");
    for script in [": > \"$1\"", "printf '\\n  \\n' > \"$1\""] {
        edit(&bench, script, &[]).failed(1, "cancelled: the edited text is empty");
        assert_eq!(bench.text("db.yaml"), before);
    }
}

#[test]
fn a_sealed_field_that_is_deleted_is_named() {
    let bench = bench();
    let ended = edit(&bench, "sed -i '/password/d' \"$1\"", &[]).succeeded();
    assert!(
        ended
            .stderr
            .contains("warning: db.yaml: no longer in the file, though sealed before: `password`"),
        "{}",
        ended.stderr
    );
    assert!(!bench.text("db.yaml").contains("password"));
}

#[test]
fn an_editor_that_does_not_wait_is_suspected() {
    let bench = bench();
    let ended = edit(&bench, ":", &[]).succeeded();
    assert!(
        ended.stderr.contains("not changed") && ended.stderr.contains("--wait"),
        "{}",
        ended.stderr
    );
}
