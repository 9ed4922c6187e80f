//! `cache` looks after the folder of a host, and says what it did.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kapok_blobstore::{CacheSettings, Store};
use kapok_consumer::Consumer;
use kapok_testing::BucketServer;
use serde_json::{Value, json};

use crate::program::Scene;

/// A store of one version, and a cache that has its segment and its index.
fn scene() -> (Scene, PathBuf, u64) {
    let scene = Scene::new();
    scene.publish("{\"id\":1,\"name\":\"one\"}\n").ok();
    let cache = scene.path("cache");
    on(&scene, &cache, &["stat"]).ok();
    let mut size = 0;
    for folder in ["segments", "indexes"] {
        for entry in fs::read_dir(scene.store().join(folder)).unwrap() {
            let entry = entry.unwrap();
            size += fs::copy(entry.path(), cache.join(folder).join(entry.file_name())).unwrap();
        }
    }
    (scene, cache, size)
}

fn on(scene: &Scene, cache: &Path, arguments: &[&str]) -> crate::program::Ran {
    let folder = cache.to_str().unwrap();
    scene.run(&[&["cache"], arguments, &["--folder", folder]].concat())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_is_there_is_counted_checked_and_removed() {
    let (scene, cache, size) = scene();
    let stat = parsed(&on(&scene, &cache, &["stat", "--json"]).ok());
    assert_eq!((&stat["bytes"], &stat["mapped_bytes"], &stat["stores"]), (&json!(size), &json!(0), &json!([])));
    assert_eq!(stat["kinds"][0]["blobs"], json!(1));
    assert!(on(&scene, &cache, &["stat"]).ok().contains("segments"));
    assert!(on(&scene, &cache, &["verify"]).ok().starts_with("hashed "));
    assert_eq!(parsed(&on(&scene, &cache, &["prune", "--json"]).ok())["removed"], json!(0));
    let pruned = parsed(&on(&scene, &cache, &["prune", "--to", "0", "--json"]).ok());
    assert_eq!(pruned, json!({"removed": 2, "bytes_removed": size, "bytes_left": 0}));
}

#[test]
fn a_damaged_file_is_named_and_removed() {
    let (scene, cache, _) = scene();
    let file = fs::read_dir(cache.join("segments")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let ran = on(&scene, &cache, &["verify", "--json"]);
    assert!(ran.err.contains("1 damaged file(s) were removed"), "{}", ran.err);
    assert_eq!(ran.code, 1);
    assert_eq!(parsed(&ran.out)["damaged"][0]["file"], json!(file.to_str().unwrap()));
    assert!(!file.exists());
    assert!(on(&scene, &cache, &["verify"]).ok().starts_with("hashed "));
}

#[test]
fn a_folder_that_is_no_cache_and_a_store_that_is_not_known_are_told() {
    let (scene, cache, _) = scene();
    let error = on(&scene, &cache, &["forget", "s3://films/prod"]).refused(1);
    assert!(error.contains("nothing is known of s3://films/prod"), "{error}");
    // A store has files of the same names.
    let error = on(&scene, &scene.store(), &["prune", "--to", "0"]).refused(2);
    assert!(error.contains("cannot be used as a cache") && error.contains("not empty"), "{error}");
    assert!(scene.run(&["get", "Thing", "1"]).ok().contains("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn get_reads_what_a_consumer_of_the_host_last_knew_when_the_server_is_gone() {
    let (scene, server) = (Scene::new(), BucketServer::start("films").unwrap());
    let (url, endpoint, cache) = ("s3://films/things", server.url(), scene.path("cache"));
    let run_with = |variable: (&str, &Path), arguments: &[&str]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kapok"));
        command.args(arguments).args(["--store", url]).env_remove("KAPOK_CACHE").env("AWS_ENDPOINT", &endpoint);
        command.envs([("AWS_ALLOW_HTTP", "true"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
        command.env(variable.0, variable.1).output().unwrap()
    };
    let run = |arguments: &[&str]| run_with(("KAPOK_CACHE", &cache), arguments);
    let lines = scene.file("things.jsonl", "{\"id\":1,\"name\":\"one\"}\n");
    let ran = run(&["publish", lines.to_str().unwrap(), "--type", "Thing", "--key", "id"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let options = Store::options().cache(CacheSettings::in_folder(&cache)).option("aws_endpoint", &endpoint);
    let options = options.option("allow_http", "true").option("aws_skip_signature", "true");
    Consumer::builder(options.open(url).await.unwrap()).open().await.unwrap();
    // The usual folder cannot be made below a file.
    let ran = run_with(("XDG_CACHE_HOME", &lines), &["get", "Thing", "1"]);
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("\"one\""), "{out}{err}");
    assert!(err.starts_with("kapok: warning: there is no cache") && err.contains("things.jsonl/kapok"), "{err}");
    drop(server);
    let ran = run(&["get", "Thing", "1"]);
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("\"one\""), "{out}{err}");
    assert!(err.starts_with("kapok: warning: the store cannot be reached: this is version 1"), "{err}");
    let ran = run(&["get", "Thing", "1", "--version", "2"]);
    assert_eq!(ran.status.code(), Some(1), "of another version nothing is known");
    let ran = run(&["cache", "forget", url]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
