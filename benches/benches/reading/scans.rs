//! Scans: one field of all films.

use criterion::{Criterion, Throughput};
use kapok_index::View;
use kapok_samples::movies_capnp::movie;

use crate::peers::{Archive, Heap, Plain};
use crate::store::Age;

pub fn compare(c: &mut Criterion, age: Age, view: &View, heap: &Heap, archive: &Archive, plain: &Plain) {
    let title = view.field::<&str>("Movie.title").unwrap();
    let bytes = view.field::<&[u8]>("Movie.title").unwrap();
    let year = view.field::<u16>("Movie.year").unwrap();
    let records = view.records::<movie::Owned>().unwrap();
    let archived = archive.open().movies();
    let message = plain.open();
    let list: capnp::struct_list::Reader<'_, movie::Owned> = message.get_root().unwrap();
    let movies = &heap.movies;
    let elements = Throughput::Elements(movies.len() as u64);

    let years = || -> u64 { movies.iter().map(|film| u64::from(film.year)).sum() };
    let kapok = || {
        let mut sum = 0_u64;
        year.for_each(|year| sum += u64::from(year)).unwrap();
        sum
    };
    let kapok_iterated = || year.iter().map(|year| year.map(u64::from)).sum::<Result<u64, _>>().unwrap();
    let kapok_records = || -> u64 { records.iter().map(|film| u64::from(film.get_year())).sum() };
    let rkyv = || -> u64 { archived.iter().map(|film| u64::from(film.year.to_native())).sum() };
    let capnp = || -> u64 { list.iter().map(|film| u64::from(film.get_year())).sum() };
    assert_eq!([kapok(), kapok_iterated(), kapok_records(), rkyv(), capnp()], [years(); 5]);
    let mut group = c.benchmark_group(format!("scan: sum of years ({})", age.name()));
    group.throughput(elements.clone());
    group.bench_function("kapok: field handle, for_each", |b| b.iter(kapok));
    group.bench_function("kapok: field handle, iterator", |b| b.iter(kapok_iterated));
    group.bench_function("kapok: generated reader", |b| b.iter(kapok_records));
    group.bench_function("heap: Vec", |b| b.iter(years));
    group.bench_function("rkyv, mapped", |b| b.iter(rkyv));
    group.bench_function("capnp's reader, plain message", |b| b.iter(capnp));
    group.finish();

    // Lengths stand with the pointers: no byte of a text is loaded, but by what checks it.
    let lengths = || -> usize { movies.iter().map(|film| film.title.len()).sum() };
    let kapok = || {
        let mut sum = 0;
        bytes.for_each(|text| sum += text.len()).unwrap();
        sum
    };
    let kapok_iterated = || bytes.iter().map(|text| text.map(<[u8]>::len)).sum::<Result<usize, _>>().unwrap();
    let kapok_str = || {
        let mut sum = 0;
        title.for_each(|text| sum += text.len()).unwrap();
        sum
    };
    let kapok_str_iterated = || title.iter().map(|text| text.map(str::len)).sum::<Result<usize, _>>().unwrap();
    let rkyv = || -> usize { archived.iter().map(|film| film.title.len()).sum() };
    let capnp = || -> usize { list.iter().map(|film| film.get_title().unwrap().len()).sum() };
    let all = [kapok(), kapok_iterated(), kapok_str(), kapok_str_iterated(), rkyv(), capnp()];
    assert_eq!(all, [lengths(); 6]);
    let mut group = c.benchmark_group(format!("scan: sum of title lengths ({})", age.name()));
    group.throughput(elements.clone());
    group.bench_function("kapok: field handle, bytes, for_each", |b| b.iter(kapok));
    group.bench_function("kapok: field handle, bytes, iterator", |b| b.iter(kapok_iterated));
    group.bench_function("kapok: field handle, &str, for_each", |b| b.iter(kapok_str));
    group.bench_function("kapok: field handle, &str, iterator", |b| b.iter(kapok_str_iterated));
    group.bench_function("heap: Vec", |b| b.iter(lengths));
    group.bench_function("rkyv, mapped", |b| b.iter(rkyv));
    group.bench_function("capnp's reader, plain message", |b| b.iter(capnp));
    group.finish();

    // Every byte of every text.
    let sum = |text: &[u8]| -> u64 { text.iter().map(|byte| u64::from(*byte)).sum() };
    let letters = || -> u64 { movies.iter().map(|film| sum(film.title.as_bytes())).sum() };
    let kapok = || {
        let mut all = 0;
        bytes.for_each(|text| all += sum(text)).unwrap();
        all
    };
    let kapok_str = || {
        let mut all = 0;
        title.for_each(|text| all += sum(text.as_bytes())).unwrap();
        all
    };
    let rkyv = || -> u64 { archived.iter().map(|film| sum(film.title.as_bytes())).sum() };
    let capnp = || -> u64 { list.iter().map(|film| sum(film.get_title().unwrap().as_bytes())).sum() };
    assert_eq!([kapok(), kapok_str(), rkyv(), capnp()], [letters(); 4]);
    let mut group = c.benchmark_group(format!("scan: sum of the bytes of all titles ({})", age.name()));
    group.throughput(elements);
    group.bench_function("kapok: field handle, bytes, for_each", |b| b.iter(kapok));
    group.bench_function("kapok: field handle, &str, for_each", |b| b.iter(kapok_str));
    group.bench_function("heap: Vec", |b| b.iter(letters));
    group.bench_function("rkyv, mapped", |b| b.iter(rkyv));
    group.bench_function("capnp's reader, plain message", |b| b.iter(capnp));
    group.finish();
}
