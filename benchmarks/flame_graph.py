"""Stacks of a sampling profiler, and the picture of them.

A line of the profiler is `outer (file:line);inner (file:line) samples`. In the picture a box is a
function, as wide as its share of all samples, over the function that called it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

__all__ = ["Stacks", "draw", "read_stacks"]

Stacks = Mapping[tuple[str, ...], int]
"""Samples by frames, the outermost first, each as `folder/file:function`."""

_WIDTH, _ROW, _LETTER = 1200, 16, 6.2
_LEAST = 0.008  # narrower boxes are left out
_IDLE = {
    "threading.py": ("wait", "join", "_wait_for_tstate_lock", "run"),
    "_channel.py": ("channel_spin",),  # in gRPC's own code
    "selectors.py": ("select",),
    "queue.py": ("get",),
    "run_job.py": ("_watch",),  # the measurement's own
}


def read_stacks(texts: Iterable[str]) -> Stacks:
    """The stacks of several profiles together; those that wait in Python's library are left out.

    >>> read_stacks(["main (a/b/c.py:3);run (a/b/d.py:7) 5"])
    Counter({('a/b/c.py:main', 'a/b/d.py:run'): 5})
    """
    found: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        for line in text.splitlines():
            stack, _, samples = line.rpartition(" ")
            frames = tuple(_frame(one) for one in stack.split(";") if not _is_process(one))
            if frames and not _waits(frames[-1]):
                found[frames] += int(samples)
    return found


def _is_process(frame: str) -> bool:
    """Whether it is the heading of a process, `process 12:"python …"`, and no function."""
    return frame.startswith("process ") and " (" not in frame


def _waits(frame: str) -> bool:
    place, _, function = frame.rpartition(":")
    known = _IDLE.get(place.rpartition("/")[2], ())
    return function.rpartition(".")[2] in known


def _frame(text: str) -> str:
    """`run (a/b/d.py:7)` as `a/b/d.py:run`: lines of a function belong together."""
    function, _, place = text.partition(" (")
    path = place.rpartition(":")[0] or place.rstrip(")")
    for root in ("site-packages/", "padit/"):
        if root in path:
            return f"{path.partition(root)[2]}:{function}"
    if path.startswith("/"):
        path = "/".join(path.split("/")[-2:])
    return f"{path}:{function}" if path else function


@dataclass
class _Box:
    samples: int = 0
    inner: dict[str, "_Box"] = field(default_factory=dict)


def draw(stacks: Stacks) -> str:
    """The flame graph as SVG; a pointer over a box shows its name and share."""
    root = _Box()
    for frames, samples in sorted(stacks.items()):
        box = root
        box.samples += samples
        for frame in frames:
            box = box.inner.setdefault(frame, _Box())
            box.samples += samples
    boxes: list[str] = []
    total = max(root.samples, 1)
    deepest = _draw_inner(root, 0.0, 0, total, boxes)
    height = (deepest + 1) * _ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="monospace" font-size="10">'
    )
    return "\n".join([head, *boxes, "</svg>", ""])


def _draw_inner(box: _Box, left: float, depth: int, total: int, boxes: list[str]) -> int:
    """Draw what a function called, below it; returns the deepest row."""
    deepest = depth
    for name, one in sorted(box.inner.items()):
        share = one.samples / total
        if share >= _LEAST:
            boxes.append(_rectangle(name, left, depth, share))
            deepest = max(deepest, _draw_inner(one, left, depth + 1, total, boxes))
        left += share * _WIDTH
    return deepest


def _rectangle(name: str, left: float, depth: int, share: float) -> str:
    width = share * _WIDTH
    text = name[: int(width / _LETTER)]
    hue = crc32(name.rpartition(":")[0].encode()) % 60
    return (
        f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{depth * _ROW}" '
        f'width="{width:.1f}" height="{_ROW - 1}" fill="hsl({hue},80%,70%)"/>'
        f'<text x="{left + 2:.1f}" y="{depth * _ROW + 11}">{escape(text)}</text></g>'
    )
