//! Says whether there is a cache, where it is and how large it may be.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result};

const PLACE_VARIABLE: &str = "KAPOK_CACHE";
const BYTES_VARIABLE: &str = "KAPOK_CACHE_BYTES";
const FORCE_VARIABLE: &str = "KAPOK_CACHE_FORCE";

/// Where the blobs of remote stores are kept on this host. The default asks the environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheSettings {
    /// The folder.
    pub place: CachePlace,
    /// The size in bytes that the files may have together; those that living processes have mapped stay whatever it says. `None`:
    /// `KAPOK_CACHE_BYTES`, else half of what was free in the file system when the folder was made.
    pub bytes_max: Option<u64>,
    /// Takes the folder although others can write to it, or although it is on a network file system. Who can write to it can
    /// make this process read anything in place of a dataset; network file systems do not lock for several hosts as this
    /// needs. Right for a volume that only the processes of one container can reach. `KAPOK_CACHE_FORCE=1` says the same.
    pub force: bool,
}

/// The folder of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CachePlace {
    /// The one that `KAPOK_CACHE` names (`off`: none), else `kapok` in the user's cache folder: in `XDG_CACHE_HOME`, else in
    /// `~/.cache`.
    #[default]
    Default,
    /// This one. If it cannot be used, that is an error.
    Folder(PathBuf),
    /// None: blobs are read into the memory of each process.
    Off,
}

impl CacheSettings {
    /// Keeps blobs in this folder.
    pub fn in_folder(path: impl Into<PathBuf>) -> Self {
        Self { place: CachePlace::Folder(path.into()), ..Self::default() }
    }

    /// Keeps no blobs.
    pub fn off() -> Self {
        Self { place: CachePlace::Off, ..Self::default() }
    }

    /// Sets the size in bytes that the files may have together.
    #[must_use]
    pub fn with_bytes_max(mut self, bytes_max: u64) -> Self {
        self.bytes_max = Some(bytes_max);
        self
    }

    /// Takes the folder although others can write to it, or although it is on a network file system.
    #[must_use]
    pub fn with_force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Returns what the settings and the environment say; `None` if there is to be no cache.
    pub(super) fn resolve(&self) -> Result<Option<Resolved>> {
        self.resolve_in(&|name| env::var_os(name).filter(|value| !value.is_empty()), env::home_dir())
    }

    fn resolve_in(
        &self,
        variable: &dyn Fn(&str) -> Option<OsString>,
        home: Option<PathBuf>,
    ) -> Result<Option<Resolved>> {
        let named = match &self.place {
            CachePlace::Off => return Ok(None),
            CachePlace::Folder(path) => Some(path.clone()),
            CachePlace::Default => match variable(PLACE_VARIABLE) {
                Some(value) if value == "off" => return Ok(None),
                value => value.map(PathBuf::from),
            },
        };
        let is_named = named.is_some();
        let usual = || {
            // A relative one is to be ignored: see the XDG base directory specification.
            let base = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            base.or_else(|| Some(home.filter(|home| home.is_absolute())?.join(".cache"))).map(|base| base.join("kapok"))
        };
        let folder = named.or_else(usual).ok_or_else(|| Error::CacheFolder {
            folder: PathBuf::new(),
            reason: "the user has no home, and XDG_CACHE_HOME names no folder".to_owned(),
        });
        let is_forced = self.force || variable(FORCE_VARIABLE).is_some_and(|value| value == "1");
        Ok(Some(Resolved { folder, is_named, is_forced, bytes_max: self.bytes_max_in(variable)? }))
    }

    fn bytes_max_in(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<u64>> {
        let Some(value) = variable(BYTES_VARIABLE).filter(|_| self.bytes_max.is_none()) else {
            return Ok(self.bytes_max);
        };
        let text = value.to_string_lossy();
        let refuse = |_| Error::Argument {
            argument: BYTES_VARIABLE,
            found: text.to_string(),
            expected: "a number of bytes, in digits",
        };
        text.parse().map(Some).map_err(refuse)
    }
}

/// Where the cache is to be.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The folder, or why there is none.
    pub(super) folder: Result<PathBuf>,
    /// Somebody asked for this folder, so it is an error if it cannot be used.
    pub(super) is_named: bool,
    pub(super) is_forced: bool,
    pub(super) bytes_max: Option<u64>,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn resolved(
        settings: &CacheSettings,
        variables: &[(&str, &str)],
        home: &str,
    ) -> Option<(String, bool, Option<u64>)> {
        let variables: Vec<(String, String)> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let variable = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| OsString::from(&it.1));
        let place = settings.resolve_in(&variable, Some(home.into())).unwrap()?;
        Some((place.folder.unwrap().display().to_string(), place.is_named, place.bytes_max))
    }

    #[test]
    fn settings_come_before_the_environment_and_that_before_the_usual_folder() {
        let (default, xdg) = (CacheSettings::default(), ("XDG_CACHE_HOME", "/xdg"));
        let named = |folder: &str| Some((folder.to_owned(), true, None));
        let usual = |folder: &str| Some((folder.to_owned(), false, None));
        assert_eq!(resolved(&CacheSettings::in_folder("/own"), &[("KAPOK_CACHE", "off")], "/home/me"), named("/own"));
        assert_eq!(resolved(&default, &[("KAPOK_CACHE", "/var/cache/k"), xdg], "/home/me"), named("/var/cache/k"));
        assert_eq!(resolved(&default, &[xdg], "/home/me"), usual("/xdg/kapok"));
        assert_eq!(resolved(&default, &[("XDG_CACHE_HOME", "xdg")], "/home/me"), usual("/home/me/.cache/kapok"));
        assert_eq!(resolved(&default, &[("KAPOK_CACHE", "off"), xdg], "/home/me"), None);
        assert_eq!(resolved(&CacheSettings::off(), &[("KAPOK_CACHE", "/var/cache/k")], "/home/me"), None);
        let (own, asked) = (default.clone().with_bytes_max(7), [("KAPOK_CACHE_BYTES", "1000")]);
        assert_eq!(resolved(&default, &asked, "/h").unwrap().2, Some(1000));
        assert_eq!(resolved(&own, &asked, "/h").unwrap().2, Some(7));
    }

    #[test]
    fn a_budget_that_is_no_number_and_a_user_without_a_home_are_told() {
        let one_gigabyte = |name: &str| (name == BYTES_VARIABLE).then(|| OsString::from("1GB"));
        let error = CacheSettings::default().resolve_in(&one_gigabyte, None).unwrap_err();
        assert!(error.to_string().contains("KAPOK_CACHE_BYTES=1GB"), "{error}");
        let place = CacheSettings::default().resolve_in(&|_| None, None).unwrap().unwrap();
        assert!(!place.is_named && place.folder.is_err());
    }
}
