//! Counterexamples that were found once, and hostile forms that random mutation rarely finds.
