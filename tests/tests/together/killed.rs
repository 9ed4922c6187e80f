//! What is left when a producer is killed, at any moment.
#![cfg(unix)]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kapok_blobstore::Store;
use kapok_tests::faults::checks;
use kapok_tests::faults::films::{Films, assert_films, step_of};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const SEED: u64 = 11;
const FOLDERS: usize = 10;
const KILLS: usize = 20;
/// A run makes its first cycle, and some more, within this time; a slow machine is given more.
const RUN_MAX: Duration = Duration::from_millis(80);

/// Starts a producer in a folder and kills it. Returns the last step that it said was done.
fn run_and_kill(folder: &Path, after: Duration) -> Option<u64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_publish_in_cycles"))
        .arg(folder)
        .args(["history", &SEED.to_string(), "1000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    std::thread::sleep(after);
    child.kill().expect("kill");
    let status = child.wait().expect("wait");
    let (mut said, mut complained) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut said).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut complained).expect("text");
    assert!(status.code().is_none(), "it ended by itself: {complained}");
    said.lines().last().map(|step| step.parse().expect("a number"))
}

#[tokio::test]
async fn whenever_a_producer_is_killed_what_it_announced_stays_and_the_next_one_goes_on() {
    let mut random = SmallRng::seed_from_u64(SEED);
    let (mut steps, mut lags, mut leavings) = (0, 0, 0);
    let started = Instant::now();
    for number in 0..FOLDERS {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut done, mut run_max) = (0, RUN_MAX);
        for kill in 0..KILLS {
            let after = run_max.mul_f64(random.random_range(0.0..1.0));
            let said = run_and_kill(folder.path(), after).unwrap_or(0);
            let when = format!("folder {number}, kill {kill} after {after:?}, done={done} said={said}");

            let store = Store::options().writable().open(&folder.path().to_string_lossy()).await;
            let store = store.unwrap_or_else(|error| panic!("{error}: {when}"));
            let view = checks::announced(&store, &when).await;
            let step = step_of(&view);
            assert!(step >= done && step >= said, "step={step} {when}");
            assert_films(&view, &if step == 0 { Films::default() } else { Films::at(SEED, step) }, &when);
            lags += usize::from(store.manifests().head().await.expect("a head").unwrap_or(0) != view.version());
            done = step;
            if done == 0 {
                run_max = run_max.mul_f64(1.3);
            }
            if kill + 1 == KILLS {
                checks::assert_sound(&view, &when);
                checks::assert_files(&store, &when).await;
                let report = checks::assert_swept(&store, &when).await;
                leavings += report.orphans.len();
                assert_films(&*checks::announced(&store, &when).await, &Films::at(SEED, step), &when);
            }
        }
        assert!(done > 0, "no cycle was ever done in folder {number}");
        steps += done;
    }
    println!("steps={steps} unannounced_heads={lags} orphans={leavings} duration={:?}", started.elapsed());
}
