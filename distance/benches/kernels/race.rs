//! Contestants in turns, so that a busy machine slows all of them alike.

use std::time::Instant;

/// Turns of each contestant.
const ROUNDS: usize = 40;
/// Seconds of a turn.
const TURN: f64 = 0.0005;

/// Something that is timed: does its work once.
pub type Contestant<'a> = Box<dyn FnMut() + 'a>;

/// Nanoseconds for a row of each contestant: of its turns that which a quarter is faster than, since others may work on the
/// machine too. `rows` is what one work goes through.
pub fn ns_per_row(rows: usize, contestants: &mut [Contestant<'_>]) -> Vec<f64> {
    let seconds = |work: &mut dyn FnMut(), times: u32| {
        let start = Instant::now();
        (0..times).for_each(|_| work());
        start.elapsed().as_secs_f64()
    };
    let times: Vec<u32> = contestants
        .iter_mut()
        .map(|contestant| {
            let mut times = 1;
            while seconds(contestant, times) < TURN {
                times *= 2;
            }
            times
        })
        .collect();
    let mut turns = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for ((contestant, &times), turns) in contestants.iter_mut().zip(&times).zip(&mut turns) {
            turns.push(seconds(contestant, times) / f64::from(times) / rows as f64 * 1e9);
        }
    }
    turns.into_iter().map(quarter).collect()
}

/// What a quarter of these is less than.
pub fn quarter(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 4]
}
