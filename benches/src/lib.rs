//! What the measurements share: certificates, a review shaped like the API server's, a load
//! generator, a no-op server to compare with.
//!
//! Nothing here is part of the product. `docs/performance.md` says how to run it and what it gave.
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]
#![allow(
    clippy::missing_errors_doc,
    reason = "every error here ends the measurement with its text"
)]
#![allow(
    clippy::missing_panics_doc,
    reason = "a broken invariant ends the measurement"
)]

pub mod load;
pub mod noop;
pub mod review;
pub mod setup;
pub mod wrk;
