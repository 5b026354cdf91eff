//! Files of the API server.
use super::*;

#[test]
fn audit_policies_that_log_the_patch_are_found() {
    let cluster = Cluster::healthy();
    for (policy, bad) in [
        ("rules: [{level: Metadata}]", false),
        ("rules: [{level: RequestResponse}]", true),
        (
            "rules: [{level: None, users: [x]}, {level: Request, resources: [{group: '', resources: [secrets]}]}]",
            true,
        ),
        (
            "rules: [{level: Metadata, resources: [{group: '', resources: [secrets, configmaps]}]}, {level: Request}]",
            false,
        ),
        (
            "rules: [{level: Metadata, namespaces: [a], resources: [{group: '', resources: [secrets]}]}, {level: Request}]",
            true,
        ),
        (
            "rules: [{level: Metadata, resources: [{group: '', resources: [secrets], resourceNames: [a]}]}, {level: Request}]",
            true,
        ),
        (
            "rules: [{level: RequestResponse, verbs: [get, list]}, {level: Metadata}]",
            false,
        ),
        (
            "rules: [{level: RequestResponse, resources: [{group: apps}]}, {level: Metadata}]",
            false,
        ),
        (
            "rules: [{level: Request, nonResourceURLs: ['/*']}, {level: Metadata}]",
            false,
        ),
    ] {
        cluster.0.write("audit.yaml", policy);
        let (state, text) = cluster.check("audit policy", &["--audit-policy", "audit.yaml"]);
        assert_eq!(state == "problem", bad, "{policy}: {text}");
    }
}

#[test]
fn etcd_without_encryption_is_found() {
    let cluster = Cluster::healthy();
    for (providers, bad) in [
        ("[{identity: {}}]", true),
        ("[{identity: {}}, {kms: {}}]", true),
        ("[{aescbc: {}}, {identity: {}}]", false),
        ("[{kms: {}}]", false),
    ] {
        cluster.0.write(
            "encryption.yaml",
            format!("resources:\n- resources: [configmaps, secrets]\n  providers: {providers}\n"),
        );
        let (state, text) = cluster.check(
            "encryption at rest",
            &["--encryption-config", "encryption.yaml"],
        );
        assert_eq!(state == "problem", bad, "{providers}: {text}");
    }
    cluster.0.write(
        "encryption.yaml",
        "resources:\n- resources: [configmaps]\n  providers: [{kms: {}}]\n",
    );
    cluster.finds(
        "encryption at rest",
        &["--encryption-config", "encryption.yaml"],
        "as they are",
    );
}
