//! Writes the golden stores of the format's present version anew, each beside a description of what is in it.
//!
//! `write_golden FOLDER` writes to `FOLDER/<store>/store` and `FOLDER/<store>/expected`. What is committed is never
//! rewritten: see `tests/golden/README.md`.

use std::path::PathBuf;

use kapok_tests::golden::{Golden, describe};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args_os().nth(1).ok_or("usage: write_golden FOLDER")?.into();
    for golden in Golden::ALL {
        let (store, expected) = (folder.join(golden.name()).join("store"), folder.join(golden.name()).join("expected"));
        for folder in [&store, &expected] {
            if folder.exists() {
                return Err(format!("{} is there already; golden stores are never rewritten", folder.display()).into());
            }
        }
        golden.write(&store).await;
        describe(&store).await.save(&expected);
        println!("{}", store.display());
    }
    Ok(())
}
