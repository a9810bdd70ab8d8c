"""Profiles: what a profiler writes is read, and each sample belongs to one stage."""

import re

from benchmarks.flame import STAGES, stages_of, without_start
from benchmarks.flame_graph import draw, read_stacks

_PROFILE = """\
process 7:"python -m x";main (/a/padit/pipelines/job.py:3);step (/a/padit/transforms/detect.py:9) 6
process 7:"python -m x";main (/a/padit/pipelines/job.py:4);step (/a/padit/transforms/detect.py:8) 2
main (/a/padit/pipelines/job.py:3);Columns.dump (/a/padit/transforms/detectors/columns.py:80) 1
main (/a/padit/pipelines/job.py:3);<listcomp> (/a/padit/transforms/group.py:80) 1
main (/a/padit/pipelines/job.py:3);Event.wait (/usr/lib/python3.11/threading.py:629) 900
main (/a/padit/pipelines/job.py:3);_load (<frozen importlib._bootstrap>:20);f (/a/codecs/x.py:1) 50
process 8:"python -m x" 40
"""


def test_lines_of_a_function_belong_together_and_waiting_counts_for_nothing() -> None:
    stacks = read_stacks([_PROFILE])
    assert stacks["pipelines/job.py:main", "transforms/detect.py:step"] == 8
    assert sum(stacks.values()) == 60


def test_a_sample_belongs_to_the_innermost_stage_and_the_start_to_none() -> None:
    found = stages_of(read_stacks([_PROFILE]))
    assert sum(found.values()) == 1
    assert found["detectors"] == 0.8
    assert found["state: load, dump, compare, pack"] == 0.1  # of a detector's file, yet state
    assert found["rest of a group's pass"] == 0.1
    assert set(found) < {*STAGES, "the rest"}


def test_the_start_is_not_drawn() -> None:
    stacks = read_stacks([_PROFILE])
    assert "importlib" in draw(stacks)
    assert "importlib" not in draw(without_start(stacks))
    assert stages_of(without_start(stacks)) == stages_of(stacks)


def test_a_box_is_as_wide_as_its_share_and_stands_under_its_caller() -> None:
    picture = draw(read_stacks([_PROFILE, "<b> (a/b.py:1) 20\n"]))
    found = re.findall(
        r"<title>(.*?) \S+</title><rect x=\"(.*?)\" y=\"(.*?)\" width=\"(.*?)\"", picture
    )
    boxes = {name: list(map(float, numbers)) for name, *numbers in found}
    assert boxes["a/b.py:&lt;b&gt;"] == [0, 0, 300]
    assert boxes["pipelines/job.py:main"] == [300, 0, 900]
    assert boxes["transforms/detect.py:step"][1:] == [16, 120]
