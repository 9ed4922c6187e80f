//! Arguments that name a store and a version of it.

use clap::{ArgMatches, Args};

/// The store that a verb works on.
#[derive(Debug, Args)]
pub struct StoreArgument {
    /// The store: a folder, as a path or a file URL; also before the verb
    // Not required by clap: a store that stands before the verb is known only when all arguments are parsed.
    #[arg(long, value_name = "URL", env = "KAPOK_STORE", default_value = "", hide_default_value = true)]
    pub store: String,
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
