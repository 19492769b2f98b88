#!/bin/bash
# Fuzz targets: replay the corpora, then look for something new.
#
#   [EVENKEEL_FUZZ_SEED=N] tests/fuzz/run.sh [SECONDS [TARGET...]]
#
# SECONDS per target after the replay; 0 replays only. Another seed (1 unless told; 0 takes one from the clock) is
# another search. Crashing inputs are left in tests/fuzz/artifacts/TARGET/ and are
# worth keeping in corpus/TARGET/ once the bug is fixed. Needs g++ (libFuzzer is C++); a stable toolchain is enough.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-10}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

# What cargo-fuzz does on nightly, spelled for stable: SanitizerCoverage for libFuzzer.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
triple=$(rustc -vV | sed -n 's/^host: //p')
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
# With --target the flags do not reach build scripts and procedural macros.
cargo build --release --target "$triple" "${bins[@]}"
out=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/$triple/release

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  limits=(-rss_limit_mb=2048 -timeout=10 "-artifact_prefix=artifacts/$target/" -print_final_stats=0
    "-seed=${EVENKEEL_FUZZ_SEED:-1}")
  echo "== $target: $(find "corpus/$target" -type f | wc -l) inputs"
  "$out/$target" "${limits[@]}" -runs=0 "corpus/$target" 2>artifacts/replay.log || { cat artifacts/replay.log; exit 1; }
  if [ "$seconds" -gt 0 ]; then
    # New inputs go to a directory of their own, so that a run changes nothing that is committed.
    found=$(mktemp -d)
    "$out/$target" "${limits[@]}" -max_total_time="$seconds" "$found" "corpus/$target" 2>artifacts/fuzz.log \
      || { tail -n 40 artifacts/fuzz.log; exit 1; }
    grep -E 'DONE|cov:' artifacts/fuzz.log | tail -n 1
    rm -rf "$found"
  fi
done
echo "fuzz: all targets passed"
