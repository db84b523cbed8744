#!/bin/sh
# Runs Autobahn's fuzzing client against `examples/echo.rs`; exits non-zero if a case fails. README.md says what it needs.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work="${CARGO_TARGET_DIR:-$root/target}/autobahn"
python="${PYTHON2:-python2.7}"
mkdir -p "$work"

if [ ! -e "$work/installed" ] || ! cmp -s "$here/requirements.txt" "$work/installed"; then
    rm -rf "$work/site"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$work/site" -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$work/installed"
fi

cargo build --quiet --manifest-path "$root/Cargo.toml" --package confluo-ws --example echo
"${CARGO_TARGET_DIR:-$root/target}/debug/examples/echo" 127.0.0.1:0 >"$work/echo.out" &
echo_pid=$!
trap 'kill "$echo_pid" 2>/dev/null || true' EXIT INT TERM
until grep -q '^listening on ' "$work/echo.out"; do
    kill -0 "$echo_pid"
    sleep 0.1
done
address=$(sed -n 's/^listening on //p' "$work/echo.out")

cd "$work"
rm -rf reports
sed "s/@ADDRESS@/$address/" "$here/fuzzingclient.json" >config.json
# `addsitedir`, not PYTHONPATH: zope's packages are found through a .pth file.
"$python" -c 'import site; site.addsitedir("site"); from autobahntestsuite.wstest import run; run()' \
    --mode fuzzingclient --spec config.json >wstest.log 2>&1 || { tail -n 20 wstest.log; exit 1; }
"$python" "$here/check_report.py" reports/index.json
