//! Whether values are those of the cluster. None of them is shown.
use std::collections::BTreeMap;

use anyhow::anyhow;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use crate::cli::import::ImportArgs;
use crate::failure::Failure;
use crate::import::live;
use crate::io::kubectl;
use crate::text::printable;

/// Differences that are named.
const MOST: usize = 10;

/// Refuses values that are not those of the cluster's Secret, each under its key, all of them and no others.
///
/// # Errors
/// Exit 1 when they differ; exit 2 or 3 when the cluster cannot be asked.
pub(super) fn equals(
    place: &str,
    values: &[(String, Zeroizing<Vec<u8>>)],
    args: &ImportArgs,
) -> Result<(), Failure> {
    let shown = printable(place, 200);
    let Some((namespace, name)) = place.split_once('/') else {
        return Err(Failure::usage(anyhow!(
            "the Secret {shown} names no namespace, so the cluster cannot be asked for it"
        ))
        .hint("add --namespace NAME"));
    };
    let Some(text) = kubectl::secret(namespace, name, args.context.as_deref())? else {
        return Err(
            Failure::refused(anyhow!("the cluster has no Secret {shown}"))
                .hint("leave --verify-live out to import what the cluster does not have"),
        );
    };
    let found = live::read(&text).map_err(|fault| {
        Failure::refused(fault).context(format!("the cluster's Secret {shown}"))
    })?;
    let by_key = |values: &'_ [(String, Zeroizing<Vec<u8>>)]| -> BTreeMap<String, usize> {
        let keys = values.iter().enumerate();
        keys.map(|(at, (key, _))| (key.clone(), at)).collect()
    };
    let stored = found
        .draft
        .secrets
        .first()
        .map_or(&[][..], |secret| secret.values.as_slice());
    let (here, there) = (by_key(values), by_key(stored));
    let ours = values.iter().filter(|(key, value)| {
        let stored = there.get(key).map(|at| &stored[*at].1);
        stored.is_none_or(|stored| verify_slices_are_equal(stored, value).is_err())
    });
    let theirs = stored.iter().filter(|(key, _)| !here.contains_key(key));
    let different: Vec<_> = ours
        .chain(theirs)
        .map(|(key, _)| format!("`{}`", printable(key, 100)))
        .collect();
    if different.is_empty() {
        return Ok(());
    }
    let more = match different.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = different[..different.len().min(MOST)].join(", ");
    Err(Failure::refused(anyhow!(
        "the cluster's Secret {shown} has another value, or none, or one that is not here: {named}{more}"
    ))
    .hint("look which of the two is right; leave --verify-live out to import what the file has"))
}
