//! What somebody has dropped into the folder of a cache, or has taken away from it, while processes use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kapok_blobstore::{BlobId, Cache, CacheSettings, ErrorKind, Store};

use super::{Host, PART, blob, files, get, put};

const SIZE: usize = 5000;
/// Longer than any of these reads, and shorter than the store's own patience.
const SOON: Duration = Duration::from_secs(10);

/// Reads a blob, or panics if nothing comes of it.
async fn get_soon(store: &Store, id: BlobId, size: usize, when: &str) -> kapok_blobstore::Result<bytes::Bytes> {
    let found = tokio::time::timeout(SOON, get(store, id, size)).await;
    found.unwrap_or_else(|_| panic!("it neither came nor failed: {when}"))
}

fn make_fifo(path: &Path) {
    // No process is started here: a child has the locks of its parent until it runs another program.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Puts what is no file in the place of one; of some kinds it is removed and the blob is downloaded, of a folder it is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_in_the_place_of_one_holds_nobody_up() {
    for kind in ["a FIFO", "a link to nothing", "a link to a file", "a link to itself", "a folder"] {
        for is_part in [false, true] {
            let when = format!("{kind} is_part={is_part}");
            let host = Host::new();
            let (id, bytes) = put(&host.elsewhere().await, 1, SIZE).await;
            let store = host.open().await;
            let place = if is_part { host.place(id).with_extension("part") } else { host.place(id) };
            let other = host.folder.path().join("other");
            fs::write(&other, "of somebody else").unwrap();
            match kind {
                "a FIFO" => make_fifo(&place),
                "a link to nothing" => std::os::unix::fs::symlink(host.folder.path().join("nothing"), &place).unwrap(),
                "a link to a file" => std::os::unix::fs::symlink(&other, &place).unwrap(),
                "a link to itself" => std::os::unix::fs::symlink(&place, &place).unwrap(),
                _ => fs::create_dir(&place).unwrap(),
            }
            match get_soon(&store, id, SIZE, &when).await {
                Ok(found) => assert!(found == bytes && kind != "a folder", "{when}"),
                Err(error) => {
                    assert!(kind == "a folder" && error.kind() == ErrorKind::Unavailable, "{when}: {error}");
                    assert!(error.to_string().contains(&place.display().to_string()), "{when}: {error}");
                    fs::remove_dir(&place).unwrap();
                }
            }
            assert_eq!(get_soon(&store, id, SIZE, &when).await.unwrap(), bytes, "{when}");
            assert_eq!(files(&host), [host.place(id)], "{when}");
            assert!(host.place(id).symlink_metadata().unwrap().is_file(), "{when}");
            assert_eq!(fs::read_to_string(&other).unwrap(), "of somebody else", "{when}");
            assert!(!host.folder.path().join("nothing").exists(), "{when}");
        }
    }
}

#[tokio::test]
async fn a_begun_blob_of_any_length_and_any_marks_is_made_whole() {
    let size = PART + 9;
    let host = Host::new();
    let (id, bytes) = put(&host.elsewhere().await, 1, size).await;
    let store = host.open().await;
    let part = host.place(id).with_extension("part");
    let length = |length: usize| length as u64;
    for len in [0, 1, 9, length(size) - 1, length(size), length(size) + 1, length(size) + 2, length(size) + 3, 1 << 40]
    {
        for fill in [0, 1, 0xff] {
            let file = fs::File::create(&part).unwrap();
            file.set_len(len).unwrap();
            let marked = len.min(length(size) + 2);
            for at in (0..marked).rev().take(12) {
                std::os::unix::fs::FileExt::write_all_at(&file, &[fill], at).unwrap();
            }
            drop(file);
            assert!(get(&store, id, size).await.unwrap() == bytes, "len={len} fill={fill}");
            assert_eq!(files(&host), [host.place(id)], "len={len} fill={fill}");
            fs::remove_file(host.place(id)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_length_that_no_file_has_is_refused_and_costs_no_memory() {
    let host = Host::new();
    let (id, bytes) = put(&host.elsewhere().await, 1, SIZE).await;
    let store = host.open().await;
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 62] {
        let error = store.blobs().get(kapok_blobstore::BlobKind::Segment, id, size).await.unwrap_err();
        assert!([ErrorKind::Unavailable, ErrorKind::Corrupt].contains(&error.kind()), "{size}: {error}");
        assert!(error.to_string().contains(&host.folder.path().display().to_string()), "names no file: {error}");
    }
    assert_eq!(get(&store, id, SIZE).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_folder_that_is_removed_under_a_process_is_made_again() {
    let host = Host::new();
    let elsewhere = host.elsewhere().await;
    let (first, bytes) = put(&elsewhere, 1, SIZE).await;
    let (second, more) = put(&elsewhere, 2, PART + 5).await;
    let store = host.open().await;
    let held = get(&store, first, SIZE).await.unwrap();
    let folder = host.folder.path().join("cache");
    for gone in [folder.clone(), folder.join("segments"), folder.join("lock")] {
        _ = fs::remove_dir_all(&gone).or_else(|_| fs::remove_file(&gone));
        assert_eq!(held, bytes, "a map outlives its file");
        for (id, bytes) in [(first, &bytes), (second, &more)] {
            let found = get(&store, id, bytes.len()).await;
            assert!(found.unwrap_or_else(|error| panic!("{}: {error}", gone.display())) == *bytes);
            assert!(host.place(id).exists(), "{}", gone.display());
        }
        let report = Cache::open(&host.cache()).unwrap().unwrap().report().unwrap();
        assert_eq!(report.bytes, (SIZE + PART + 5) as u64, "{}", gone.display());
    }
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_by_now_is_not_made_again() {
    use std::os::unix::fs::PermissionsExt;
    let host = Host::new();
    let (id, _) = put(&host.elsewhere().await, 1, SIZE).await;
    let store = host.open().await;
    fs::remove_dir_all(host.folder.path().join("cache")).unwrap();
    fs::set_permissions(host.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = get(&store, id, SIZE).await.unwrap_err();
    assert!(error.to_string().contains("can be written to by others"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_goes_does_not_wait_for_whoever_makes_room() {
    let host = Host::with_bytes_max(SIZE);
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let (mut ids, mut held) = (Vec::new(), Vec::new());
    for seed in 0..2 {
        let (id, _) = put(&elsewhere, seed, SIZE).await;
        held.push(get(&store, id, SIZE).await.unwrap());
        ids.push(id);
    }
    assert!(host.folder.path().join("cache/over").exists());
    // As a process does that was stopped while it made room.
    let turn = fs::File::open(host.folder.path().join("cache/lock")).unwrap();
    turn.lock().unwrap();
    let dropped = tokio::task::spawn_blocking(move || drop(held));
    tokio::time::timeout(SOON, dropped).await.expect("it waits").unwrap();
    drop(turn);
    // Room is made for the next.
    drop(get(&store, ids[0], SIZE).await.unwrap());
    assert_eq!(files(&host).len(), 1);
}

#[tokio::test]
async fn foreign_files_are_counted_and_go_first_if_they_are_old() {
    let host = Host::with_bytes_max(3 * SIZE);
    let elsewhere = host.elsewhere().await;
    let (first, _) = put(&elsewhere, 1, SIZE).await;
    let (second, bytes) = put(&elsewhere, 2, SIZE).await;
    let store = host.open().await;
    get(&store, first, SIZE).await.unwrap();
    let segments = host.folder.path().join("cache/segments");
    let huge = segments.join("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 42).unwrap();
    fs::write(segments.join("not a name \u{1F332}"), "x").unwrap();
    fs::write(segments.join(".part"), "x").unwrap();
    fs::create_dir(segments.join("folder.part")).unwrap();
    make_fifo(&segments.join(format!("{}", blob(9, 1).0)));
    let cache = Cache::open(&host.cache()).unwrap().unwrap();
    assert!(cache.report().unwrap().bytes >= 1 << 42);
    assert_eq!(cache.verify(|_| {}).unwrap(), [], "what is no blob is not damaged");
    assert_eq!(get(&store, second, SIZE).await.unwrap(), bytes);
    assert!(!huge.exists(), "it does not fit into any budget");
    assert!(cache.report().unwrap().bytes <= 3 * SIZE as u64);
    assert_eq!(get(&store, first, SIZE).await.unwrap().len(), SIZE);
}

#[tokio::test]
async fn a_clock_that_went_back_evicts_nothing_wrong_and_stops_nobody() {
    let host = Host::with_bytes_max(3 * SIZE);
    let elsewhere = host.elsewhere().await;
    let store = host.open().await;
    let future = SystemTime::now() + Duration::from_hours(10 * 365 * 24);
    for seed in 0..8 {
        let (id, bytes) = put(&elsewhere, seed, SIZE).await;
        // What a downloader left that was killed when the clock was ahead.
        let part = host.place(id).with_extension("part");
        fs::write(&part, [0]).unwrap();
        fs::File::open(&part).unwrap().set_modified(future).unwrap();
        assert_eq!(get_soon(&store, id, SIZE, "ahead").await.unwrap(), bytes);
        fs::File::open(host.place(id)).unwrap().set_modified(future).unwrap();
        let before_the_epoch = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        if seed % 2 == 0 {
            fs::File::open(host.place(id)).unwrap().set_modified(before_the_epoch).unwrap();
        }
        assert_eq!(get_soon(&store, id, SIZE, "at hand").await.unwrap(), bytes);
    }
    let report = Cache::open(&host.cache()).unwrap().unwrap().report().unwrap();
    assert!(report.bytes <= 3 * SIZE as u64, "{report:?}");
}

#[test]
fn whoever_may_write_to_a_folder_of_the_cache_is_found_out() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let settings = CacheSettings::in_folder(place.path().join("kapok"));
    Cache::open(&settings).unwrap();
    for folder in ["segments", "indexes", "tombstones", "stores"] {
        let path = place.path().join("kapok").join(folder);
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o777);
        let error = Cache::open(&settings).unwrap_err().to_string();
        assert!(error.contains(folder) && error.contains("can be written to by others"), "{error}");
        Cache::open(&settings.clone().with_force()).unwrap();
        set(0o700);
        // In a folder that is not safe, by a link.
        let unsafe_place = place.path().join("unsafe");
        fs::create_dir(&unsafe_place).unwrap();
        fs::set_permissions(&unsafe_place, fs::Permissions::from_mode(0o777)).unwrap();
        fs::rename(&path, unsafe_place.join(folder)).unwrap();
        std::os::unix::fs::symlink(unsafe_place.join(folder), &path).unwrap();
        let error = Cache::open(&settings).unwrap_err().to_string();
        assert!(error.contains("can be written to by others"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::rename(unsafe_place.join(folder), &path).unwrap();
        fs::remove_dir(&unsafe_place).unwrap();
    }
    assert!(Cache::open(&settings).unwrap().is_some());
}

#[test]
fn garbage_where_stores_are_remembered_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let settings = CacheSettings::in_folder(place.path());
    let cache = Cache::open(&settings).unwrap().unwrap();
    let stores = place.path().join("stores");
    fs::write(stores.join("a file"), "x").unwrap();
    std::os::unix::fs::symlink(stores.join("loop"), stores.join("loop")).unwrap();
    let of = |name: &str| -> PathBuf {
        let folder = stores.join(name);
        fs::create_dir_all(folder.join("announcements")).unwrap();
        folder
    };
    fs::create_dir(of("folder").join("location")).unwrap();
    fs::write(of("bytes").join("location"), [0xff; 100]).unwrap();
    fs::File::create(of("huge").join("location")).unwrap().set_len(1 << 42).unwrap();
    make_fifo(&of("fifo").join("location"));
    make_fifo(&of("fifo").join("dataset"));
    fs::File::create(of("entry").join("dataset")).unwrap().set_len(1 << 42).unwrap();
    fs::write(of("entry").join("location"), "s3://films/a\n").unwrap();
    fs::write(of("number").join("announcements/18446744073709551615"), "x").unwrap();
    fs::write(of("number").join("location"), "s3://films/b").unwrap();
    for number in 0..300 {
        fs::write(of(&format!("many-{number}")).join("location"), format!("s3://films/{number}")).unwrap();
    }
    let report = cache.report().unwrap();
    let known = |location: &str| report.stores.iter().filter(|it| it.location == location).count();
    assert_eq!((known("s3://films/a"), known("s3://films/b"), known("s3://films/299")), (1, 1, 1), "{report:?}");
    assert!(report.stores.iter().all(|it| it.version.is_none()));
    assert!(cache.forget("s3://films/299/").unwrap() && !cache.forget("s3://films/299").unwrap());
}
