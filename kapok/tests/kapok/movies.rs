//! A record type, as a user declares one.

use kapok::publish::{Cycle, IncrementalCycle};
use kapok::serde::{Deserialize, Serialize};
use kapok::{Declaration, error::BoxError};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "kapok::serde")]
pub struct Movie {
    pub id: u32,
    pub title: String,
}

impl Movie {
    pub fn new(id: u32, title: &str) -> Self {
        Self { id, title: title.to_owned() }
    }
}

fn declaration() -> Declaration {
    Declaration::of_rust_type::<Movie>("Movie", &["id"]).unwrap()
}

/// Populates a full cycle.
pub fn all(movies: &[Movie]) -> impl FnOnce(&Cycle) -> Result<(), BoxError> {
    move |cycle| {
        cycle.declare(&declaration())?;
        let mut writer = cycle.values("Movie")?;
        Ok(movies.iter().try_for_each(|movie| writer.add_serde(movie))?)
    }
}

/// Populates an incremental cycle.
pub fn upsert(movie: &Movie) -> impl FnOnce(&IncrementalCycle) -> Result<(), BoxError> {
    move |cycle| {
        cycle.declare(&declaration())?;
        Ok(cycle.values("Movie")?.upsert_serde(movie)?)
    }
}
