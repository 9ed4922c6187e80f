//! What do the tests of this folder share? Datasets, models of them, and stores that fail on purpose.
