//! Rows: where they lie, and ids of none.

use std::panic::catch_unwind;

use kapok_distance::{Kernels, Rows};

#[test]
fn rows_that_do_not_lie_in_their_bytes_are_refused() {
    let bytes = [0; 100];
    assert!(Rows::new(&bytes, 4, 24, 24, 4).is_ok());
    assert!(Rows::new(&bytes, 5, 24, 24, 4).is_err());
    assert!(Rows::new(&bytes, 4, 25, 24, 4).is_err());
    assert!(Rows::new(&bytes, 0, 8, 9, 1).is_err(), "rows that overlap");
    assert!(Rows::new(&bytes, 101, 8, 8, 0).is_ok(), "no rows lie anywhere");
    assert!(Rows::new(&bytes, usize::MAX, 8, 8, 1).is_err());
    assert!(Rows::new(&bytes, 0, usize::MAX, 8, 3).is_err());
    let error = Rows::new(&bytes, 1, 100, 100, 1).unwrap_err();
    assert_eq!(error.to_string(), "rows lie outside of their bytes: len=100 offset=1 stride=100 row_bytes=100 count=1");
}

#[test]
fn a_row_may_end_where_the_bytes_end_and_have_a_gap_before_the_next() {
    let bytes: Vec<u8> = (0..100).collect();
    let rows = Rows::new(&bytes, 1, 50, 49, 2).unwrap();
    assert_eq!((rows.row(0), rows.row(1)), (&bytes[1..50], &bytes[51..100]));
}

#[test]
fn an_id_of_no_row_panics_wherever_it_stands() {
    let bytes = [1; 64];
    let rows = Rows::new(&bytes, 0, 8, 8, 8).unwrap();
    for kernels in Kernels::available() {
        for place in 0..11 {
            let mut ids = [7; 11];
            kernels.dot_u8(&[1; 8], &rows, &ids, &mut [0; 11]);
            ids[place] = 8;
            assert!(catch_unwind(|| kernels.dot_u8(&[1; 8], &rows, &ids, &mut [0; 11])).is_err());
            ids[place] = u32::MAX;
            assert!(catch_unwind(|| kernels.dot_u8(&[1; 8], &rows, &ids, &mut [0; 11])).is_err());
        }
        kernels.prefetch(&rows, 7);
        kernels.prefetch(&rows, 8);
        assert!(catch_unwind(|| kernels.dot_u8(&[1; 8], &rows, 5..9, &mut [0; 4])).is_err());
    }
}

#[test]
fn lengths_that_differ_panic() {
    let bytes = [1; 64];
    let rows = Rows::new(&bytes, 0, 8, 8, 8).unwrap();
    for kernels in Kernels::available() {
        assert!(catch_unwind(|| kernels.dot_u8(&[1; 9], &rows, &[0], &mut [0])).is_err(), "a longer query");
        assert!(catch_unwind(|| kernels.dot_u8(&[1; 7], &rows, &[0], &mut [0])).is_err(), "a shorter query");
        assert!(catch_unwind(|| kernels.dot_u8(&[1; 8], &rows, &[0, 1], &mut [0])).is_err(), "too few places");
        assert!(catch_unwind(|| kernels.dot_f32(&[1.0; 8], &rows, &[0], &mut [0.0])).is_err(), "other elements");
    }
}

#[test]
fn a_range_is_its_ids_and_no_ids_are_nothing() {
    let bytes: Vec<u8> = (0..64).collect();
    let rows = Rows::new(&bytes, 0, 8, 8, 8).unwrap();
    for kernels in Kernels::available() {
        let (mut of_range, mut of_list) = ([0; 7], [0; 7]);
        kernels.l2_u8(&[3; 8], &rows, 1..8, &mut of_range);
        kernels.l2_u8(&[3; 8], &rows, &[1, 2, 3, 4, 5, 6, 7], &mut of_list);
        assert_eq!(of_range, of_list);
        kernels.l2_u8(&[3; 8], &rows, 4..4, &mut []);
        kernels.l2_u8(&[3; 8], &rows, &[], &mut []);
    }
}

#[test]
fn vectors_without_dimensions_have_sums_of_zero() {
    let rows = Rows::new(&[], 0, 0, 0, 5).unwrap();
    for kernels in Kernels::available() {
        let mut dots = [1.0; 5];
        kernels.dot_f32(&[], &rows, 0..5, &mut dots);
        assert_eq!(dots.map(f32::to_bits), [0; 5]);
        let mut l2s = [1; 5];
        kernels.l2_i8(&[], &rows, 0..5, &mut l2s);
        assert_eq!(l2s, [0; 5]);
        let mut codes = [1; 5];
        kernels.dot_u4i8(&[], &rows, 0..5, &mut codes);
        assert_eq!(codes, [0; 5]);
    }
}
