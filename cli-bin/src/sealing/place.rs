//! From what people write (`payments/db/password`, `db-*`, `*`) to the binding of an envelope.
use anyhow::anyhow;
use jwe_envelope::{Binding, BindingError};

use crate::cli::groups::{BoundsArgs, PlaceArgs};
use crate::failure::Failure;
use crate::keys::Fallback;
use crate::time;

/// A name or pattern, or left open, said out loud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This name, or names of this pattern.
    Named(String),
    /// Any name: the envelope leaves the member out.
    Open,
}

impl Part {
    fn new(text: &str) -> Self {
        if text == "*" {
            Self::Open
        } else {
            Self::Named(text.to_owned())
        }
    }

    /// The one name that it is, if it is one.
    pub fn exact(&self) -> Option<&str> {
        self.named().filter(|name| !name.ends_with('*'))
    }

    fn named(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Open => None,
        }
    }
}

/// Where one value may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The namespace, or every one.
    pub namespace: Part,
    /// The Secret.
    pub name: Part,
    /// The key within it.
    pub field: Part,
}

impl Target {
    /// The place that the flags give to a single value; what they leave out comes from the rule of `.privy.yaml`, if any.
    ///
    /// # Errors
    /// Exit 2 when a part is neither given nor left open on purpose.
    pub fn of_value(args: &PlaceArgs, rule: Fallback<'_>) -> Result<Self, Failure> {
        if let Some(place) = &args.place {
            return Self::parse(place);
        }
        let namespace = match (&args.namespace, rule.namespace) {
            _ if args.anywhere => Part::Open,
            (Some(namespace), _) => named_namespace(namespace)?,
            (None, Some(namespace)) => named_namespace(namespace)?,
            (None, None) => {
                return Err(Failure::usage(anyhow!("the place lacks the namespace"))
                    .hint("add --namespace NAME, or --anywhere to let the envelope be opened in every namespace"));
            }
        };
        let field = args.field.as_deref().map(Part::new);
        Ok(Self {
            namespace,
            name: args
                .name
                .as_deref()
                .or(rule.name)
                .map(Part::new)
                .ok_or_else(|| {
                    Failure::usage(anyhow!("the place lacks the name of the Secret")).hint(
                        "add --name NAME, or --name '*' to let any Secret of the namespace open it",
                    )
                })?,
            field: field.ok_or_else(|| {
                Failure::usage(anyhow!("the place lacks the field")).hint("add --field FIELD")
            })?,
        })
    }

    /// Reads `payments/db/password`; `*` leaves name or field open.
    ///
    /// # Errors
    /// Exit 2 when it is none of these.
    pub fn parse(place: &str) -> Result<Self, Failure> {
        split(place)
    }

    /// Such as `payments/db/password`.
    pub fn describe(&self) -> String {
        let part = |part: &Part| part.named().unwrap_or("*").to_owned();
        format!(
            "{}/{}/{}",
            part(&self.namespace),
            part(&self.name),
            part(&self.field)
        )
    }

    /// Whether it is one place and no other.
    pub fn is_exact(&self) -> bool {
        [&self.namespace, &self.name, &self.field]
            .iter()
            .all(|part| part.exact().is_some())
    }

    /// The binding, with the limits.
    ///
    /// # Errors
    /// Exit 2 when a name is not legal.
    pub fn bind(&self, limits: &Limits) -> Result<Binding, Failure> {
        build(self, limits).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("cannot bind an envelope to {:?}", self.describe())))
                .hint("names are those of Kubernetes; a pattern ends in `-*` or `.*`, such as `db-*`; a lone `*` leaves name or field open")
        })
    }
}

fn build(target: &Target, limits: &Limits) -> Result<Binding, BindingError> {
    let mut binding = match &target.namespace {
        Part::Named(namespace) => Binding::namespace(namespace)?,
        Part::Open => Binding::anywhere(),
    };
    if let Some(name) = target.name.named() {
        binding = binding.with_name(name)?;
    }
    if let Some(field) = target.field.named() {
        binding = binding.with_key(field)?;
    }
    if !limits.clusters.is_empty() {
        binding = binding.with_audience(&limits.clusters)?;
    }
    if let Some(account) = &limits.service_account {
        binding = binding.with_service_account(account)?;
    }
    if let Some(moment) = limits.not_before {
        binding = binding.starting_at(moment)?;
    }
    if let Some(moment) = limits.expires {
        binding = binding.expiring_at(moment)?;
    }
    Ok(binding)
}

fn split(place: &str) -> Result<Target, Failure> {
    let parts: Vec<_> = place.split('/').collect();
    let [namespace, name, field] = parts[..] else {
        return Err(Failure::usage(anyhow!("{place:?} is no place: it has {} parts instead of three", parts.len()))
            .hint("write namespace/name/field, such as payments/db/password; `*` leaves name or field open"));
    };
    if [namespace, name, field].contains(&"") {
        return Err(Failure::usage(anyhow!("{place:?} is no place: a part of it is empty"))
            .hint("write namespace/name/field, such as payments/db/password; `*` leaves name or field open"));
    }
    Ok(Target {
        namespace: named_namespace(namespace)?,
        name: Part::new(name),
        field: Part::new(field),
    })
}

/// A namespace is left open only by its own flag, so that no one gets there by a slip.
///
/// # Errors
/// Exit 2 for a lone `*`.
pub fn named_namespace(namespace: &str) -> Result<Part, Failure> {
    if namespace == "*" {
        return Err(Failure::usage(anyhow!("the namespace cannot be left open with `*`"))
            .hint("say --anywhere (with --name and --field) to let the envelope be opened in every namespace"));
    }
    Ok(Part::Named(namespace.to_owned()))
}

/// What else bounds where and when an envelope may be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Clusters; any when empty.
    pub clusters: Vec<String>,
    /// Run time only, for this service account.
    pub service_account: Option<String>,
    /// Unix seconds.
    pub not_before: Option<u64>,
    /// Unix seconds.
    pub expires: Option<u64>,
}

impl Limits {
    /// Reads the flags; `clusters` are those to fall back on.
    ///
    /// # Errors
    /// Exit 2 when a time cannot be read or no time lies between the two.
    pub fn of(args: &BoundsArgs, clusters: &[String], now: u64) -> Result<Self, Failure> {
        let moment = |flag: &str, text: &Option<String>| {
            text.as_deref()
                .map(|text| time::parse(text, now))
                .transpose()
                .map_err(|error| {
                    Failure::usage(anyhow::Error::new(error).context(format!("cannot read {flag}")))
                        .hint("write a date such as 2027-01-31, or a span from now such as 90d")
                })
        };
        let limits = Self {
            clusters: if args.cluster.is_empty() {
                clusters.to_vec()
            } else {
                args.cluster.clone()
            },
            service_account: args.sa.clone(),
            not_before: moment("--not-before", &args.not_before)?,
            expires: moment("--expires", &args.expires)?,
        };
        if limits.service_account.as_deref() == Some("default") {
            return Err(Failure::usage(anyhow!(
                "every pod of a namespace may run as the service account `default`"
            ))
            .hint("give the workload a service account of its own, and name that with --sa"));
        }
        if limits
            .expires
            .is_some_and(|expires| expires <= limits.not_before.unwrap_or(now))
        {
            return Err(Failure::usage(anyhow!(
                "the envelope would never be valid: it expires before it begins to be"
            ))
            .hint("check --expires and --not-before; spans such as 90d count from now"));
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Fallback<'_> = Fallback {
        namespace: Some("payments"),
        name: Some("db"),
    };

    fn args(namespace: Option<&str>, name: Option<&str>, field: Option<&str>) -> PlaceArgs {
        PlaceArgs {
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            field: field.map(str::to_owned),
            ..PlaceArgs::default()
        }
    }

    #[test]
    fn one_word_or_three_flags() {
        let word = PlaceArgs {
            place: Some("payments/db/password".to_owned()),
            ..PlaceArgs::default()
        };
        let flags = args(Some("payments"), Some("db"), Some("password"));
        let target = Target::of_value(&word, Fallback::default()).unwrap();
        assert_eq!(
            target,
            Target::of_value(&flags, Fallback::default()).unwrap()
        );
        assert_eq!(target.describe(), "payments/db/password");
    }

    #[test]
    fn what_is_left_open_is_said() {
        assert!(
            Target::of_value(
                &args(Some("payments"), None, Some("password")),
                Fallback::default()
            )
            .is_err()
        );
        assert!(
            Target::of_value(
                &args(None, Some("db"), Some("password")),
                Fallback::default()
            )
            .is_err()
        );
        let open = Target::of_value(
            &args(Some("payments"), Some("*"), Some("*")),
            Fallback::default(),
        )
        .unwrap();
        assert_eq!((open.name, open.field), (Part::Open, Part::Open));
        assert!(
            Target::of_value(
                &args(Some("*"), Some("db"), Some("password")),
                Fallback::default()
            )
            .is_err()
        );
        for place in [
            "payments/db",
            "payments/db/a/b",
            "/db/a",
            "payments//a",
            "*/db/a",
            "",
        ] {
            assert!(split(place).is_err(), "{place}");
        }
        let anywhere = PlaceArgs {
            anywhere: true,
            ..args(None, Some("db"), Some("password"))
        };
        assert_eq!(
            Target::of_value(&anywhere, RULE).unwrap().namespace,
            Part::Open
        );
    }

    #[test]
    fn falls_back_on_the_rule() {
        let target = Target::of_value(&args(None, None, Some("password")), RULE).unwrap();
        assert_eq!(target.describe(), "payments/db/password");
        let target =
            Target::of_value(&args(Some("other"), Some("*"), Some("password")), RULE).unwrap();
        assert_eq!(target.describe(), "other/*/password");
    }

    #[test]
    fn impossible_times_are_refused() {
        let bounds = |not_before: Option<&str>, expires: Option<&str>| BoundsArgs {
            not_before: not_before.map(str::to_owned),
            expires: expires.map(str::to_owned),
            ..BoundsArgs::default()
        };
        assert!(Limits::of(&bounds(None, Some("1d")), &[], 1_000_000).is_ok());
        assert!(Limits::of(&bounds(Some("2d"), Some("1d")), &[], 1_000_000).is_err());
        assert!(Limits::of(&bounds(None, Some("1970-01-02")), &[], 1_000_000).is_err());
        assert!(Limits::of(&bounds(None, Some("soon")), &[], 1_000_000).is_err());
    }
}
