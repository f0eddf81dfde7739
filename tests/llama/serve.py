"""A real llama.cpp server, in the environment that install.sh makes: `serve.py MODEL`.

Prints its address, and ends with its standard input. One slot, one thread, a small context, batches
of 128 tokens; it answers and embeds.
"""

import sys

import xllamacpp as llama  # type: ignore[import-not-found]  # not in this environment


def main(model: str) -> None:
    """Serve until nobody holds the other end of the input."""
    wanted = llama.CommonParams()
    wanted.model.path = model
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    wanted.n_ctx = 1024
    wanted.n_batch = wanted.n_ubatch = 128
    wanted.n_parallel = 1
    wanted.n_gpu_layers = 0
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.warmup = False
    wanted.endpoint_slots = True
    wanted.embedding = True
    wanted.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = llama.Server(wanted)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
