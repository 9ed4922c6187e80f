//! A store whose hashes are all right makes no reader and no publisher abort, hang, or read a wrong record (I5).
//!
//! Each case is made from its number alone: see [`kapok_tests::forge`]. They run in a process of 1 GiB of address space,
//! which is started again where one ends it.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use kapok_tests::scale::scaled;

/// In KiB.
const ADDRESS_SPACE: u32 = 1 << 20;
/// Of work, for all that is done with one store.
const CASE_MAX: Duration = Duration::from_secs(2);
/// A machine that does other things may need longer for that work; silence for longer is a hang.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Failures that are listed.
const FAILURES_MAX: usize = 10;

#[derive(Debug, Default)]
struct Sums {
    cases: u64,
    opened: u64,
    sound: u64,
    records: u64,
    errors: u64,
    published: u64,
    slowest: (u64, u64),
}

/// Starts the reader and hands over its lines.
fn start(first: u64, count: u64) -> (std::process::Child, Receiver<String>) {
    let reader = env!("CARGO_BIN_EXE_read_forged");
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\""), reader])
        .args([first.to_string(), count.to_string()])
        // Each of malloc's arenas reserves 64 MiB.
        .envs([("MALLOC_ARENA_MAX", "2"), ("RUST_BACKTRACE", "0")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (sender, receiver) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    (child, receiver)
}

#[test]
fn forged_stores_end_in_records_or_errors_soon_and_in_little_memory() {
    let cases = u64::from(scaled(400));
    let (mut sums, mut failures) = (Sums::default(), Vec::new());
    let started = Instant::now();
    let mut next = 0;
    while next < cases && failures.len() < FAILURES_MAX {
        let (mut child, lines) = start(next, cases - next);
        let why = loop {
            match lines.recv_timeout(SILENCE_MAX) {
                Ok(line) => match line.split_once(' ') {
                    Some(("case", case)) => next = case.parse().expect("a number"),
                    Some(("done", facts)) => {
                        let facts: Vec<u64> = facts.split(' ').map(|fact| fact.parse().expect("a number")).collect();
                        let [ms, opened, sound, records, errors, published] = facts[..] else { panic!("{line}") };
                        sums.cases += 1;
                        sums.opened += opened;
                        sums.sound += sound;
                        sums.records += records;
                        sums.errors += errors;
                        sums.published += published;
                        sums.slowest = sums.slowest.max((ms, next));
                        if u128::from(ms) > CASE_MAX.as_millis() {
                            failures.push(format!("case {next} took {ms} ms"));
                        }
                        next += 1;
                    }
                    _ => {}
                },
                Err(RecvTimeoutError::Timeout) => break Some("hangs".to_owned()),
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        _ = child.kill();
        let status = child.wait().expect("wait");
        if let Some(why) = why.or_else(|| (!status.success()).then(|| status.to_string())) {
            failures.push(format!("case {next}: {why}"));
            next += 1;
        }
    }
    println!("{sums:?} failures={} took={:?}", failures.len(), started.elapsed());
    assert!(failures.is_empty(), "see one by `read_forged CASE 1 show`: {failures:#?}");
    assert!(sums.opened > sums.cases / 2 && sums.published > 0 && sums.records > sums.cases, "{sums:?}");
}
