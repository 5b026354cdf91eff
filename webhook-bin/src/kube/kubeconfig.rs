//! The part of a kubeconfig that says where the API server is and how to sign in.

use std::path::Path;

use secret_walker::decode;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::access::{Access, AccessError, Identity, Material};

#[derive(Deserialize)]
struct File {
    #[serde(rename = "current-context", default)]
    current_context: String,
    #[serde(default)]
    clusters: Vec<Named<ClusterEntry>>,
    #[serde(default)]
    contexts: Vec<Named<ContextEntry>>,
    #[serde(default)]
    users: Vec<Named<UserEntry>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "cluster", alias = "context", alias = "user")]
    entry: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    tls_server_name: Option<String>,
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
struct ContextEntry {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
}

/// Reads the current context.
pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Access, AccessError> {
    let wrong = |message: &str| AccessError::Kubeconfig {
        path: path.to_owned(),
        message: message.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| wrong("is not UTF-8"))?;
    // The parser's own words could quote a token.
    let file: File =
        serde_saphyr::from_str(text).map_err(|_| wrong("is no kubeconfig that can be read"))?;
    let context = find(&file.contexts, &file.current_context)
        .ok_or_else(|| wrong("names no `current-context` that is in it"))?;
    let cluster = find(&file.clusters, &context.cluster)
        .ok_or_else(|| wrong("its current context names a cluster that is not in it"))?;
    let user = find(&file.users, &context.user)
        .ok_or_else(|| wrong("its current context names a user that is not in it"))?;
    if cluster.insecure_skip_tls_verify {
        return Err(wrong(
            "`insecure-skip-tls-verify` would let anybody answer for the API server; name its authority",
        ));
    }
    if cluster.proxy_url.is_some() {
        return Err(wrong("`proxy-url` is not supported"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let material = |file: &Option<String>, data: &Option<String>| match (data, file) {
        (Some(data), _) => decode(data)
            .map(|bytes| Some(Material::Given(Zeroizing::new(bytes))))
            .map_err(|_| wrong("holds data that is not base64")),
        (None, Some(file)) => Ok(Some(Material::File(folder.join(file)))),
        (None, None) => Ok(None),
    };
    let authority = material(
        &cluster.certificate_authority,
        &cluster.certificate_authority_data,
    )?
    .ok_or_else(|| wrong("names no `certificate-authority` of its cluster"))?;
    let chain = material(&user.client_certificate, &user.client_certificate_data)?;
    let key = material(&user.client_key, &user.client_key_data)?;
    let identity = match (chain, key, &user.token_file, &user.token) {
        (Some(chain), Some(key), ..) => Identity::Certificate { chain, key },
        (_, _, Some(file), _) => Identity::Token(Material::File(folder.join(file))),
        (_, _, _, Some(token)) => {
            Identity::Token(Material::Given(Zeroizing::new(token.as_bytes().to_vec())))
        }
        _ => {
            return Err(wrong(
                "its user has neither certificate and key nor token (programs that make credentials are not run)",
            ));
        }
    };
    let (host, port) = address(&cluster.server)
        .ok_or_else(|| wrong("its `server` must be https://, a host and perhaps a port"))?;
    Ok(Access {
        host,
        port,
        authority,
        identity,
        server_name: cluster.tls_server_name.clone(),
    })
}

fn find<'f, T>(list: &'f [Named<T>], name: &str) -> Option<&'f T> {
    list.iter()
        .find(|entry| entry.name == name)
        .map(|entry| &entry.entry)
}

fn address(server: &str) -> Option<(String, u16)> {
    let uri: http::Uri = server.parse().ok()?;
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    (uri.scheme_str() == Some("https") && plain).then_some((host, uri.port_u16().unwrap_or(443)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> Result<Access, String> {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\npreferences: {{}}\ncontexts:\n- name: c\n  context: {{ cluster: k, user: u }}\n\
             clusters:\n- name: k\n  cluster: {{ {cluster} }}\nusers:\n- name: u\n  user: {{ {user} }}\n"
        );
        parse(Path::new("/etc/kubeconfig"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_it_needs() {
        let authority = "certificate-authority: ca.crt";
        let access = config(
            &format!("server: \"https://[::1]:6443/\", {authority}"),
            "token: abc",
        )
        .unwrap();
        assert_eq!(access.host(), "[::1]:6443");
        let header = access.authorization().unwrap().unwrap();
        assert_eq!(header.as_bytes(), b"Bearer abc");
        assert!(header.is_sensitive());
        let access = config(
            &format!("server: https://api.example, {authority}"),
            "client-certificate-data: eA==, client-key: k.pem, token: abc",
        )
        .unwrap();
        assert_eq!(access.host(), "api.example:443");
        assert!(matches!(access.identity, Identity::Certificate { .. }));
    }

    #[test]
    fn refuses_what_is_unsafe_or_unknown_without_quoting_it() {
        let good = "server: https://a, certificate-authority: ca.crt";
        for (cluster, user, word) in [
            (
                "server: https://a, insecure-skip-tls-verify: true",
                "token: hunter2",
                "insecure-skip-tls-verify",
            ),
            (
                "server: https://a",
                "token: hunter2",
                "certificate-authority",
            ),
            (
                "server: http://a, certificate-authority: c",
                "token: hunter2",
                "https://",
            ),
            (
                "server: https://a/b, certificate-authority: c",
                "token: hunter2",
                "https://",
            ),
            (good, "exec: { command: hunter2 }", "programs"),
            (good, "client-certificate-data: hunter2", "base64"),
            (good, "token: [hunter2]", "no kubeconfig"),
        ] {
            let error = config(cluster, user).unwrap_err();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
