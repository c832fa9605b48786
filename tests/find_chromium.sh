#!/bin/sh
# Prints the path of an installed Chromium or Chrome. On Debian as root it installs Chromium if there is none.
# With --shell: of Debian's chromium-headless-shell, or nothing where there is none.
set -eu

can_install() {
    [ -r /etc/debian_version ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

if [ "${1:-}" = --shell ]; then
    # Not by Debian's script of this name, which would stay as a process between the test and the browser.
    shell=/usr/lib/chromium/chromium-headless-shell
    # Of the installed Chromium's release, which so stays as it is.
    if [ ! -x "$shell" ] && can_install && release="$(dpkg-query -W -f='${Version}' chromium 2>/dev/null)"; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
            "chromium-headless-shell=$release" >&2 || true
    fi
    [ ! -x "$shell" ] || echo "$shell"
    exit 0
fi

find_browser() {
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable chrome \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

find_browser && exit 0

if can_install; then
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; } >&2
    find_browser && exit 0
fi

cat >&2 <<'MESSAGE'
The browser tests need Chromium or Google Chrome, and none was found.
Install one (Debian and Ubuntu: apt-get install chromium; macOS: brew install --cask chromium),
or name it: CHROMIUM=/path/to/browser make test
MESSAGE
exit 1
