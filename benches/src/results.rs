//! What the benchmark programs measured, kept in files of the target folder, so that the report is made of one run of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{env, fs, io};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The figures of one run of one program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    /// Number of films.
    pub rows: usize,
    /// Model of the processor, number of processors, memory.
    pub machine: String,
    /// When the run ended, such as 21 November 2026.
    pub date: String,
    /// By name: durations in nanoseconds, sizes in bytes, shares as they are.
    pub figures: BTreeMap<String, f64>,
    #[serde(skip, default = "SystemTime::now")]
    started: SystemTime,
}

/// What Criterion keeps of a benchmark.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<BTreeMap<String, u64>>,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

impl Results {
    /// Returns the results of a run that begins.
    pub fn new(rows: usize) -> Self {
        let machine = machine();
        Self { rows, machine, date: String::new(), figures: BTreeMap::new(), started: SystemTime::now() }
    }

    /// Adds a duration.
    pub fn add(&mut self, name: &str, duration: Duration) {
        self.add_number(name, duration.as_secs_f64() * 1e9);
    }

    /// Adds a number.
    pub fn add_number(&mut self, name: &str, number: f64) {
        self.figures.insert(name.to_owned(), number);
    }

    /// Adds the medians that Criterion wrote since the run began: by iteration, and by element as `NAME, each`.
    ///
    /// # Errors
    /// Those of files that cannot be read.
    pub fn add_criterion(&mut self) -> io::Result<()> {
        let mut folders = vec![target().join("criterion")];
        while let Some(folder) = folders.pop() {
            let (benchmark, estimates) = (folder.join("benchmark.json"), folder.join("estimates.json"));
            if folder.ends_with("new") && fs::metadata(&estimates).is_ok_and(|file| self.is_new(&file)) {
                let benchmark: Benchmark = serde_json::from_slice(&fs::read(benchmark)?)?;
                let estimates: Estimates = serde_json::from_slice(&fs::read(estimates)?)?;
                let median = estimates.median.point_estimate;
                if let Some(elements) = benchmark.throughput.and_then(|all| all.get("Elements").copied()) {
                    #[expect(clippy::cast_precision_loss, reason = "a few millions")]
                    self.add_number(&format!("{}, each", benchmark.full_id), median / elements as f64);
                }
                self.add_number(&benchmark.full_id, median);
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(())
    }

    fn is_new(&self, file: &fs::Metadata) -> bool {
        file.modified().is_ok_and(|modified| modified >= self.started)
    }

    /// Writes the results of a program's run, in place of those of the run before.
    ///
    /// # Errors
    /// Those of a file that cannot be written.
    pub fn write(mut self, program: &str) -> io::Result<()> {
        self.date = DateTime::<Utc>::from(SystemTime::now()).format("%-d %B %Y").to_string();
        let path = path(program);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(&path, serde_json::to_vec_pretty(&self)?)
    }

    /// Reads what the last run of a program wrote.
    ///
    /// # Errors
    /// `NotFound` if it did not run yet.
    pub fn read(program: &str) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path(program))?)?)
    }
}

fn path(program: &str) -> PathBuf {
    target().join("benchmarks").join(program).with_extension("json")
}

fn target() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
}

/// Returns what this machine is, as far as Linux tells.
fn machine() -> String {
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
        value.map_or_else(|| format!("unknown {name}"), |(_, value)| value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = line("/proc/meminfo", "MemTotal");
    let gibibytes = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).div_ceil(1 << 20);
    format!("{}, {processors} processors, {gibibytes} GiB", line("/proc/cpuinfo", "model name"))
}
