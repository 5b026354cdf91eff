//! The command line. Every flag has an environment variable, for containers.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::telemetry::LogFormat;

/// Opens sealed Secrets on their way into a cluster
///
/// Answers the API server's admission reviews on /mutate: values sealed with a served key are opened with the
/// key service that holds its private half, and everything else is left alone or refused with a reason.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "privy-webhook",
    version,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 ended as asked, 1 refused or found something, 2 wrong usage or configuration, 3 key service not available"
)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        env = "PRIVY_WEBHOOK_CONFIG",
        required = true
    )]
    pub config: Option<PathBuf>,

    /// Serve callers that prove nothing, where the configuration names no way to. Anyone who reaches the port can
    /// then have values opened
    #[arg(long, env = "PRIVY_WEBHOOK_ALLOW_UNAUTHENTICATED_CALLERS")]
    pub allow_unauthenticated_callers: bool,

    /// What to log: a level, or targets with levels such as `info,kms_backends=debug`
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "info",
        env = "PRIVY_WEBHOOK_LOG"
    )]
    pub log: String,

    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        env = "PRIVY_WEBHOOK_LOG_FORMAT"
    )]
    pub log_format: LogFormat,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Read the configuration and every file that it names, and say what is wrong or what would be served
    CheckConfig {
        /// The configuration file
        #[arg(value_name = "FILE", required_unless_present = "config")]
        file: Option<PathBuf>,

        /// The configuration file
        #[arg(
            long,
            value_name = "FILE",
            env = "PRIVY_WEBHOOK_CONFIG",
            conflicts_with = "file"
        )]
        config: Option<PathBuf>,

        /// Accept a configuration that names no way for callers to prove themselves
        #[arg(long, env = "PRIVY_WEBHOOK_ALLOW_UNAUTHENTICATED_CALLERS")]
        allow_unauthenticated_callers: bool,

        /// Also ask each key service for its public key, and compare it with the configured one
        #[arg(long)]
        probe: bool,
    },
}
