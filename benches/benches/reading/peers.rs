//! The same films as other ways hold them: on the heap, as an rkyv archive, as a plain Cap'n Proto message.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use capnp::message::{self, HeapAllocator, ReaderOptions};
use kapok_benches::Movie;
use kapok_samples::movies_capnp::movie;
use memmap2::Mmap;
use rustc_hash::FxHashMap;

/// Films, and the map that finds one by its key.
#[derive(rkyv::Archive, rkyv::Serialize)]
pub struct Catalogue {
    movies: Vec<Movie>,
    by_id: HashMap<u32, u32>,
}

/// Films on the heap, found by either map.
pub struct Heap {
    pub movies: Vec<Movie>,
    pub by_id: HashMap<u32, u32>,
    pub by_id_fx: FxHashMap<u32, u32>,
}

/// An rkyv archive, mapped and validated.
pub struct Archive {
    map: Mmap,
}

/// A plain Cap'n Proto message. It has no index of its own: rows are found by [`Heap::by_id_fx`].
pub struct Plain {
    bytes: Vec<u8>,
}

impl Heap {
    pub fn new(movies: Vec<Movie>) -> Self {
        let places = || movies.iter().zip(0_u32..).map(|(film, at)| (film.id, at));
        let (by_id, by_id_fx) = (places().collect(), places().collect());
        Self { movies, by_id, by_id_fx }
    }

    pub fn by_key(&self, id: u32) -> Option<&Movie> {
        self.by_id.get(&id).map(|at| &self.movies[*at as usize])
    }

    pub fn by_key_fx(&self, id: u32) -> Option<&Movie> {
        self.by_id_fx.get(&id).map(|at| &self.movies[*at as usize])
    }
}

impl Archive {
    pub fn new(folder: &Path, movies: &[Movie]) -> Self {
        let by_id = movies.iter().zip(0..).map(|(film, at)| (film.id, at)).collect();
        let catalogue = Catalogue { movies: movies.to_vec(), by_id };
        let path = folder.join("catalogue.rkyv");
        std::fs::write(&path, rkyv::to_bytes::<rkyv::rancor::Error>(&catalogue).unwrap()).unwrap();
        // SAFETY: the file was just written by this process and nobody else touches it.
        let map = unsafe { Mmap::map(&File::open(&path).unwrap()) }.unwrap();
        Self { map }
    }

    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    /// Validates the archive, as a program does that did not write it.
    pub fn open(&self) -> &ArchivedCatalogue {
        rkyv::access::<ArchivedCatalogue, rkyv::rancor::Error>(&self.map).unwrap()
    }
}

impl ArchivedCatalogue {
    pub fn movies(&self) -> &[kapok_benches::ArchivedMovie] {
        &self.movies
    }

    pub fn by_key(&self, id: u32) -> Option<&kapok_benches::ArchivedMovie> {
        let at = self.by_id.get(&rkyv::rend::u32_le::from_native(id))?;
        Some(&self.movies[at.to_native() as usize])
    }
}

impl Plain {
    pub fn new(movies: &[Movie]) -> Self {
        let words = u32::try_from(movies.len() * 16 + 1024).unwrap();
        let mut message = message::Builder::new(HeapAllocator::new().first_segment_words(words));
        let mut list: capnp::struct_list::Builder<'_, movie::Owned> =
            message.initn_root(u32::try_from(movies.len()).unwrap());
        for (index, film) in (0..).zip(movies) {
            film.fill(list.reborrow().get(index));
        }
        Self { bytes: capnp::serialize::write_message_to_words(&message) }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn open(&self) -> message::Reader<capnp::serialize::BufferSegments<&[u8]>> {
        let options = *ReaderOptions::new().traversal_limit_in_words(None);
        let segments = capnp::serialize::BufferSegments::new(&self.bytes[..], options).unwrap();
        message::Reader::new(segments, options)
    }
}
