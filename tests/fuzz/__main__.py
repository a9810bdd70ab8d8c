"""Fuzz the record codecs for some time: `python -m tests.fuzz --seconds N [--corpus DIR]`.

Atheris changes records, guided by the code that they reach. It begins with the valid records of
`tests.laws.codecs`, and `tests.fuzz.records` holds every input to the laws: nothing raises,
alone and together give the same, and what comes out is bounded. A record that breaks a law is
written to `crash-<digest>` in the corpus' directory, and the exit code is not 0.
"""

import argparse
import sys
from pathlib import Path

__all__ = ["main"]

NEEDED = "atheris is missing, so nothing was fuzzed: pip install atheris==3.0.0"
_LONGEST = 8192


def main(argv: list[str]) -> int:
    """Run; returns the exit code where Atheris does not end the process itself."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the codecs.")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default 60)")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=Path("build/fuzz"),
        help="directory that keeps what reached new code (default build/fuzz)",
    )
    options = parser.parse_args(argv)
    try:
        import atheris
    except ImportError:
        print(NEEDED, file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["domain"]):
        from tests.fuzz import records
    records.without_last_resort()
    corpus = options.corpus / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, seed in records.seeds().items():
        (corpus / name).write_bytes(seed)
    limits = [
        f"-max_total_time={options.seconds}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={options.corpus}/",
        "-rss_limit_mb=4096",
    ]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], records.try_bytes)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
