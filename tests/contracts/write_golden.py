"""Record the wire form of every sample: `python -m tests.contracts.write_golden`."""

from libs.contracts.message import encode
from tests.contracts.samples import GOLDEN, SAMPLES

if __name__ == "__main__":
    GOLDEN.write_bytes(b"".join(encode(sample) + b"\n" for sample in SAMPLES))
