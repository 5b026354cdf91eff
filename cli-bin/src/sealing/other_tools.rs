//! Values that another tool has encrypted: sealed over, they would reach applications as ciphertext.
use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// A tool that encrypts values or files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherTool {
    /// age, armored or not.
    Age,
    /// Ansible Vault.
    AnsibleVault,
    /// A file that git-crypt has not decrypted.
    GitCrypt,
    /// OpenPGP, as git-secret and others use it.
    OpenPgp,
    /// Bitnami Sealed Secrets.
    SealedSecrets,
    /// SOPS.
    Sops,
}

impl OtherTool {
    /// The tool whose ciphertext this is, by how it begins.
    pub fn of(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let begins = [
            (&b"ENC[AES256_GCM,data:"[..], Self::Sops),
            (b"$ANSIBLE_VAULT;", Self::AnsibleVault),
            (b"-----BEGIN AGE ENCRYPTED FILE-----", Self::Age),
            (b"age-encryption.org/v", Self::Age),
            (b"-----BEGIN PGP MESSAGE-----", Self::OpenPgp),
            (b"\0GITCRYPT\0", Self::GitCrypt),
        ];
        begins
            .into_iter()
            .find(|(begin, _)| value.starts_with(begin))
            .map(|(_, tool)| tool)
            .or_else(|| is_sealed_secret(value).then_some(Self::SealedSecrets))
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::AnsibleVault => "Ansible Vault",
            Self::GitCrypt => "git-crypt",
            Self::OpenPgp => "OpenPGP",
            Self::SealedSecrets => "Sealed Secrets",
            Self::Sops => "SOPS",
        }
    }

    /// How to get the value back.
    pub fn next(self) -> &'static str {
        match self {
            Self::Age => "decrypt it first with its own tool: age --decrypt",
            Self::AnsibleVault => "decrypt it first with its own tool: ansible-vault decrypt",
            Self::GitCrypt => "decrypt it first with its own tool: git-crypt unlock",
            Self::OpenPgp => "decrypt it first with its own tool: gpg --decrypt",
            Self::SealedSecrets => {
                "import the SealedSecret: privy import --open-with KEYS FILE (docs/migrate.md)"
            }
            Self::Sops => {
                "decrypt the file first with its own tool: sops --decrypt; or import it: privy import FILE"
            }
        }
    }

    /// The refusal to seal such a value.
    pub fn refuse(self, what: &str) -> Failure {
        Failure::refused(anyhow!(
            "{what} is encrypted with {} already; sealed over, applications would get the ciphertext",
            self.name()
        ))
        .hint(self.next())
    }
}

/// Base64 of a session key that an RSA key of 4096 bits wraps, with its length before it, and the ciphertext.
fn is_sealed_secret(value: &[u8]) -> bool {
    const WRAPPED: usize = 512;
    const TAG: usize = 16;
    if !value.starts_with(b"Ag") || value.len() < (2 + WRAPPED + TAG) * 4 / 3 {
        return false;
    }
    STANDARD
        .decode(value)
        .is_ok_and(|bytes| bytes.starts_with(&[2, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphertext_of_other_tools_is_known_by_how_it_begins() {
        let mut sealed = vec![2, 0];
        sealed.resize(600, 7);
        for (value, tool) in [
            (
                &b"ENC[AES256_GCM,data:7ew99FdoYQ==,iv:LSUj=,tag:caRi==,type:str]"[..],
                Some(OtherTool::Sops),
            ),
            (
                b"$ANSIBLE_VAULT;1.1;AES256\n6638",
                Some(OtherTool::AnsibleVault),
            ),
            (
                b"\n-----BEGIN AGE ENCRYPTED FILE-----\n",
                Some(OtherTool::Age),
            ),
            (b"age-encryption.org/v1\n-> X25519", Some(OtherTool::Age)),
            (b"-----BEGIN PGP MESSAGE-----\n", Some(OtherTool::OpenPgp)),
            (b"\0GITCRYPT\0abc", Some(OtherTool::GitCrypt)),
            (
                STANDARD.encode(&sealed).as_bytes(),
                Some(OtherTool::SealedSecrets),
            ),
            (b"ENC[", None),
            (b"Again", None),
            (b"-----BEGIN PRIVATE KEY-----", None),
            (b"hunter2", None),
        ] {
            assert_eq!(OtherTool::of(value), tool);
        }
    }
}
