#!/usr/bin/env bash
# Node and PHP, for the documentation's snippets, which the tests run. Where Debian's packages can be
# installed they are; elsewhere this says what is missing.
set -euo pipefail

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v php >/dev/null || missing+=(php-cli)
[ ${#missing[@]} -eq 0 ] && exit

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests run the documentation's snippets: install ${missing[*]} first." >&2
  exit 1
fi
apt-get update -q
apt-get install -qy --no-install-recommends "${missing[@]}"
