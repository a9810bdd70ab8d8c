"""Parts of `python -m benchmarks.portal`: the past tried again, log records, the page itself."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from padit.domain.message import digest_of
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["alert_line", "day_of", "measure_logs", "measure_page", "measure_whatif", "transitions"]

_SOURCES = 200
_METRICS = 499
_DAY = 86_400


def alert_line(number: int, base: int, kind: str = "opened", late: int = 0) -> bytes:
    """One transition of the alert of a number."""
    opened = base + number * 7 * MICROS
    time_us = opened + late * MICROS
    source, metric = f"machine-{number % _SOURCES:03}", f"m{number % _METRICS}"
    return msgspec.json.encode({
        "specversion": "1.0", "id": digest_of("t", kind, str(number)), "source": f"/padit/{source}",
        "type": f"io.padit.alert.{kind}", "subject": metric, "time": format_utc(time_us),
        "data": {
            "id": digest_of("a", str(number)), "source_id": source, "metric_name": metric,
            "severity": ("WARNING", "CRITICAL")[number % 2], "score": (0.8, 0.95)[number % 3 == 0],
            "evidence": {}, "summary": f"{metric} of {source}: median 64.7 > 61.5",
            "opened": format_utc(opened), "detector": {"name": "rule", "version": 2},
            "metadata": {},
        },
    })  # fmt: skip


def transitions(folder: Path, count: int) -> None:
    """A run with so many transitions, each alert opened and resolved ten minutes later."""
    base = int(time.time() * MICROS) - count * 4 * MICROS
    rows = [(n * 7, alert_line(n, base)) for n in range(count // 2)]
    rows += [
        (n * 7 + 600, alert_line(n, base, "resolved", 600)) for n in range(count // 2)
    ]  # fmt: skip
    rows.sort(key=lambda one: one[0])
    (folder / "alerts.jsonl").write_bytes(b"".join(line + b"\n" for _, line in rows))


def measure_whatif(client: httpx.Client, process: psutil.Process) -> None:
    """Try a configuration over the whole log, four times; the first reads the log."""
    config = client.get("/api/config").json()["config"]
    for at in range(4):
        body = {"config": f"{config}min_score: 0.{9 - at % 2}\n"}
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        answer = client.post("/api/whatif", json=body)
        spent = sum(process.cpu_times()[:2]) - cpu
        found = answer.raise_for_status().json()
        print(f"whatif of {found['transitions']:,} transitions: {time.monotonic() - began:.2f} s, "
              f"{spent:.2f} s of CPU, pages {found['total'][0]:,} -> "
              f"{found['total'][1]:,}")  # fmt: skip


def _batches(count: int) -> list[bytes]:
    chance = random.Random(7)
    now = format_utc(int(time.time() * MICROS))
    words = ("payment", "timed out", "user", "cart", "spindle", "retry", "queue", "written")
    found = []
    for _ in range(count):
        lines = [
            msgspec.json.encode({
                "timestamp": now, "source": f"shop-{chance.randrange(50)}",
                "level": chance.choice(("info", "info", "info", "warning", "error")),
                "message": f"{chance.choice(words)} {chance.randrange(10**6)} "
                f"{chance.choice(words)} after {chance.random():.3f} s",
            })
            for _ in range(1000)
        ]  # fmt: skip
        found.append(b"\n".join(lines))
    return found


async def _send(
    address: str, key: str, batches: Sequence[bytes], end: float, sent: list[int]
) -> None:
    head = {"Authorization": f"Bearer {key}", "Content-Type": "application/x-ndjson"}
    async with httpx.AsyncClient(base_url=address, headers=head, timeout=120) as client:
        at = 0
        while time.monotonic() < end:
            answer = await client.post("/api/v1/logs", content=batches[at % len(batches)])
            if answer.status_code == 429:
                await asyncio.sleep(0.05)
                continue
            answer.raise_for_status()
            sent.append(1000)
            at += 1


def measure_logs(
    client: httpx.Client, keys: Sequence[str], process: psutil.Process, seconds: float
) -> int:
    """Send records in lots of a thousand from each key, then search them and count them."""
    batches, sent = _batches(8), list[int]()

    async def load() -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(
            *(_send(str(client.base_url), key, batches, end, sent) for key in keys)
        )

    cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
    asyncio.run(load())
    passed, spent = time.monotonic() - began, sum(process.cpu_times()[:2]) - cpu
    count = sum(sent)
    print(f"{count:,} log records in {passed:.1f} s: {count / passed:,.0f}/s on this machine, "
          f"{count / spent:,.0f} per second of CPU")  # fmt: skip
    for name, path in (
        ("search", "/api/v1/logs?q=payment+retry&limit=100"),
        ("search of one number", "/api/v1/logs?q=123456"),
        ("statistics", "/api/v1/logs/statistics"),
    ):
        began = time.monotonic()
        answer = client.get(path).raise_for_status()
        print(f"  {name}: {time.monotonic() - began:.2f} s, {len(answer.content):,} bytes")
    found = int(client.get("/api/v1/logs/statistics").json()["count"])
    print(f"  {found:,} are there of {count:,}")
    return int(found != count)


def day_of(folder: Path) -> None:
    """A series of a day, one value a second."""
    base = int(time.time()) - _DAY
    with (folder / "metrics.jsonl").open("wb") as file:
        for at in range(_DAY):
            file.write(b'{"timestamp":%d,"source_id":"machine-000","metric_name":"rpm","value":%d}\n'
                       % (base + at, at * 7919 % 997))  # fmt: skip


def measure_page(address: str, link: str, many: int) -> None:
    """In a real Chromium: interactive, keystroke to paint, a day's series painted."""
    from playwright.sync_api import sync_playwright

    from tests.parts import required_program

    program = required_program("chromium")
    environment: dict[str, Any] = {**os.environ, **dict(program.environment)}
    environment.pop("NODE_EXTRA_CA_CERTS", None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program.path, args=["--no-sandbox", "--disable-gpu"], env=environment
        )
        page = chromium.new_context(viewport={"width": 1280, "height": 860}).new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{address}/#/first/{link}")
        page.fill("input[name=name]", "ann")
        page.fill("input[name=password]", "correct horse battery")
        page.press("input[name=password]", "Enter")
        page.wait_for_selector("li.incident" if many else ".calm h1")
        if many:
            _interactive(page, address, many)
            _keystrokes(page)
            _day(page, address)
        else:
            _views(page, address)
        chromium.close()


def _views(page: Any, address: str) -> None:
    """Each view over very many series, from the start of the navigation to its content."""
    for view, wanted in (("now", ".calm h1, li.incident"), ("series", ".tiles li"),
                         ("explore", ".lanes li"), ("health", ".figures")):  # fmt: skip
        found = []
        for _ in range(3):
            page.goto("about:blank")
            began = time.monotonic()
            page.goto(f"{address}/#/{view}")
            page.wait_for_selector(wanted)
            found.append((time.monotonic() - began) * 1000)
        elements = page.evaluate("() => document.querySelectorAll('*').length")
        print(f"  the view {view}: {statistics.median(found):.0f} ms, longest {max(found):.0f} ms, "
              f"{elements} elements")  # fmt: skip
    page.goto(f"{address}/#/series")
    page.wait_for_selector(".tiles li")
    began = time.monotonic()
    page.fill("#find", "-00420 metric_1")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.tiles li')].every(one => "
        "one.innerText.includes('-0042')) && document.querySelector('.tiles li')"
    )
    passed = (time.monotonic() - began) * 1000
    print(f"  a search typed into the page is answered after {passed:.0f} ms")


_FIRST_ROW = """
  const look = () => document.querySelector("li.incident button")
    ? requestAnimationFrame(() => setTimeout(() => { window.__found = performance.now(); })) :
    requestAnimationFrame(look);
  look();
"""


def _found(page: Any) -> float:
    """The milliseconds that the page measured, once they are there; an error after a while."""
    page.wait_for_function("() => window.__found !== undefined")
    return float(page.evaluate("() => window.__found"))


def _interactive(page: Any, address: str, many: int) -> None:
    page.add_init_script(_FIRST_ROW)
    found = []
    for _ in range(5):
        page.goto("about:blank")
        page.goto(f"{address}/#/now")
        found.append(_found(page))
    rows = page.locator("li.incident").count()
    print(f"interactive with {many:,} alerts: median {statistics.median(found):.0f} ms of "
          f"{', '.join(f'{one:.0f}' for one in found)} ms; {rows} rows are drawn")  # fmt: skip


_PAINTED = """
  () => {
    delete window.__found;
    const began = performance.now();
    const before = document.querySelector("li.incident.on")?.id;
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "j", bubbles: true}));
    const look = () => document.querySelector("li.incident.on")?.id !== before
      ? setTimeout(() => { window.__found = performance.now() - began; })
      : requestAnimationFrame(look);
    requestAnimationFrame(look);
  }
"""


def _keystrokes(page: Any) -> None:
    found = []
    for _ in range(40):
        page.evaluate(_PAINTED)
        found.append(_found(page))
    found.sort()
    print(f"keystroke to paint: median {statistics.median(found):.0f} ms, p95 {found[37]:.0f} ms, "
          f"longest {found[-1]:.0f} ms of {len(found)}")  # fmt: skip


def _day(page: Any, address: str) -> None:
    """From the last byte of the values to the first frame with the chart."""
    page.add_init_script("""
      const real = window.fetch;
      window.fetch = async (...given) => {
        const answer = await real(...given);
        if (!String(given[0]).includes("/api/series/values")) return answer;
        const copy = answer.clone();
        await copy.arrayBuffer();
        const came = performance.now();
        const look = () => document.querySelector(".uplot canvas")
          ? requestAnimationFrame(() => setTimeout(() => {
            window.__found = performance.now() - came;
          })) : requestAnimationFrame(look);
        look();
        return answer;
      };
    """)
    for points in ("1280 points wide", "every value"):
        found = []
        for _ in range(5):
            page.goto("about:blank")
            if points == "every value":
                page.set_viewport_size({"width": 1280, "height": 860})
                page.goto(f"{address}/#/series/machine-000/rpm?all=1")
            else:
                page.goto(f"{address}/#/series/machine-000/rpm")
            page.wait_for_selector(".uplot canvas")
            found.append(_found(page))
        words = page.inner_text(".charts p").partition("·")[0].strip()
        print(f"a day's series ({points}: {words}): painted {statistics.median(found):.0f} ms "
              f"after its data, longest {max(found):.0f} ms of {len(found)}")  # fmt: skip
