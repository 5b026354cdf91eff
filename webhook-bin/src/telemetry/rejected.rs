//! Why callers are not served, as the log and the metrics say it.

/// Why a caller is not served. Counted by [`CallerRejected::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CallerRejected {
    /// The client certificate was good when the connection began and is no longer.
    #[error("the client certificate is no longer trusted")]
    Distrusted,
    /// The headers that say who called are doubled or damaged.
    #[error("the headers that say who called contradict each other")]
    Headers,
    /// The client presented no certificate, or one that the authority did not sign.
    #[error("no trusted client certificate")]
    Handshake,
    /// The API server hands on the question of someone else than itself.
    #[error("the API server passes on a request that is not its own")]
    Identity,
    /// The certificate is trusted and carries none of the allowed names.
    #[error("the client certificate carries none of the allowed names")]
    Name,
    /// The connection does not come from the loopback interface.
    #[error("callers must come from the loopback interface")]
    NotLoopback,
}

impl CallerRejected {
    pub(crate) const ALL: [Self; 6] = [
        Self::Distrusted,
        Self::Headers,
        Self::Handshake,
        Self::Identity,
        Self::Name,
        Self::NotLoopback,
    ];

    /// The label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Distrusted => "distrusted",
            Self::Headers => "headers",
            Self::Handshake => "handshake",
            Self::Identity => "identity",
            Self::Name => "name",
            Self::NotLoopback => "not-loopback",
        }
    }
}
