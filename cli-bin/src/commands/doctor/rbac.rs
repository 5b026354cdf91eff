//! Roles and bindings of the cluster, as RBAC understands them.
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::cluster::{Cluster, KubectlOutput};
use crate::cli::subject::RightHolder;

/// Which objects a question is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named<'n> {
    /// None in particular: a rule for certain names does not answer it.
    No,
    /// This one.
    As(&'n str),
    /// Some: a rule for certain names is enough.
    Any,
}

/// One question to RBAC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) verbs: &'a [&'a str],
    pub(super) group: &'a str,
    /// With its subresource: `pods/exec`.
    pub(super) resource: &'a str,
    pub(super) named: Named<'a>,
}

#[derive(Debug, Default)]
struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let list = |member: &str| {
            rule[member]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
        }
    }

    fn allows(&self, ask: &Ask<'_>) -> bool {
        let has =
            |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let subresource = ask
            .resource
            .split_once('/')
            .map(|(_, subresource)| format!("*/{subresource}"));
        ask.verbs.iter().any(|verb| has(&self.verbs, verb))
            && has(&self.groups, ask.group)
            && (has(&self.resources, ask.resource)
                || subresource.is_some_and(|any| self.resources.contains(&any)))
            && match ask.named {
                _ if self.names.is_empty() => true,
                Named::No => false,
                Named::As(name) => self.names.iter().any(|found| found == name),
                Named::Any => true,
            }
    }
}

/// What one subject of one binding may do.
#[derive(Clone, Debug)]
pub(super) struct RbacGrant {
    pub(super) subject: RightHolder,
    /// Where; `None` is everywhere.
    pub(super) namespace: Option<String>,
    /// The binding, for people: `RoleBinding payments/deployer`.
    pub(super) binding: String,
    /// The role: `ClusterRole edit`.
    pub(super) role: String,
    rules: Arc<Vec<Rule>>,
}

impl RbacGrant {
    pub(super) fn allows(&self, ask: &Ask<'_>) -> bool {
        self.rules.iter().any(|rule| rule.allows(ask))
    }

    /// Whether it allows this and nothing else.
    pub(super) fn is_only(&self, ask: &Ask<'_>) -> bool {
        self.rules.iter().all(|rule| {
            rule.verbs == ask.verbs
                && rule.groups == [ask.group]
                && rule.resources == [ask.resource]
        })
    }

    /// Whether it holds in this namespace.
    pub(super) fn holds_in(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}

/// The four kinds of RBAC objects, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    ClusterRole,
    Role,
    ClusterRoleBinding,
    RoleBinding,
}

impl ObjectKind {
    /// The kind that a manifest names.
    pub(super) fn of(object: &Value) -> Self {
        match object["kind"].as_str() {
            Some("ClusterRole") => Self::ClusterRole,
            Some("Role") => Self::Role,
            Some("ClusterRoleBinding") => Self::ClusterRoleBinding,
            _ => Self::RoleBinding,
        }
    }
}

/// Every binding, resolved.
#[derive(Debug, Default)]
pub(super) struct Rbac {
    pub(super) grants: Vec<RbacGrant>,
    /// The objects as the API server shows them, by kind.
    objects: [Vec<Value>; 4],
}

/// A list that could not be read.
#[derive(Debug)]
pub(super) struct UnreadableList {
    pub(super) what: &'static str,
    pub(super) output: KubectlOutput,
}

impl Rbac {
    pub(super) fn read(cluster: &Cluster) -> anyhow::Result<Result<Self, UnreadableList>> {
        const LISTS: [(&str, &str); 4] = [
            ("clusterroles", "cluster roles"),
            ("roles", "roles"),
            ("clusterrolebindings", "cluster role bindings"),
            ("rolebindings", "role bindings"),
        ];
        let mut lists: [Vec<Value>; 4] = Default::default();
        for (list, (resource, what)) in lists.iter_mut().zip(LISTS) {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{resource}");
            match cluster.list(&path)? {
                Ok(items) => *list = items,
                Err(output) => return Ok(Err(UnreadableList { what, output })),
            }
        }
        let mut granted = HashMap::new();
        for role in lists[0].iter().chain(&lists[1]) {
            let rules: Vec<Rule> = role["rules"]
                .as_array()
                .into_iter()
                .flatten()
                .map(Rule::of)
                .collect();
            let key = (
                text(&role["metadata"]["namespace"]),
                text(&role["metadata"]["name"]),
            );
            granted.insert(key, Arc::new(rules));
        }
        let mut grants = Vec::new();
        for binding in lists[2].iter().chain(&lists[3]) {
            let namespace = text(&binding["metadata"]["namespace"]);
            let name = text(&binding["metadata"]["name"]);
            let role = &binding["roleRef"];
            let (home, role_name) = match role["kind"].as_str() {
                Some("Role") => (namespace, format!("Role {}", text(&role["name"]))),
                _ => ("", format!("ClusterRole {}", text(&role["name"]))),
            };
            let Some(rules) = granted.get(&(home, text(&role["name"]))) else {
                continue;
            };
            for subject in binding["subjects"].as_array().into_iter().flatten() {
                grants.push(RbacGrant {
                    subject: RightHolder::of_binding(subject),
                    namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                    binding: if namespace.is_empty() {
                        format!("ClusterRoleBinding {name}")
                    } else {
                        format!("RoleBinding {namespace}/{name}")
                    },
                    role: role_name.clone(),
                    rules: Arc::clone(rules),
                });
            }
        }
        Ok(Ok(Self {
            grants,
            objects: lists,
        }))
    }

    /// The objects of a kind that have this name, in whatever namespace.
    pub(super) fn named<'r>(
        &'r self,
        kind: ObjectKind,
        name: &'r Value,
    ) -> impl Iterator<Item = &'r Value> {
        self.objects[kind as usize]
            .iter()
            .filter(move |object| object["metadata"]["name"] == *name)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Ask, Named, RightHolder, Rule};

    #[test]
    fn rules_hold_as_the_api_server_reads_them() {
        let ask = |verb, group, resource, named| {
            let verbs = [verb];
            let rule = |rule: serde_json::Value| {
                Rule::of(&rule).allows(&Ask {
                    verbs: &verbs,
                    group,
                    resource,
                    named,
                })
            };
            [
                rule(json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] })),
                rule(json!({ "verbs": ["*"], "apiGroups": [""], "resources": ["*"] })),
                rule(json!({ "verbs": ["create"], "apiGroups": [""], "resources": ["pods"] })),
                rule(json!({ "verbs": ["create"], "apiGroups": [""], "resources": ["*/exec"] })),
                rule(
                    json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"] }),
                ),
            ]
        };
        assert_eq!(
            ask("unseal", "privyseal.dev", "secrets", Named::No),
            [true, false, false, false, false]
        );
        assert_eq!(
            ask("create", "", "pods", Named::No),
            [true, true, true, false, false]
        );
        assert_eq!(
            ask("create", "", "pods/exec", Named::Any),
            [true, true, false, true, false]
        );
        assert_eq!(
            ask("get", "", "secrets", Named::As("a")),
            [true, true, false, false, true]
        );
        assert_eq!(
            ask("get", "", "secrets", Named::As("b")),
            [true, true, false, false, false]
        );
        assert_eq!(
            ask("get", "", "secrets", Named::No),
            [true, true, false, false, false]
        );
    }

    #[test]
    fn subjects_are_read_as_they_are_printed() {
        for text in [
            "group:ops",
            "user:jane",
            "serviceAccount:ci/proxy",
            "group:oidc:team a",
        ] {
            assert_eq!(RightHolder::parse(text).unwrap().to_string(), text);
        }
        let account = RightHolder::parse("user:system:serviceaccount:ci:proxy").unwrap();
        assert_eq!(account.to_string(), "serviceAccount:ci/proxy");
        for wrong in ["", "ops", "group:", "serviceAccount:ci", "role:x"] {
            RightHolder::parse(wrong).unwrap_err();
        }
    }
}
