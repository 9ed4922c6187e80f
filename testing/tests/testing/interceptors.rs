//! Each request is shown, and each verdict comes out as it says.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kapok_testing::object_store::memory::InMemory;
use kapok_testing::object_store::path::Path;
use kapok_testing::object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, Result};
use kapok_testing::{Counting, Fault, Faults, Held, Hooks, Intercept, Operation, Request, Slow, Verdict, async_trait};

const PATIENCE: Duration = Duration::from_millis(50);

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn path(name: &str) -> Path {
    Path::from(name)
}

async fn create(backend: &dyn ObjectStore, name: &str, text: &'static str) -> Result<()> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    backend.put_opts(&path(name), text.into(), options).await.map(drop)
}

async fn text(backend: &dyn ObjectStore, name: &str) -> Result<String> {
    let bytes = backend.get(&path(name)).await?.bytes().await?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn every_request_is_counted_by_kind_and_name() {
    let counting = Arc::new(Counting::default());
    let backend = counting.over(memory());
    create(&backend, "a/1", "one").await.unwrap();
    backend.put(&path("a/1"), "two".into()).await.unwrap();
    backend.head(&path("a/1")).await.unwrap();
    assert_eq!(text(&backend, "a/1").await.unwrap(), "two");
    backend.get_ranges(&path("a/1"), std::slice::from_ref(&(1..2))).await.unwrap();
    backend.copy(&path("a/1"), &path("b/2")).await.unwrap();
    assert_eq!(backend.list(Some(&path("a"))).count().await, 1);
    backend.delete(&path("a/1")).await.unwrap();
    let mut upload = backend.put_multipart(&path("c/3")).await.unwrap();
    upload.put_part("part".into()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(counting.count_of(&[Operation::Create, Operation::Put]), 2);
    let asked: Vec<String> = counting.take().iter().map(|(operation, path)| format!("{operation} {path}")).collect();
    let expected = [
        "create a/1",
        "put a/1",
        "head a/1",
        "get a/1",
        "get ranges a/1",
        "copy b/2",
        "list a",
        "delete a/1",
        "put in parts c/3",
        "put part c/3",
        "complete c/3",
    ];
    assert_eq!(asked, expected);
    assert_eq!(counting.count(), 0, "taken");
}

#[tokio::test]
async fn a_fault_strikes_the_request_of_its_number_and_no_other() {
    for (fault, is_done, answers) in [
        (Fault::Refused, false, true),
        (Fault::Silent, false, false),
        (Fault::ReplyLost, true, true),
        (Fault::DoneSilent, true, false),
        (Fault::Torn, false, true),
    ] {
        let (faults, memory) = (Arc::new(Faults::default()), memory());
        let backend = faults.over(Arc::clone(&memory));
        faults.arm(2, fault);
        create(&backend, "1", "x").await.unwrap();
        let second = tokio::time::timeout(PATIENCE, create(&backend, "2", "x")).await;
        assert_eq!(second.is_ok(), answers, "{fault:?}");
        assert!(second.is_err() || second.unwrap().is_err(), "{fault:?}");
        create(&backend, "3", "x").await.unwrap();
        assert_eq!(text(&memory, "2").await.is_ok(), is_done, "{fault:?}");
        assert_eq!(faults.requests(), 3);
        assert_eq!(faults.disarm().as_deref(), Some("create 2"));
    }
}

#[tokio::test]
async fn what_is_cut_off_stays_so_until_it_is_disarmed() {
    for (fault, is_done) in [(Fault::CutOff, false), (Fault::DoneCutOff, true)] {
        let (faults, memory) = (Arc::new(Faults::default()), memory());
        let backend = faults.over(Arc::clone(&memory));
        faults.arm(1, fault);
        create(&backend, "1", "x").await.unwrap_err();
        create(&backend, "2", "x").await.unwrap_err();
        assert_eq!(text(&memory, "1").await.is_ok(), is_done);
        assert!(text(&memory, "2").await.is_err());
        assert_eq!(faults.disarm().as_deref(), Some("create 1"));
        create(&backend, "2", "x").await.unwrap();
    }
}

#[tokio::test]
async fn bodies_and_listings_end_half_way() {
    let faults = Arc::new(Faults::default());
    let backend = faults.over(memory());
    for name in ["1", "2", "3", "4"] {
        create(&backend, name, "12345678").await.unwrap();
    }
    faults.arm(2, Fault::ReplyLost);
    let mut body = backend.get_opts(&path("1"), GetOptions::default()).await.unwrap().into_stream();
    assert_eq!(body.try_next().await.unwrap().unwrap(), "1234");
    body.try_next().await.unwrap_err();
    assert_eq!(faults.bodies(), [""; 0]);
    assert_eq!(text(&backend, "2").await.unwrap(), "12345678");
    assert_eq!(faults.bodies(), ["2"]);

    faults.arm(1, Fault::ReplyLost);
    let listed: Vec<_> = backend.list(None).collect().await;
    assert_eq!(listed.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    faults.arm(1, Fault::Refused);
    assert!(backend.list(None).try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn somebody_acts_while_a_request_is_held() {
    for (held, there) in [(Held::Before, false), (Held::After, true)] {
        let (faults, memory) = (Arc::new(Faults::default()), memory());
        let backend = faults.over(Arc::clone(&memory));
        let looked = Arc::clone(&memory);
        faults.hold(1, held, async move { assert_eq!(text(&looked, "1").await.is_ok(), there) });
        create(&backend, "1", "x").await.unwrap();
        assert_eq!(faults.disarm(), Some(format!("create 1 ({held:?})")));
    }
}

#[tokio::test]
async fn a_torn_write_leaves_half_a_file_beside_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::in_folder(folder.path()));
    let backend = faults.over(memory());
    faults.arm(1, Fault::Torn);
    create(&backend, "segments/1", "12345678").await.unwrap_err();
    assert_eq!(std::fs::read_to_string(folder.path().join("segments/1#1")).unwrap(), "1234");
}

#[tokio::test]
async fn a_hook_acts_before_its_request_once() {
    let memory = memory();
    let other = Arc::clone(&memory);
    let hooks = Hooks::once(Operation::Create, "2", async move { create(&other, "2", "other").await.unwrap() });
    let backend = Arc::new(hooks).over(memory);
    create(&backend, "1", "mine").await.unwrap();
    assert!(matches!(create(&backend, "2", "mine").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(text(&backend, "2").await.unwrap(), "other");
}

#[tokio::test(start_paused = true)]
async fn slow_gets_are_counted_while_they_are_under_way() {
    let slow = Arc::new(Slow::new("a/", Duration::from_secs(1)));
    let backend = slow.over(memory());
    let begun = tokio::time::Instant::now();
    create(&backend, "a/1", "x").await.unwrap();
    create(&backend, "b/1", "x").await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "one of the two is slow");
    let (one, two, three) = tokio::join!(text(&backend, "a/1"), text(&backend, "a/1"), text(&backend, "b/1"));
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), ("x".into(), "x".into(), "x".into()));
    assert_eq!((slow.take_most_at_once(), slow.take_most_at_once()), (2, 0));
}

#[derive(Debug)]
struct NoConditions;

#[async_trait]
impl Intercept for NoConditions {
    async fn before(&self, request: &Request<'_>) -> Verdict {
        assert_eq!(request.bytes() > 0, request.payload.is_some());
        Verdict::Overwrite
    }
}

#[tokio::test]
async fn a_backend_without_conditional_puts_is_refused_as_a_store() {
    let backend = Arc::new(NoConditions).over(memory());
    create(&backend, "1", "one").await.unwrap();
    create(&backend, "1", "two").await.unwrap();
    assert_eq!(text(&backend, "1").await.unwrap(), "two");
    let store = kapok_blobstore::Store::options().writable().object_store(backend, "data").open("test://data").await;
    assert_eq!(store.unwrap_err().kind(), kapok_blobstore::ErrorKind::Invalid);
}
