//! Who may have values opened: by the right `unseal`, and without it by becoming someone who has it.
//!
//! A service account's rights are those of everyone who may impersonate it, mint its tokens, have a Secret filled with its
//! token, or run code as it. So from those who have the right the search goes on to those who can become them, and to
//! those who can become those.
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::finding::CheckResult;
use super::super::rbac::{Ask, Named, Rbac, RbacGrant};
use super::stored::StoredSecrets;
use crate::cli::doctor::DoctorArgs;
use crate::cli::subject::RightHolder;

/// How someone gets what another one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Impersonation,
    Tokens,
    Secrets,
    TokenSecret,
    Workloads,
    Releases,
    Controllers,
    Admission,
    Roles,
}

impl Way {
    fn describe(self) -> &'static str {
        match self {
            Self::Impersonation => "impersonation",
            Self::Tokens => "a token of it (serviceaccounts/token)",
            Self::Secrets => "a legacy token Secret",
            Self::TokenSecret => "a token Secret that is there",
            Self::Workloads => "pods that run as it",
            Self::Releases => "its stored Helm releases",
            Self::Controllers => "what it applies",
            Self::Admission => "mutating webhooks or policies",
            Self::Roles => "granting rights (bind, escalate)",
        }
    }
}

const WRITE: [&str; 3] = ["create", "update", "patch"];

/// What runs code as a service account of the namespace.
const WORKLOADS: [(&str, &str, &[&str]); 13] = [
    ("", "pods", &WRITE),
    ("", "pods/exec", &["create", "get"]),
    ("", "pods/attach", &["create", "get"]),
    ("", "pods/ephemeralcontainers", &["update", "patch"]),
    ("", "replicationcontrollers", &WRITE),
    ("", "podtemplates", &WRITE),
    ("apps", "deployments", &WRITE),
    ("apps", "replicasets", &WRITE),
    ("apps", "statefulsets", &WRITE),
    ("apps", "daemonsets", &WRITE),
    ("batch", "jobs", &WRITE),
    ("batch", "cronjobs", &WRITE),
    ("", "nodes/proxy", &["create", "get"]),
];

/// What tells controllers what to apply.
const STEERING: [(&str, &str); 5] = [
    ("kustomize.toolkit.fluxcd.io", "kustomizations"),
    ("helm.toolkit.fluxcd.io", "helmreleases"),
    ("source.toolkit.fluxcd.io", "gitrepositories"),
    ("argoproj.io", "applications"),
    ("argoproj.io", "applicationsets"),
];

/// Names longer lists than this are cut to, per line.
const MOST_PLACES: usize = 5;

/// What is looked at.
pub(super) struct RightsQuestion<'q> {
    pub(super) rbac: &'q Rbac,
    pub(super) stored: Option<&'q StoredSecrets>,
    /// Whether the policy against legacy tokens is in force.
    pub(super) tokens_are_guarded: bool,
}

/// Where a right holds: `None` is everywhere.
type Scope<'s> = Option<&'s str>;

/// One line of a report, before lines that differ only in the namespace are joined.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// Narrower ones sort later.
    narrow: bool,
    subject: RightHolder,
    target: Option<RightHolder>,
    ways: BTreeSet<Way>,
    binding: String,
}

/// Lines and where each holds.
type Lines = BTreeMap<Line, BTreeSet<Option<String>>>;

fn unseals(grant: &RbacGrant) -> bool {
    grant.allows(&Ask {
        verbs: &["unseal"],
        group: "privyseal.dev",
        resource: "secrets",
        named: Named::No,
    })
}

impl RightsQuestion<'_> {
    /// Everywhere, and each namespace where someone has the right.
    fn scopes(&self) -> Vec<Scope<'_>> {
        let mut namespaces: Vec<&str> = self
            .rbac
            .grants
            .iter()
            .filter(|grant| unseals(grant))
            .filter_map(|grant| grant.namespace.as_deref())
            .collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        std::iter::once(None)
            .chain(namespaces.into_iter().map(Some))
            .collect()
    }

    fn holders(&self, scope: Scope<'_>) -> impl Iterator<Item = &RbacGrant> {
        self.rbac
            .grants
            .iter()
            .filter(move |grant| grant.namespace.as_deref() == scope && unseals(grant))
    }

    /// Who has the right itself.
    pub(super) fn directly(&self) -> CheckResult {
        const CHECK: &str = "unseal right";
        let mut lines = Lines::new();
        for scope in self.scopes() {
            for grant in self.holders(scope) {
                let line = Line {
                    narrow: !grant.subject.is_broad(),
                    subject: grant.subject.clone(),
                    target: None,
                    ways: BTreeSet::new(),
                    binding: format!("{}, {}", grant.binding, grant.role),
                };
                lines
                    .entry(line)
                    .or_default()
                    .insert(scope.map(str::to_owned));
            }
        }
        let broad = lines.keys().filter(|line| !line.narrow).count();
        let subjects: BTreeSet<&RightHolder> = lines.keys().map(|line| &line.subject).collect();
        let count = subjects.len();
        let finding = if broad > 0 {
            CheckResult::problem(
                CHECK,
                "everyone, or every pod, of a whole group has the right `unseal`",
                "bind the role to the service account of the deployer, and delete the binding to the group: `kubectl delete` with the binding named below",
            )
        } else {
            CheckResult::ok(
                CHECK,
                format!("{} may have values opened", subjects_in_words(count)),
            )
        };
        finding.details(described(lines))
    }

    /// Who gets there without the right.
    pub(super) fn indirectly(&self, args: &DoctorArgs) -> CheckResult {
        const CHECK: &str = "unseal otherwise";
        let everywhere = self.reach(None, &HashSet::new());
        let mut known: HashSet<RightHolder> =
            everywhere.iter().map(|line| line.subject.clone()).collect();
        known.extend(self.holders(None).map(|grant| grant.subject.clone()));
        let mut lines = Lines::new();
        for line in everywhere {
            lines.entry(line).or_default().insert(None);
        }
        for scope in self.scopes().into_iter().flatten() {
            for line in self.reach(Some(scope), &known) {
                lines
                    .entry(line)
                    .or_default()
                    .insert(Some(scope.to_owned()));
            }
        }
        let total = lines.len();
        lines.retain(|line, _| {
            !line.subject.is_control_plane()
                && !args.accept_unsealer.contains(&line.subject)
                && !args.accept_impersonator.contains(&line.subject)
        });
        let unseen = match self.stored {
            None => {
                "Secrets cannot be read, so token Secrets and Helm releases that are stored were not looked for"
            }
            Some(_) => "",
        };
        if lines.is_empty() {
            return if unseen.is_empty() {
                CheckResult::ok(
                    CHECK,
                    if total == 0 {
                        "no one else can become one of those who may unseal"
                    } else {
                        "only parts of Kubernetes itself, and those who are accepted, can become one of those who may unseal"
                    },
                )
            } else {
                CheckResult::unknown(
                    CHECK,
                    unseen,
                    "run it again with the rights of a cluster administrator",
                )
            };
        }
        let subjects: BTreeSet<&RightHolder> = lines.keys().map(|line| &line.subject).collect();
        let message = format!(
            "{} may have values opened without the right `unseal`",
            subjects_in_words(subjects.len())
        );
        let mut details = described(lines);
        if !unseen.is_empty() {
            details.push(unseen.to_owned());
        }
        CheckResult::problem(
            CHECK,
            message,
            "move the deployer to a namespace of its own in which no one else has rights, or take these rights away; name those who are trusted with --accept-unsealer KIND:NAME",
        )
        .details(details)
    }

    /// Everyone who can become one of those with the right in this scope, and is not known already.
    fn reach(&self, scope: Scope<'_>, known: &HashSet<RightHolder>) -> Vec<Line> {
        let direct: Vec<&RbacGrant> = self.holders(scope).collect();
        let mut targets: Vec<RightHolder> =
            direct.iter().map(|grant| grant.subject.clone()).collect();
        let mut seen: HashSet<RightHolder> = targets.iter().cloned().collect();
        // Anyone who applies everything, and so whatever others tell it to.
        let controllers = direct.iter().any(|grant| {
            matches!(grant.subject, RightHolder::ServiceAccount { .. })
                && !grant.subject.is_control_plane()
                && grant.allows(&Ask {
                    verbs: &["any verb"],
                    group: "any group",
                    resource: "any",
                    named: Named::No,
                })
        });
        let mut lines = Vec::new();
        let mut next = 0;
        if targets.is_empty() {
            return lines;
        }
        let skipped = |subject: &RightHolder, seen: &HashSet<RightHolder>| {
            known.contains(subject) || seen.contains(subject)
        };
        let mut add = |grant: &RbacGrant,
                       target: Option<&RightHolder>,
                       ways: BTreeSet<Way>,
                       targets: &mut Vec<RightHolder>,
                       joined: &mut HashSet<RightHolder>| {
            lines.push(Line {
                narrow: !grant.subject.is_broad(),
                subject: grant.subject.clone(),
                target: target.cloned(),
                ways,
                binding: grant.binding.clone(),
            });
            if joined.insert(grant.subject.clone()) {
                targets.push(grant.subject.clone());
            }
        };
        let mut joined = HashSet::new();
        for grant in &self.rbac.grants {
            if skipped(&grant.subject, &seen) {
                continue;
            }
            let mut ways = general_ways(grant, scope);
            if controllers && steers(grant) {
                ways.insert(Way::Controllers);
            }
            if self.writes_releases(grant, scope, &targets) {
                ways.insert(Way::Releases);
            }
            if !ways.is_empty() {
                add(grant, None, ways, &mut targets, &mut joined);
            }
        }
        while next < targets.len() {
            let target = targets[next].clone();
            next += 1;
            seen.insert(target.clone());
            for grant in &self.rbac.grants {
                if grant.subject == target || skipped(&grant.subject, &seen) {
                    continue;
                }
                let ways = self.ways_to(&target, grant);
                if !ways.is_empty() {
                    add(grant, Some(&target), ways, &mut targets, &mut joined);
                }
            }
        }
        lines
    }

    /// How the holder of this grant becomes `target`.
    fn ways_to(&self, target: &RightHolder, grant: &RbacGrant) -> BTreeSet<Way> {
        let mut ways = BTreeSet::new();
        let (namespace, name) = match target {
            RightHolder::User(name) => {
                if impersonates(grant, "users", name) {
                    ways.insert(Way::Impersonation);
                }
                return ways;
            }
            RightHolder::Group(name) => {
                if !target.is_broad() && impersonates(grant, "groups", name) {
                    ways.insert(Way::Impersonation);
                }
                // Every service account of a namespace, its future ones too.
                match name.strip_prefix("system:serviceaccounts:") {
                    Some(namespace) => (namespace, Named::Any),
                    None => return ways,
                }
            }
            RightHolder::ServiceAccount { namespace, name } => {
                (namespace.as_str(), Named::As(name))
            }
        };
        if !grant.holds_in(namespace) {
            return ways;
        }
        let ask = |verbs, group, resource, named| {
            grant.allows(&Ask {
                verbs,
                group,
                resource,
                named,
            })
        };
        if ["", "authentication.k8s.io"]
            .iter()
            .any(|group| ask(&IMPERSONATE, group, "serviceaccounts", name))
        {
            ways.insert(Way::Impersonation);
        }
        if ask(&["create"], "", "serviceaccounts/token", name) {
            ways.insert(Way::Tokens);
        }
        if !self.tokens_are_guarded
            && (ask(&["create"], "", "secrets", Named::No)
                || ask(&["update", "patch"], "", "secrets", Named::Any))
        {
            ways.insert(Way::Secrets);
        }
        if self.stored.is_some_and(|stored| {
            stored.tokens.iter().any(|token| {
                token.namespace == namespace
                    && match name {
                        Named::As(name) => token.account == name,
                        Named::Any | Named::No => true,
                    }
                    && ask(
                        &["get", "list", "watch"],
                        "",
                        "secrets",
                        Named::As(&token.name),
                    )
            })
        }) {
            ways.insert(Way::TokenSecret);
        }
        if WORKLOADS.iter().any(|(group, resource, verbs)| {
            (*resource != "nodes/proxy" || grant.namespace.is_none())
                && ask(verbs, group, resource, Named::Any)
        }) {
            ways.insert(Way::Workloads);
        }
        ways
    }

    /// Whether the holder may write Helm's releases where those of the namespace, or of its deployers, are stored.
    fn writes_releases(
        &self,
        grant: &RbacGrant,
        scope: Scope<'_>,
        targets: &[RightHolder],
    ) -> bool {
        let Some(stored) = self.stored else {
            return false;
        };
        stored.releases.iter().any(|namespace| {
            let concerns = scope.is_none_or(|scope| scope == namespace)
                || targets.iter().any(
                    |target| matches!(target, RightHolder::ServiceAccount { namespace: home, .. } if home == namespace),
                );
            concerns
                && grant.holds_in(namespace)
                && grant.allows(&Ask { verbs: &WRITE, group: "", resource: "secrets", named: Named::Any })
        })
    }
}

/// The second half: impersonation that is limited to certain actions.
const IMPERSONATE: [&str; 3] = [
    "impersonate",
    "impersonate:user-info",
    "impersonate:serviceaccount",
];

/// Whether the holder may act as this user or group.
pub(super) fn impersonates(grant: &RbacGrant, resource: &str, name: &str) -> bool {
    grant.namespace.is_none()
        && ["", "authentication.k8s.io"].iter().any(|group| {
            grant.allows(&Ask {
                verbs: &IMPERSONATE,
                group,
                resource,
                named: Named::As(name),
            })
        })
}

/// Ways that need no one to become: to change what the API server does, or who may what.
fn general_ways(grant: &RbacGrant, scope: Scope<'_>) -> BTreeSet<Way> {
    let mut ways = BTreeSet::new();
    let everywhere = grant.namespace.is_none();
    let ask = |verbs, group, resource| {
        grant.allows(&Ask {
            verbs,
            group,
            resource,
            named: Named::Any,
        })
    };
    if everywhere
        && [
            "mutatingwebhookconfigurations",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ]
        .iter()
        .any(|resource| ask(&WRITE, "admissionregistration.k8s.io", resource))
    {
        ways.insert(Way::Admission);
    }
    if (everywhere || grant.namespace.as_deref() == scope)
        && ["roles", "clusterroles"]
            .iter()
            .any(|resource| ask(&["bind", "escalate"], "rbac.authorization.k8s.io", resource))
    {
        ways.insert(Way::Roles);
    }
    ways
}

fn steers(grant: &RbacGrant) -> bool {
    STEERING.iter().any(|(group, resource)| {
        grant.allows(&Ask {
            verbs: &WRITE,
            group,
            resource,
            named: Named::Any,
        })
    })
}

fn subjects_in_words(count: usize) -> String {
    match count {
        1 => "1 user, group or service account".to_owned(),
        count => format!("{count} users, groups and service accounts"),
    }
}

/// The broadest first: whole groups, then those who may everywhere, then by the number of namespaces.
fn described(lines: Lines) -> Vec<String> {
    // Several bindings of one subject to the same end are one line.
    let mut lines: Vec<(Line, BTreeSet<Option<String>>)> = lines.into_iter().collect();
    lines.sort_by_key(|(line, places)| {
        (
            line.narrow,
            !places.contains(&None),
            usize::MAX - places.len(),
            line.clone(),
        )
    });
    lines
        .into_iter()
        .map(|(line, places)| {
            let place = if places.contains(&None) {
                "everywhere".to_owned()
            } else {
                let names: Vec<&str> = places.iter().flatten().map(String::as_str).collect();
                match names.len().checked_sub(MOST_PLACES) {
                    None | Some(0) => names.join(", "),
                    Some(more) => format!("{} and {more} more", names[..MOST_PLACES].join(", ")),
                }
            };
            let ways: Vec<&str> = line.ways.iter().map(|way| way.describe()).collect();
            let how = match (&line.target, ways.is_empty()) {
                (_, true) => String::new(),
                (Some(target), false) => format!(" as {target}, by {}", ways.join(", ")),
                (None, false) => format!(" by {}", ways.join(", ")),
            };
            format!("{place}: {}{how} ({})", line.subject, line.binding)
        })
        .collect()
}
