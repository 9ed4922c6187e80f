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
