//! What a process has to itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(2);

/// Returns the anonymous memory of this process, in bytes: heap and stacks, without maps of files.
pub fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

pub fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "less than 2 to the 52nd")]
    let bytes = bytes as f64;
    bytes / f64::from(1 << 20)
}

/// Looks at the anonymous memory again and again.
pub struct Watch {
    most: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    pub fn start() -> Self {
        let (most, ends) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (own, end) = (Arc::clone(&most), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                own.fetch_max(anonymous(), Ordering::Relaxed);
                std::thread::sleep(PAUSE);
            }
        });
        Self { most, ends, thread }
    }

    /// Ends the watch, and returns the most that was seen, in bytes.
    pub fn most(self) -> u64 {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.most.load(Ordering::Relaxed).max(anonymous())
    }
}
