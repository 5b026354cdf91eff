//! `aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID`

use std::fmt;

use super::parts::is_word;

const FORM: &str = "write `aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID`, the key's full ARN";

/// The ARN of one AWS KMS key. An alias is not accepted: anyone who may move it would choose the key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AwsKey {
    arn: String,
    region: String,
}

impl AwsKey {
    pub(super) fn parse(rest: &str) -> Result<Self, &'static str> {
        let arn = rest.strip_prefix("//").ok_or(FORM)?;
        let parts: Vec<_> = arn.split(':').collect();
        let ["arn", partition, "kms", region, account, resource] = parts[..] else {
            return Err(FORM);
        };
        if resource.starts_with("alias/") {
            return Err(
                "an alias can be moved to another key; write the key's ARN, as `aws kms describe-key` prints it",
            );
        }
        let id = resource.strip_prefix("key/").ok_or(FORM)?;
        let legal = partition.starts_with("aws")
            && is_word(partition, 24, b"-")
            && is_word(region, 32, b"-")
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && is_word(id, 64, b"-");
        if !legal {
            return Err(FORM);
        }
        Ok(Self {
            arn: arn.to_owned(),
            region: region.to_owned(),
        })
    }

    /// The whole ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The region within it.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl fmt::Display for AwsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}
