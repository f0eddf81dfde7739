#!/bin/sh
# Pins every package of every image and of the laptop, with hashes; run it through `make lock`.
# The development set is resolved first and constrains the others, so a package has one version.
set -eu
cd "$(dirname "$0")/.."

lock() {
    target=$1
    shift
    uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --extra build "$@" --output-file "requirements/$target.txt"
}

services="api rag llm webhooks billing"
laptop="--extra embedded $(printf -- '--extra %s ' $services)"
# shellcheck disable=SC2086  # each is a list of arguments
lock dev $laptop --extra dev
# shellcheck disable=SC2086
lock laptop $laptop --constraint requirements/dev.txt
for service in $services; do
    lock "$service" --extra "$service" --constraint requirements/dev.txt
done
