#!/usr/bin/env bash
# What a GPU is asked for, in two halves of at most seven minutes each, on a machine that has PyTorch and no network:
#   tests/device/gpu.sh models OUT [--device cpu --quick]   exactness on the device, deviations, frames per second
#   tests/device/gpu.sh runs OUT [--device cpu --quick]     a run of 200 pairs, and training of full-size MCNet
# Before, where there is a network, in the same checkout: python tests/device/carry.py tests/device/carried
# The results, tables as CSV and everything that was printed, are in OUT and together in OUT/HALF.tar.gz.
set -euo pipefail
half=${1:?models or runs} out=${2:?folder of the results}
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
mkdir -p "$out"
out=$(cd "$out" && pwd)
python=${PYTHON:-python3}
if ! (cd / && "$python" -P -c 'import talkbench') 2>/dev/null; then # not installed: the checkout is the package
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    ln -s "$root" "$site/talkbench"
    mkdir "$site/talkbench-0.dist-info"
    printf 'Metadata-Version: 2.1\nName: talkbench\nVersion: %s\n' \
        "$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")" >"$site/talkbench-0.dist-info/METADATA"
    export PYTHONPATH="$site:${CARRIED:-$here/carried}/site${PYTHONPATH:+:$PYTHONPATH}"
fi
status=0
"$python" -P "$here/$half.py" --out "$out" "$@" 2>&1 | tee "$out/$half.txt" || status=$?
tar -czf "$out/$half.tar.gz" -C "$out" $(cd "$out" && ls | grep -v 'tar.gz$')
echo "archive $out/$half.tar.gz"
exit "$status"
