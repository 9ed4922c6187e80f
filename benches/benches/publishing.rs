//! Publishing a million films: how long, how much memory, how many bytes; and what one more reading process costs.
//!
//! `KAPOK_ROWS` sets the number of films (default 1,000,000), `KAPOK_RUNS` that of runs (default 5; medians are printed).
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark stops where something is wrong")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use capnp::message;
use kapok_benches::Movies;
use kapok_benches::results::Results;
use kapok_consumer::Consumer;
use kapok_producer::{CycleReport, Producer};
use kapok_samples::movies_capnp::movie;
use tokio::runtime::Runtime;

#[path = "publishing/lmdb.rs"]
mod lmdb;

const SEED: u64 = 42;
const PROCESSES: usize = 4;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runtime = Runtime::new().unwrap();
    if let Some("read-everything") = arguments.next().as_deref() {
        return read_everything(&runtime, &arguments.next().unwrap());
    }
    let rows = number("KAPOK_ROWS", 1_000_000);
    let runs = number("KAPOK_RUNS", 5);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut results = Results::new(rows);
    println!("{rows} films, {threads} processors, medians of {runs} runs");

    let making = print_median("making the records alone, 1 thread", runs, || {
        let mut scratch = capnp::Word::allocate_zeroed_vec(1024);
        let mut source = Movies::new(SEED);
        let started = Instant::now();
        for _ in 0..rows {
            let scratch = message::ScratchSpaceHeapAllocator::new(capnp::Word::words_to_bytes_mut(&mut scratch));
            let mut message = message::Builder::new(scratch);
            source.draft().fill(message.init_root());
            black_box(message.get_segments_for_output().len());
        }
        started.elapsed()
    });
    results.add("making", making);
    for writers in [1, threads] {
        let mut reports = Vec::new();
        let mut peaks = Vec::new();
        print_median(&format!("publish, {writers} populating thread(s)"), runs, || {
            let folder = tempfile::tempdir().unwrap();
            let (report, peak) = publish(&runtime, folder.path(), rows, writers);
            let elapsed = report.steps.total();
            peaks.push(peak);
            reports.push(report);
            elapsed
        });
        reports.sort_by_key(|report| report.steps.total());
        let report = &reports[reports.len() / 2];
        let steps = report.steps;
        println!(
            "    populate {:?}, write {:?}, verify {:?}, commit {:?}, announce {:?}",
            steps.populate, steps.write, steps.verify, steps.commit, steps.announce
        );
        peaks.sort_unstable();
        let ty = &report.types[0];
        println!(
            "    published {} bytes (segments {}, indexes {}); peak memory above that before populating {} bytes: {:.2} of published",
            ty.segment_bytes + ty.index_bytes,
            ty.segment_bytes,
            ty.index_bytes,
            peaks[peaks.len() / 2],
            peaks[peaks.len() / 2] as f64 / (ty.segment_bytes + ty.index_bytes) as f64,
        );
        let published = (ty.segment_bytes + ty.index_bytes) as f64;
        results.add_number("published", published);
        results.add_number(&format!("peak, {writers}"), peaks[peaks.len() / 2] as f64 / published);
        for (name, duration) in
            [("cycle", steps.total()), ("populate", steps.populate), ("write", steps.write), ("verify", steps.verify)]
        {
            results.add(&format!("{name}, {writers}"), duration);
        }
    }
    for writers in [1, threads] {
        lmdb::compare(&runtime, rows, runs, writers);
    }
    results.add_number("private, most", processes(&runtime, rows));
    results.write("publishing").unwrap();
}

/// Prints and returns the median.
fn print_median(what: &str, runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..runs).map(|_| run()).collect();
    times.sort_unstable();
    println!("{what}: {:?} (from {:?} to {:?})", times[runs / 2], times[0], times[runs - 1]);
    times[runs / 2]
}

fn publish(runtime: &Runtime, folder: &Path, rows: usize, writers: usize) -> (CycleReport, u64) {
    runtime.block_on(async {
        let producer = Producer::open(folder.to_str().unwrap()).await.unwrap();
        // Resets the peak that the kernel keeps.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory("VmRSS:");
        let populate = |cycle: &kapok_producer::Cycle| {
            std::thread::scope(|scope| {
                for part in 0..writers {
                    scope.spawn(move || {
                        let mut writer = cycle.records::<movie::Owned>().unwrap();
                        let mut source = Movies::new(SEED + part as u64);
                        for at in 0..rows / writers {
                            let mut draft = source.draft();
                            draft.id = u32::try_from(part * (rows / writers) + at).unwrap();
                            writer.add(|film| draft.fill(film)).unwrap();
                        }
                    });
                }
            });
            Ok(())
        };
        let report = producer.run_cycle(populate).await.unwrap();
        (report, memory("VmHWM:") - before)
    })
}

/// A line of this process's status, in bytes.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

/// Starts processes that read the same store, prints what each has to itself, and returns the most of it, in bytes.
fn processes(runtime: &Runtime, rows: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    publish(runtime, folder.path(), rows, 1);
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args(["read-everything", folder.path().to_str().unwrap()])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    // All hold their maps until their input ends; each prints before it waits.
    let mut children = children;
    let mut outputs: Vec<_> = children.iter_mut().map(|child| child.stdout.take().unwrap()).collect();
    let lines: Vec<String> = outputs
        .iter_mut()
        .map(|out| {
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
            line
        })
        .collect();
    for (index, line) in lines.iter().enumerate() {
        println!("reading process {}: {}", index + 1, line.trim());
    }
    for mut child in children {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
    let private = lines.iter().map(|line| line.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 1024.0);
    private.fold(0.0, f64::max)
}

/// Reads every record, then prints this process's memory once all of its siblings have had the time to do the same.
fn read_everything(runtime: &Runtime, store: &str) {
    let consumer = runtime.block_on(Consumer::open(store)).unwrap();
    let view = consumer.view();
    let bytes: usize = view.field::<&str>("Movie.title").unwrap().iter().map(|title| title.unwrap().len()).sum();
    let lookup = view.lookup("Movie").unwrap();
    let found = (0..number("KAPOK_ROWS", 1_000_000)).filter(|id| lookup.find(&(*id as u64)).unwrap().is_some()).count();
    std::thread::sleep(Duration::from_secs(2));
    let smaps = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let sum = |prefix: &str| -> u64 {
        let lines = smaps.lines().filter(|line| line.starts_with(prefix));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum()
    };
    println!(
        "private {} KiB, shared {} KiB, resident {} KiB ({found} found, {bytes} bytes of titles)",
        sum("Private_"),
        sum("Shared_"),
        sum("Rss:"),
    );
    std::io::stdin().read_line(&mut String::new()).unwrap();
}
