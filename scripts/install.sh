#!/bin/sh
# Install one environment, once: a stamp holds the digest of everything that decides its content.
#   install.sh project               .venv                 Remit itself, editable, with its development tools
#   install.sh py-NAME               .rig/py-NAME          tests/rig/requirements-py-NAME.txt
#   install.sh py-garak              .rig/py-garak         the same, from a lock with digests and without torch
#   install.sh npm                   .rig/npm              tests/rig/package.json
#   install.sh names                 .rig/names            Remit with the extra `names`, for the test of it
#   install.sh npm-browser           .rig/npm-browser      tests/rig/browser/package.json
#   install.sh npm-agents            .rig/npm-agents       tests/rig/agents/package.json
#   install.sh go-NAME               .rig/go/bin/NAME      its line in tests/rig/go-tools.txt
#   install.sh deb-NAME              .rig/deb-NAME         Debian's package, unpacked: no service, no root
set -eu
cd "$(dirname "$0")/.."
what=$1

say() { printf '%s\n' "$*" >&2; }

case $what in
    project) target=.venv inputs="pyproject.toml scripts/install.sh" ;;
    py-*) target=.rig/$what inputs="tests/rig/requirements-$what.txt scripts/install.sh" ;;
    names) target=.rig/names inputs="pyproject.toml scripts/install.sh" ;;
    npm) target=.rig/npm inputs="tests/rig/package.json scripts/install.sh" ;;
    npm-browser) target=.rig/npm-browser inputs="tests/rig/browser/package.json scripts/install.sh" ;;
    npm-agents) target=.rig/npm-agents inputs="tests/rig/agents/package.json scripts/install.sh" ;;
    go-*) target=.rig/go/$what inputs="" ;;
    deb-*) target=.rig/$what inputs="" ;;
    *) say "install.sh: unknown environment: $what"; exit 2 ;;
esac

# The line of one program: another that moves does not build this one again.
go_tool() {
    awk -v name="${what#go-}" '$1 == name {print $2}' tests/rig/go-tools.txt
}

# Options for a lock: all that is there has a digest, and what is left out of it stays out.
locked() {
    if grep -q -- '--hash=' "tests/rig/requirements-$what.txt"; then
        echo --require-hashes --no-deps
    fi
}

stamp=$target/.installed
# shellcheck disable=SC2086 - a list of paths
digest=$({ cat /dev/null $inputs; go_tool; } | sha256sum | cut -d' ' -f1)-$(pwd | sha256sum | cut -c1-8)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ]; then
    exit 0
fi

log=$(mktemp)
started=$(date +%s)
run() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        say ""
        say "Installing $what failed: $*"
        say "If this was a download, check that this machine reaches a Python package index, an npm"
        say "registry and a Go module proxy (directly, or as pip, npm and go are configured here) and"
        say "run make again; what is already installed is kept. Full output: $log"
        exit 1
    fi
}

say "· installing $what into $target"
case $what in
    project)
        python=$(scripts/prerequisites.sh python git)
        [ -x .venv/bin/python ] || run "$python" -m venv .venv
        run .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
        run .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
        ;;
    py-*)
        python=$(scripts/prerequisites.sh python git)
        mkdir -p .rig
        rm -rf "$target"
        run "$python" -m venv "$target"
        run "$target/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
        run "$target/bin/python" -m pip install --quiet --disable-pip-version-check \
            $(locked) --requirement "tests/rig/requirements-$what.txt"
        ;;
    names)
        python=$(scripts/prerequisites.sh python git)
        mkdir -p .rig
        rm -rf "$target"
        run "$python" -m venv "$target"
        run "$target/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
        run "$target/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[names]"
        ;;
    npm | npm-agents | npm-browser)
        scripts/prerequisites.sh node
        mkdir -p "$target"
        cp "${inputs% *}" "$target/package.json"
        # No install scripts: everything used here runs as it was published.
        run npm --prefix "$target" install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
        ;;
    go-*)
        module=$(go_tool)
        [ -n "$module" ] || { say "install.sh: ${what#go-} is not in tests/rig/go-tools.txt"; exit 2; }
        scripts/prerequisites.sh go
        mkdir -p "$target" .rig/go/bin
        # No git: modules come from the proxy only, as they were published.
        run env GOBIN="$(pwd)/$target" GOFLAGS=-trimpath CGO_ENABLED=0 go install "$module"
        # Not every program is called as the last part of its path.
        mv "$target"/[a-z]* ".rig/go/bin/${what#go-}"
        ;;
    deb-*)
        scripts/prerequisites.sh apt
        rm -rf "$target"
        mkdir -p "$target"
        ( cd "$target" && run apt-get download "${what#deb-}" )
        run dpkg-deb -x "$target"/*.deb "$target"
        rm -f "$target"/*.deb
        ;;
esac
rm -f "$log"
printf '%s' "$digest" >"$stamp"
say "  done in $(( $(date +%s) - started )) s"
