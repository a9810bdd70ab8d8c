"""`padit compile`: compile every kernel beforehand, for one baseline of processors."""

import argparse
import os
import time

from padit.ops.compiled import CACHE, CPU, cache_folder

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Compile the kernels of the job beforehand, so that no start waits for the compiler."
EXAMPLES = """\
  # For any processor of this kind, into ~/.cache/padit/compiled (make and the images do this)
  padit compile

  # For processors from about 2015 on; jobs need the same PADIT_CPU then
  PADIT_CPU=x86-64-v3 padit compile

  # Into a folder that jobs may only read; they need the same PADIT_CACHE_DIR
  PADIT_CACHE_DIR=/opt/padit/cache padit compile

Exit code 1: the kernels cannot be compiled; the message names the remedy.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--cpu",
        metavar="BASELINE",
        help="generic (any processor of this kind; the default), x86-64-v2, x86-64-v3, x86-64-v4, "
        f"or host (this very processor); jobs need the same in {CPU}",
    )
    parser.add_argument(
        "--cache_dir", metavar="DIR", help=f"where to keep them; jobs need the same in {CACHE}"
    )


def run(args: argparse.Namespace) -> int:
    """Compile what is not there yet; show each part with its time.

    Raises:
        PaditError: kernels cannot be compiled here, with the remedy.
    """
    before = dict(os.environ)
    for name, value in ((CPU, args.cpu), (CACHE, args.cache_dir)):
        if value:
            os.environ[name] = value
    try:
        return _compile()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _compile() -> int:
    begun = time.monotonic()
    from padit.ops.compiler import compiled_here, cpu_name
    from padit.pipelines.kernels import prepare

    print(f"kernels for {cpu_name()} in {cache_folder()}", flush=True)
    prepare(lambda name, seconds: print(f"  {name}: {seconds:.1f} s", flush=True))
    new = len(compiled_here())
    what = f"{new} compiled" if new else "all were there already"
    print(f"ready: {what}, {time.monotonic() - begun:.1f} s")
    return 0
