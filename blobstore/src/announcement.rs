//! An entry of the announcement log: the version that consumers should be on, with its author and a reason.

use bytes::Bytes;
use capnp::message;
use capnp::serialize;
use kapok_schemas::announcement_capnp::announcement;

use crate::action::Action;
use crate::error::{Error, Result};
use crate::sealed_file::SealedKind;
use crate::sealed_message;
use crate::token::Token;

/// An entry of the announcement log. It says all: which version to be on, and which one is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announcement {
    /// Number of the entry, from 1 without gaps.
    pub sequence: u64,
    /// The newest version to be on; 0 if none was announced yet.
    pub announced: u64,
    /// The highest version that was ever announced: above [`announced`](Self::announced) after a rollback.
    pub highest: u64,
    /// The version that every consumer is held on, even if another is announced.
    pub pinned: Option<u64>,
    /// What this entry did.
    pub action: Action,
    /// Who made it: free text for people.
    pub by: String,
    /// Why: free text for people.
    pub reason: String,
    /// When, by the writer's clock, in milliseconds since 1970.
    pub created_unix_ms: i64,
    /// The writer's token.
    pub token: Token,
}

/// What the next entry is to say; the caller of [`Announcements::append`](crate::Announcements::append) makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncementDraft {
    /// The newest version to be on.
    pub announced: u64,
    /// The version that holds every consumer, or `None`.
    pub pinned: Option<u64>,
    /// What the entry does.
    pub action: Action,
    /// Who makes it.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl AnnouncementDraft {
    /// Drafts the announcement of a version: keeps the pin and never goes back. `None` if the version is announced
    /// already.
    pub fn announce(latest: Option<&Announcement>, version: u64, by: &str, reason: &str) -> Option<Self> {
        let announced = latest.map_or(0, |entry| entry.announced);
        let pinned = latest.and_then(|entry| entry.pinned);
        (version > announced).then(|| Self::new(Action::Announce, version, pinned, by, reason))
    }

    /// Drafts a pin, which holds every consumer on a version. `None` if it is pinned already.
    pub fn pin(latest: Option<&Announcement>, version: u64, by: &str, reason: &str) -> Option<Self> {
        let announced = latest.map_or(0, |entry| entry.announced);
        let pinned = latest.and_then(|entry| entry.pinned);
        (pinned != Some(version)).then(|| Self::new(Action::Pin, announced, Some(version), by, reason))
    }

    /// Drafts the end of a pin: consumers follow the announced version again. `None` if nothing is pinned.
    pub fn unpin(latest: Option<&Announcement>, by: &str, reason: &str) -> Option<Self> {
        let latest = latest.filter(|entry| entry.pinned.is_some())?;
        Some(Self::new(Action::Unpin, latest.announced, None, by, reason))
    }

    /// Drafts the announcement of a version that may be older; keeps the pin. `None` if the version is announced
    /// already.
    pub fn rollback(latest: Option<&Announcement>, version: u64, by: &str, reason: &str) -> Option<Self> {
        let latest = latest.filter(|entry| entry.announced != version)?;
        Some(Self::new(Action::Rollback, version, latest.pinned, by, reason))
    }

    fn new(action: Action, announced: u64, pinned: Option<u64>, by: &str, reason: &str) -> Self {
        Self { announced, pinned, action, by: by.to_owned(), reason: reason.to_owned() }
    }
}

impl Announcement {
    /// Returns the version that consumers should be on: the pinned one, or else the announced one; 0 for none yet.
    pub fn current(&self) -> u64 {
        self.pinned.unwrap_or(self.announced)
    }

    /// Returns whether a higher version than the announced one was announced before.
    pub fn is_rolled_back(&self) -> bool {
        self.announced < self.highest
    }

    /// Returns whether the entry holds consumers on the version, or would without its pin.
    pub(crate) fn names(&self, version: u64) -> bool {
        self.announced == version || self.pinned == Some(version)
    }

    /// Returns the bytes of the entry's file.
    pub(crate) fn encode(&self) -> Bytes {
        let mut message = message::Builder::new_default();
        let mut root = message.init_root::<announcement::Builder<'_>>();
        root.set_format_version(sealed_message::FORMAT_VERSION);
        root.set_sequence(self.sequence);
        root.set_announced(self.announced);
        root.set_highest(self.highest);
        root.set_pinned(self.pinned.unwrap_or(0));
        root.set_action(self.action.as_str());
        root.set_by(&self.by);
        root.set_reason(&self.reason);
        root.set_created_unix_ms(self.created_unix_ms);
        root.set_writer_token(&self.token);
        sealed_message::close(SealedKind::Announcement, &serialize::write_message_to_words(&message))
    }

    /// Reads the file `name`, which must hold the entry `sequence`.
    pub(crate) fn open(name: &str, sequence: u64, file: &Bytes) -> Result<Self> {
        let payload = sealed_message::open(name, SealedKind::Announcement, file)?;
        let message = sealed_message::message(name, &payload)?;
        let read = || -> capnp::Result<_> {
            let root = message.get_root::<announcement::Reader<'_>>()?;
            let features = root.get_required_features()?;
            Ok((root, root.get_format_version(), features))
        };
        let (root, format_version, features) = read().map_err(|error| sealed_message::malformed(name, &error))?;
        sealed_message::check_features(name, format_version, features)?;
        if root.get_sequence() != sequence {
            return Err(Error::corrupt(
                name,
                0,
                format!("sequence {sequence}"),
                format!("sequence {}", root.get_sequence()),
            ));
        }
        let fields = || -> capnp::Result<_> {
            Ok(Self {
                sequence,
                announced: root.get_announced(),
                // Writers before this field left it 0.
                highest: root.get_highest().max(root.get_announced()),
                pinned: Some(root.get_pinned()).filter(|version| *version != 0),
                action: Action::from_text(root.get_action()?.to_str()?),
                by: root.get_by()?.to_string()?,
                reason: root.get_reason()?.to_string()?,
                created_unix_ms: root.get_created_unix_ms(),
                token: Token::default(),
            })
        };
        let mut entry = fields().map_err(|error| sealed_message::malformed(name, &error))?;
        let token = root.get_writer_token().map_err(|error| sealed_message::malformed(name, &error))?;
        entry.token = sealed_message::token(name, token)?;
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn entry() -> Announcement {
        Announcement {
            sequence: 7,
            announced: 4,
            highest: 6,
            pinned: Some(3),
            action: Action::Pin,
            by: "ops".to_owned(),
            reason: "zu viele Zähler — rollback".to_owned(),
            created_unix_ms: 1_700_000_000_000,
            token: [9; 16],
        }
    }

    #[test]
    fn an_entry_survives_the_way_through_its_file() {
        let mut other = entry();
        other.pinned = None;
        other.action = Action::Other("merge".to_owned());
        for entry in [entry(), other] {
            assert_eq!(Announcement::open("x", 7, &entry.encode()).expect("opens"), entry);
        }
    }

    #[test]
    fn an_entry_without_the_highest_version_takes_the_announced_one() {
        let old = Announcement { highest: 0, ..entry() };
        let read = Announcement::open("x", 7, &old.encode()).expect("opens");
        assert_eq!((read.highest, read.is_rolled_back()), (4, false));
        assert!(entry().is_rolled_back());
    }

    #[test]
    fn the_pin_holds_against_the_announced_version() {
        assert_eq!(entry().current(), 3);
        assert_eq!(Announcement { pinned: None, ..entry() }.current(), 4);
    }

    #[test]
    fn announcing_keeps_the_pin_and_never_goes_back() {
        let latest = entry();
        let draft = AnnouncementDraft::announce(Some(&latest), 5, "p", "new").expect("newer");
        assert_eq!((draft.announced, draft.pinned), (5, Some(3)));
        assert_eq!(AnnouncementDraft::announce(Some(&latest), 4, "p", "same"), None);
        assert_eq!(AnnouncementDraft::announce(Some(&latest), 2, "p", "older"), None);
        let draft = AnnouncementDraft::announce(None, 1, "p", "first").expect("first");
        assert_eq!((draft.announced, draft.pinned), (1, None));
    }

    #[test]
    fn only_a_rollback_lowers_the_version_and_only_an_unpin_lifts_the_pin() {
        let latest = entry();
        let back = AnnouncementDraft::rollback(Some(&latest), 2, "ops", "bad data").expect("older");
        assert_eq!((back.announced, back.pinned), (2, Some(3)));
        let free = AnnouncementDraft::unpin(Some(&latest), "ops", "fixed").expect("pinned");
        assert_eq!((free.announced, free.pinned), (4, None));
        let held = AnnouncementDraft::pin(Some(&latest), 1, "ops", "hold").expect("other pin");
        assert_eq!((held.announced, held.pinned), (4, Some(1)));
        assert_eq!(AnnouncementDraft::unpin(None, "ops", "nothing pinned"), None);
        assert_eq!(AnnouncementDraft::pin(Some(&latest), 3, "ops", "pinned already"), None);
    }

    #[test]
    fn an_entry_under_another_name_is_corrupt() {
        let error = Announcement::open("x", 8, &entry().encode()).expect_err("other name");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn an_unknown_format_or_feature_is_incompatible_and_named() {
        let sealed = |format_version: u32, feature: Option<&str>| {
            let mut message = message::Builder::new_default();
            let mut root = message.init_root::<announcement::Builder<'_>>();
            root.set_format_version(format_version);
            if let Some(feature) = feature {
                root.init_required_features(1).set(0, feature);
            }
            sealed_message::close(SealedKind::Announcement, &serialize::write_message_to_words(&message))
        };
        for (file, named) in [(sealed(2, None), "format_version=2"), (sealed(1, Some("chained")), "chained")] {
            let error = Announcement::open("x", 7, &file).expect_err("newer");
            assert_eq!(error.kind(), ErrorKind::Incompatible);
            assert!(error.to_string().contains(named), "{error}");
        }
    }

    #[test]
    fn a_hostile_message_in_a_sound_file_never_panics() {
        let payload = sealed_message::open("x", SealedKind::Announcement, &entry().encode()).expect("opens");
        for bit in 0..payload.len() * 8 {
            let mut hostile = payload.to_vec();
            hostile[bit / 8] ^= 1 << (bit % 8);
            if let Err(error) = Announcement::open("x", 7, &sealed_message::close(SealedKind::Announcement, &hostile)) {
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Incompatible), "{error}");
            }
        }
        for len in 0..payload.len() {
            let file = sealed_message::close(SealedKind::Announcement, &payload[..len]);
            let error = Announcement::open("x", 7, &file).expect_err("short");
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
        }
    }
}
