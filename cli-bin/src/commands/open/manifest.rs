//! The value of a manifest that is to be opened, and its place.
use std::path::Path;

use anyhow::anyhow;
use jwe_envelope::ObjectName;
use secret_walker::{Manifest, ManifestSecret};
use zeroize::Zeroizing;

use super::place::Named;
use crate::cli::OpenArgs;
use crate::failure::{Failure, fault};
use crate::io::files;
use crate::sealing::manifest::object_name;
use crate::sealing::sealed::{SealedValue, sealed_values};
use crate::text::{Shown as _, printable};

/// An envelope, and where it is.
pub(super) struct Found {
    pub(super) envelope: Zeroizing<Vec<u8>>,
    namespace: String,
    name: String,
    /// Whether the API server completes the name.
    generated: bool,
    key: String,
}

impl Found {
    pub(super) fn place(&self) -> Named<'_> {
        Named {
            namespace: &self.namespace,
            name: if self.generated {
                ObjectName::Generated(&self.name)
            } else {
                ObjectName::Named(&self.name)
            },
            field: &self.key,
        }
    }
}

/// Finds the value that the arguments name. `--namespace` and `--name` choose among several Secrets, and say what the
/// manifest leaves out.
///
/// # Errors
/// Exit 1 for a damaged envelope; exit 2 when nothing fits, or several values do.
pub(super) fn read(file: &Path, args: &OpenArgs) -> Result<Found, Failure> {
    let at = |failure: Failure| failure.context(format!("cannot open `{}`", file.shown()));
    let bytes = files::read(file, files::MANIFEST_LIMIT)?;
    let manifest = Manifest::parse(&bytes).map_err(|error| at(fault(error)))?;
    let wanted = args.of_manifest.as_deref().or(args.field.as_deref());
    let mut fitting = Vec::new();
    let mut all = Vec::new();
    for secret in manifest
        .secrets()
        .iter()
        .filter(|secret| fits(secret, args))
    {
        for value in sealed_values(secret).map_err(at)? {
            all.push(printable(value.key, 80));
            if wanted.is_none_or(|wanted| wanted == value.key) {
                fitting.push((secret, value));
            }
        }
    }
    let (secret, value) = match (fitting.pop(), fitting.is_empty()) {
        (Some(found), true) => found,
        (Some(_), false) => {
            return Err(at(Failure::usage(anyhow!(
                "several of its values are sealed"
            ))
            .hint(format!(
                "name one field, and with several Secrets --namespace and --name; sealed are: {}",
                all.join(", ")
            ))));
        }
        (None, _) if all.is_empty() => {
            return Err(at(Failure::usage(anyhow!("nothing in it is sealed"))
                .hint("`privy inspect FILE` shows what is in it")));
        }
        (None, _) => {
            return Err(at(Failure::usage(anyhow!(
                "no sealed value in it is called {:?}",
                printable(wanted.unwrap_or_default(), 80)
            ))
            .hint(format!("sealed are: {}", all.join(", ")))));
        }
    };
    place(secret, &value, args).map_err(at)
}

fn fits(secret: &ManifestSecret<'_>, args: &OpenArgs) -> bool {
    let same = |text: Option<&str>, wanted: Option<&String>| {
        wanted.is_none_or(|wanted| text.is_none_or(|text| text == wanted))
    };
    same(secret.name().map(|name| name.text), args.name.as_ref())
        && same(
            secret.namespace().map(|namespace| namespace.text),
            args.namespace.as_ref(),
        )
}

fn place(
    secret: &ManifestSecret<'_>,
    value: &SealedValue<'_>,
    args: &OpenArgs,
) -> Result<Found, Failure> {
    let lacks = |what: &str, flag: &str| {
        Failure::usage(anyhow!(
            "the Secret on line {} does not name its {what}",
            secret.line()
        ))
        .hint(format!("add {flag} NAME"))
    };
    let namespace = secret
        .namespace()
        .map(|namespace| namespace.text)
        .or(args.namespace.as_deref())
        .ok_or_else(|| lacks("namespace", "--namespace"))?;
    let (name, generated) = match (object_name(secret), args.name.as_deref()) {
        (Some(ObjectName::Named(name)), _) | (None, Some(name)) => (name, false),
        (Some(ObjectName::Generated(prefix)), _) => (prefix, true),
        (None, None) => return Err(lacks("name", "--name")),
    };
    Ok(Found {
        envelope: Zeroizing::new(value.text().to_vec()),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        generated,
        key: value.key.to_owned(),
    })
}
