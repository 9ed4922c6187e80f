#!/usr/bin/env bash
# Do the capnp tool and pycapnp decode our segments to what was published? See check.py.
#
#   interop/check.sh [KAPOK]
#
# KAPOK is the program to try; without it, the release build is made. Needs capnp and zstd (Debian: capnproto, zstd) and
# makes a Python environment with pycapnp under target/. KAPOK_DATA names the folder of the full data sets (default:
# ../shared/data); without them the bundled sample is taken.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
data=${KAPOK_DATA:-../shared/data}

kapok=${1:-}
if [ -z "$kapok" ]; then
  cargo build --release --quiet -p kapok-cli
  kapok=$target/release/kapok
fi

python=$target/interop-venv/bin/python
if ! "$python" -c 'import capnp' 2>/dev/null; then
  python3 -m venv --clear "$target/interop-venv"
  "$python" -m pip install --quiet --disable-pip-version-check pycapnp==2.2.4
fi

stores=$(mktemp -d)
trap 'rm -rf "$stores"' EXIT

# check NAME TYPE KEY LINES [--exact] [-- PUBLISH OPTIONS]
check() {
  local name=$1 type=$2 key=$3 lines=$4 exact=()
  shift 4
  if [ "${1:-}" = --exact ]; then exact=(--exact); shift; fi
  if [ "${1:-}" = -- ]; then shift; fi
  echo "$name: $lines"
  "$kapok" publish "$lines" --store "$stores/$name" --type "$type" "$@" 2>&1 | sed 's/^/  /'
  "$kapok" verify --store "$stores/$name" >/dev/null
  "$python" interop/check.py --kapok "$kapok" --store "$stores/$name" --type "$type" --key "$key" --lines "$lines" \
    "${exact[@]}"
  # An export, published anew, must give the same bytes: nothing was lost on the way.
  "$kapok" export --store "$stores/$name" "$type" >"$stores/$name.jsonl"
  "$kapok" publish "$stores/$name.jsonl" --store "$stores/$name" --type "$type" "$@" >"$stores/again"
  if ! grep -q '^unchanged' "$stores/again"; then
    echo "interop: $name: its export, published anew, gives other bytes: $(cat "$stores/again")" >&2
    exit 1
  fi
}

if [ -e "$data/debian/v1.jsonl.zst" ]; then
  debian=$data/debian/v1.jsonl.zst
else
  echo "no $data/debian/v1.jsonl.zst (set KAPOK_DATA): the bundled sample instead"
  debian=examples/data/debian-sample.jsonl.zst
fi
check debian Package package "$debian" --exact -- --key package
check debian-tree Package package examples/data/debian-sample.jsonl.zst --exact -- --key package --strict-tree
check kinds Kinds id,code interop/kinds.jsonl -- --schema samples/kinds.capnp
check films Movie id interop/films.jsonl -- --schema samples/movies.capnp
check inferred Thing id interop/inferred.jsonl -- --key id --map labels

# The segment that FORMAT.md prints is the one that the films above make.
diff <(sed -nE 's/^ +[0-9]+ ((  ?[0-9a-f]{2}){8}) .*/\1/p' FORMAT.md | tr -s ' ') \
  <(od -An -v -tx1 -w8 "$stores"/films/segments/*)
echo "FORMAT.md: the segment of two films is as it says"
echo "interop: ok"
