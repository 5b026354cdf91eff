//! What the operating system may do with this process, and what it says of it.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Keeps secrets out of core dumps and away from debuggers of the same user, and asks for as many open
/// files as we may have. What fails is logged: a container may forbid it, and serving goes on.
pub(crate) fn harden() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{
            DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
        };

        let no_core = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        if let Err(error) = setrlimit(Resource::Core, no_core) {
            tracing::warn!(%error, "core dumps could not be switched off");
        }
        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::warn!(%error, "the process could not be made undumpable");
        }
        let files = getrlimit(Resource::Nofile);
        let more = Rlimit {
            current: files.maximum,
            ..files
        };
        if files.current != files.maximum
            && let Err(error) = setrlimit(Resource::Nofile, more)
        {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
        if rustix::process::geteuid().is_root() {
            tracing::warn!("running as root, which nothing here needs");
        }
    }
}

/// The `process_*` metrics that every Prometheus client offers, read from `/proc` at each scrape.
/// Elsewhere than on Linux there are none.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(usage) = Usage::read() else {
            return Ok(());
        };
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = ConstGauge::new(value);
            let metric_encoder = encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            metric.encode(metric_encoder)
        };
        gauge(
            "process_resident_memory_bytes",
            "Resident memory",
            usage.resident_bytes,
        )?;
        gauge("process_open_fds", "Open file descriptors", usage.open_fds)?;
        gauge("process_threads", "Threads", usage.threads)?;
        gauge(
            "process_start_time_seconds",
            "When the process began, on the Unix clock",
            usage.start_time,
        )?;
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu_seconds",
            "Processor time used",
            None,
            prometheus_client::metrics::MetricType::Counter,
        )?)
    }
}

#[derive(Debug)]
struct Usage {
    cpu_seconds: f64,
    resident_bytes: f64,
    open_fds: f64,
    threads: f64,
    start_time: f64,
}

impl Usage {
    #[cfg(target_os = "linux")]
    #[allow(
        clippy::cast_precision_loss,
        reason = "metrics are floating-point numbers"
    )]
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = boot
            .lines()
            .find_map(|line| line.strip_prefix("btime "))?
            .trim()
            .parse()
            .ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks,
            resident_bytes: (field(24)? * rustix::param::page_size() as u64) as f64,
            open_fds: std::fs::read_dir("/proc/self/fd").ok()?.count() as f64,
            threads: field(20)? as f64,
            start_time: boot as f64 + field(22)? as f64 / ticks,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> Option<Self> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usage_of_this_process() {
        let usage = Usage::read().expect("usage");
        assert!(usage.resident_bytes > 100_000.0);
        assert!(usage.open_fds >= 3.0);
        assert!(usage.threads >= 1.0);
        assert!(usage.start_time > 1.6e9);
    }

    #[test]
    fn switches_core_dumps_off() {
        harden();
        let core = rustix::process::getrlimit(rustix::process::Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        assert_eq!(
            rustix::process::dumpable_behavior().ok(),
            Some(rustix::process::DumpableBehavior::NotDumpable)
        );
    }
}
