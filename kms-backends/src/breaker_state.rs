//! What a breaker lets through, for observers.

/// What the breaker lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Every call.
    Closed,
    /// One call, to see whether the service is back.
    HalfOpen,
    /// None.
    Open,
}

impl BreakerState {
    /// A stable word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}
