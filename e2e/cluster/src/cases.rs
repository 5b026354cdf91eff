//! What is checked. A name is the rule.
mod outage;

use crate::runner::Case;

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        vec![$(Case { name: concat!(stringify!($module), "::", stringify!($name)), check: $module::$name }),*]
    };
}

/// With callers that show a certificate.
pub fn with_mtls(_long: bool) -> Vec<Case> {
    cases![outage::plain_secrets_do_not_notice]
}

/// Through the aggregation layer.
pub fn aggregated(_long: bool) -> Vec<Case> {
    vec![]
}
