//! Which store, and which version of it?

use clap::Args;

/// The store that a verb works on.
#[derive(Debug, Args)]
pub struct StoreArgument {
    /// The store: a folder, as a path or a file URL
    #[arg(long, value_name = "URL", env = "KAPOK_STORE")]
    pub store: String,
}

/// The version that a verb reads.
#[derive(Debug, Args)]
pub struct VersionArgument {
    /// The version to read [default: the one that consumers are on, or else the newest]
    #[arg(long, value_name = "N")]
    pub version: Option<u64>,
}
