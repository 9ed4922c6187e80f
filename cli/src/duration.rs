//! Formats durations, with a unit that leaves few digits.

use std::time::Duration;

/// Formats a duration as `340 µs`, `15.0 ms`, `1.2 s`, `2 min 5 s`.
pub fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1e-6 {
        format!("{:.0} ns", seconds * 1e9)
    } else if seconds < 1e-3 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = duration.as_secs();
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_has_the_unit_that_suits_it() {
        for (nanos, text) in [
            (75, "75 ns"),
            (340_000, "340 µs"),
            (15_000_000, "15.0 ms"),
            (999_000_000, "999.0 ms"),
            (1_230_000_000, "1.2 s"),
            (125_000_000_000, "2 min 5 s"),
        ] {
            assert_eq!(shown(Duration::from_nanos(nanos)), text);
        }
    }
}
