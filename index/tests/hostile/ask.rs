//! Asks an index through every door.

use std::ops::Bound;

use kapok_core::key::{KeyPart, KeyParts};
use kapok_core::paths::Scalar;
use kapok_core::segment::RowId;
use kapok_core::{ErrorKind, Result};
use kapok_index::{Index, Kind, View};
use kapok_samples::random::Random;

/// What was found, by segment and row; `None` for an error.
pub type Answers = Vec<Option<Vec<(usize, u32)>>>;

/// Asks for the values of some rows, and by expressions. Fails if a row is found that there is not, or that is dead, and for
/// any error but `Corrupt`.
pub fn ask(view: &View, position: usize, expressions: &[&str], r: &mut Random) -> Answers {
    let table = &view.tables()[0];
    let index = &view.indexes(table.name()).unwrap()[position];
    let mut asking = Asking { view, answers: Answers::new() };
    for _ in 0..4 {
        let place = r.below(2);
        let source = &table.segments()[place];
        let row = u32::try_from(r.below(source.segment().rows() as usize)).unwrap();
        let mut tuples: Vec<Vec<Scalar<'_>>> = Vec::new();
        let row = table.row(source.mark().row_id(place, row)).unwrap();
        index
            .paths()
            .for_each(row, |values| {
                tuples.push(values.to_vec());
                Ok(())
            })
            .unwrap();
        for tuple in tuples.iter().take(2) {
            asking.by_values(index, tuple);
        }
    }
    for expression in expressions {
        match view.query(table.name(), expression) {
            Ok(rows) => {
                asking.found(rows.row_ids());
                check(rows.count().map(|count| assert!(count <= asking.rows())));
                check(rows.limit(3).page(None).map(drop));
            }
            Err(error) => asking.found(Err(error)),
        }
    }
    asking.answers
}

struct Asking<'v> {
    view: &'v View,
    answers: Answers,
}

impl Asking<'_> {
    /// Asks the lookup of the index's kind; kinds that have none are asked by expressions alone.
    fn by_values(&mut self, index: &Index, values: &[Scalar<'_>]) {
        let view = self.view;
        let table = &view.tables()[0];
        match index.kind() {
            Kind::Unique => {
                let lookup = view.lookup(table.name()).unwrap();
                let parts: Vec<KeyPart<'_>> = values.iter().map(|value| part(*value)).collect();
                self.one(lookup.find(&KeyParts(&parts)));
                if let [Scalar::UInt(number)] = values {
                    let keys: Vec<u64> = (0..20).map(|more| number.saturating_add(more)).collect();
                    match lookup.find_many(&keys) {
                        Ok(found) => found.into_iter().for_each(|found| self.one(Ok(found))),
                        Err(error) => self.one(Err(error)),
                    }
                }
            }
            Kind::Alternate => self.one(view.alternate_lookup(table.name(), index.name()).unwrap().find(values)),
            Kind::Hash => {
                let lookup = view.hash_lookup(table.name(), index.name()).unwrap();
                let found = lookup.find(values);
                for row_id in found.iter().flatten().take(3) {
                    check(lookup.contains(values, *row_id).map(drop));
                }
                self.found(found);
                check(lookup.count(values).map(|count| assert!(count <= self.rows())));
            }
            Kind::Sorted if values[0] != Scalar::Null => {
                let lookup = view.sorted_lookup(table.name(), index.name()).unwrap();
                let place = &values[..1];
                self.found(lookup.range(Bound::Included(place), Bound::Unbounded));
                self.found(lookup.range(Bound::Unbounded, Bound::Excluded(place)));
                self.one(lookup.first_from(Bound::Excluded(place)));
                self.found(lookup.last(5));
                if let Scalar::Text(text) = values[0] {
                    self.found(lookup.prefix(Scalar::Text(&text[..text.len() / 2])));
                    self.found(lookup.longest_beginning(Scalar::Text(&[text, b"~"].concat())));
                }
            }
            _ => {}
        }
    }

    fn one(&mut self, found: Result<Option<RowId>>) {
        self.found(found.map(|found| found.into_iter().collect()));
    }

    fn found(&mut self, found: Result<Vec<RowId>>) {
        let table = &self.view.tables()[0];
        let place = |row_id: &RowId| {
            let (place, row) = table.place(*row_id).unwrap();
            let source = &table.segments()[place];
            assert!(row < source.segment().rows() && source.is_live(row), "row {row} of segment {place}");
            (place, row)
        };
        let answer = found.as_ref().ok().map(|found| found.iter().map(place).collect());
        check(found.map(|found| assert!(found.len() as u64 <= self.rows(), "more rows than there are")));
        self.answers.push(answer);
    }

    /// Returns the number of rows, dead ones included.
    fn rows(&self) -> u64 {
        self.view.tables()[0].segments().iter().map(|source| u64::from(source.segment().rows())).sum()
    }
}

/// Fails for any error but `Corrupt`.
fn check(result: Result<()>) {
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

fn part(value: Scalar<'_>) -> KeyPart<'_> {
    match value {
        Scalar::Int(value) => KeyPart::Int(value.into()),
        Scalar::UInt(value) => KeyPart::Int(value.into()),
        Scalar::Text(bytes) => KeyPart::Text(std::str::from_utf8(bytes).unwrap()),
        other => panic!("{other:?} in a key"),
    }
}
