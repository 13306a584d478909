//! What dialogues, kernels and hosts cost. Prints `name value unit`, one figure a line.
//!
//! `cargo bench -p clawnet-net --bench host [-- NAME...]` runs all, or those whose name begins so;
//! those over TLS need `--features tokio`. `CLAWNET_SCALE=full` makes the town of `scale` ten times
//! as large: ten thousand owners, a million contacts. It takes some GB of disk.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock and files")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded when printed")]
#![expect(clippy::indexing_slicing, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::time::{Duration, Instant};

mod flood;
mod scale;
mod town;
mod turns;
#[cfg(feature = "tokio")]
mod tls;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |names: &[&str]| {
        let named = |want: &String| names.iter().any(|name| name.starts_with(want.as_str()));
        wanted.is_empty() || wanted.iter().any(named)
    };
    if runs(&["turns_memory"]) {
        print("turns_memory", turns::memory(2), "1/s");
        print("turns_memory_1", turns::memory(1), "1/s");
    }
    if runs(&["turns_durable_64"]) {
        print("turns_durable_64", turns::durable(64), "1/s");
    }
    if runs(&["open_cold_owner"]) {
        scale::open_cold_owner();
    }
    if runs(&["flood_p99_ratio"]) {
        flood::flood();
    }
    #[cfg(feature = "tokio")]
    if runs(&["turns_tls", "turns_tls_ratio"]) {
        tls::turns();
    }
    if runs(&["scale_rss", "decision_p99"]) {
        scale::scale();
    }
}

fn print(name: &str, value: f64, unit: &str) {
    let digits = if value < 100.0 { 2 } else { 0 };
    println!("{name} {value:.digits$} {unit}");
}

fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

/// The value below which so many of a hundred are.
fn percentile(mut values: Vec<Duration>, per_cent: usize) -> Duration {
    values.sort_unstable();
    let place = (values.len() * per_cent / 100).min(values.len().saturating_sub(1));
    values.get(place).copied().unwrap_or_default()
}
