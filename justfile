# The recipes of this repository: `just --list`. CONTRIBUTING.md tells when to use which.

# What every change must pass: all of the below and more (about 15 minutes). Needs no root; see `just install`.
ci:
    .ci/run

# What .ci/run needs besides a Rust toolchain and a C compiler, as root on Debian.
install:
    .ci/install

# Format, lints and tests of one crate or several: `just check -p kapok-core`.
check *packages:
    cargo fmt --all --check
    cargo clippy --all-targets {{packages}} -- -D warnings
    cargo test {{packages}}

# Tests that play random histories, with so many times the cases of CI.
campaign scale="50":
    KAPOK_TEST_SCALE={{scale}} cargo test -p kapok-tests
    KAPOK_FUZZ_ITERATIONS=$(({{scale}} * 3000)) cargo test -p kapok-core -p kapok-index --test hostile -- --nocapture

# The pages of all crates.
doc:
    cargo doc --workspace --no-deps --open

# Write down the public items after a change to them.
public-api:
    .ci/public-api/run write

# Licences, duplicates and advisories of the dependencies. Needs cargo-deny.
deny:
    cargo deny check

# Generated code of the stored files, after a change to schemas/*.capnp. Needs the capnp tool.
generate:
    cd schemas && capnp compile -o- --src-prefix=. *.capnp > schemas.cgr
    cargo run -p kapok-schemas-generate -- schemas/schemas.cgr schemas/src/generated
