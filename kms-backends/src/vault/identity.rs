//! The login: once for all keys, renewed at two thirds of the lease, repeated when Vault answers 403.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::token::requests::RenewTokenSelfRequest;
use zeroize::Zeroizing;

use super::error::{VaultOperation, status_error, transport_error, unexpected_answer};
use super::options::{Token, VaultAuth};
use super::transport::{Transport, VaultResponse};
use super::wire::{self, Lease};
use crate::error::{Category, UnwrapError};
use crate::sync::lock;

/// After a login that a 403 led to, 403 means "this key is not for you". So long is such a login fresh.
const FRESH: Duration = Duration::from_secs(5);
/// Between two attempts to renew, while Vault is away.
const RENEW_PAUSE: Duration = Duration::from_secs(5);
/// Longer than any token.
const MOST_TOKEN_BYTES: u64 = 64 << 10;

/// A token and its lease.
pub(super) struct Session {
    token: Token,
    /// Sessions count from 1, so that two who see the same 403 log in once.
    number: u64,
    began: Instant,
    /// `None`: without end, as far as is known.
    lease: Option<Duration>,
    renewable: bool,
}

impl Session {
    pub(super) fn token(&self) -> &str {
        self.token.expose()
    }

    fn ended(&self, now: Instant) -> bool {
        self.lease
            .is_some_and(|lease| now.duration_since(self.began) >= lease)
    }

    fn due(&self, now: Instant) -> bool {
        self.lease
            .is_some_and(|lease| now.duration_since(self.began) >= lease * 2 / 3)
    }

    /// Whether a 403 means what it says, and not that the token has ended: on its way, say, near the end of a short lease.
    fn is_meant(&self, relogin: Option<u64>, now: Instant) -> bool {
        relogin == Some(self.number) && now.duration_since(self.began) < FRESH && !self.due(now)
    }
}

/// Who we are to Vault.
pub(super) struct VaultLogin {
    auth: VaultAuth,
    transport: Arc<Transport>,
    current: Mutex<Current>,
    /// Held by the one who logs in.
    turn: tokio::sync::Mutex<()>,
    renewing: AtomicBool,
}

#[derive(Default)]
struct Current {
    session: Option<Arc<Session>>,
    sessions: u64,
    /// The session that a 403 last led to, by number.
    relogin: Option<u64>,
    renew_not_before: Option<Instant>,
}

impl VaultLogin {
    pub(super) fn new(auth: VaultAuth, transport: Arc<Transport>) -> Arc<Self> {
        Arc::new(Self {
            auth,
            transport,
            current: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            renewing: AtomicBool::new(false),
        })
    }

    /// The current session; logs in when there is none, renews in the background when it is time.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Arc<Session>, UnwrapError> {
        let now = Instant::now();
        let present = lock(&self.current).session.clone();
        match present {
            Some(session) if !session.ended(now) => {
                if session.due(now) {
                    self.renew_in_the_background(&session);
                }
                Ok(session)
            }
            _ => self.log_in(0).await,
        }
    }

    /// Another session than `refused`, which got a 403. `None` when that session came of another 403 a moment ago, so that the
    /// refusal is meant.
    pub(super) async fn another(
        self: &Arc<Self>,
        refused: &Session,
    ) -> Result<Option<Arc<Session>>, UnwrapError> {
        if refused.is_meant(lock(&self.current).relogin, Instant::now()) {
            return Ok(None);
        }
        let session = self.log_in(refused.number).await?;
        lock(&self.current).relogin = Some(session.number);
        Ok(Some(session))
    }

    /// A session newer than `than`; the first caller logs in.
    async fn log_in(self: &Arc<Self>, than: u64) -> Result<Arc<Session>, UnwrapError> {
        let _turn = self.turn.lock().await;
        let now = Instant::now();
        let present = lock(&self.current).session.clone();
        if let Some(session) = present.filter(|s| s.number > than && !s.ended(now)) {
            return Ok(session);
        }
        let lease = self.authenticate().await?;
        let token = lease
            .token
            .clone()
            .ok_or_else(|| unexpected_answer("the login"))?;
        Ok(self.keep(token, &lease, now))
    }

    fn keep(&self, token: Token, lease: &Lease, began: Instant) -> Arc<Session> {
        let mut current = lock(&self.current);
        current.sessions += 1;
        current.renew_not_before = None;
        let session = Arc::new(Session {
            token,
            number: current.sessions,
            began,
            lease: (lease.seconds > 0).then(|| Duration::from_secs(lease.seconds)),
            renewable: lease.renewable,
        });
        current.session = Some(Arc::clone(&session));
        session
    }

    async fn authenticate(&self) -> Result<Lease, UnwrapError> {
        const WHAT: &str = "this webhook's identity";
        let answer = match &self.auth {
            VaultAuth::Token(token) => return Ok(self.static_lease(token.clone()).await),
            VaultAuth::TokenFile(file) => return Ok(self.static_lease(read(file)?).await),
            VaultAuth::Kubernetes {
                mount,
                role,
                token_file,
            } => {
                let login = LoginWithKubernetesRequest::builder()
                    .mount(mount)
                    .role(role)
                    .jwt(read(token_file)?.expose())
                    .build()
                    .map_err(|_| not_made())?;
                self.transport.send(login, None).await
            }
            VaultAuth::Jwt {
                mount,
                role,
                token_file,
            } => {
                let mut login = JWTLoginRequest::builder();
                login.mount(mount).jwt(read(token_file)?.expose());
                if let Some(role) = role {
                    login.role(role);
                }
                let login = login.build().map_err(|_| not_made())?;
                self.transport.send(login, None).await
            }
        };
        let answer = answer.map_err(|error| transport_error(error, "the login"))?;
        success(VaultOperation::Login, &answer, WHAT)?;
        wire::lease(&answer.body).ok_or_else(|| unexpected_answer("the login"))
    }

    /// A token from elsewhere does not show its lease. A renewal does, if the token may renew itself.
    async fn static_lease(&self, token: Token) -> Lease {
        let unknown = Lease {
            token: Some(token.clone()),
            seconds: 0,
            renewable: false,
        };
        match self.renewed(&token).await {
            Ok(lease) => Lease {
                token: Some(token),
                ..lease
            },
            Err(_) => unknown,
        }
    }

    async fn renewed(&self, token: &Token) -> Result<Lease, UnwrapError> {
        let renewal = RenewTokenSelfRequest::builder()
            .build()
            .map_err(|_| not_made())?;
        let answer = self
            .transport
            .send(renewal, Some(token.expose()))
            .await
            .map_err(|error| transport_error(error, "the renewal"))?;
        success(VaultOperation::Renew, &answer, "the renewal")?;
        wire::lease(&answer.body).ok_or_else(|| unexpected_answer("the renewal"))
    }

    /// One at a time; the present token serves on meanwhile.
    fn renew_in_the_background(self: &Arc<Self>, session: &Arc<Session>) {
        let now = Instant::now();
        if lock(&self.current)
            .renew_not_before
            .is_some_and(|at| now < at)
            || self.renewing.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let renewal = Renewal(Arc::clone(self));
        let session = Arc::clone(session);
        tokio::spawn(async move {
            renewal.0.renew(&session).await;
            drop(renewal);
        });
    }

    async fn renew(self: &Arc<Self>, session: &Session) {
        let began = Instant::now();
        if session.renewable
            && let Ok(lease) = self.renewed(&session.token).await
        {
            // Near its greatest age a token's leases get shorter; then it is time for a new one.
            let long_enough = session
                .lease
                .is_none_or(|before| Duration::from_secs(lease.seconds) * 2 > before);
            if long_enough || self.auth.is_static() {
                self.keep(session.token.clone(), &lease, began);
                return;
            }
        }
        if self.log_in(session.number).await.is_err() {
            lock(&self.current).renew_not_before = Some(Instant::now() + RENEW_PAUSE);
        }
    }
}

/// Ends a renewal also when its task is dropped.
struct Renewal(Arc<VaultLogin>);

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.renewing.store(false, Ordering::Release);
    }
}

impl fmt::Debug for VaultLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultLogin")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

fn success(
    operation: VaultOperation,
    answer: &VaultResponse,
    what: &str,
) -> Result<(), UnwrapError> {
    if (200..=299).contains(&answer.status) {
        return Ok(());
    }
    Err(status_error(operation, answer, what))
}

fn not_made() -> UnwrapError {
    UnwrapError::new(
        Category::Misconfigured,
        "the request to Vault cannot be made",
    )
}

/// The token in `file`, without spaces around it.
fn read(file: &Path) -> Result<Token, UnwrapError> {
    let unusable = |why: String| {
        UnwrapError::new(
            Category::Misconfigured,
            format!("the token file {} {why}", file.display()),
        )
    };
    let opened =
        std::fs::File::open(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    opened
        .take(MOST_TOKEN_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?;
    Token::new(text.trim().to_owned()).ok_or_else(|| unusable("contains no token".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_meant_only_by_a_young_token_that_a_refusal_led_to() {
        let began = Instant::now();
        let session = |lease: u64| Session {
            token: Token::new("hvs.x".to_owned()).unwrap(),
            number: 2,
            began,
            lease: Some(Duration::from_secs(lease)),
            renewable: true,
        };
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        assert!(session(600).is_meant(Some(2), at(1)));
        // Some other login: its token may have been revoked.
        assert!(!session(600).is_meant(None, at(1)));
        assert!(!session(600).is_meant(Some(1), at(1)));
        // Too long ago to know.
        assert!(!session(600).is_meant(Some(2), at(5)));
        // A short lease near its end: the token may have ended on its way.
        assert!(session(3).is_meant(Some(2), at(1)));
        assert!(!session(3).is_meant(Some(2), at(2)));
    }
}
