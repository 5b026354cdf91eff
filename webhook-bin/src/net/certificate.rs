//! What a person wants to know of an X.509 certificate: its names and its validity.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The facts of one certificate. They say nothing of who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject's common name, where there is exactly one.
    pub common_name: Option<String>,
    /// The subject alternative names of type DNS.
    pub dns_names: Vec<String>,
    /// The subject alternative names of type IP address, in their usual notation.
    pub ip_addresses: Vec<String>,
    /// Valid from this moment on.
    pub not_before: SystemTime,
    /// Valid until this moment.
    pub not_after: SystemTime,
}

/// The bytes are no X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotACertificate;

impl CertificateFacts {
    /// Reads the certificate's own words.
    ///
    /// # Errors
    /// When the bytes are no certificate.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, NotACertificate> {
        let certificate = Certificate::from_der(der).map_err(|_| NotACertificate)?;
        let tbs = certificate.tbs_certificate();
        let mut facts = Self {
            common_name: only_common_name(tbs.subject()),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            not_before: UNIX_EPOCH + tbs.validity().not_before.to_unix_duration(),
            not_after: UNIX_EPOCH + tbs.validity().not_after.to_unix_duration(),
        };
        let names = tbs
            .get_extension::<SubjectAltName>()
            .map_err(|_| NotACertificate)?;
        for name in names.map(|(_, names)| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => facts.dns_names.push(name.to_string()),
                GeneralName::IpAddress(bytes) => {
                    facts.ip_addresses.extend(ip_address(bytes.as_bytes()));
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    /// The common name and the DNS names: what a caller may be known by.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.common_name
            .iter()
            .chain(&self.dns_names)
            .map(String::as_str)
    }

    /// Whether `now` lies within the validity.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whole seconds of the Unix clock at the end of the validity.
    pub fn not_after_seconds(&self) -> u64 {
        self.not_after
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs()
    }
}

/// A subject with two common names could mean two callers, so it has none.
fn only_common_name(subject: &Name) -> Option<String> {
    let count = subject
        .iter()
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .count();
    let name = subject.common_name().ok().flatten()?;
    (count == 1).then(|| name.value().into_owned())
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_validity() {
        let mut params =
            rcgen::CertificateParams::new(vec!["a.example".to_owned(), "127.0.0.1".to_owned()])
                .expect("names");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "kube-apiserver");
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let key = rcgen::KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("certificate");
        let facts = CertificateFacts::read(certificate.der()).expect("facts");
        assert_eq!(
            facts.names().collect::<Vec<_>>(),
            ["kube-apiserver", "a.example"]
        );
        assert_eq!(facts.ip_addresses, ["127.0.0.1"]);
        assert_eq!(facts.not_after_seconds(), 1_798_761_600);
        assert!(!facts.is_valid_at(UNIX_EPOCH));
        assert!(facts.is_valid_at(UNIX_EPOCH + Duration::from_secs(1_750_000_000)));
    }

    #[test]
    fn refuses_other_bytes() {
        assert_eq!(
            CertificateFacts::read(&CertificateDer::from(vec![0x30, 3, 2, 1, 1])),
            Err(NotACertificate)
        );
    }
}
