//! What the ConfigMap says, and whether it can be relied on.

use k8s_openapi::api::core::v1::ConfigMap;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

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
    /// Anyone with a certificate of the cluster's authority could speak as the API server.
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

pub(super) fn parse(json: &[u8]) -> Result<ConfigMap, FrontProxyError> {
    serde_json::from_slice(json).map_err(|_| FrontProxyError::NotAConfigMap)
}

impl RequestHeader {
    /// What the ConfigMap says, if that is enough to tell the API server from everyone else.
    pub(super) fn of(object: &ConfigMap) -> Result<Self, FrontProxyError> {
        let entry = |name: &str| object.data.as_ref().and_then(|data| data.get(name));
        let required = |name: &'static str| {
            let text = entry(name).filter(|text| !text.is_empty());
            text.ok_or(FrontProxyError::Missing(name))
        };
        let list = |name: &'static str| match entry(name) {
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
            && let Some(users) = entry(CLIENT_CA)
        {
            let users = authorities(users).ok_or(FrontProxyError::Entry(CLIENT_CA))?;
            let proxy = Authority::read_all(&proxy).ok_or(FrontProxyError::Entry(PROXY_CA))?;
            let users = Authority::read_all(&users).ok_or(FrontProxyError::Entry(CLIENT_CA))?;
            let vouches = |proxy: &Authority| users.iter().any(|users| proxy.vouches_for(users));
            if proxy.iter().any(vouches) {
                return Err(FrontProxyError::AnybodyCould);
            }
        }
        Ok(Self {
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

/// What makes an authority the same one: not the bytes of its certificate, which change when it is renewed or signed
/// by another root, while everything that it ever signed stays valid.
struct Authority {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    public_key: Vec<u8>,
}

impl Authority {
    fn read_all(certificates: &[CertificateDer<'_>]) -> Option<Vec<Self>> {
        certificates.iter().map(Self::read).collect()
    }

    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        Some(Self {
            subject: tbs.subject().to_der().ok()?,
            issuer: tbs.issuer().to_der().ok()?,
            public_key: tbs.subject_public_key_info().to_der().ok()?,
        })
    }

    /// Whether certificates that `other` signs are valid under this authority: it is the same one, or one above it.
    fn vouches_for(&self, other: &Self) -> bool {
        let is_self_issued = other.issuer == other.subject;
        self.public_key == other.public_key || (!is_self_issued && other.issuer == self.subject)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa,
        KeyPair,
    };
    use serde_json::{Value, json};

    use super::*;

    fn authority() -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::default();
        params.self_signed(&key).unwrap().pem()
    }

    fn read(data: &Value) -> Result<RequestHeader, FrontProxyError> {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "x"}, "data": data});
        RequestHeader::of(&parse(object.to_string().as_bytes())?)
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
        // Some providers publish the front proxy's authority only.
        let mut alone = good(&proxy, &users);
        alone.as_object_mut().unwrap().remove("client-ca-file");
        alone["requestheader-allowed-names"] = "[]".into();
        assert!(read(&alone).is_ok());
    }

    /// What an authority of this name says of itself, from this year on.
    fn params(name: &str, year: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(year, 1, 1);
        params
    }

    #[test]
    fn an_authority_is_known_by_its_key_not_by_the_bytes_of_its_certificate() {
        let (key, other_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let same_key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        let proxy = CertifiedIssuer::self_signed(params("front-proxy-ca", 2020), same_key).unwrap();
        let alone = |name, year, key| params(name, year).self_signed(key).unwrap();
        let read = |users: &rcgen::Certificate| {
            let mut data = good(&proxy.pem(), &users.pem());
            data["requestheader-allowed-names"] = "[]".into();
            read(&data).map(|_| ())
        };
        for (what, users) in [
            ("renewed", alone("front-proxy-ca", 2025, &key)),
            ("under another name", alone("users", 2020, &key)),
            (
                "an intermediate that the front proxy's authority signed",
                params("users", 2020).signed_by(&other_key, &proxy).unwrap(),
            ),
        ] {
            assert_ne!(users.pem(), proxy.pem());
            assert_eq!(read(&users), Err(FrontProxyError::AnybodyCould), "{what}");
        }
        // A namesake with a key of its own signs nothing that the front proxy's authority vouches for.
        let namesake = alone("front-proxy-ca", 2020, &other_key);
        assert_eq!(read(&namesake), Ok(()));
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
        assert!(parse(b"[]").is_err());
    }
}
