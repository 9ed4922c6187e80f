//! Decides which number to ask for next, and knows the last one once it follows from the answers.

/// A search for the last number that is taken, of numbers that are taken without gaps from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Asks for a number that may well be there.
    Hint { hint: u64 },
    /// Goes up by doubling steps from one that is there.
    Above { low: u64, step: u64 },
    /// Goes up by doubling the number of binary digits. `low` is a power of two that is there.
    Octave { low: Option<u32>, next: u32, absent: u64 },
    /// Asks for 1, if no greater power of two that was asked for is there.
    First { high: u32, absent: u64 },
    /// Bisects the number of binary digits: 2^low is there, 2^high is not.
    Digits { low: u32, high: u32, absent: u64 },
    /// Bisects what is left: `low` is there or 0, `high` is not there.
    Bisection { low: u64, high: u64 },
}

/// What a search needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The answer whether this number is there.
    Ask(u64),
    /// Nothing: this is the last number, 0 if there is none.
    Found(u64),
}

impl Search {
    /// Begins at a number that may well be there; 0 for no such number.
    pub(super) fn beginning_at(hint: u64) -> Self {
        if hint > 0 { Self::Hint { hint } } else { Self::octave(None, 8, 0) }
    }

    /// Begins without a number that is there, below one that is not; 0 for no such number.
    fn octave(low: Option<u32>, next: u32, absent: u64) -> Self {
        let high = if absent == 0 { u64::BITS } else { absent.ilog2() + 1 };
        match low {
            _ if next < high => Self::Octave { low, next, absent },
            _ => Self::digits(low, high, absent),
        }
    }

    fn digits(low: Option<u32>, high: u32, absent: u64) -> Self {
        match low {
            Some(low) if high - low > 1 => Self::Digits { low, high, absent },
            Some(low) => {
                let above = if high == u64::BITS { u64::MAX } else { 1 << high };
                let high = if absent == 0 { above } else { above.min(absent) };
                Self::Bisection { low: 1 << low, high }
            }
            None if high > 0 => Self::First { high, absent },
            None => Self::Bisection { low: 0, high: 1 },
        }
    }

    /// Returns what the search needs next.
    pub(super) fn step(&self) -> Step {
        match *self {
            Self::Hint { hint } => Step::Ask(hint),
            Self::Above { low, step } => match low.saturating_add(step) {
                next if next == low => Step::Found(low),
                next => Step::Ask(next),
            },
            Self::Octave { next, .. } => Step::Ask(1 << next),
            Self::First { .. } => Step::Ask(1),
            Self::Digits { low, high, .. } => Step::Ask(1 << (low + (high - low) / 2)),
            Self::Bisection { low, high } if high - low > 1 => Step::Ask(low + (high - low) / 2),
            Self::Bisection { low, .. } => Step::Found(low),
        }
    }

    /// Takes the answer to what [`step`](Self::step) asked for.
    pub(super) fn answer(&mut self, is_there: bool) {
        *self = match *self {
            Self::Hint { hint } if is_there => Self::Above { low: hint, step: 1 },
            Self::Hint { hint } => Self::octave(None, 8, hint),
            Self::Above { low, step } => {
                let next = low.saturating_add(step);
                if is_there {
                    Self::Above { low: next, step: step.saturating_mul(2) }
                } else {
                    Self::Bisection { low, high: next }
                }
            }
            Self::Octave { next, absent, .. } if is_there => Self::octave(Some(next), next * 2, absent),
            Self::Octave { low, next, absent, .. } => Self::digits(low, next, absent),
            Self::First { high, absent } if is_there => Self::digits(Some(0), high, absent),
            Self::First { .. } => Self::Bisection { low: 0, high: 1 },
            Self::Digits { low, high, absent } => {
                let middle = low + (high - low) / 2;
                let (low, high) = if is_there { (middle, high) } else { (low, middle) };
                Self::digits(Some(low), high, absent)
            }
            Self::Bisection { low, high } => {
                let middle = low + (high - low) / 2;
                if is_there { Self::Bisection { low: middle, high } } else { Self::Bisection { low, high: middle } }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last number that a search finds, and how often it asked.
    fn search(hint: u64, last: u64) -> (u64, u32) {
        let mut search = Search::beginning_at(hint);
        for asked in 0..200 {
            match search.step() {
                Step::Found(found) => return (found, asked),
                Step::Ask(number) => {
                    assert!(number > 0, "numbers count from 1");
                    search.answer(number <= last);
                }
            }
        }
        panic!("no end: hint={hint} last={last} {search:?}");
    }

    #[test]
    fn the_last_number_is_found_from_any_hint() {
        let edges = (0..u64::BITS).flat_map(|digits| [(1_u64 << digits) - 1, 1 << digits, (1 << digits) + 1]);
        let numbers: Vec<u64> = (0..20).chain(edges).chain([u64::MAX - 1]).collect();
        for &last in &numbers {
            for &hint in &numbers {
                assert_eq!(search(hint, last).0, last, "from {hint}");
            }
        }
        assert_eq!(search(u64::MAX, u64::MAX), (u64::MAX, 1), "the hint is the last of all numbers");
        assert_eq!(search(u64::MAX - 5, u64::MAX).0, u64::MAX);
    }

    #[test]
    fn a_search_asks_about_as_often_as_the_logarithm_of_the_answer() {
        assert_eq!((search(0, 0).1, search(0, 1).1, search(0, 10).1), (2, 5, 8));
        assert_eq!((search(0, 1_000).1, search(0, 10_000).1, search(0, 1_000_000).1), (14, 18, 26));
        assert_eq!((search(10_000, 10_000).1, search(10_000, 10_001).1), (2, 4));
        for last in 1..5_000_u64 {
            assert!(search(0, last).1 <= 6 + last.ilog2(), "{last}");
        }
    }
}
