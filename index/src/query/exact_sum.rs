//! Sums floating-point numbers without an error, and rounds once.
//!
//! The sum is kept as one integer of 2,240 bits, in units of 2^-1074, of which every Float64 is a multiple: a small
//! superaccumulator, as in R. Neal, "Fast exact summation using small and large superaccumulators" (2015). So the order in
//! which numbers come, and how they are split among threads, do not matter.

#![expect(
    clippy::cast_possible_truncation,
    reason = "casts are of numbers that are masked, or of places in a small array"
)]

/// Bits of a limb that count; the others take up carries.
const LIMB_BITS: u32 = 32;
/// Enough for 2^64 numbers of the largest exponent.
const LIMBS: usize = 70;
/// Numbers that may be added before the carries must be passed on.
const ADDITIONS_MAX: u32 = 1 << 30;
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;

/// The exact sum of some numbers.
#[derive(Clone, Debug)]
pub(super) struct ExactSum {
    /// The least first.
    limbs: Box<[i64; LIMBS]>,
    additions: u32,
    has_nan: bool,
    has_infinity: bool,
    has_negative_infinity: bool,
}

impl ExactSum {
    pub fn new() -> Self {
        let limbs = Box::new([0; LIMBS]);
        Self { limbs, additions: 0, has_nan: false, has_infinity: false, has_negative_infinity: false }
    }

    pub fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> MANTISSA_BITS) & 0x7ff;
        if exponent == 0x7ff {
            match value {
                _ if value.is_nan() => self.has_nan = true,
                _ if value > 0.0 => self.has_infinity = true,
                _ => self.has_negative_infinity = true,
            }
            return;
        }
        // A number is its mantissa, shifted to the left by this, in units of 2^-1074.
        let (mantissa, shift) =
            if exponent == 0 { (bits & MANTISSA, 0) } else { (bits & MANTISSA | 1 << MANTISSA_BITS, exponent - 1) };
        let (limb, shift) = ((shift / u64::from(LIMB_BITS)) as usize, shift % u64::from(LIMB_BITS));
        let mut rest = u128::from(mantissa) << shift;
        for limb in &mut self.limbs[limb..limb + 3] {
            let part = (rest & 0xffff_ffff) as i64;
            *limb += if value.is_sign_negative() { -part } else { part };
            rest >>= LIMB_BITS;
        }
        self.additions += 1;
        if self.additions == ADDITIONS_MAX {
            self.pass_carries_on();
        }
    }

    /// Adds what another one is the sum of.
    pub fn merge(&mut self, mut other: Self) {
        self.pass_carries_on();
        other.pass_carries_on();
        self.limbs.iter_mut().zip(other.limbs.iter()).for_each(|(limb, other)| *limb += other);
        self.additions = 2;
        self.has_nan |= other.has_nan;
        self.has_infinity |= other.has_infinity;
        self.has_negative_infinity |= other.has_negative_infinity;
    }

    /// Makes all limbs but the last numbers of 32 bits that are not negative.
    fn pass_carries_on(&mut self) {
        let mut carry = 0;
        let [limbs @ .., last] = self.limbs.as_mut_slice() else { return };
        for limb in limbs {
            let sum = *limb + carry;
            *limb = sum & 0xffff_ffff;
            carry = sum >> LIMB_BITS;
        }
        *last += carry;
        self.additions = 0;
    }

    /// Returns the sum, rounded to the nearest Float64, to the even one of two.
    pub fn rounded(&self) -> f64 {
        if self.has_nan || self.has_infinity && self.has_negative_infinity {
            return f64::NAN;
        }
        if self.has_infinity {
            return f64::INFINITY;
        }
        if self.has_negative_infinity {
            return f64::NEG_INFINITY;
        }
        let mut sum = self.clone();
        sum.pass_carries_on();
        let is_negative = sum.limbs[LIMBS - 1] < 0;
        if is_negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.pass_carries_on();
        }
        let magnitude = sum.magnitude();
        if is_negative { -magnitude } else { magnitude }
    }

    /// Rounds a sum that is not negative, whose carries are passed on.
    fn magnitude(&self) -> f64 {
        let Some(top) = self.limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let highest = top as u64 * u64::from(LIMB_BITS) + 63 - u64::from(self.limbs[top].leading_zeros());
        let Some(shift) = highest.checked_sub(u64::from(MANTISSA_BITS)) else {
            // Less than the least normal number: the bits are the number.
            return f64::from_bits(self.bits(0));
        };
        let exponent = shift + 1;
        if exponent >= 0x7ff {
            return f64::INFINITY;
        }
        let mantissa = self.bits(shift) & MANTISSA;
        let rounds_up = shift > 0 && {
            let half = self.bits(shift - 1) & 1 == 1;
            half && (mantissa & 1 == 1 || self.is_any_below(shift - 1))
        };
        // A mantissa that overflows makes the exponent one more, up to infinity.
        f64::from_bits((exponent << MANTISSA_BITS | mantissa) + u64::from(rounds_up))
    }

    /// Returns 64 bits from one on; all limbs are numbers of 32 bits.
    fn bits(&self, from: u64) -> u64 {
        let (limb, shift) = ((from / u64::from(LIMB_BITS)) as usize, from % u64::from(LIMB_BITS));
        let limbs = self.limbs[limb..].iter().take(3).rev();
        let bits = limbs.fold(0_u128, |bits, limb| bits << LIMB_BITS | u128::from(limb.cast_unsigned())) >> shift;
        (bits & u128::from(u64::MAX)) as u64
    }

    fn is_any_below(&self, bit: u64) -> bool {
        let (limb, shift) = ((bit / u64::from(LIMB_BITS)) as usize, bit % u64::from(LIMB_BITS));
        self.limbs[..limb].iter().any(|limb| *limb != 0) || self.limbs[limb] & ((1 << shift) - 1) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sum = ExactSum::new();
        for value in values {
            sum.add(*value);
        }
        sum.rounded()
    }

    #[test]
    fn sums_are_those_of_fsum() {
        // Answers of Python's math.fsum, which are exact.
        for (values, expected) in [
            (&[][..], 0.0),
            (&[0.1; 10], 1.0),
            (&[1e100, 1.0, -1e100], 1.0),
            (&[1e308, 1e308, -1e308], 1e308),
            (&[5e-324, 5e-324], 1e-323),
            (&[2.0_f64.powi(53), -0.5, -(2.0_f64.powi(-54))], 9_007_199_254_740_991.0),
            (&[2.0_f64.powi(53), 1.0, 2.0_f64.powi(-100)], 9_007_199_254_740_994.0),
            (&[2.0_f64.powi(53) + 10.0 - 8.0 - 2.0, 1.0], 9_007_199_254_740_992.0),
            (&[1e16, 1.0, 1e-16], 10_000_000_000_000_002.0),
            (&[1e16 - 2.0, 1.0 - 2.0_f64.powi(-53), -(1e16 - 2.0), -(1.0 - 2.0_f64.powi(-53))], 0.0),
            (&[-1.5, -2.25], -3.75),
            (&[f64::MIN_POSITIVE, -5e-324], f64::MIN_POSITIVE - 5e-324),
            (&[f64::MAX, f64::MAX], f64::INFINITY),
            (&[f64::MAX, 2.0_f64.powi(969)], f64::MAX),
            (&[f64::MAX, 2.0_f64.powi(970)], f64::INFINITY),
            (&[f64::INFINITY, 1.0], f64::INFINITY),
            (&[f64::NEG_INFINITY, 1.0], f64::NEG_INFINITY),
        ] {
            assert_eq!(sum(values).to_bits(), f64::to_bits(expected), "{values:?}: {:?} {expected:?}", sum(values));
        }
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(sum(&[f64::NAN, 1.0]).is_nan());
    }

    #[test]
    fn sums_of_whole_numbers_are_those_of_integers() {
        let mut seed = 7_u64;
        for _ in 0..200 {
            let mut random = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed >> 11
            };
            let values: Vec<i128> =
                (0..50).map(|_| i128::from(random().cast_signed() - (1 << 52)) << (random() % 60)).collect();
            #[expect(clippy::cast_precision_loss, reason = "each has at most 53 bits, and the sum is rounded once")]
            let (floats, expected): (Vec<f64>, f64) =
                (values.iter().map(|value| *value as f64).collect(), values.iter().sum::<i128>() as f64);
            let (left, right) = floats.split_at(20);
            let mut parts = [left, right].map(|part| {
                let mut sum = ExactSum::new();
                for value in part {
                    sum.add(*value);
                }
                sum
            });
            let merged = parts[1].clone();
            parts[0].merge(merged);
            assert_eq!((sum(&floats), parts[0].rounded()), (expected, expected));
        }
    }
}
