//! What is checked. A name is the rule.
mod audit;
mod backstop;
mod beside;
mod callers;
mod cost;
mod filter;
mod forms;
mod gitops;
mod hosts;
mod layouts;
mod leaving;
mod matrix;
mod outage;
mod policy;
mod programs;
mod rights;
mod sets;
mod total;
mod unseal;

use crate::runner::Case;

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        vec![$(Case { name: concat!(stringify!($module), "::", stringify!($name)), check: $module::$name }),*]
    };
}

/// With callers that show a certificate.
pub fn with_mtls(long: bool) -> Vec<Case> {
    let mut all = cases![
        filter::forwards_what_can_be_an_envelope_and_little_else,
        filter::no_secret_is_too_large_to_be_looked_at,
        filter::null_values_hurt_nobody,
        cost::expressions_cost_what_the_table_says,
        unseal::who_may_not_gets_neither_plaintext_nor_ciphertext_stored,
        unseal::the_right_holds_in_its_namespace_alone,
        unseal::planted_values_are_refused,
        unseal::a_wildcard_over_all_groups_holds_the_right,
        sets::what_admission_opens_is_what_the_backstop_refuses_and_the_filter_forwards,
        sets::ordinary_values_pass_except_those_that_are_listed,
        matrix::every_form_is_opened_or_refused_by_the_right_of_its_writer,
        matrix::what_is_stored_is_opened_by_nobody_s_change,
        matrix::a_type_is_no_way_past,
        matrix::json_of_other_tools_never_replaces_a_live_value,
        matrix::refusals_say_why_and_what_to_do,
        backstop::never_fails_in_evaluation,
        backstop::bounds_hold_for_updates_too,
        layouts::open_on_every_way_in,
        layouts::applying_again_changes_nothing_and_asks_no_key,
        layouts::removed_keys_go,
        layouts::immutable_secrets_stay_as_they_are,
        layouts::every_type_is_served_and_checked,
        layouts::a_dead_key_wedges_nothing,
        layouts::a_restored_backup_is_accepted,
        layouts::one_bad_field_keeps_all_closed,
        layouts::other_kinds_are_not_opened,
        callers::only_the_api_server_s_certificate_opens,
        callers::plain_values_are_refused_where_all_must_be_sealed,
        callers::another_webhook_beside_ours_changes_nothing,
        hosts::a_farm_outside_is_reached_by_an_external_name,
        beside::a_change_after_ours_has_nothing_opened_twice,
        beside::a_value_written_over_stays_and_is_not_opened_twice,
        beside::what_it_seals_is_opened_or_refused_and_never_stored,
        policy::only_those_who_may_submit_are_served,
        policy::the_right_is_checked_a_second_time,
        policy::only_what_custodians_signed_is_opened,
        policy::a_policy_of_the_api_server_can_ask_for_annotations,
        gitops::flux_sees_no_drift_in_either_layout,
        gitops::flux_stops_at_one_refusal_and_deletes_nothing,
        gitops::argo_cd_s_answers_are_those_of_the_table,
        gitops::helm_carries_sealed_values,
        gitops::kustomize_s_generated_names_open,
        gitops::a_second_manager_conflicts_in_the_field_layout_alone,
        gitops::large_values_need_server_side_apply_or_the_field_layout,
        audit::the_api_server_s_own_audit_log_holds_plaintext_above_metadata,
        audit::impersonation_shows,
        audit::each_review_has_its_line,
        leaving::doctor_finds_a_healthy_cluster_healthy,
        leaving::doctor_tells_the_breaks_of_the_way_apart,
        leaving::what_render_prints_is_accepted,
        leaving::a_deleted_registration_loses_nothing,
        leaving::uninstalling_keeps_the_backstop_and_blocks_nobody,
        leaving::an_upgrade_changes_nothing_for_anybody,
        leaving::what_came_before_the_webhook_is_found_and_healed,
        rights::a_token_secret_needs_the_right_to_create_tokens,
        rights::doctor_finds_each_change_of_what_render_prints,
        rights::those_who_can_become_the_deployer_are_listed_and_can,
        rights::the_documented_way_out_deletes_no_key,
        outage::plain_secrets_do_not_notice,
        outage::signed_tokens_are_stored,
        outage::opened_secrets_do_not_notice,
        outage::annotated_secrets_do_not_notice,
        outage::only_sealed_writes_are_refused,
        outage::secrets_left_sealed_do_not_notice,
        outage::what_is_going_away_goes,
        total::namespaces_do_not_notice_without_the_aggregation_layer,
        programs::what_the_user_brings_is_taken,
        programs::one_command_starts_the_lab_and_one_enters_it,
    ];
    if long {
        all.extend(cases![backstop::never_fails_in_evaluation_in_long_runs]);
    }
    all
}

/// Through the aggregation layer.
pub fn aggregated(long: bool) -> Vec<Case> {
    let mut all = cases![
        callers::only_the_api_server_s_own_call_opens,
        callers::people_get_nothing_directly_or_through_the_api_server,
        hosts::a_farm_outside_is_reached_by_an_external_name,
        callers::who_may_act_as_the_api_server_gets_through_and_is_seen,
        callers::discovery_is_healthy,
        callers::plain_values_are_refused_where_all_must_be_sealed,
        unseal::who_may_not_gets_neither_plaintext_nor_ciphertext_stored,
        layouts::open_on_every_way_in,
        audit::the_api_server_s_own_audit_log_holds_plaintext_above_metadata,
        audit::impersonation_shows,
        beside::a_change_after_ours_has_nothing_opened_twice,
        leaving::doctor_finds_a_healthy_cluster_healthy,
        leaving::doctor_tells_the_breaks_of_the_way_apart,
        leaving::uninstalling_keeps_the_backstop_and_blocks_nobody,
        rights::doctor_finds_each_change_of_what_render_prints,
        rights::the_documented_way_out_deletes_no_key,
        outage::plain_secrets_do_not_notice,
        outage::signed_tokens_are_stored,
        outage::opened_secrets_do_not_notice,
        outage::annotated_secrets_do_not_notice,
        outage::only_sealed_writes_are_refused,
        callers::a_total_outage_passes,
        total::namespaces_wait_for_the_webhook_and_go_by_themselves,
    ];
    if long {
        all.extend(cases![total::namespaces_go_after_long_outages_too]);
    }
    all
}

/// With the webhook on the API server's own host.
pub fn on_one_host() -> Vec<Case> {
    cases![
        hosts::everybody_on_this_host_may_ask_and_nobody_else_can,
        layouts::open_on_every_way_in,
        unseal::who_may_not_gets_neither_plaintext_nor_ciphertext_stored,
        outage::plain_secrets_do_not_notice,
        outage::signed_tokens_are_stored,
        outage::only_sealed_writes_are_refused,
        callers::plain_values_are_refused_where_all_must_be_sealed,
    ]
}

/// Every check, for a cluster from a kubeconfig; those that need more of it say so and are skipped.
pub fn in_a_given_cluster(long: bool) -> Vec<Case> {
    let mut all = with_mtls(long);
    for case in aggregated(long) {
        if !all.iter().any(|other| other.name == case.name) {
            all.push(case);
        }
    }
    all
}
