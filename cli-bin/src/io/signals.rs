//! The signals that end a process unless it does something about them.
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;

/// Catches them all. One that the system keeps to itself (`EINVAL`, as under an instrumenting tool) cannot be caught.
pub(crate) fn catch_terminating() -> io::Result<Signals> {
    let signals = Signals::new([0; 0])?;
    let handle = signals.handle();
    for signal in terminating() {
        match handle.add_signal(signal) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            caught => caught?,
        }
    }
    Ok(signals)
}

/// Every one that can be caught: not SIGKILL, nor the three that a fault of the program itself raises. SIGPIPE is
/// ignored by every Rust program.
fn terminating() -> Vec<i32> {
    let mut signals = vec![
        SIGABRT, SIGALRM, SIGBUS, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP,
        SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
    ];
    #[cfg(target_os = "linux")]
    {
        use rustix::process::Signal;
        signals.extend([
            Signal::IO.as_raw(),
            Signal::POWER.as_raw(),
            Signal::STKFLT.as_raw(),
        ]);
        // Real-time signals; those before are the C library's own.
        signals.extend(35..=64);
    }
    signals
}

/// Ends the process as the signal would have, or, where it is not known how, with the exit code that shells make of it.
pub(crate) fn end_by(signal: i32) {
    let _ = emulate_default_handler(signal);
    std::process::exit(128 + signal);
}
