#!/bin/sh
# Make sure that python3 >= 3.11 with venv, git, node >= 18 and npm are there.
# As root on Debian or Ubuntu the missing ones are installed; otherwise say exactly what to install.
# Prints the path of the Python to use. Arguments: the things wanted, of: python git node strace
# softhsm2 gnome-keyring chromium go skopeo postgresql bubblewrap apt.
set -eu

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" - >/dev/null 2>&1 <<'PY'
import sys
import ensurepip, ssl, sqlite3, venv
sys.exit(sys.version_info < (3, 11))
PY
        then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# From 1.21 on, go fetches the newer toolchain that a module asks for by itself.
have_go() {
    command -v go >/dev/null 2>&1 &&
        go version | awk '{split(substr($3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 21)}'
}

have_node() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)' >/dev/null 2>&1
}

packages=""
for want in "$@"; do
    case $want in
        python) find_python >/dev/null || packages="$packages python3 python3-venv" ;;
        strace) command -v strace >/dev/null 2>&1 || packages="$packages strace" ;;
        chromium) command -v chromium >/dev/null 2>&1 || packages="$packages chromium" ;;
        git) command -v git >/dev/null 2>&1 || packages="$packages git" ;;
        softhsm2) [ -e /usr/lib/softhsm/libsofthsm2.so ] || packages="$packages softhsm2" ;;
        gnome-keyring) command -v gnome-keyring-daemon >/dev/null 2>&1 || packages="$packages gnome-keyring dbus" ;;
        skopeo) command -v skopeo >/dev/null 2>&1 || packages="$packages skopeo" ;;
        postgresql) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql" ;;
        bubblewrap) command -v bwrap >/dev/null 2>&1 || packages="$packages bubblewrap" ;;
        go | apt) ;;
        node) have_node || packages="$packages nodejs npm" ;;
        *) say "prerequisites.sh: unknown: $want"; exit 2 ;;
    esac
done

if [ -n "$packages" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        say "Missing:$packages (python3 must be 3.11 or newer, node 18 or newer)."
        say "Install them, on Debian or Ubuntu with:  sudo apt-get install$packages"
        exit 1
    fi
    say "· installing$packages"
    log=$(mktemp)
    # Only programs are wanted: no service that a package brings is started.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    # shellcheck disable=SC2086 - a list of words
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        say "apt-get failed (log: $log). Install$packages yourself and run make again."
        exit 1
    fi
    rm -f "$log"
fi

for want in "$@"; do
    case $want in
        python)
            find_python || {
                say "This system's python3 is older than 3.11 or lacks venv. On Ubuntu 22.04:"
                say "  sudo apt-get install python3.11 python3.11-venv"
                exit 1
            } ;;
        go)
            have_go || {
                say "go 1.21 or newer is needed to build the registry clients that the tests use."
                say "Debian's is older: install it as its project says, and have it in PATH."
                exit 1
            } ;;
        apt)
            command -v apt-get >/dev/null 2>&1 || {
                say "Debian's packages are needed here, and there is no apt-get."
                exit 1
            }
            # The lists of a fresh image are empty.
            if [ "$(id -u)" = 0 ] && ! apt-cache show docker-registry >/dev/null 2>&1; then
                apt-get update >/dev/null 2>&1 || true
            fi ;;
        node)
            have_node || {
                say "This system's node is older than 18: install node 18 or newer with npm."
                exit 1
            } ;;
    esac
done
