//! Two sides, value by value: what changed, and how sure that is.
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;

use jwe_envelope::EnvelopeDigest;

use super::snapshot::{Item, SealedSnapshot, ValueState};

/// The outcome of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueChange {
    /// It was sealed and is open now.
    Opened,
    /// It is there now, open.
    NewPlain,
    /// An open value changed.
    PlainChanged,
    /// It became damaged, or cannot be read.
    Damaged,
    /// It is there now, sealed.
    New,
    /// It is gone.
    Removed,
    /// It was open and is sealed now.
    Sealed,
    /// Sealed again, in another act of sealing.
    Changed,
    /// Sealed for another place.
    MovedPlace,
    /// Sealed for another key.
    MovedKey,
    /// Sealed again, by claim in the same act.
    Resealed,
    /// The same ciphertext; only how its key is wrapped changed.
    Rewrapped,
    /// The same value stands elsewhere.
    MovedFile,
}

impl ValueChange {
    /// Every kind, the worst first.
    pub const ALL: [Self; 13] = [
        Self::Opened,
        Self::NewPlain,
        Self::PlainChanged,
        Self::Damaged,
        Self::New,
        Self::Removed,
        Self::Sealed,
        Self::Changed,
        Self::MovedPlace,
        Self::MovedKey,
        Self::Resealed,
        Self::Rewrapped,
        Self::MovedFile,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::NewPlain => "new-plain",
            Self::PlainChanged => "plain-changed",
            Self::Damaged => "damaged",
            Self::New => "new",
            Self::Removed => "removed",
            Self::Sealed => "sealed",
            Self::Changed => "changed",
            Self::MovedPlace => "moved-place",
            Self::MovedKey => "moved-key",
            Self::Resealed => "re-sealed",
            Self::Rewrapped => "re-wrapped",
            Self::MovedFile => "moved-file",
        }
    }
}

/// One difference.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The outcome of the value.
    pub change: ValueChange,
    /// `None` where it goes by the sealer's claim; else why it is sure.
    pub certain: bool,
    /// In words.
    pub message: String,
    /// As it was.
    pub before: Option<Item>,
    /// As it is.
    pub after: Option<Item>,
}

/// All differences, by path, Secret and field.
pub fn compare(before: Vec<Item>, after: Vec<Item>) -> Vec<Difference> {
    let (pairs, mut gone, mut new) = paired(before, after);
    let mut differences: Vec<Difference> = pairs
        .into_iter()
        .filter_map(|(before, after)| between(before, after))
        .collect();
    differences.extend(moved(&mut gone, &mut new));
    differences.extend(new.into_iter().map(|item| {
        let (change, message) = match &item.state {
            ValueState::Plain(_) => (ValueChange::NewPlain, "new, and not sealed".to_owned()),
            ValueState::Sealed(sealed) => (
                ValueChange::New,
                format!("new, sealed for {}", place(sealed)),
            ),
            ValueState::Damaged | ValueState::Unreadable => {
                (ValueChange::Damaged, "new, and damaged".to_owned())
            }
        };
        Difference {
            change,
            certain: true,
            message,
            before: None,
            after: Some(item),
        }
    }));
    differences.extend(gone.into_iter().map(|item| Difference {
        change: ValueChange::Removed,
        certain: true,
        message: match &item.state {
            ValueState::Plain(_) => {
                "removed; it was not sealed, and version control still has it".to_owned()
            }
            _ => "removed".to_owned(),
        },
        before: Some(item),
        after: None,
    }));
    for difference in &mut differences {
        if let (Some(before), Some(after)) = (&difference.before, &difference.after)
            && (before.signed && !after.signed)
            && matches!(after.state, ValueState::Sealed(_))
        {
            difference.message.push_str("; its signature is gone");
        }
    }
    differences.sort_by(|a, b| a.subject().cmp(&b.subject()));
    differences
}

impl Difference {
    /// The item to name it by.
    ///
    /// # Panics
    /// Never for a difference that [`compare`] found: each has a side.
    pub fn item(&self) -> &Item {
        self.after
            .as_ref()
            .or(self.before.as_ref())
            .expect("a difference has a side")
    }

    fn subject(&self) -> (&str, &str, &str) {
        let item = self.item();
        (&item.path, &item.secret, &item.field)
    }
}

type Pairs = (Vec<(Item, Item)>, Vec<Item>, Vec<Item>);

/// A value is known by its Secret and key; where several files have it, by its file too.
fn paired(before: Vec<Item>, after: Vec<Item>) -> Pairs {
    // By Secret and key, then by file; a file may have one of them several times.
    let mut known: BTreeMap<(String, String), BTreeMap<String, VecDeque<Item>>> = BTreeMap::new();
    for item in before {
        known
            .entry((item.secret.clone(), item.key.clone()))
            .or_default()
            .entry(item.path.clone())
            .or_default()
            .push_back(item);
    }
    let (mut pairs, mut waiting, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for item in after {
        let same_file = known
            .get_mut(&(item.secret.clone(), item.key.clone()))
            .and_then(|files| files.get_mut(&item.path)?.pop_front());
        match same_file {
            Some(before) => pairs.push((before, item)),
            None => waiting.push(item),
        }
    }
    for item in waiting {
        let files = known.get_mut(&(item.secret.clone(), item.key.clone()));
        match files.and_then(last_of) {
            Some(before) => pairs.push((before, item)),
            None => new.push(item),
        }
    }
    let gone = known.into_values().flat_map(BTreeMap::into_values);
    (pairs, gone.flatten().collect(), new)
}

/// Takes an item of the last file that still has one.
fn last_of(files: &mut BTreeMap<String, VecDeque<Item>>) -> Option<Item> {
    loop {
        let mut last = files.last_entry()?;
        if let Some(item) = last.get_mut().pop_back() {
            return Some(item);
        }
        last.remove();
    }
}

/// What is gone here and new there, and is the very same envelope.
fn moved(gone: &mut Vec<Item>, new: &mut Vec<Item>) -> Vec<Difference> {
    let mut left: Vec<Option<Item>> = std::mem::take(gone).into_iter().map(Some).collect();
    let mut by_digest: HashMap<EnvelopeDigest, VecDeque<usize>> = HashMap::new();
    for (index, item) in left.iter().enumerate() {
        if let Some(ValueState::Sealed(sealed)) = item.as_ref().map(|item| &item.state) {
            by_digest.entry(sealed.digest).or_default().push_back(index);
        }
    }
    let mut found = Vec::new();
    let mut rest = Vec::new();
    for item in std::mem::take(new) {
        let before = match &item.state {
            ValueState::Sealed(sealed) => by_digest
                .get_mut(&sealed.digest)
                .and_then(VecDeque::pop_front)
                .and_then(|index| left[index].take()),
            ValueState::Plain(_) | ValueState::Damaged | ValueState::Unreadable => None,
        };
        let Some(before) = before else {
            rest.push(item);
            continue;
        };
        found.push(Difference {
            change: ValueChange::MovedFile,
            certain: true,
            message: format!(
                "the same envelope, moved from {} {}",
                before.secret, before.field
            ),
            before: Some(before),
            after: Some(item),
        });
    }
    *gone = left.into_iter().flatten().collect();
    *new = rest;
    found
}

fn between(before: Item, after: Item) -> Option<Difference> {
    let moved = before.path != after.path;
    let (change, certain, message) = match (&before.state, &after.state) {
        (ValueState::Sealed(a), ValueState::Sealed(b)) => match sealed(a, b) {
            Some(found) => found,
            None if moved => (
                ValueChange::MovedFile,
                true,
                format!("the same envelope, moved from `{}`", before.path),
            ),
            None => return None,
        },
        (ValueState::Plain(a), ValueState::Plain(b)) if a == b => {
            if !moved {
                return None;
            }
            (
                ValueChange::MovedFile,
                true,
                format!("the same open value, moved from `{}`", before.path),
            )
        }
        (ValueState::Plain(_), ValueState::Plain(_)) => (
            ValueChange::PlainChanged,
            true,
            "another value, and not sealed".to_owned(),
        ),
        (ValueState::Plain(_), ValueState::Sealed(b)) => (
            ValueChange::Sealed,
            true,
            format!(
                "sealed now, for {}; version control still has the open value, so it should be changed where it is in use",
                place(b)
            ),
        ),
        (_, ValueState::Plain(_)) => (
            ValueChange::Opened,
            true,
            "it was sealed and is open now".to_owned(),
        ),
        (ValueState::Damaged, ValueState::Damaged)
        | (ValueState::Unreadable, ValueState::Unreadable) => return None,
        (_, ValueState::Damaged) => (
            ValueChange::Damaged,
            true,
            "its envelope is damaged now".to_owned(),
        ),
        (_, ValueState::Unreadable) => (
            ValueChange::Damaged,
            true,
            "it cannot be read now".to_owned(),
        ),
        (ValueState::Damaged | ValueState::Unreadable, ValueState::Sealed(b)) => (
            ValueChange::Changed,
            true,
            format!("it could not be read before; sealed now for {}", place(b)),
        ),
    };
    Some(Difference {
        change,
        certain,
        message,
        before: Some(before),
        after: Some(after),
    })
}

/// What can be told of two envelopes without opening either.
fn sealed(a: &SealedSnapshot, b: &SealedSnapshot) -> Option<(ValueChange, bool, String)> {
    if a.text == b.text {
        return None;
    }
    let (new_key, new_place) = (a.kids != b.kids, a.binding != b.binding);
    if a.digest == b.digest {
        let message = if new_key {
            "moved to another key; the ciphertext is the same, so the value is"
        } else {
            "wrapped or written again; the ciphertext is the same, so the value is"
        };
        let change = if new_key {
            ValueChange::MovedKey
        } else {
            ValueChange::Rewrapped
        };
        return Some((change, true, message.to_owned()));
    }
    let claimed = "it claims the same moment and author of sealing; whether the value is the same cannot be determined without the key";
    Some(match (a.claims_one_act(b), new_key, new_place) {
        (true, true, false) => (
            ValueChange::MovedKey,
            false,
            format!("moved to another key: {claimed}"),
        ),
        (true, _, true) => (
            ValueChange::MovedPlace,
            false,
            format!("sealed for {} instead of {}: {claimed}", place(b), place(a)),
        ),
        (true, false, false) => (
            ValueChange::Resealed,
            false,
            format!("sealed again: {claimed}"),
        ),
        (false, _, _) => {
            let mut message =
                "sealed again; without the key it cannot be determined whether the value changed"
                    .to_owned();
            if new_key {
                message.push_str("; for another key");
            }
            if new_place {
                let _ = write!(message, "; for {} instead of {}", place(b), place(a));
            }
            (ValueChange::Changed, false, message)
        }
    })
}

fn place(sealed: &SealedSnapshot) -> &str {
    sealed.place.as_deref().unwrap_or("no place")
}

#[cfg(test)]
mod tests {
    use jwe_envelope::{Binding, Curve, KeyKind, LocalKey, Provenance, Sealer, Serialization};

    use super::super::snapshot::state;
    use super::*;

    fn item(path: &str, secret: &str, value: &[u8]) -> Item {
        Item {
            path: path.to_owned(),
            secret: secret.to_owned(),
            field: "data/k".to_owned(),
            key: "k".to_owned(),
            state: state(value),
            signed: false,
        }
    }

    fn seal(key: &LocalKey, at: u64, namespace: &str) -> Vec<u8> {
        let sealer = Sealer::new(&[key.recipient().clone()]).unwrap();
        let mut sealer = sealer.provenance(Provenance::new(at, Some("dba"), None).unwrap());
        let binding = Binding::namespace(namespace).unwrap();
        sealer
            .seal(b"x", &binding)
            .unwrap()
            .to_string()
            .into_bytes()
    }

    fn changes(before: Vec<Item>, after: Vec<Item>) -> Vec<(&'static str, bool)> {
        compare(before, after)
            .iter()
            .map(|difference| (difference.change.as_str(), difference.certain))
            .collect()
    }

    #[test]
    fn tells_what_public_data_tells_and_no_more() {
        let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let other = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let first = seal(&key, 100, "a");
        for (after, expected) in [
            (first.clone(), None),
            (seal(&key, 100, "a"), Some(("re-sealed", false))),
            (seal(&key, 200, "a"), Some(("changed", false))),
            (seal(&other, 100, "a"), Some(("moved-key", false))),
            (seal(&key, 100, "b"), Some(("moved-place", false))),
            (seal(&other, 300, "b"), Some(("changed", false))),
            (b"open".to_vec(), Some(("opened", true))),
            (first[..first.len() - 9].to_vec(), Some(("damaged", true))),
        ] {
            let found = changes(
                vec![item("f", "n/s", &first)],
                vec![item("f", "n/s", &after)],
            );
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
        assert_eq!(
            changes(
                vec![item("f", "n/s", b"open")],
                vec![item("f", "n/s", &first)]
            ),
            [("sealed", true)]
        );
        assert_eq!(
            changes(vec![item("f", "n/s", b"a")], vec![item("f", "n/s", b"b")]),
            [("plain-changed", true)]
        );
        assert_eq!(
            changes(vec![], vec![item("f", "n/s", b"a")]),
            [("new-plain", true)]
        );
        assert_eq!(
            changes(vec![], vec![item("f", "n/s", &first)]),
            [("new", true)]
        );
        assert_eq!(
            changes(vec![item("f", "n/s", &first)], vec![]),
            [("removed", true)]
        );
    }

    #[test]
    fn a_header_outside_the_ciphertext_may_change_and_the_value_is_the_same() {
        let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let sealer = Sealer::new(&[key.recipient().clone()]).unwrap();
        let mut sealer = sealer.serialization(Serialization::Flattened).unwrap();
        let binding = Binding::namespace("a").unwrap();
        let text = sealer.seal(b"x", &binding).unwrap().to_string();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let with = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut json = json.clone();
            change(&mut json);
            let after = json.to_string();
            changes(
                vec![item("f", "n/s", text.as_bytes())],
                vec![item("f", "n/s", after.as_bytes())],
            )
        };
        assert_eq!(
            with(&|json| json["header"]["kid"] = "another".into()),
            [("moved-key", true)]
        );
        let wrapped = "A".repeat(json["encrypted_key"].as_str().unwrap().len());
        assert_eq!(
            with(&|json| json["encrypted_key"] = wrapped.clone().into()),
            [("re-wrapped", true)]
        );
    }

    #[test]
    fn follows_a_value_from_file_to_file_and_from_secret_to_secret() {
        let key = LocalKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let text = seal(&key, 100, "a");
        assert_eq!(
            changes(vec![item("f", "n/s", &text)], vec![item("g", "n/s", &text)]),
            [("moved-file", true)]
        );
        assert_eq!(
            changes(vec![item("f", "n/s", &text)], vec![item("f", "n/t", &text)]),
            [("moved-file", true)]
        );
        // Two files with the same Secret are compared file by file.
        let two = || vec![item("f", "n/s", &text), item("g", "n/s", b"x")];
        assert_eq!(changes(two(), two()), []);
    }
}
