//! What may not be read, and who may too much.
use super::*;

#[test]
fn each_right_that_is_missing_is_named_with_what_goes_unseen() {
    let cluster = Cluster::healthy();
    assert_eq!(cluster.check("rights", &[]).0, "ok");
    for (lacking, words) in [
        (
            "get validatingadmissionpolicies.admissionregistration.k8s.io --all-namespaces",
            "the backstop",
        ),
        (
            "list validatingadmissionpolicybindings.admissionregistration.k8s.io --all-namespaces",
            "in force",
        ),
        (
            "list mutatingwebhookconfigurations.admissionregistration.k8s.io --all-namespaces",
            "the registration",
        ),
        (
            "get apiservices.apiregistration.k8s.io --all-namespaces",
            "aggregation layer",
        ),
        ("list secrets --all-namespaces", "stored sealed"),
        (
            "list validatingwebhookconfigurations.admissionregistration.k8s.io --all-namespaces",
            "sees opened values",
        ),
        (
            "list roles.rbac.authorization.k8s.io --all-namespaces",
            "values opened",
        ),
        (
            "list rolebindings.rbac.authorization.k8s.io --all-namespaces",
            "values opened",
        ),
        (
            "list clusterroles.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        (
            "list clusterrolebindings.rbac.authorization.k8s.io --all-namespaces",
            "act as the API server",
        ),
        ("create secrets --namespace=default", "key services"),
        ("create configmaps --namespace=default", "clock"),
    ] {
        cluster.0.write("lacking", format!("{lacking}\n"));
        let (state, text) = cluster.check("rights", &[]);
        assert_eq!(state, "unknown", "{lacking}: {text}");
        let (right, _) = lacking.rsplit_once(' ').unwrap();
        assert!(text.contains(right) && text.contains(words), "{text}");
        assert!(text.contains("cluster administrator"), "{text}");
        assert_eq!(cluster.doctor(&[]).code, 4, "not known is neither");
    }
    cluster.0.write("mute", "");
    let (state, text) = cluster.check("rights", &[]);
    assert_eq!(state, "unknown");
    assert!(
        text.contains("the server is away") || text.contains("configmaps"),
        "{text}"
    );
}

#[test]
fn who_may_have_values_opened_is_asked_of_the_authorizer_by_namespace() {
    let cluster = Cluster::healthy();
    let names = ["payments", "shop"].map(|name| json!({ "metadata": { "name": name } }));
    cluster.api("/api/v1/namespaces", &json!({ "items": names }));
    let account = "system:serviceaccount:payments-ci:deployer";
    cluster
        .0
        .write("unseal-in", format!("{account} payments\n"));
    let kubectl = cluster.0.path("kubectl").display().to_string();
    let who = |who: &str| {
        cluster
            .0
            .run(&["doctor", "--kubectl", &kubectl, "--who", who], "")
    };
    let ended = who("payments-ci/deployer");
    assert_eq!(
        (ended.code, ended.text()),
        (
            0,
            "serviceAccount:payments-ci/deployer may have values opened in 1 of 2 namespaces:\n  payments\n"
        )
    );
    let review: Value = serde_json::from_str(&cluster.0.text("review")).unwrap();
    assert_eq!(
        review["spec"]["groups"],
        json!([
            "system:serviceaccounts",
            "system:serviceaccounts:payments-ci",
            "system:authenticated"
        ])
    );
    let ended = who("user:alice");
    assert_eq!(ended.code, 0);
    assert!(
        ended
            .text()
            .starts_with("user:alice may not have values opened in any of 2 namespaces\n"),
        "{}",
        ended.text()
    );
    cluster.0.write("unseal-in", "admins \n");
    assert_eq!(
        who("group:admins").text(),
        "group:admins may have values opened in every namespace\n"
    );
    let answer = cluster.doctor(&["--who", "group:admins"]).json();
    crate::outputs::fits("doctor-who", &answer);
    assert_eq!(answer["everywhere"], true);

    std::fs::remove_file(cluster.0.path("unseal-in")).unwrap();
    let ended = who("user:alice");
    assert_eq!((ended.code, ended.text()), (4, ""));
    assert!(
        ended.stderr.contains("subjectaccessreviews"),
        "{}",
        ended.stderr
    );
    assert_eq!(who("alice").code, 2);
}

#[test]
fn what_may_not_be_read_is_unknown_and_never_well() {
    let api = |path: &str| format!("api/{}", path.replace('/', "_"));
    for (path, check) in [
        (
            format!("{ADMISSION}/validatingadmissionpolicies/no-sealed-values.privyseal.dev"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/validatingadmissionpolicybindings"),
            "backstop",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "registration",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "aggregation",
        ),
        (
            "/apis/apiregistration.k8s.io/v1/apiservices/v1.admission.privyseal.dev".to_owned(),
            "aggregation",
        ),
        (
            format!("{ADMISSION}/mutatingwebhookconfigurations"),
            "other webhooks",
        ),
        (
            format!("{ADMISSION}/validatingwebhookconfigurations"),
            "other webhooks",
        ),
        (format!("{RBAC}/clusterroles"), "impersonation"),
        (format!("{RBAC}/clusterrolebindings"), "impersonation"),
        (format!("{RBAC}/roles"), "unseal right"),
        (format!("{RBAC}/rolebindings"), "unseal otherwise"),
    ] {
        let cluster = Cluster::healthy();
        std::fs::remove_file(cluster.0.path(&api(&path))).unwrap();
        cluster.0.write(&format!("{}.err", api(&path)), FORBIDDEN);
        let (state, text) = cluster.check(check, &[]);
        assert_eq!(state, "unknown", "{path}: {text}");
        assert!(text.contains("cluster administrator"), "{text}");
    }
    let cluster = Cluster::healthy();
    std::fs::remove_file(cluster.0.path("rows")).unwrap();
    cluster.0.write("rows.err", FORBIDDEN);
    assert_eq!(cluster.check("stored sealed", &[]).0, "unknown");
    cluster.0.write("clock.err", FORBIDDEN);
    assert_eq!(cluster.check("clock", &[]).0, "unknown");
    assert_eq!(cluster.check("unseal otherwise", &[]).0, "unknown");
    // Nor is a dry run that the administrator may not make a fault of the webhook.
    cluster
        .0
        .write("lacking", "create secrets --namespace=default\n");
    for check in ["network path", "opening"] {
        let (state, text) = cluster.check(check, &["--card", "payments.card.json"]);
        assert_eq!(state, "unknown", "{text}");
        assert!(
            text.contains("you may not create Secrets in namespace default"),
            "{text}"
        );
    }
    cluster.0.write("lacking", "");
    // Without a look at the registration, the way is tried anyway.
    let path = api(&format!("{ADMISSION}/mutatingwebhookconfigurations"));
    std::fs::remove_file(cluster.0.path(&path)).unwrap();
    cluster.0.write(&format!("{path}.err"), FORBIDDEN);
    assert_eq!(cluster.check("network path", &[]).0, "ok");
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "literals are passed as they are"
)]
fn role(name: &str, rules: Value) -> Value {
    json!({ "metadata": { "name": name }, "rules": rules })
}

fn rule(group: &str, resource: &str, verb: &str) -> Value {
    json!([{ "apiGroups": [group], "resources": [resource], "verbs": [verb] }])
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "literals are passed as they are"
)]
fn bind(name: &str, namespace: Option<&str>, role: &str, subject: Value) -> Value {
    json!({ "metadata": { "name": name, "namespace": namespace },
        "roleRef": { "kind": "ClusterRole", "name": role }, "subjects": [subject] })
}

fn account(namespace: &str, name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
}

fn group(name: &str) -> Value {
    json!({ "kind": "Group", "name": name })
}

fn user(name: &str) -> Value {
    json!({ "kind": "User", "name": name })
}

#[test]
fn who_may_act_as_the_api_server_is_listed() {
    let cluster = Cluster::healthy();
    cluster.rbac(
        &json!([
            role("user", json!([{ "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:apiserver"] }])),
            role("group", rule("", "groups", "impersonate")),
            role("uid", rule("authentication.k8s.io", "uids", "impersonate")),
            role("everything", rule("*", "*", "*")),
            role("support", json!([{ "apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"], "resourceNames": ["jane"] }])),
        ]),
        &json!([
            bind("a", None, "user", account("ci", "proxy")),
            bind("b", None, "group", account("ci", "proxy")),
            bind("c", None, "uid", account("ci", "proxy")),
            bind("d", None, "user", user("half")),
            bind("e", None, "everything", group("ops")),
            bind("f", None, "everything", group("system:masters")),
            bind("g", None, "support", user("helpdesk")),
        ]),
    );
    assert_eq!(cluster.check("impersonation", &[]).0, "problem");
    let uid = "serviceAccount:ci/proxy, also with its uid";
    assert_eq!(
        cluster.details("impersonation", &[]),
        ["group:ops, also with its uid", uid]
    );
    let ops = &["--accept-impersonator", "group:ops"][..];
    assert_eq!(cluster.details("impersonation", ops), [uid]);
    let both = [ops, &["--accept-impersonator", "serviceAccount:ci/proxy"]].concat();
    let (state, text) = cluster.check("impersonation", &both);
    assert_eq!(state, "ok", "{text}");
    let wrong = cluster.doctor(&["--accept-impersonator", "ops"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("group:NAME"), "{}", wrong.stderr);
}

/// `unseal` in `payments` for the deployer of a namespace of its own.
fn deployer() -> (Value, Value) {
    (
        role("unseal", rule("privyseal.dev", "secrets", "unseal")),
        bind(
            "deploy",
            Some("payments"),
            "unseal",
            account("payments-ci", "deployer"),
        ),
    )
}

#[test]
fn who_may_unseal_is_listed_by_namespace() {
    let cluster = Cluster::healthy();
    let (unseal, deploy) = deployer();
    cluster.rbac(
        &json!([
            unseal,
            role("everything", rule("*", "*", "*")),
            role("core", rule("", "*", "*"))
        ]),
        &json!([
            deploy,
            bind("admins", None, "everything", group("ops")),
            bind("core", Some("payments"), "core", group("devs")),
        ]),
    );
    assert_eq!(
        cluster.details("unseal right", &[]),
        [
            "everywhere: group:ops (ClusterRoleBinding admins, ClusterRole everything)",
            "payments: serviceAccount:payments-ci/deployer (RoleBinding payments/deploy, ClusterRole unseal)",
        ]
    );
    assert_eq!(cluster.check("unseal right", &[]).0, "ok");
    // A wildcard on core resources is no such right, and nothing in the deployer's own namespace.
    let (state, text) = cluster.check("unseal otherwise", &[]);
    assert_eq!(state, "ok", "{text}");
}

#[test]
fn a_right_of_a_whole_group_of_the_cluster_is_a_problem_and_comes_first() {
    for broad in [
        group("system:authenticated"),
        group("system:unauthenticated"),
        group("system:serviceaccounts"),
        group("system:serviceaccounts:payments"),
        user("system:anonymous"),
    ] {
        let cluster = Cluster::healthy();
        let (unseal, deploy) = deployer();
        cluster.rbac(
            &json!([unseal]),
            &json!([
                deploy,
                bind("oops", Some("payments"), "unseal", broad.clone())
            ]),
        );
        cluster.finds("unseal right", &[], "whole group");
        let first = cluster.details("unseal right", &[]).remove(0);
        assert!(first.contains("oops"), "{broad}: {first}");
    }
}

/// Everything that ClusterRole `edit` can do with a service account, one right at a time.
#[test]
fn each_way_to_become_someone_who_may_unseal_is_found() {
    let in_its_namespace = Some("payments-ci");
    for (group_of, resource, verb, place, words) in [
        (
            "",
            "serviceaccounts",
            "impersonate",
            in_its_namespace,
            "impersonation",
        ),
        ("", "serviceaccounts", "impersonate", None, "impersonation"),
        (
            "",
            "serviceaccounts/token",
            "create",
            in_its_namespace,
            "serviceaccounts/token",
        ),
        ("", "pods", "create", in_its_namespace, "pods"),
        ("", "pods", "patch", in_its_namespace, "pods"),
        ("", "pods/exec", "create", in_its_namespace, "pods"),
        ("", "pods/attach", "create", in_its_namespace, "pods"),
        (
            "",
            "pods/ephemeralcontainers",
            "update",
            in_its_namespace,
            "pods",
        ),
        (
            "",
            "replicationcontrollers",
            "create",
            in_its_namespace,
            "pods",
        ),
        ("apps", "deployments", "update", in_its_namespace, "pods"),
        ("apps", "statefulsets", "create", in_its_namespace, "pods"),
        ("apps", "daemonsets", "patch", in_its_namespace, "pods"),
        ("apps", "replicasets", "create", in_its_namespace, "pods"),
        ("batch", "jobs", "create", in_its_namespace, "pods"),
        ("batch", "cronjobs", "update", in_its_namespace, "pods"),
        ("", "nodes/proxy", "create", None, "pods"),
        (
            "admissionregistration.k8s.io",
            "mutatingwebhookconfigurations",
            "create",
            None,
            "mutating webhooks",
        ),
        (
            "admissionregistration.k8s.io",
            "mutatingadmissionpolicies",
            "update",
            None,
            "mutating webhooks",
        ),
        (
            "rbac.authorization.k8s.io",
            "clusterroles",
            "bind",
            Some("payments"),
            "bind, escalate",
        ),
        (
            "rbac.authorization.k8s.io",
            "roles",
            "escalate",
            None,
            "bind, escalate",
        ),
    ] {
        let cluster = Cluster::healthy();
        let (unseal, deploy) = deployer();
        cluster.rbac(
            &json!([unseal, role("way", rule(group_of, resource, verb))]),
            &json!([deploy, bind("way", place, "way", group("devs"))]),
        );
        cluster.finds("unseal otherwise", &[], words);
        let accepted = &["--accept-unsealer", "group:devs"];
        assert_eq!(cluster.check("unseal otherwise", accepted).0, "ok");
        // The same right elsewhere is none.
        if place.is_some() {
            cluster.rbac(
                &json!([deployer().0, role("way", rule(group_of, resource, verb))]),
                &json!([
                    deployer().1,
                    bind("way", Some("shop"), "way", group("devs"))
                ]),
            );
            let (state, text) = cluster.check("unseal otherwise", &[]);
            assert_eq!(state, "ok", "{resource}: {text}");
        }
    }
}

#[test]
fn users_and_groups_who_may_unseal_can_be_impersonated_too() {
    for (subject, resource) in [(user("jane"), "users"), (group("deployers"), "groups")] {
        let cluster = Cluster::healthy();
        cluster.rbac(
            &json!([deployer().0, role("way", rule("", resource, "impersonate"))]),
            &json!([
                bind("people", Some("payments"), "unseal", subject),
                bind("way", None, "way", user("helpdesk")),
            ]),
        );
        cluster.finds("unseal otherwise", &[], "user:helpdesk");
    }
}

/// Through the namespace's Secrets: where the policy against legacy tokens is missing, or a token is stored already.
#[test]
fn secrets_with_a_service_accounts_token_are_a_way() {
    let cluster = Cluster::healthy();
    let rbac = |verb: &str| {
        cluster.rbac(
            &json!([deployer().0, role("way", rule("", "secrets", verb))]),
            &json!([
                deployer().1,
                bind("way", Some("payments-ci"), "way", group("devs"))
            ]),
        );
    };
    rbac("create");
    assert_eq!(cluster.check("unseal otherwise", &[]).0, "ok");
    rbac("get");
    assert_eq!(cluster.check("unseal otherwise", &[]).0, "ok");
    cluster
        .0
        .write("rows", "token\tpayments-ci\told\tdeployer\t\n");
    cluster.finds("unseal otherwise", &[], "token Secret that is there");
    cluster
        .0
        .write("rows", "token\tpayments-ci\told\tanother\t\n");
    assert_eq!(cluster.check("unseal otherwise", &[]).0, "ok");
    let policy = format!("{ADMISSION}/validatingadmissionpolicies/no-legacy-tokens.privyseal.dev");
    std::fs::remove_file(cluster.0.path(&format!("api/{}", policy.replace('/', "_")))).unwrap();
    for verb in ["create", "update", "patch"] {
        rbac(verb);
        cluster.finds(
            "unseal otherwise",
            &["--accept-legacy-tokens"],
            "legacy token Secret",
        );
    }
}

#[test]
fn whoever_writes_the_releases_of_a_deployer_or_steers_a_controller_is_found() {
    let cluster = Cluster::healthy();
    let (unseal, deploy) = deployer();
    cluster.rbac(
        &json!([unseal, role("way", rule("", "secrets", "patch"))]),
        &json!([deploy, bind("way", Some("payments"), "way", group("devs"))]),
    );
    assert_eq!(cluster.check("unseal otherwise", &[]).0, "ok");
    cluster
        .0
        .write("rows", "release\tpayments\tsh.helm.release.v1.db.v1\t\t\n");
    cluster.finds("unseal otherwise", &[], "Helm releases");

    let cluster = Cluster::healthy();
    for (group_of, resource) in [
        ("kustomize.toolkit.fluxcd.io", "kustomizations"),
        ("argoproj.io", "applications"),
    ] {
        cluster.rbac(
            &json!([
                role("everything", rule("*", "*", "*")),
                role("way", rule(group_of, resource, "create"))
            ]),
            &json!([
                bind(
                    "flux",
                    None,
                    "everything",
                    account("flux-system", "kustomize-controller")
                ),
                bind("way", Some("shop"), "way", group("devs")),
            ]),
        );
        cluster.finds(
            "unseal otherwise",
            &[],
            "everywhere: group:devs by what it applies",
        );
    }
}

/// Someone who can become someone who can become the deployer.
#[test]
fn chains_are_followed() {
    let cluster = Cluster::healthy();
    let (unseal, deploy) = deployer();
    cluster.rbac(
        &json!([
            unseal,
            role("token", rule("", "serviceaccounts/token", "create")),
            role("exec", rule("", "pods/exec", "create"))
        ]),
        &json!([
            deploy,
            bind("a", Some("payments-ci"), "token", account("ci", "runner")),
            bind("b", Some("ci"), "exec", group("devs")),
        ]),
    );
    assert_eq!(
        cluster.details("unseal otherwise", &[]),
        [
            "payments: group:devs as serviceAccount:ci/runner, by pods that run as it (RoleBinding ci/b)",
            "payments: serviceAccount:ci/runner as serviceAccount:payments-ci/deployer, by a token of it (serviceaccounts/token) (RoleBinding payments-ci/a)",
        ]
    );
}

#[test]
fn parts_of_kubernetes_itself_are_no_problem() {
    let cluster = Cluster::healthy();
    let (unseal, deploy) = deployer();
    cluster.rbac(
        &json!([
            unseal,
            role("pods", rule("", "pods", "create")),
            role("tokens", rule("", "serviceaccounts/token", "create"))
        ]),
        &json!([
            deploy,
            bind(
                "a",
                None,
                "pods",
                account("kube-system", "replicaset-controller")
            ),
            bind("b", None, "tokens", user("system:kube-controller-manager")),
        ]),
    );
    let (state, text) = cluster.check("unseal otherwise", &[]);
    assert_eq!(state, "ok", "{text}");
    assert!(text.contains("parts of Kubernetes itself"), "{text}");
    assert_eq!(cluster.doctor(&[]).code, 0);
}

#[test]
fn a_right_of_the_webhook_beyond_what_is_rendered_is_found() {
    let cluster = Cluster::healthy();
    let webhook = account("privy-seal", "privy-webhook");
    let reader = json!({ "metadata": { "name": "privy-webhook", "namespace": "kube-system" },
        "roleRef": { "kind": "Role", "name": "extension-apiserver-authentication-reader" }, "subjects": [webhook] });
    let readers = json!({ "metadata": { "name": "extension-apiserver-authentication-reader", "namespace": "kube-system" }, "rules": [] });
    let reviews = role(
        "privy-webhook",
        rule("authorization.k8s.io", "subjectaccessreviews", "create"),
    );
    let rendered = [
        reader.clone(),
        bind("privy-webhook", None, "privy-webhook", webhook.clone()),
    ];
    let secrets = role("secrets", rule("", "secrets", "get"));
    cluster.rbac(&json!([readers, reviews, secrets]), &json!(rendered));
    let (state, text) = cluster.check("webhook rights", &[]);
    assert_eq!(state, "ok", "{text}");
    for more in [
        bind("more", Some("payments"), "secrets", webhook.clone()),
        bind(
            "more",
            None,
            "secrets",
            group("system:serviceaccounts:privy-seal"),
        ),
    ] {
        cluster.rbac(
            &json!([readers, reviews, secrets]),
            &json!([rendered[0], rendered[1], more]),
        );
        cluster.finds("webhook rights", &[], "more (ClusterRole secrets)");
    }
    let wider = role("privy-webhook", rule("*", "*", "*"));
    cluster.rbac(&json!([readers, wider]), &json!(rendered));
    cluster.finds("webhook rights", &[], "ClusterRoleBinding privy-webhook");
}

#[test]
fn any_change_of_a_rendered_role_or_binding_is_found() {
    let cluster = Cluster::healthy();
    let reader = manifest("21-aggregated-identity.yaml", 0);
    let (reviews, reviewer) = (
        manifest("22-subject-access-review.yaml", 0),
        manifest("22-subject-access-review.yaml", 1),
    );
    let (unseal, deployer) = (
        manifest("80-example-rights.yaml", 0),
        manifest("80-example-rights.yaml", 1),
    );
    let check = |roles: &Value, bindings: &Value| {
        cluster.rbac_alone(roles, bindings);
        cluster.check("rendered rights", &[])
    };
    let (state, text) = check(
        &json!([reviews, unseal]),
        &json!([reader, reviewer, deployer]),
    );
    assert_eq!(state, "ok", "{text}");
    // Access reviews are an option.
    let (state, text) = check(&json!([unseal]), &json!([reader, deployer]));
    assert_eq!(state, "ok", "{text}");
    let with = |object: &Value, pointer: &str, value: Value| {
        let mut changed = object.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed
    };
    for (roles, bindings, words) in [
        (
            json!([reviews]),
            json!([reviewer]),
            "RoleBinding kube-system/privy-webhook is missing",
        ),
        (
            json!([]),
            json!([reader, reviewer]),
            "ClusterRole privy-webhook is missing",
        ),
        (
            json!([reviews]),
            json!([reader]),
            "ClusterRoleBinding privy-webhook is missing",
        ),
        (
            json!([with(&reviews, "/rules/0/verbs", json!(["create", "get"]))]),
            json!([reader, reviewer]),
            "ClusterRole privy-webhook.rules[0].verbs is",
        ),
        (
            json!([with(&reviews, "/rules/0/resources", json!(["*"]))]),
            json!([reader, reviewer]),
            "ClusterRole privy-webhook.rules[0].resources is",
        ),
        (
            json!([reviews]),
            json!([with(&reader, "/roleRef/name", json!("admin")), reviewer]),
            "RoleBinding kube-system/privy-webhook.roleRef.name is",
        ),
        (
            json!([reviews]),
            json!([
                reader,
                with(&reviewer, "/subjects/0/namespace", json!("payments"))
            ]),
            "ClusterRoleBinding privy-webhook.subjects[privy-webhook].namespace is",
        ),
        (
            json!([reviews, with(&unseal, "/rules/0/verbs", json!(["*"]))]),
            json!([reader, reviewer, deployer]),
            "Role payments/privy-unseal.rules[0].verbs is",
        ),
        (
            json!([reviews, unseal]),
            json!([
                reader,
                reviewer,
                with(&deployer, "/roleRef/kind", json!("ClusterRole"))
            ]),
            "RoleBinding payments/privy-unseal.roleRef.kind is",
        ),
    ] {
        let (state, text) = check(&roles, &bindings);
        assert_eq!(state, "problem", "{words}: {text}");
        assert!(text.contains(words), "{words}: {text}");
    }
}
