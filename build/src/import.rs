//! Finds the files that `.capnp` files import.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the files that `files` import or embed, directly or not, as far as they exist; `files` themselves are left out.
///
/// Imports that are found nowhere are the tool's business, as are those of its standard folders.
pub(crate) fn reached(files: &[PathBuf], import_paths: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<PathBuf> = files.to_vec();
    while let Some(file) = open.pop() {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for name in names(&text) {
            let candidates: Vec<PathBuf> = match name.strip_prefix('/') {
                Some(rest) => import_paths.iter().map(|folder| folder.join(rest)).collect(),
                None => vec![file.parent().unwrap_or(Path::new("")).join(name)],
            };
            if let Some(found) = candidates.into_iter().find(|path| path.is_file())
                && !files.contains(&found)
                && reached.insert(found.clone())
            {
                open.push(found);
            }
        }
    }
    reached
}

/// Returns what stands in quotes behind `import` or `embed`, outside of comments.
fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for line in text.lines() {
        let mut parts = line.split('"');
        let mut before = parts.next().unwrap_or_default();
        while let Some(quoted) = parts.next() {
            if before.contains('#') {
                break;
            }
            if before.trim_end().ends_with("import") || before.trim_end().ends_with("embed") {
                names.push(quoted);
            }
            before = parts.next().unwrap_or_default();
        }
    }
    names
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_stand_behind_import_and_embed_outside_of_comments() {
        let text = r#"
            using A = import "a.capnp";  # import "not-a.capnp"
            # import "not-b.capnp"
            struct S $import "/b.capnp".key("not-c.capnp") { f @0 :import"c.capnp".T; d @1 :Data = embed "d.bin"; }
            const text :Text = "import"; const more :Text = "not-d.capnp";
        "#;
        assert_eq!(names(text), ["a.capnp", "/b.capnp", "c.capnp", "d.bin"]);
    }

    #[test]
    fn imports_of_imports_are_reached_and_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let hut = write("hut.capnp", r#"import "/kapok.capnp"; import "parts/place.capnp"; import "gone.capnp""#);
        let place = write("parts/place.capnp", r#"import "/people/warden.capnp"; import "../hut.capnp""#);
        let warden = write("shared/people/warden.capnp", r#"import "/people/warden.capnp""#);
        let found = reached(std::slice::from_ref(&hut), &[folder.path().join("shared")]);
        let found: BTreeSet<_> = found.iter().map(|path| path.canonicalize().unwrap()).collect();
        let expected = [&hut, &place, &warden].map(|path| path.canonicalize().unwrap());
        assert_eq!(found, BTreeSet::from(expected));
    }
}
