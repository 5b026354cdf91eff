//! What is checked. A name is the rule.
mod filter;
mod outage;
mod unseal;

use crate::runner::Case;

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        vec![$(Case { name: concat!(stringify!($module), "::", stringify!($name)), check: $module::$name }),*]
    };
}

/// With callers that show a certificate.
pub fn with_mtls(_long: bool) -> Vec<Case> {
    cases![
        filter::forwards_what_can_be_an_envelope_and_little_else,
        filter::no_secret_is_too_large_to_be_looked_at,
        filter::null_values_hurt_nobody,
        unseal::who_may_not_gets_neither_plaintext_nor_ciphertext_stored,
        unseal::the_right_holds_in_its_namespace_alone,
        unseal::planted_values_are_refused,
        unseal::a_wildcard_over_all_groups_holds_the_right,
        outage::plain_secrets_do_not_notice,
        outage::opened_secrets_do_not_notice,
        outage::annotated_secrets_do_not_notice,
        outage::only_sealed_writes_are_refused,
        outage::secrets_left_sealed_do_not_notice,
        outage::what_is_going_away_goes,
    ]
}

/// Through the aggregation layer.
pub fn aggregated(_long: bool) -> Vec<Case> {
    cases![
        outage::plain_secrets_do_not_notice,
        outage::only_sealed_writes_are_refused,
    ]
}
