//! Something else in the place of a file is refused at once.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kapok_blobstore::{AnnouncementDraft, BlobId, BlobKind, Error, ErrorKind, GcSettings, Store, fresh_token};
use kapok_samples::sealed::{MANIFEST, seal};

const BLOB: &[u8] = b"blob";

async fn published(folder: &Path) -> Store {
    let store = Store::options().writable().open(folder.to_str().unwrap()).await.unwrap();
    let blob = Bytes::from_static(BLOB);
    store.blobs().put(BlobKind::Segment, BlobId::of(&blob), blob).await.unwrap();
    for version in 1..=2 {
        let token = fresh_token();
        store.manifests().commit_bytes(version, &token, token).await.unwrap();
        store
            .announcements()
            .append(|latest| AnnouncementDraft::announce(latest, version, "test", ""))
            .await
            .unwrap()
            .unwrap();
    }
    store
}

fn replace(path: &Path, what: &str) {
    if path.exists() {
        fs::remove_file(path).unwrap();
    }
    match what {
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "device" => std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        _ => fs::create_dir(path).unwrap(),
    }
}

/// What each way to read says of it, and that it says so at once.
async fn readings(folder: &Path) -> Vec<(&'static str, Result<(), Error>)> {
    let begun = Instant::now();
    let mut said = Vec::new();
    match Store::open(folder.to_str().unwrap()).await {
        Err(error) => said.push(("open", Err(error))),
        Ok(store) => {
            said.push(("manifest", store.manifests().read_bytes(1).await.map(drop)));
            said.push(("log", store.announcements().get(2).await.map(drop)));
            said.push(("blob", store.blobs().get(BlobKind::Segment, BlobId::of(BLOB), 4).await.map(drop)));
            said.push(("look", store.blobs().size(BlobKind::Segment, BlobId::of(BLOB)).await.map(drop)));
            said.push(("latest", store.announcements().latest(None).await.map(drop)));
            said.push(("head", store.manifests().head().await.map(drop)));
            said.push(("files", store.files().list().await.map(drop)));
            let dry = GcSettings::default().with_dry_run();
            said.push(("gc", store.gc(&dry).await.map(drop)));
        }
    }
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
    said
}

#[tokio::test]
async fn what_is_no_file_is_refused_at_once_by_each_way_to_read() {
    let number = |folder: &str, number: u64| PathBuf::from(format!("{folder}/{number:020}"));
    let blob = PathBuf::from(format!("segments/{}", BlobId::of(BLOB)));
    for what in ["fifo", "socket", "device", "folder"] {
        for (name, way) in [
            (PathBuf::from("dataset"), "open"),
            (number("manifests", 1), "manifest"),
            (number("announcements", 2), "log"),
            (blob.clone(), "blob"),
            (blob.clone(), "look"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            published(folder.path()).await;
            replace(&folder.path().join(&name), what);
            let said = readings(folder.path()).await;
            let outcome = said.iter().find(|(it, _)| *it == way).map(|(_, outcome)| outcome);
            let Some(Err(error)) = outcome else { panic!("{what} {name:?} {way}: {said:?}") };
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound), "{what} {name:?}: {error}");
        }
    }
}

/// Bytes that this process has read; 0 where the system does not tell.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_sparse_file_is_refused_by_its_header_and_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let store = published(folder.path()).await;
    let path = folder.path().join(format!("manifests/{:020}", 1));
    let whole = fs::read(&path).unwrap();
    let mut claims = seal(MANIFEST, b"payload")[..64].to_vec();
    claims[16..24].copy_from_slice(&((1_u64 << 40) - 64).to_le_bytes());
    // Of any length; and of lengths that the header does not bear out.
    for (start, bytes) in [(&claims[..], 1_u64 << 40), (&whole[..], 1 << 40), (&whole[..], 1 << 30), (&[][..], 1 << 30)]
    {
        fs::remove_file(&path).unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(start).unwrap();
        file.set_len(bytes).unwrap();
        let (begun, read) = (Instant::now(), bytes_read());
        let error = store.manifests().read_bytes(1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        // Other tests read a little at the same time.
        let read = bytes_read() - read;
        assert!(read < 1 << 28 && begun.elapsed() < Duration::from_secs(20), "{read} bytes in {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_file_without_the_right_to_read_it_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let store = published(folder.path()).await;
    let path = folder.path().join(format!("manifests/{:020}", 1));
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    // Whoever is root may read all the same.
    if let Err(error) = store.manifests().read_bytes(1).await {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
}
