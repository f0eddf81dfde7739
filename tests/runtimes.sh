#!/usr/bin/env bash
# What the tests run besides Python: Node and PHP for the documentation's snippets and, with curl, as
# clients; nginx and Caddy as proxies. This names what is missing; with --install, as CI has it, it installs
# Debian's packages. A JDK is used where there is one; `curl --http2` asks in the same way.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v php >/dev/null || missing+=(php-cli)
[[ $(php -m 2>/dev/null) == *curl* ]] || missing+=(php-curl)
command -v curl >/dev/null || missing+=(curl)
command -v nginx >/dev/null || missing+=(nginx)
command -v caddy >/dev/null || missing+=(caddy)
command -v ip >/dev/null || missing+=(iproute2)

if [ ${#missing[@]} -ne 0 ]; then
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "${1:-}" != --install ]; then
    echo "The tests run real clients and proxies, and some are missing. On Debian, as root: $install" >&2
    exit 1
  fi
  # Debian starts a server when it installs one, unless this says no.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  $install -q
fi

if ! cmp -s clients/node/package-lock.json clients/node/node_modules/installed.json; then
  npm ci --prefix clients/node --ignore-scripts --no-audit --no-fund --loglevel error
  cp clients/node/package-lock.json clients/node/node_modules/installed.json
fi
