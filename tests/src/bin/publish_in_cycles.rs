//! Publishes cycle after cycle to a folder, and says on its output which are done: something to be killed, or starved.
//!
//! `publish_in_cycles FOLDER history SEED CYCLES` goes on with a history of films where it stands, by full and incremental
//! cycles, merges and now and then a gc. `publish_in_cycles FOLDER many COUNT` runs one cycle of that many films.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use kapok_blobstore::{GcSettings, Store};
use kapok_producer::{Producer, ProducerSettings};
use kapok_tests::faults::films::{Films, publish, publish_some};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [folder, "history", seed, cycles] => history(folder, seed.parse()?, cycles.parse()?).await,
        [folder, "many", count] => many(folder, count.parse()?).await,
        _ => Err("usage: publish_in_cycles FOLDER history SEED CYCLES | FOLDER many COUNT".into()),
    }
}

async fn open(folder: &str) -> Result<Producer, kapok_producer::Error> {
    let mut settings = ProducerSettings::default();
    let policy = &mut settings.merge_policy;
    (policy.segments_max, policy.live_min, policy.small_bytes, policy.segment_bytes_max) = (3, 0.7, 0, 1 << 20);
    Producer::builder(Store::options().writable().open(folder).await?).settings(settings).open().await
}

async fn history(folder: &str, seed: u64, cycles: u64) -> Outcome {
    let producer = open(folder).await?;
    let head = producer.head().await?;
    let done = head.as_ref().and_then(|head| head.tags.get("step")).map_or(Ok(0), |step| step.parse())?;
    for step in done + 1..=done + cycles {
        let (before, after) = (Films::at(seed, step - 1), Films::at(seed, step));
        if step == 1 || step.is_multiple_of(3) {
            publish(&producer, &after, step).await?;
        } else {
            publish_some(&producer, &after, &Films::differing(&[&before, &after]), step).await?;
        }
        println!("{step}");
        if step.is_multiple_of(5) {
            let settings = GcSettings::default().with_keep(2).with_grace(Duration::ZERO).with_no_writers();
            producer.store().gc(&settings).await?;
        }
    }
    Ok(())
}

async fn many(folder: &str, count: u32) -> Outcome {
    let report = publish(&open(folder).await?, &Films::many(count), 1).await?;
    println!("{}", report.outcome.version());
    Ok(())
}
