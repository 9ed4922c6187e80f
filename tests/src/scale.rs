//! How many cases a campaign runs.

/// So many, times the environment variable `KAPOK_TEST_SCALE`: a positive number, 1 where it is not set.
///
/// # Panics
/// Where the variable is no positive number.
pub fn scaled(cases: u32) -> u32 {
    let Ok(scale) = std::env::var("KAPOK_TEST_SCALE") else { return cases };
    let scale: f64 = scale.parse().expect("KAPOK_TEST_SCALE is a number");
    assert!(scale > 0.0, "KAPOK_TEST_SCALE is positive");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of cases")]
    let cases = (f64::from(cases) * scale).ceil() as u32;
    cases.max(1)
}
