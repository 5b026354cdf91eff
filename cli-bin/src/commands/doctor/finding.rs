//! What one check found.

use super::cluster::KubectlOutput;
use crate::text::one_line;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckState {
    Ok,
    Problem,
    /// It was tried, and the answer does not tell.
    Unknown,
    /// It was not asked for: a flag is missing.
    Skipped,
}

impl CheckState {
    pub(super) const ALL: [Self; 4] = [Self::Ok, Self::Problem, Self::Unknown, Self::Skipped];

    /// The word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug)]
pub(super) struct CheckResult {
    pub(super) check: &'static str,
    pub(super) state: CheckState,
    pub(super) message: String,
    pub(super) details: Vec<String>,
    pub(super) next_step: Option<String>,
}

impl CheckResult {
    fn new(check: &'static str, state: CheckState, message: impl Into<String>) -> Self {
        Self {
            check,
            state,
            message: message.into(),
            details: Vec::new(),
            next_step: None,
        }
    }

    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, CheckState::Ok, message)
    }

    pub(super) fn problem(
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            next_step: Some(next_step.into()),
            ..Self::new(check, CheckState::Problem, message)
        }
    }

    pub(super) fn unknown(
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            next_step: Some(next_step.into()),
            ..Self::new(check, CheckState::Unknown, message)
        }
    }

    pub(super) fn skipped(
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            next_step: Some(next_step.into()),
            ..Self::new(check, CheckState::Skipped, message)
        }
    }

    pub(super) fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "check": self.check,
            "state": self.state.as_str(),
            "message": one_line(&self.message),
            "details": self.details.iter().map(|detail| one_line(detail)).collect::<Vec<_>>(),
            "nextStep": self.next_step.as_deref().map(one_line),
        })
    }
}

/// What cannot be known because kubectl refused to say.
pub(super) fn unreadable(check: &'static str, what: &str, output: &KubectlOutput) -> CheckResult {
    CheckResult::unknown(
        check,
        format!("{what} cannot be read: {}", output.error()),
        "run it again with the rights of a cluster administrator",
    )
}
