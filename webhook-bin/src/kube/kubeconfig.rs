//! The part of a kubeconfig that says where the API server is and how to sign in. Reading it is `kube-client`'s work;
//! here is what we take of it, and what we refuse.

use std::path::Path;

use kube_client::config::{AuthInfo, Cluster, Kubeconfig};
use secrecy::ExposeSecret;
use secret_walker::decode;
use zeroize::Zeroizing;

use super::access::{Access, AccessError, Identity, Material, read};

impl Access {
    /// As the current context of a kubeconfig says. Programs that make credentials are not run.
    ///
    /// # Errors
    /// When the file does not say enough, or asks for what is not supported.
    pub fn from_kubeconfig(path: &Path) -> Result<Self, AccessError> {
        let text = read(path)?;
        parse(path, &text)
    }
}

/// Reads the current context.
fn parse(path: &Path, text: &[u8]) -> Result<Access, AccessError> {
    let wrong = |message: &str| AccessError::Kubeconfig {
        path: path.to_owned(),
        message: message.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| wrong("is not UTF-8"))?;
    // The parser's own words could quote a token.
    let file =
        Kubeconfig::from_yaml(text).map_err(|_| wrong("is no kubeconfig that can be read"))?;
    let context = file
        .contexts
        .iter()
        .find(|named| Some(&named.name) == file.current_context.as_ref())
        .and_then(|named| named.context.as_ref())
        .ok_or_else(|| wrong("names no `current-context` that is in it"))?;
    let cluster = file
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.as_ref())
        .ok_or_else(|| wrong("its current context names a cluster that is not in it"))?;
    let user = file
        .auth_infos
        .iter()
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info.as_ref())
        .ok_or_else(|| wrong("its current context names a user that is not in it"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let material = |file: Option<&str>, data: Option<&str>| match (data, file) {
        (Some(data), _) => decode(data)
            .map(|bytes| Some(Material::Given(Zeroizing::new(bytes))))
            .map_err(|_| wrong("holds data that is not base64")),
        (None, Some(file)) => Ok(Some(Material::File(folder.join(file)))),
        (None, None) => Ok(None),
    };
    if let Some(message) = unsupported(cluster, user) {
        return Err(wrong(message));
    }
    let authority = material(
        cluster.certificate_authority.as_deref(),
        cluster.certificate_authority_data.as_deref(),
    )?
    .ok_or_else(|| wrong("names no `certificate-authority` of its cluster"))?;
    let chain = material(
        user.client_certificate.as_deref(),
        user.client_certificate_data.as_deref(),
    )?;
    let key_data = user.client_key_data.as_ref();
    let key = material(
        user.client_key.as_deref(),
        key_data.map(ExposeSecret::expose_secret),
    )?;
    let identity = match (chain, key, &user.token_file, &user.token) {
        (Some(chain), Some(key), ..) => Identity::Certificate { chain, key },
        // As kubectl does: the file's token is the newer one.
        (_, _, Some(file), _) => Identity::Token(Material::File(folder.join(file))),
        (_, _, _, Some(token)) => {
            let token = token.expose_secret().as_bytes().to_vec();
            Identity::Token(Material::Given(Zeroizing::new(token)))
        }
        _ => return Err(wrong("its user has neither certificate and key nor token")),
    };
    let server = cluster
        .server
        .as_deref()
        .and_then(address)
        .ok_or_else(|| wrong("its `server` must be https://, a host and perhaps a port"))?;
    Ok(Access {
        server,
        authority,
        identity,
        server_name: cluster.tls_server_name.clone(),
    })
}

/// What would weaken the connection, run a program or act as someone else.
fn unsupported(cluster: &Cluster, user: &AuthInfo) -> Option<&'static str> {
    let impersonates = user.impersonate.is_some()
        || user.impersonate_uid.is_some()
        || user.impersonate_groups.is_some()
        || user.impersonate_user_extra.is_some();
    if cluster.insecure_skip_tls_verify == Some(true) {
        Some(
            "`insecure-skip-tls-verify` would let anyone answer for the API server; name its authority",
        )
    } else if cluster.proxy_url.is_some() {
        Some("`proxy-url` is not supported")
    } else if user.exec.is_some() || user.auth_provider.is_some() {
        Some(
            "its user gets credentials from a program (`exec` or `auth-provider`), and the webhook runs no programs; \
             give it a certificate and key, or a `tokenFile`",
        )
    } else if impersonates {
        Some(
            "its user acts as someone else (`as`), which is not supported; give it credentials of its own",
        )
    } else {
        None
    }
}

fn address(server: &str) -> Option<http::Uri> {
    let uri: http::Uri = server.parse().ok()?;
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let named = uri.host().is_some_and(|host| !host.is_empty());
    (uri.scheme_str() == Some("https") && named && plain).then_some(uri)
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
            (good, "exec: { command: hunter2 }", "runs no programs"),
            (
                good,
                "token: abc, exec: { command: hunter2, apiVersion: client.authentication.k8s.io/v1 }",
                "runs no programs",
            ),
            (
                good,
                "auth-provider: { name: gcp, config: { cmd-path: hunter2 } }",
                "runs no programs",
            ),
            (good, "token: abc, as: hunter2", "`as`"),
            (good, "username: root, password: hunter2", "neither"),
            (good, "client-certificate-data: hunter2", "base64"),
            (good, "token: [hunter2]", "no kubeconfig"),
        ] {
            let error = config(cluster, user).unwrap_err();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
