"""Compiled code: where it is kept, who compiles it, and what happens where that cannot be."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from padit.cli.main import main
from padit.domain.errors import ConfigurationError
from padit.ops import compiled, compiler
from padit.ops.compiled import CACHE, CPU, kernels
from padit.pipelines.kernels import prepare
from padit.transforms import exact
from tests.limits import allowed
from tests.pipelines.seed import seed_lines, write

ROOT = Path(__file__).resolve().parents[2]
CALLED = """
from padit.ops.compiled import kernel
STEP = 2

@kernel
def more(x):
    return x + STEP
"""
CALLER = """
import called
from padit.ops.compiled import kernel

@kernel
def twice(x):
    total = 0
    for _ in range(2):
        total += called.more(x)
    return total
"""
USE = """
import caller
from padit.ops.compiler import compiled_here
print(caller.twice(1), len(compiled_here()))
"""
LEAN = """
import numpy as np
from padit.ops.compiled import kernel, lean_kernel

@kernel
def middle(x):
    return np.sort(x)[len(x) // 2]

@lean_kernel
def behind_the_first(x):
    return middle(x[1:])
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two modules of kernels, one of which calls the other."""
    (tmp_path / "called.py").write_text(CALLED)
    (tmp_path / "caller.py").write_text(CALLER)
    return tmp_path


def _start(code: str, place: Path, *before: str, **more: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(place), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, CACHE: str(place / "cache"), "PYTHONPATH": path, **more}
    return subprocess.Popen(
        [*before, sys.executable, "-c", code],
        env=env, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=allowed(120))
    return process.returncode, out.strip(), err


def _run(code: str, place: Path, *before: str, **more: str) -> tuple[int, str, str]:
    return _ended(_start(code, place, *before, **more))


def _unprivileged() -> list[str]:
    """What runs a command bound by the permissions of files, which root is not."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def test_the_first_use_compiles_with_one_line_and_the_second_loads(place: Path) -> None:
    code, out, err = _run(USE, place)
    assert (code, out) == (0, "6 2"), err
    assert err.count("padit: compiling kernels into") == 1
    assert _run(USE, place) == (0, "6 0", "")


@pytest.mark.parametrize("changed", ["STEP = 2", "return x + STEP"])
def test_a_kernel_is_compiled_again_if_anything_it_uses_in_another_file_changes(
    place: Path, changed: str
) -> None:
    _run(USE, place)
    source = (place / "called.py").read_text()
    (place / "called.py").write_text(source.replace(changed, f"{changed} * 5"))
    (place / "called.py").touch()
    assert _run(USE, place)[1] == {"STEP = 2": "22 2", "return x + STEP": "22 2"}[changed]


def test_a_kernel_that_a_lean_one_needs_first_may_create_arrays(place: Path) -> None:
    (place / "lean.py").write_text(LEAN)
    use = "import lean, numpy; print(lean.behind_the_first(numpy.array([9.0, 3.0, 1.0, 2.0])))"
    assert _run(use, place)[:2] == (0, "2.0")


def test_words_and_the_place_of_the_source_change_nothing(place: Path) -> None:
    _run(USE, place)
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    for name in ("called.py", "caller.py"):
        (elsewhere / name).write_text('"""Words."""\n\n' + (place / name).read_text())
    assert _run(USE, elsewhere, **{CACHE: str(place / "cache")}) == (0, "6 0", "")


def test_several_processes_at_once_compile_each_kernel_once(place: Path) -> None:
    wait = (
        "import os, time, padit.ops.compiler\nprint('up', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
    )
    processes = [_start(wait + USE, place) for _ in range(3)]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "up\n"
    (place / "go").touch()
    ended = [_ended(one) for one in processes]
    assert [code for code, _, _ in ended] == [0, 0, 0], ended
    assert sorted(out for _, out, _ in ended) == ["6 0", "6 0", "6 2"]


def test_a_full_folder_may_be_read_only_and_so_may_the_source(place: Path) -> None:
    _run(USE, place)
    before = sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts)
    folders = [place, place / "cache", place / "cache" / "compiled", *(place / "cache").glob("*/*")]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert _run(USE, place, *_unprivileged()) == (0, "6 0", "")
        code, _, err = _run(USE, place, *_unprivileged(), **{CPU: "host"})
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert (code, "cannot be written (Permission denied): set PADIT_CACHE_DIR" in err) == (1, True)
    assert sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts) == before


@pytest.mark.parametrize(("suffix", "damage"), [(".nbi", b""), (".nbc", b"short"), (".nbc", None)])
def test_a_damaged_file_is_named_and_compiled_again(
    place: Path, suffix: str, damage: bytes | None
) -> None:
    _run(USE, place)
    for path in (place / "cache").rglob(f"caller*{suffix}"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data if damage is None else damage)
    code, out, err = _run(USE, place)
    assert (code, out) == (0, "6 1")
    assert "is damaged and is compiled again" in err
    assert _run(USE, place) == (0, "6 0", "")


def test_each_baseline_of_processors_has_its_own_code_side_by_side(place: Path) -> None:
    for wanted in ("6 2", "6 0"):
        for cpu in ("generic", "host"):
            assert _run(USE, place, **{CPU: cpu})[:2] == (0, wanted)


def test_code_with_checked_indices_is_kept_apart(place: Path) -> None:
    _run(USE, place)
    assert _run(USE, place, NUMBA_BOUNDSCHECK="1")[1] == "6 2"
    assert _run(USE, place)[1] == "6 0"


def test_without_a_compiler_kernels_are_plain_python_only_if_asked_for(place: Path) -> None:
    assert _run(USE, place, NUMBA_DISABLE_JIT="1") == (0, "6 0", "")
    assert not (place / "cache").exists()


@pytest.mark.parametrize("word", ["--help", "plugins", "compile --help", "doctor --only tools"])
def test_a_command_without_kernels_does_not_load_numba(place: Path, word: str) -> None:
    code = (
        "import sys\nfrom padit.cli.main import main\n"
        f"try: main({word.split()!r})\nexcept SystemExit: pass\n"
        "print('numba' in sys.modules, 'llvmlite' in sys.modules)"
    )
    assert _run(code, place)[1].splitlines()[-1] == "False False"


def test_diff_does_not_load_numba(place: Path) -> None:
    (place / "a.jsonl").touch()
    code = (
        "import sys\nfrom padit.cli.main import main\nmain(['diff', 'a.jsonl', 'a.jsonl'])\n"
        "print('numba' in sys.modules)"
    )
    assert _run(code, place)[1].splitlines()[-1] == "False"


def _replay(place: Path) -> str:
    source = write(place / "input.jsonl", seed_lines())
    arguments = ["replay", f"--input={source}", f"--output={place / 'alerts.jsonl'}"]
    return f"import sys\nfrom padit.cli.main import main\nsys.exit(main({arguments!r}))"


def test_a_folder_that_cannot_be_used_ends_a_run_before_it_writes_anything(place: Path) -> None:
    (place / "file").touch()
    code, out, err = _run(_replay(place), place, **{CACHE: str(place / "file")})
    assert (code, out) == (1, "")
    assert err.startswith("padit: kernels have to be compiled, and ")
    assert "set PADIT_CACHE_DIR to a folder that can" in err
    assert not (place / "alerts.jsonl").exists()


@pytest.mark.parametrize("code", ["raise ImportError('needs NumPy 2.4 or less')", "import nothing"])
def test_a_numba_that_cannot_be_imported_ends_a_run_with_the_remedy(place: Path, code: str) -> None:
    (place / "numba.py").write_text(code)
    status, _, err = _run(_replay(place), place)
    assert status == 1
    assert "padit: numba, which compiles the kernels, cannot be imported" in err
    assert "pip install --constraint requirements.lock numba" in err
    assert not (place / "alerts.jsonl").exists()


def test_numba_set_to_another_processor_before_is_an_error_with_both_remedies(place: Path) -> None:
    code = "import numba\nnumba.njit(lambda x: x)(1)\n" + USE
    status, _, err = _run(code, place)
    assert (status, "set PADIT_CPU=host, or NUMBA_CPU_NAME=generic" in err) == (1, True)
    assert _run(code, place, NUMBA_CPU_NAME="generic")[:2] == (0, "6 2")


def test_after_padit_compile_a_job_compiles_nothing(place: Path, capsys: Capture) -> None:
    assert main(["compile"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"kernels for {compiler.cpu_name()} in {compiled.cache_folder()}")
    assert out[-1].startswith("ready: ")
    only = "from padit.ops.compiler import loading_only\nwith loading_only():\n    "
    whole = _replay(place).replace("sys.exit(", f"{only}sys.exit(")
    home = os.environ.get(CACHE) or str(Path.home() / ".cache" / "padit")
    code, _, err = _run(whole, place, **{CACHE: home})
    assert code == 0, err
    assert (place / "alerts.jsonl").stat().st_size


def test_every_kernel_of_the_job_is_compiled_beforehand() -> None:
    prepare()
    own = [one for one in kernels() if one.py_func.__module__.startswith("padit.")]
    used = [one for one in own if one.py_func.__module__ != exact.__name__]
    missing = [one.name for one in used if not compiler.is_kept(one)]
    assert missing == [], "a function with @warm_up beside them has to call them"


def test_loading_adds_less_than_a_second_to_a_start(place: Path) -> None:
    prepare()
    code = (
        "import time, padit.pipelines.graph, padit.connectors.kafka_source\n"
        "from padit.pipelines.kernels import prepare\n"
        "begun = time.process_time()\nprepare()\nprint(time.process_time() - begun)"
    )
    home = os.environ.get(CACHE) or str(Path.home() / ".cache" / "padit")
    assert float(_run(code, place, **{CACHE: home})[1]) < allowed(1.0)


def test_a_kernel_is_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(exact.log)) is exact.log  # noqa: S301


def test_a_baseline_that_this_processor_or_nobody_has_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CPU, "pentium")
    with pytest.raises(ConfigurationError, match="PADIT_CPU=pentium names no baseline"):
        compiler.cpu_name()
    monkeypatch.setitem(compiler.FEATURES, "pentium", frozenset(("cheese",)))
    with pytest.raises(ConfigurationError, match="needs a processor with cheese, which this one"):
        compiler.cpu_name()


@pytest.mark.parametrize(
    ("kept", "writable", "level"), [(True, True, 0), (False, True, 0), (False, False, 1)]
)
def test_doctor_reports_kernels(place: Path, kept: bool, writable: bool, level: int) -> None:
    home = os.environ.get(CACHE) or str(Path.home() / ".cache" / "padit")
    if kept:
        prepare()
    (place / "file").touch()
    where = home if kept else str(place / ("cache" if writable else "file"))
    code = (
        "import sys\nfrom padit.cli.main import main\n"
        "sys.exit(main(['doctor', '--only', 'kernels']))"
    )
    status, out, _ = _run(code, place, **{CACHE: where})
    assert status == level
    assert ("loaded in" in out) == kept
    assert ("`padit compile`" in out) == (not kept)
    assert list((place / "cache").rglob("*.nbc")) == []
