//! Which sets of kernels there are, and that none changed its sums.

use kapok_distance::{Kernels, Rows};

use crate::sample::{Random, bytes_of_floats};

#[test]
fn a_processor_has_the_scalar_kernels_and_those_that_are_detected() {
    let available = Kernels::available();
    assert_eq!(available[0].name(), "scalar");
    assert!(available.contains(&Kernels::detect()));
    if cfg!(target_arch = "aarch64") {
        assert_eq!(available[1].name(), "neon");
    }
}

#[test]
fn sums_have_the_bits_that_they_always_had() {
    // Whatever processor runs this: graphs of all processors are alike only if their sums are.
    let mut random = Random(11);
    let (query, numbers) = (random.floats(777), random.floats(777 * 3));
    let bytes = bytes_of_floats(&numbers);
    let floats = Rows::new(&bytes, 0, 777 * 4, 777 * 4, 3).unwrap();
    let halves = random.halves(777 * 3, 0x7c00);
    let halves = Rows::new(&halves, 0, 777 * 2, 777 * 2, 3).unwrap();
    let upper: Vec<u8> = bytes.chunks(4).flat_map(|four| [four[2], four[3]]).collect();
    let upper = Rows::new(&upper, 0, 777 * 2, 777 * 2, 3).unwrap();
    for kernels in Kernels::available() {
        let mut sums = [[0.0_f32; 3]; 4];
        kernels.dot_f32(&query, &floats, 0..3, &mut sums[0]);
        kernels.l2_f32(&query, &floats, 0..3, &mut sums[1]);
        kernels.dot_f16(&query, &halves, 0..3, &mut sums[2]);
        kernels.l2_bf16(&query, &upper, 0..3, &mut sums[3]);
        let expected: [[u32; 3]; 4] = [
            [0x41bf_e274, 0x4181_6aaf, 0xc185_23e6],
            [0x44e7_6336, 0x44e6_0410, 0x44ef_9b74],
            [0x4871_ad21, 0x47d8_f1ce, 0xc8da_0496],
            [0x44e6_c53d, 0x44e5_753c, 0x44ee_fc10],
        ];
        assert_eq!(sums.map(|sums| sums.map(f32::to_bits)), expected, "{}", kernels.name());
    }
}
