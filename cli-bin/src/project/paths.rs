//! Paths in a `.privy.yaml`. None of them leads out of the repository.
use unseal_policy::config::reader::{Setting, SettingMembers};
use unseal_policy::config::{Problems, quoted};

use super::find::FILE_NAME;

/// The member `paths`: patterns of paths below the folder of the file.
pub(super) fn paths_of(
    members: &SettingMembers<'_>,
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let hint = "`[\"**\"]` fits every file";
    let field = members.required(problems, "paths", hint)?;
    let texts = field.some_texts(problems, hint);
    Some(inside_all(&texts, problems))
}

/// As [`inside`], for a list.
pub(super) fn inside_all(texts: &[(Setting<'_>, &str)], problems: &mut Problems) -> Vec<String> {
    texts
        .iter()
        .filter_map(|(field, text)| inside(field, text, problems))
        .collect()
}

/// A path that does not lead out of the repository.
pub(super) fn inside(field: &Setting<'_>, path: &str, problems: &mut Problems) -> Option<String> {
    let is_inside = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(['\\', '\n', '\r']);
    if !is_inside {
        field.problem(
            problems,
            format!(
                "must be a path below the folder of the `{FILE_NAME}`, written with `/` and without `..`, not {}",
                quoted(path)
            ),
        );
    }
    is_inside.then(|| path.to_owned())
}
