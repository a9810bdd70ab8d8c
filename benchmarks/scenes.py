"""The operator's benchmark: scenes through `padit run` with the shipped configuration.

    python -m benchmarks.scenes [--seeds 3] [--first-seed 1] [--families a,b]

The scenes and their scorer are read from ../shared/tools/scenes. Prints its table and writes
build/scenes.json; the files of each family stay in build/scenes.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT.parent / "shared" / "tools" / "scenes" / "run.py"


def main(arguments: list[str]) -> int:
    """Run, print the table, score once more as JSON; the exit code of the tool."""
    tool = TOOL
    if not tool.is_file():
        print(f"skipped: no scenes in {TOOL.parent}")
        return 0
    out = ROOT / "build" / "scenes"
    out.mkdir(parents=True, exist_ok=True)
    padit = str(Path(sys.executable).with_name("padit"))
    command = [sys.executable, str(tool), "--padit", padit, "--out", str(out), *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        return done.returncode
    again = subprocess.run(
        [*command, "--score-only", "--json"], check=True, cwd=ROOT, stdout=subprocess.PIPE
    )
    (ROOT / "build" / "scenes.json").write_bytes(again.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
