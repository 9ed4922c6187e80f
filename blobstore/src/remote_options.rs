//! What a remote store is told beside its URL.

use std::fmt;

/// Options, headers and certificates for a store by URL. They are never printed.
#[derive(Clone, Default)]
pub(crate) struct RemoteOptions {
    /// By `object_store`'s names.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    /// As PEM.
    pub(crate) root_certificates: Vec<u8>,
}

impl RemoteOptions {
    /// Returns whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.options.is_empty() && self.headers.is_empty() && self.root_certificates.is_empty()
    }
}

/// What the names of options end with that say where a store is. None of them holds a secret.
const PLACES: [&str; 4] = ["endpoint", "endpoint_url", "base_url", "account_name"];
/// The variables of the environment that do.
const PLACE_VARIABLES: [&str; 4] =
    ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ACCOUNT_NAME"];

impl RemoteOptions {
    /// Returns what tells a store from one of the same URL at another server.
    pub(crate) fn identity(&self, url: &str) -> String {
        let set =
            self.options.iter().filter(|(name, _)| PLACES.iter().any(|place| name.to_lowercase().ends_with(place)));
        let asked = PLACE_VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
        let mut places: Vec<_> = set.map(|(_, value)| value.clone()).chain(asked).collect();
        places.sort();
        places.dedup();
        format!("{} {}", url.trim_end_matches('/'), places.join(" "))
    }
}

impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.options.iter().chain(&self.headers).map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

#[cfg(feature = "_remote")]
impl RemoteOptions {
    /// Returns the headers of each request, or says what is wrong with one.
    pub(crate) fn header_map(&self) -> Result<reqwest::header::HeaderMap, String> {
        use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let key = HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
            let value = HeaderValue::from_str(value);
            let mut value =
                value.map_err(|_| format!("the value of header {name} has characters that none may have"))?;
            value.set_sensitive(true);
            map.append(key, value);
        }
        Ok(map)
    }
}
