//! Makes the folder of a cache, and refuses one that is not safe to map files from.
//!
//! A file of the cache is trusted by its name, so whoever can put one there, or a folder in the place of the cache, can make
//! its readers read anything.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::failed;
use crate::blob_id::BlobKind;
use crate::error::{Error, Result};
use crate::token::fresh_token;

/// The file that says what the folder is.
const DESCRIPTION: &str = "kapok-cache";
/// Its first line: the layout of the folder.
const LAYOUT: &str = "layout=1";
/// What is known of stores.
pub(super) const STORES: &str = "stores";

/// Returns the folder, which is made if it is not there, and the budget in bytes that was chosen when it was made.
pub(super) fn prepare(path: &Path, is_forced: bool) -> Result<(PathBuf, u64)> {
    make(path).map_err(failed("create folder", path))?;
    let root = path.canonicalize().map_err(failed("open", path))?;
    let refuse = |reason| Error::CacheFolder { folder: root.clone(), reason };
    if !is_forced {
        check_owners(&root).and_then(|()| check_file_system(&root)).map_err(refuse)?;
    }
    let bytes_max = match read_description(&root)? {
        Some(text) => parse_description(&text).map_err(refuse)?,
        None => describe(&root)?,
    };
    for folder in BlobKind::ALL.map(BlobKind::folder).into_iter().chain([STORES]) {
        let folder = root.join(folder);
        make(&folder).map_err(failed("create folder", &folder))?;
        // It may be another one by now, or lead to one.
        let folder = folder.canonicalize().map_err(failed("open", &folder))?;
        if !is_forced {
            check_owners(&folder).and_then(|()| check_file_system(&folder)).map_err(refuse)?;
        }
    }
    check_writable(&root)?;
    Ok((root, bytes_max))
}

/// Makes a folder and those above it, for this user alone.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns options to open a file that only this user may read and write, if it is made.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn read_description(root: &Path) -> Result<Option<String>> {
    let path = root.join(DESCRIPTION);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", &path)(source)),
    }
}

fn parse_description(text: &str) -> std::result::Result<u64, String> {
    let mut lines = text.lines();
    match lines.next() {
        Some(LAYOUT) => {}
        found => return Err(format!("its layout is {found:?}, and this release knows {LAYOUT:?}")),
    }
    let budget = lines.find_map(|line| line.strip_prefix("bytes_max=")?.parse().ok());
    budget.ok_or_else(|| format!("its file {DESCRIPTION} has no budget"))
}

/// Makes an empty folder a cache. Any number of processes may do so at once.
fn describe(root: &Path) -> Result<u64> {
    // Files are deleted by their names alone, and a store has the same ones.
    let entries = fs::read_dir(root).map_err(failed("list", root))?;
    for entry in entries {
        let name = entry.map_err(failed("list", root))?.file_name();
        if !name.to_string_lossy().starts_with(DESCRIPTION) {
            let reason = format!("it is no cache, and not empty: it has {}", name.display());
            return match read_description(root)? {
                Some(text) => parse_description(&text),
                None => Err(reason),
            }
            .map_err(|reason| Error::CacheFolder { folder: root.to_owned(), reason });
        }
    }
    let bytes_max = free_bytes(root)? / 2;
    let prepared = root.join(format!("{DESCRIPTION}#{:032x}", u128::from_le_bytes(fresh_token())));
    let write = || {
        let mut file = private().write(true).create_new(true).open(&prepared)?;
        writeln!(file, "{LAYOUT}\nbytes_max={bytes_max}")?;
        file.sync_all()?;
        fs::hard_link(&prepared, root.join(DESCRIPTION))
    };
    let written = write();
    _ = fs::remove_file(&prepared);
    match written {
        Ok(()) => Ok(bytes_max),
        // Another process was faster.
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => match read_description(root)? {
            Some(text) => {
                parse_description(&text).map_err(|reason| Error::CacheFolder { folder: root.to_owned(), reason })
            }
            None => Ok(bytes_max),
        },
        Err(source) => Err(failed("write", &prepared)(source)),
    }
}

/// Refuses a folder that was made earlier, and is of a file system that is read-only by now.
fn check_writable(root: &Path) -> Result<()> {
    let path = root.join(super::room::LOCK);
    private().write(true).create(true).truncate(false).open(&path).map(drop).map_err(failed("write", &path))
}

/// Refuses a folder that others than this user and root can write to or replace.
#[cfg(unix)]
fn check_owners(root: &Path) -> std::result::Result<(), String> {
    let mut below: Option<&Path> = None;
    for folder in root.ancestors() {
        let metadata =
            fs::metadata(folder).map_err(|error| format!("{} cannot be looked at: {error}", folder.display()))?;
        if let Some(reason) = danger(&metadata, below.is_none()) {
            let about = below.map_or_else(String::new, |_| format!(", so {} can be replaced", root.display()));
            return Err(format!("{} {reason}{about}", folder.display()));
        }
        below = Some(folder);
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owners(_root: &Path) -> std::result::Result<(), String> {
    Ok(())
}

/// Returns why others can change what is in a folder. In one with the sticky bit they cannot touch what is not theirs; in the
/// cache itself they could still add files.
#[cfg(unix)]
fn danger(metadata: &Metadata, is_cache: bool) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_WRITE: u32 = 0o020;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && (is_cache || metadata.uid() != 0) {
        return Some(format!("belongs to user {}, and this process runs as user {own}", metadata.uid()));
    }
    let is_open = metadata.mode() & OTHERS_WRITE != 0
        // A group of one's own is usual above one's home: its only member is its user.
        || metadata.mode() & GROUP_WRITE != 0 && (is_cache || metadata.gid() != rustix::process::getegid().as_raw());
    let is_guarded = !is_cache && metadata.mode() & STICKY != 0;
    (is_open && !is_guarded).then(|| format!("can be written to by others (mode {:o})", metadata.mode() & 0o7777))
}

/// Refuses file systems over a network: their locks and maps are not those of one host.
#[cfg(target_os = "linux")]
fn check_file_system(root: &Path) -> std::result::Result<(), String> {
    let found = rustix::fs::statfs(root).map_err(|error| format!("its file system cannot be looked at: {error}"))?;
    match network_file_system(i128::from(found.f_type)) {
        Some(name) => Err(format!("it is on a network file system ({name})")),
        None => Ok(()),
    }
}

/// Returns the name of the file system over a network, or of several hosts, that `f_type` of statfs(2) tells of.
///
/// FUSE does not say what is behind it, which is sshfs or s3fs as often as a local disk.
#[cfg(target_os = "linux")]
fn network_file_system(f_type: i128) -> Option<&'static str> {
    const NETWORK: [(i128, &str); 24] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "AFS of the kernel"),
        (0x7375_7245, "Coda"),
        (0x564c, "NCP"),
        (0x0102_1997, "9P"),
        (0x00c3_6400, "Ceph"),
        (0x6573_5546, "FUSE, or virtiofs: perhaps one"),
        (0x0bd0_0bd0, "Lustre"),
        (0x4750_4653, "GPFS"),
        (0x1983_0326, "BeeGFS"),
        (0x7461_636f, "OCFS2"),
        (0x0116_1970, "GFS2"),
        (0x2003_0528, "OrangeFS"),
        (0xaad7_aaea, "PanFS"),
        (0xbeef_dead, "StorNext"),
        (0x6163_6673, "ACFS"),
        (0x0131_11a8, "IBRIX"),
        (0xbacb_acbc, "a folder of VMware's host"),
        (0x786f_4256, "a folder of VirtualBox's host"),
        (0x7c7c_6673, "a folder of Parallels' host"),
    ];
    // Of 32 bits on some processors, with or without a sign.
    let magic = f_type & 0xffff_ffff;
    NETWORK.iter().find(|(network, _)| *network == magic).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
fn check_file_system(_root: &Path) -> std::result::Result<(), String> {
    Ok(())
}

/// Returns how many bytes this user may still write.
#[cfg(unix)]
pub(super) fn free_bytes(root: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(root).map_err(|source| failed("look up", root)(source.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
pub(super) fn free_bytes(root: &Path) -> Result<u64> {
    Err(failed("look up", root)(io::ErrorKind::Unsupported.into()))
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refusal(path: &Path) -> String {
        let error = prepare(path, false).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{error}");
        error.to_string()
    }

    #[test]
    fn what_is_made_is_for_this_user_alone_and_remembers_its_budget() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/kapok");
        let (root, bytes_max) = prepare(&path, false).unwrap();
        for made in [place.path().join("a"), path.clone(), path.join("segments"), path.join("stores")] {
            assert_eq!(made.metadata().unwrap().permissions().mode() & 0o7777, 0o700, "{}", made.display());
        }
        assert!(bytes_max > 0);
        fs::write(root.join(DESCRIPTION), "layout=1\nbytes_max=77\n").unwrap();
        assert_eq!(prepare(&path, false).unwrap(), (root, 77));
    }

    #[test]
    fn a_folder_that_others_can_write_to_or_replace_is_refused_unless_forced() {
        let place = tempfile::tempdir().unwrap();
        let (above, path) = (place.path().join("above"), place.path().join("above/kapok"));
        prepare(&path, false).unwrap();
        for (mode_above, mode) in [(0o700, 0o777), (0o700, 0o770), (0o777, 0o700), (0o700, 0o1777)] {
            set_mode(&above, mode_above);
            set_mode(&path, mode);
            assert!(refusal(&path).contains("can be written to by others"), "{mode_above:o} {mode:o}");
            prepare(&path, true).unwrap();
        }
        set_mode(&above, 0o1777);
        set_mode(&path, 0o755);
        prepare(&path, false).unwrap();
    }

    #[test]
    fn a_folder_of_other_files_or_of_another_layout_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("segments")).unwrap();
        assert!(refusal(place.path()).contains("it has segments"));
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(DESCRIPTION), "layout=2\n").unwrap();
        assert!(refusal(other.path()).contains("layout=2"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn file_systems_of_a_network_are_known_with_and_without_a_sign() {
        let refused = [
            // NFS, CIFS and SMB2 as processors of 64 and of 32 bits give them, AFS, Ceph, FUSE (sshfs, s3fs).
            (0x6969, "NFS"),
            (0xff53_4d42, "CIFS"),
            (-11_317_950, "CIFS"),
            (0xfe53_4d42, "SMB2"),
            (-28_095_166, "SMB2"),
            (0x5346_414f, "AFS"),
            (0x6b41_4653, "AFS"),
            (0x00c3_6400, "Ceph"),
            (0x6573_5546, "FUSE"),
            (0x0bd0_0bd0, "Lustre"),
        ];
        for (f_type, name) in refused {
            assert!(network_file_system(f_type).is_some_and(|found| found.starts_with(name)), "{name} {f_type:x}");
        }
        // ext4, xfs, btrfs, zfs, tmpfs, overlayfs, f2fs, bcachefs, ntfs3.
        let local = [0xef53, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630, 0xf2f5_2010];
        for f_type in local.into_iter().chain([-1_859_950_530, 0xca45_1a4e, 0x7366_746e]) {
            assert_eq!(network_file_system(f_type), None, "{f_type:x}");
        }
    }

    #[test]
    fn any_number_of_processes_may_make_it_at_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kapok");
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| prepare(&path, false).unwrap())).collect();
            threads.into_iter().map(|it| it.join().unwrap().1).collect()
        });
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "{made:?}");
        let names: Vec<_> = fs::read_dir(&path).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().contains('#')), "{names:?}");
    }
}
