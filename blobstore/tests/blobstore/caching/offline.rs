//! What a host last knew of a store.
