#!/usr/bin/env bash
# Do the programs of a user build and run, outside of the workspace, from the packages as they are published?
#
#   examples/own-types/check.sh
#
# Packages the workspace, unpacks the packages under target/own-types/, and builds there: the three packages beside this
# script, and the first Rust example of README.md with the Cargo.toml that stands before it. Works without a network if
# the workspace was built. The example of the `.capnp` file needs the capnp tool.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
scratch=$(mkdir -p "${CARGO_TARGET_DIR:-target}/own-types" && cd "${CARGO_TARGET_DIR:-target}/own-types" && pwd)
packages=$scratch/packages programs=$scratch/programs
rm -rf "$packages" "$programs"
mkdir -p "$packages" "$programs"
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_INCREMENTAL=false

# The packages that are published, and the settings that take their unpacked copies for what a registry would give.
mapfile -t published < <(cargo metadata --locked --offline --no-deps --format-version 1 |
  python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["publish"] is None:
        print(package["name"], package["version"])')
names=() patches=()
for package in "${published[@]}"; do
  names+=(-p "${package% *}")
  patches+=(--config "patch.crates-io.${package% *}.path=\"$packages/${package/ /-}\"")
done
cargo package --quiet --locked --offline --allow-dirty --no-verify --target-dir "$scratch/packaging" "${names[@]}"
for package in "${published[@]}"; do
  # -m: files are as new as this run, or Cargo takes what it built of an earlier one's for theirs.
  tar -xzmf "$scratch/packaging/package/${package/ /-}.crate" -C "$packages"
done

run() { # FOLDER
  echo "--- $1"
  # The workspace's lock file, so that nothing is downloaded.
  cp Cargo.lock "$programs/$1/Cargo.lock"
  (cd "$programs/$1" && cargo run --quiet --offline --target-dir "$scratch/build" "${patches[@]}")
}

for example in serde json capnp; do
  if [ $example = capnp ] && ! command -v capnp >/dev/null; then
    echo "--- capnp: SKIPPED, the capnp tool is not installed"
    continue
  fi
  cp -r "$root/examples/own-types/$example" "$programs/$example"
  run $example
done

# README: the first block of each of the two kinds.
block() { # LANGUAGE
  awk -v fence='```' -v from="$1" '$0 == fence from {inside = 1; next} inside && $0 == fence {exit} inside' README.md
}
mkdir -p "$programs/readme/src"
{
  printf '[package]\nname = "readme"\nedition = "2024"\n\n[workspace]\n\n'
  block toml
} >"$programs/readme/Cargo.toml"
block rust >"$programs/readme/src/main.rs"
run readme
echo "own types: ok"
