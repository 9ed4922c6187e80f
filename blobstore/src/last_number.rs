//! Finds the last number of a folder of numbered files, by asking for single names.
//!
//! There is no listing in it: some backends have none, and some users have no right to list. What to ask next is for
//! [`Search`] to say, which asks nobody itself: a backend is asked by one request after the other, and a folder of this
//! host by one task for the whole search.

use std::path::Path;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::failure::failure;
use crate::local_file;
use crate::numbered::key;
use crate::objects::Objects;

mod search;

use search::{Search, Step};

/// The last file of a folder of numbered files.
pub(crate) struct LastFile {
    /// Its number, 0 if the folder is empty.
    pub(crate) number: u64,
    /// Its sealed bytes; `None` if there is no such file.
    pub(crate) sealed: Result<Option<Bytes>>,
}

/// Returns the last number of the folder, 0 if it is empty.
///
/// From a hint that is there it goes up, by doubling steps and then by bisection: two requests if it is the last.
/// Without one it bisects the number of binary digits first: about five requests and the logarithm of the answer.
pub(crate) async fn last_number(objects: &Objects, folder: &'static str, hint: u64) -> Result<u64> {
    let answers = if let Some(root) = objects.root.clone() {
        objects.in_blocking_task("look up", folder, move || ask_folder(&root, folder, hint)).await?
    } else {
        ask_backend(objects, folder, hint).await?
    };
    answers.conclude(objects, folder)
}

/// Finds the last file of the folder and reads it: of a folder of this host, in one task.
pub(crate) async fn last_file(objects: &Objects, folder: &'static str, hint: u64) -> Result<LastFile> {
    let Some(root) = objects.root.clone() else {
        let number = last_number(objects, folder, hint).await?;
        let sealed = if number == 0 { Ok(None) } else { objects.read(&key(folder, number)).await };
        return Ok(LastFile { number, sealed });
    };
    let work = move || {
        let answers = ask_folder(&root, folder, hint)?;
        let place = root.join(key(folder, answers.last));
        let is_empty = answers.last == 0;
        let sealed = if is_empty { Ok(None) } else { local_file::read_sealed(&place, &place.display().to_string()) };
        Ok((answers, sealed))
    };
    let (answers, sealed) = objects.in_blocking_task("look up", folder, work).await?;
    Ok(LastFile { number: answers.conclude(objects, folder)?, sealed })
}

/// What a search found.
///
/// A store may answer "denied" for names that are not there, to whom has no right to list. So a name that is denied
/// counts as not there; but if none is there at all, it may well be the right to read that lacks.
struct Answers {
    last: u64,
    denied: Option<Error>,
}

impl Answers {
    /// Returns the last number, and keeps it for the next search.
    fn conclude(self, objects: &Objects, folder: &str) -> Result<u64> {
        if let Some(error) = self.denied {
            if self.last == 0 {
                return Err(error);
            }
            objects.saw_missing_hidden();
        }
        objects.run.last_seen.keep(folder, self.last);
        Ok(self.last)
    }
}

async fn ask_backend(objects: &Objects, folder: &str, hint: u64) -> Result<Answers> {
    let (mut search, mut denied) = (Search::beginning_at(hint), None);
    loop {
        match search.step() {
            Step::Found(last) => return Ok(Answers { last, denied }),
            Step::Ask(number) => {
                let looked = objects.look(&key(folder, number)).await;
                search.answer(is_there(looked.map(|found| found.is_some()), &mut denied)?);
            }
        }
    }
}

/// Does the same in a folder of this host, by a thread that may wait for its disk.
fn ask_folder(root: &Path, folder: &str, hint: u64) -> Result<Answers> {
    let (mut search, mut denied) = (Search::beginning_at(hint), None);
    loop {
        match search.step() {
            Step::Found(last) => return Ok(Answers { last, denied }),
            Step::Ask(number) => {
                let place = root.join(key(folder, number));
                let looked = local_file::is_there(&place);
                let looked = looked.map_err(|source| failure("look up", place.display().to_string(), source));
                search.answer(is_there(looked, &mut denied)?);
            }
        }
    }
}

/// Returns whether a name is there; takes note of one that is denied.
fn is_there(looked: Result<bool>, denied: &mut Option<Error>) -> Result<bool> {
    match looked {
        Err(error @ Error::Denied { .. }) => {
            *denied = Some(error);
            Ok(false)
        }
        looked => looked,
    }
}
