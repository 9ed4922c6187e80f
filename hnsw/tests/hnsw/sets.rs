//! Sets of rows are what a set of numbers is.

use std::collections::BTreeSet;

use kapok_hnsw::RowSet;
use kapok_samples::random::Random;

#[test]
fn a_set_of_rows_holds_what_a_set_of_numbers_does() {
    let mut r = Random::new(3);
    for rows in [0, 1, 63, 64, 65, 128, 1000] {
        let numbers: BTreeSet<u32> = (0..rows).filter(|_| r.one_in(3)).collect();
        // Those that there are not are left out, and those that come twice count once.
        let given = numbers.iter().copied().chain(numbers.iter().copied());
        let some = RowSet::of(rows, given.chain([rows.next_multiple_of(64), u32::MAX]));
        let others = RowSet::all_but(rows, (0..rows).filter(|row| numbers.contains(row)).chain([u32::MAX]));
        for row in (0..rows + 130).chain([u32::MAX]) {
            assert_eq!(some.contains(row), numbers.contains(&row));
            assert_eq!(others.contains(row), row < rows && !numbers.contains(&row));
        }
        assert_eq!(some.iter().collect::<Vec<_>>(), numbers.iter().copied().collect::<Vec<_>>());
        assert_eq!(some.count() as usize, numbers.len());
        assert_eq!(others.count(), rows - some.count());
        assert_eq!(others.iter().count(), others.count() as usize);
        assert_eq!(RowSet::new(rows), RowSet::of(rows, [rows, rows + 1]), "a row beyond the last");
    }
}
