//! Arguments that name a store and a version of it.

use clap::{ArgMatches, Args};
use kapok_blobstore::{Store, StoreOptions};

use crate::failure::Result;
use crate::notice::{is_json, warn};

/// The store that a verb works on.
#[derive(Debug, Args)]
pub struct StoreArgument {
    /// The store: a folder, as a path or a file URL; also before the verb
    // Not required by clap: a store that stands before the verb is known only when all arguments are parsed.
    #[arg(long, value_name = "URL", env = "KAPOK_STORE", default_value = "", hide_default_value = true)]
    pub store: String,
}

impl StoreArgument {
    /// Opens the store for reading.
    pub async fn open(&self) -> Result<Store> {
        open(Store::options(), &self.store).await
    }
}

/// Opens a store, and says so if it has no cache although it should have one.
pub async fn open(options: StoreOptions, url: &str) -> Result<Store> {
    let store = options.open(url).await?;
    warn_if_uncached(&store);
    Ok(store)
}

/// Says so if a store has no cache although it should have one.
pub fn warn_if_uncached(store: &Store) {
    if let Some(reason) = store.uncached() {
        let text = format!(
            "there is no cache, so all is downloaded each time and kept on the heap; name a folder by KAPOK_CACHE, or say off: {reason}"
        );
        warn(is_json(), &text);
    }
}

/// The version that a verb reads.
#[derive(Debug, Args)]
pub struct VersionArgument {
    /// The version to read [default: the one that consumers are on, or else the newest]
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,
}

/// Returns whether a verb lacks the store that it works on.
pub fn is_missing(matches: &ArgMatches) -> bool {
    matches.subcommand().is_some_and(|(_, verb)| {
        let is_empty = matches!(verb.try_get_one::<String>("store"), Ok(Some(store)) if store.is_empty());
        let needs_none = matches!(verb.try_get_one::<bool>("annotations"), Ok(Some(true)));
        is_empty && !needs_none
    })
}
