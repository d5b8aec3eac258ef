#!/bin/sh
# Writes the lock files of external scanners anew: Linux, Python 3.11 to 3.13, every package with its
# digests. Needs uv. Another version is another line here; its driver and tests are to be read again.
#   tools/lock_scanners.sh [NAME...]
set -eu
cd "$(dirname "$0")/.."
locks=$(pwd)/src/remit/scan/external/locks
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/pyproject.toml" <<'END'
[project]
name = "locks"
version = "0"
requires-python = ">=3.11.4"
[tool.uv]
environments = [
  "sys_platform == 'linux' and python_full_version < '3.14' and platform_machine == 'x86_64'",
  "sys_platform == 'linux' and python_full_version < '3.14' and platform_machine == 'aarch64'",
]
END

resolve() {
    uv pip compile --quiet --universal --python-version 3.11.4 --generate-hashes --no-annotate \
        --no-header "$@"
}

compile() { resolve --only-binary :all: "$@"; }

# For the tests alone. Nothing that asks a served model imports torch; two packages have no wheels.
lock_garak() {
    file=$locks/../../../../../tests/rig/requirements-py-garak.txt
    echo "torch ; sys_platform == 'never'" >"$work/without.txt"
    echo garak==0.17.1 >"$work/garak.in"
    (cd "$work" && resolve --override without.txt garak.in -o garak.txt >/dev/null)
    { sed '/^$/q' "$file"; cat "$work/garak.txt"; } >"$work/whole.txt"
    mv "$work/whole.txt" "$file"
}

lock() {
    name=$1
    shift
    printf '%s\n' "$@" >"$work/$name.in"
    (cd "$work" && compile "$name.in" -o "$name.txt" >/dev/null)
    if [ "$name" = guarddog ]; then
        # Of guarddog itself only the rules are used, so nothing that its program needs.
        echo guarddog==3.2.0 >"$work/rules.in"
        (cd "$work" && compile --no-deps rules.in -o rules.txt >/dev/null && cat rules.txt >>guarddog.txt)
    fi
    mv "$work/$name.txt" "$locks/$name.txt"
}

for name in ${*:-bandit detect-secrets guarddog mcp-scanner modelaudit picklescan skill-scanner}; do
    case $name in
        bandit) lock "$name" bandit==1.9.4 ;;
        detect-secrets) lock "$name" detect-secrets==1.5.0 ;;
        guarddog) lock "$name" yara-python ;;
        mcp-scanner) lock "$name" cisco-ai-mcp-scanner==4.8.7 ;;
        modelaudit) lock "$name" "modelaudit[h5,onnx,flax,safetensors,sevenzip]==0.2.54" ;;
        picklescan) lock "$name" picklescan==1.0.5 numpy py7zr ;;
        skill-scanner) lock "$name" cisco-ai-skill-scanner==2.3.2 ;;
        garak) lock_garak ;;
        *) echo "lock_scanners.sh: unknown scanner: $name" >&2; exit 2 ;;
    esac
done
