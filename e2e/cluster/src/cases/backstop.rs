//! The backstop under random Secrets: it refuses with 403 or says nothing; it never fails in evaluation.
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::filter::{fails_in_no_expression, no_errors_are_counted};
use crate::lab::Lab;
use crate::sealing::b64;

/// Numbers that are the same in every run, so that a finding can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // xorshift64*, after Marsaglia and Vigna.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits fit")
            % sides
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.roll(from.len())]
    }
}

struct Words {
    values: Vec<String>,
    leaves: Vec<String>,
    fields: Vec<&'static str>,
}

impl Words {
    fn new(lab: &Lab, ns: &str) -> Self {
        let sealed = lab.key.seal(&format!("{ns}/fuzz/a"), b"x");
        let dead = lab.dead.seal(&format!("{ns}/fuzz/b"), b"x");
        Self {
            values: vec![
                b64(&sealed),
                b64(&dead),
                b64(&sealed[..40]),
                b64(&sealed[..sealed.len() - 3]),
                b64("eyJlbmMiOi"),
                b64("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
                b64(r#"{"protected":"eyJlbmMiOiJBMjU2R0NNIn0"}"#),
                b64(""),
                b64("plain"),
                b64("ä€😀"),
                b64([0, 255, 128]),
                b64("x".repeat(70_000)),
                b64(format!("eyJlbmMiOi{}", "A".repeat(60_000))),
            ],
            leaves: vec![
                String::new(),
                "a".into(),
                "a, b".into(),
                ",,,".into(),
                " a ,\tb\n".into(),
                "ä,😀".into(),
                ",".repeat(1024),
                ",".repeat(5000),
                "a,".repeat(512),
                "x".repeat(100_000),
                "A".into(),
                "data/a".into(),
            ],
            fields: vec!["a", "b", "c.d", "e_f", "g-h", ".dot", "..two", "x"],
        }
    }

    fn secret(&self, dice: &mut Dice, ns: &str) -> Value {
        let mut data = Map::new();
        for _ in 0..dice.roll(5) {
            let value = if dice.roll(8) == 0 {
                Value::Null
            } else {
                json!(dice.pick(&self.values))
            };
            data.insert((*dice.pick(&self.fields)).to_owned(), value);
        }
        if dice.roll(25) == 0 {
            let value = json!(dice.pick(&self.values[..9]));
            for n in 0..dice.roll(2100) {
                data.insert(format!("n{n}"), value.clone());
            }
        }
        let mut annotations = Map::new();
        for _ in 0..dice.roll(3) {
            annotations.insert(
                format!("privyseal.dev/data.{}", dice.pick(&self.fields)),
                json!(dice.pick(&self.values[..8])),
            );
        }
        if dice.roll(2) == 0 {
            annotations.insert(
                "privyseal.dev/leave".to_owned(),
                json!(dice.pick(&self.leaves)),
            );
        }
        if dice.roll(30) == 0 {
            for n in 0..dice.roll(1100) {
                annotations.insert(format!("privyseal.dev/data.n{n}"), json!("x"));
            }
        }
        let mut object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "fuzz" } });
        if dice.roll(6) != 0 {
            object["data"] = data.into();
        }
        if dice.roll(6) != 0 {
            object["metadata"]["annotations"] = annotations.into();
        }
        match dice.roll(12) {
            0 => object["type"] = json!("kubernetes.io/tls"),
            1 => object["type"] = json!("helm.sh/release.v1"),
            2 => object["type"] = json!("example.com/other"),
            3 => object["immutable"] = json!(true),
            _ => {}
        }
        object
    }
}

fn fuzz(lab: &Lab, rounds: usize, seed: u64) -> Result<()> {
    let ns = lab.namespace("fuzz")?;
    let words = Words::new(lab, &ns);
    let mut dice = Dice(seed);
    let users = [lab.api("creator")?, lab.api("deployer")?];
    let admin = lab.api("admin")?;
    let (mut accepted, mut denied) = (0, 0);
    for round in 0..rounds {
        let first = words.secret(&mut dice, &ns);
        let second = words.secret(&mut dice, &ns);
        for (user, api) in users.iter().enumerate() {
            // What is there, is changed; what is not, is made, for real, so that there is something to change.
            let way = dice.roll(4);
            let answer = match way {
                0 => api.create_dry(&first)?,
                1 => api.create(&first)?,
                2 => api.replace(&second)?,
                _ => api.apply(&second, "fuzz", "&force=true")?,
            };
            let context = format!("seed {seed}, round {round}, user {user}, way {way}");
            fails_in_no_expression(&context, answer.message())?;
            if answer.message().contains("ValidatingAdmissionPolicy") {
                ensure!(
                    answer.status == 403,
                    "{context}: {} {}",
                    answer.status,
                    answer.message()
                );
                denied += 1;
            }
            ensure!(
                answer.status < 500,
                "{context}: {} {}",
                answer.status,
                answer.message()
            );
            if answer.status < 300 {
                accepted += 1;
            }
        }
        if dice.roll(3) == 0 {
            admin.delete(&ns, "fuzz")?;
        }
    }
    // A fuzzer that is always refused, or never, looks at nothing.
    ensure!(
        accepted > rounds / 20 && denied > rounds / 20,
        "{accepted} accepted, {denied} denied of {rounds} rounds"
    );
    no_errors_are_counted(lab)
}

/// Some hundred Secrets, the same in each run.
pub fn never_fails_in_evaluation(lab: &Lab) -> Result<()> {
    fuzz(lab, 250, 0x5eed_0001)
}

/// Some thousand more.
pub fn never_fails_in_evaluation_in_long_runs(lab: &Lab) -> Result<()> {
    (2..8).try_for_each(|seed| fuzz(lab, 1000, seed))
}

/// Secrets of as many fields and annotations as a request holds, changed by someone who may not unseal: looked at, and
/// not failed at.
pub fn bounds_hold_for_updates_too(lab: &Lab) -> Result<()> {
    let ns = lab.namespace("bounds")?;
    let admin = lab.api("deployer")?;
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{}", "A".repeat(480));
    let mut data = Map::new();
    for n in 0..2000 {
        data.insert(format!("field-{n}"), json!(b64(&token)));
    }
    let mut big = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": ns, "name": "big" }, "data": data });
    big["metadata"]["annotations"] = json!({ "privyseal.dev/leave": "a,".repeat(512) });
    admin.create(&big)?.accepted()?;
    for user in ["creator", "deployer"] {
        let api = lab.api(user)?;
        api.patch(
            &ns,
            "big",
            &json!({ "metadata": { "labels": { "by": user } } }),
        )?
        .accepted()?;
        api.replace(&big)?.accepted()?;
    }
    no_errors_are_counted(lab)
}
