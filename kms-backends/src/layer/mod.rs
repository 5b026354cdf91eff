//! Layers around a key service, each itself a [`KeyUnwrap`](crate::KeyUnwrap).

mod breaker;

pub use breaker::BreakerState;
