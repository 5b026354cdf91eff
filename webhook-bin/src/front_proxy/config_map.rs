//! What the ConfigMap says, and whether it can be relied on.

use std::collections::BTreeMap;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

const CLIENT_CA: &str = "client-ca-file";
const PROXY_CA: &str = "requestheader-client-ca-file";

/// How a front proxy proves itself and passes identities on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The authority of its certificate, PEM.
    pub client_ca: String,
    /// The common names that the certificate may carry; none named: any.
    pub allowed_names: Vec<String>,
    /// Headers that may hold the user's name.
    pub username_headers: Vec<String>,
    /// Headers that may hold the user's uid.
    pub uid_headers: Vec<String>,
    /// Headers that hold the user's groups.
    pub group_headers: Vec<String>,
}

/// Why the ConfigMap cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontProxyError {
    /// Anybody with a certificate of the cluster's authority could speak as the API server.
    #[error(
        "requestheader-allowed-names is empty, and the front-proxy authority also signs the certificates of ordinary users: \
         each of them could speak as the API server. Set --requestheader-allowed-names, or give the front proxy an authority \
         of its own"
    )]
    AnybodyCould,
    /// An entry is damaged.
    #[error("its entry `{0}` cannot be read")]
    Entry(&'static str),
    /// The aggregation layer is not set up.
    #[error(
        "it has no `{0}`: the API server is not set up for API aggregation (--requestheader-client-ca-file and its companions)"
    )]
    Missing(&'static str),
    /// Not a ConfigMap at all.
    #[error("it is no ConfigMap")]
    NotAConfigMap,
}

#[derive(Deserialize)]
pub(super) struct ConfigMap {
    pub(super) metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
}

impl ConfigMap {
    pub(super) fn parse(json: &[u8]) -> Result<Self, FrontProxyError> {
        serde_json::from_slice(json).map_err(|_| FrontProxyError::NotAConfigMap)
    }

    /// What it says, if that is enough to tell the API server from everybody else.
    pub(super) fn request_header(&self) -> Result<RequestHeader, FrontProxyError> {
        let required = |name: &'static str| {
            let text = self.data.get(name).filter(|text| !text.is_empty());
            text.ok_or(FrontProxyError::Missing(name))
        };
        let list = |name: &'static str| match self.data.get(name) {
            None => Ok(Vec::new()),
            Some(text) => serde_json::from_str::<Vec<String>>(text)
                .ok()
                .filter(|names| names.iter().all(|name| !name.is_empty()))
                .ok_or(FrontProxyError::Entry(name)),
        };
        let headers = |name: &'static str| {
            let names = list(name)?;
            let legal = |name: &String| name.parse::<http::HeaderName>().is_ok();
            if names.iter().all(legal) {
                Ok(names)
            } else {
                Err(FrontProxyError::Entry(name))
            }
        };
        let some = |name: &'static str| match headers(name)? {
            names if names.is_empty() => Err(FrontProxyError::Missing(name)),
            names => Ok(names),
        };
        let client_ca = required(PROXY_CA)?.clone();
        let proxy = authorities(&client_ca).ok_or(FrontProxyError::Entry(PROXY_CA))?;
        let allowed_names = list("requestheader-allowed-names")?;
        if allowed_names.is_empty()
            && let Some(users) = self.data.get(CLIENT_CA)
        {
            let users = authorities(users).ok_or(FrontProxyError::Entry(CLIENT_CA))?;
            if proxy.iter().any(|authority| users.contains(authority)) {
                return Err(FrontProxyError::AnybodyCould);
            }
        }
        Ok(RequestHeader {
            client_ca,
            allowed_names,
            username_headers: some("requestheader-username-headers")?,
            uid_headers: headers("requestheader-uid-headers")?,
            group_headers: some("requestheader-group-headers")?,
        })
    }
}

/// The certificates of a PEM text; `None` when it holds none, or a damaged one.
fn authorities(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    fn authority() -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::default();
        params.self_signed(&key).unwrap().pem()
    }

    fn read(data: &Value) -> Result<RequestHeader, FrontProxyError> {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "x"}, "data": data});
        ConfigMap::parse(object.to_string().as_bytes())?.request_header()
    }

    fn good(front_proxy: &str, users: &str) -> Value {
        json!({
            "client-ca-file": users,
            "requestheader-allowed-names": "[\"front-proxy-client\"]",
            "requestheader-client-ca-file": front_proxy,
            "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
            "requestheader-group-headers": "[\"X-Remote-Group\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]",
        })
    }

    #[test]
    fn reads_what_an_api_server_writes() {
        let (proxy, users) = (authority(), authority());
        let found = read(&good(&proxy, &users)).unwrap();
        assert_eq!(found.allowed_names, ["front-proxy-client"]);
        assert_eq!(found.client_ca, proxy);
        assert_eq!(found.username_headers, ["X-Remote-User"]);
        assert!(found.uid_headers.is_empty());
    }

    #[test]
    fn refuses_a_front_proxy_that_every_user_could_be() {
        let (proxy, users) = (authority(), authority());
        for names in [json!("[]"), Value::Null] {
            let with = |users: &str| {
                let mut data = good(&proxy, users);
                match &names {
                    Value::Null => {
                        data.as_object_mut()
                            .unwrap()
                            .remove("requestheader-allowed-names");
                    }
                    names => data["requestheader-allowed-names"] = names.clone(),
                }
                read(&data)
            };
            assert_eq!(with(&proxy), Err(FrontProxyError::AnybodyCould));
            // One certificate in common is enough.
            let both = format!("{users}{proxy}");
            assert_eq!(with(&both), Err(FrontProxyError::AnybodyCould));
            assert!(with(&users).is_ok());
        }
        // With a list of names, the certificate still has to carry one of them.
        assert!(read(&good(&proxy, &proxy)).is_ok());
        // Some providers publish the front proxy's authority alone.
        let mut alone = good(&proxy, &users);
        alone.as_object_mut().unwrap().remove("client-ca-file");
        alone["requestheader-allowed-names"] = "[]".into();
        assert!(read(&alone).is_ok());
    }

    #[test]
    fn refuses_what_is_missing_or_damaged() {
        let (proxy, users) = (authority(), authority());
        for name in [
            "requestheader-client-ca-file",
            "requestheader-username-headers",
            "requestheader-group-headers",
        ] {
            let mut data = good(&proxy, &users);
            data.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&data), Err(FrontProxyError::Missing(name)));
            data[name] = "hunter2".into();
            assert_eq!(read(&data), Err(FrontProxyError::Entry(name)));
        }
        let mut data = good(&proxy, &users);
        data["requestheader-username-headers"] = "[]".into();
        assert!(read(&data).is_err());
        data["requestheader-username-headers"] = "[\"no header\"]".into();
        assert!(read(&data).is_err());
        let mut data = good(&proxy, &users);
        data["requestheader-allowed-names"] = "[\"\"]".into();
        assert!(read(&data).is_err());
        assert!(ConfigMap::parse(b"[]").is_err());
    }
}
