//! What one check found.

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    Problem,
    /// It cannot be known from here.
    Unknown,
}

impl State {
    /// The word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) message: String,
    pub(super) details: Vec<String>,
    pub(super) next_step: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, message: impl Into<String>) -> Self {
        Self {
            check,
            state,
            message: message.into(),
            details: Vec::new(),
            next_step: None,
        }
    }

    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, State::Ok, message)
    }

    pub(super) fn problem(
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            next_step: Some(next_step.into()),
            ..Self::new(check, State::Problem, message)
        }
    }

    pub(super) fn unknown(
        check: &'static str,
        message: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            next_step: Some(next_step.into()),
            ..Self::new(check, State::Unknown, message)
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
            "message": self.message,
            "details": self.details,
            "nextStep": self.next_step,
        })
    }
}
