//! The program tells what a host needs for a version.

use crate::program::{Scene, json_lines};

/// Bytes of all blobs of the store.
fn blob_bytes(scene: &Scene) -> u64 {
    let folders = ["segments", "indexes", "tombstones"].map(|folder| scene.store().join(folder));
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_capacity_is_that_of_the_files() {
    let scene = Scene::new();
    let lines: Vec<_> = (0..500).map(|id| format!("{{\"id\":{id},\"name\":\"the thing {id}\"}}\n")).collect();
    let lines = lines.concat();
    scene.publish(&lines).ok();
    let capacity = |scene: &Scene| {
        let said = scene.run(&["stat", "--capacity", "--json"]).ok().replace('\n', " ");
        json_lines(&said)[0]["capacity"].clone()
    };
    let (first, all) = (capacity(&scene), blob_bytes(&scene));
    assert_eq!(
        (&first["version_bytes"], &first["step_bytes"], &first["peak_bytes"]),
        (&all.into(), &all.into(), &all.into())
    );
    scene.publish(&lines.replace("thing 7\"", "thing seven\"")).ok();
    let (second, all_now) = (capacity(&scene), blob_bytes(&scene));
    assert_eq!(second["step_bytes"], all_now - all, "only what the step wrote");
    assert_eq!(second["peak_bytes"], all_now);
    assert!(scene.run(&["stat", "--capacity"]).ok().contains("fetched by a host that has the version before"));
    assert!(!scene.run(&["stat"]).ok().contains("capacity"));
}
