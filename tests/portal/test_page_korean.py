"""The page in Korean: no sentence is left in English, and each is what the English one says."""

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from padit.alerting.alert_rows import AlertState
from padit.alerting.story import story_of
from padit.domain.timestamps import MICROS
from padit.transforms.detectors import registry
from tests.detectors.recorded import recorded
from tests.portal.browsing import faults_of, kept, opened
from tests.portal.korean import OTHERS, SAID, VALUES, WORDS
from tests.portal.making import Served, append, served, transition, wait_for

_SCRIPTS = Path(__file__).parents[2] / "portal" / "static" / "js"
_FAMILIES = ("said", "seen", "when", "part", "check", "fault", "lack", "struck")
_LATIN = re.compile(r"(?<![\w.])[A-Za-z][A-Za-z'_]+(?![\w.]*\d)")
_PATH = re.compile(r"\b\w+(?:\.\w+)+|--\w+|`\w+`")  # of a field or file, an option

_RECORDED = set("x y z counts tail step source p99 cusum trend nan".split())  # noqa: SIM905
# Refusals of what the page never asks for.
_FOR_PROGRAMS = (
    "a request ", "a token is given", "there is no such key", "there is no such user",
    "there is no such training", "there is no such file", "`validFrom`", "`undoes`",
    "there are no readings", "what is named stands in `any`",
    "another training", "`Idempotency-Key`", "it is no log record", "too many records",
)  # fmt: skip


@pytest.fixture(scope="module")
def compared(factory: Path) -> Path:
    """The factory with a second run beside it."""
    lines = (factory / "alerts.jsonl").read_bytes().splitlines()
    other = [line.replace(b'"score":0.', b'"score":0.0', 1) for line in lines
             if b'"subject":"rpm"' not in line]  # fmt: skip
    (factory / "other.alerts.jsonl").write_bytes(b"".join(line + b"\n" for line in other))
    return factory


@pytest.fixture(scope="module")
def shown(compared: Path, chromium: Browser) -> Iterator[tuple[Served, Page]]:
    with served(compared) as one:
        link = one.portal.accounts.link("admin")
        with opened(chromium, one.address, link, "eve", locale="ko-KR") as page:
            wait_for(lambda: one.portal.overview.incidents)
            yield one, page


def _said(page: Page, language: str, name: str, texts: list[Any]) -> list[str]:
    """What a function of the page makes of each text, in a language."""
    found: list[str] = page.evaluate(
        "async ([language, name, texts]) => {"
        " const state = await import('/static/js/state.js');"
        " const said = await import('/static/js/said.js');"
        " const before = state.language.value; state.language.value = language;"
        " try { return texts.map((one) => said[name](one)); }"
        " finally { state.language.value = before; } }",
        [language, name, texts],
    )
    return found


def _catalogue(language: str) -> dict[str, str]:
    text = (_SCRIPTS / f"{language}.js").read_text(encoding="utf-8")
    return dict(re.findall(r'(\w+): "((?:[^"\\]|\\.)*)"', text))


def _filled(text: str, place: int) -> str:
    return re.sub(r"\{(\w+)\}", lambda one: VALUES.get(one[1], (one[1].upper(),) * 2)[place], text)


def _foreign(text: str, names: set[str]) -> list[str]:
    return [
        one
        for one in _LATIN.findall(_PATH.sub(" ", text))
        if one.lower() not in WORDS and one.lower() not in names
    ]


def test_every_detector_of_the_registry_has_its_sentences_here() -> None:
    assert set(SAID) == set(registry())


def test_what_detectors_wrote_is_korean_but_for_its_names_and_english_word_for_word(
    shown: tuple[Served, Page],
) -> None:
    page = shown[1]
    names = set("""of torque_nm rpm rtt press nm ms min x median max count nan""".split())  # noqa: SIM905
    texts = [text for all_of_one in SAID.values() for text in all_of_one] + list(OTHERS)
    whole = [f"torque_nm of press-1: {one}" for one in texts]
    assert _said(page, "en", "recorded", whole) == whole
    found = _said(page, "ko", "recorded", whole)
    left = {
        one: _foreign(one.replace("T06:29", "").replace("000000Z", ""), names - {"of"})
        for one in found
    }
    assert {one: words for one, words in left.items() if words} == {}
    assert all(one.startswith("press-1의 torque_nm: ") for one in found)
    numbers = re.compile(r"\d[\d.,e+-]*\d|\d")
    for before, after in zip(whole, found, strict=True):
        lost = set(numbers.findall(before)) - set(numbers.findall(after))
        assert not lost, (before, after)


def test_every_sentence_that_is_recorded_of_a_detector_is_known_to_the_page(
    shown: tuple[Served, Page],
) -> None:
    """What real detectors wrote of their fixed streams, so that a reworded sentence is noticed."""
    texts = {
        name: [each["text"] for part in found["results"].values() for each in part["evidence"]]
        for name, found in recorded().items()
    }
    assert set(texts) == set(registry())
    assert sum(map(bool, texts.values())) >= len(texts) - 1  # windows without a row are not in it
    flat = sorted({text for some in texts.values() for text in some if text})
    found = _said(shown[1], "ko", "recorded", [f"m of s: {text}" for text in flat])
    kept_english = {
        text: one
        for text, one in zip(flat, found, strict=True)
        if _foreign(one, _RECORDED) or not one.startswith("s의 m: ")
    }
    assert kept_english == {}
    print(f"{len(flat)} sentences of {len(texts)} detectors")


def _refusals() -> set[str]:
    """What the portal says in refusals and in what it lacks, with a value for each place."""
    found: set[str] = set()
    for path in sorted((_SCRIPTS.parents[1]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "") or getattr(
                getattr(node, "func", None), "attr", ""
            )
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if name == "HTTPException" and len(node.args) > 1:
                found.add(_literal(node.args[1]))
            elif name == "append" and "lacks" in ast.unparse(node.func):
                found.add(_literal(node.args[0]))
    return found - {""}


def _literal(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return ""
    parts = [str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values]
    return "".join(parts)


def test_every_refusal_that_the_page_may_show_is_known_to_it(shown: tuple[Served, Page]) -> None:
    texts = sorted(one for one in _refusals() if not one.startswith(_FOR_PROGRAMS))
    assert len(texts) > 20
    found = _said(shown[1], "ko", "fault", texts)
    same = [text for text, one in zip(texts, found, strict=True) if one == text]
    assert same == []


def test_what_has_no_known_form_stays_as_it_was_written(shown: tuple[Served, Page]) -> None:
    texts = ["", "torque_nm", "a plug-in's own words, 3 > 2", "x of y of z: too high", "a: b: c"]
    assert _said(shown[1], "ko", "recorded", texts) == texts
    assert _said(shown[1], "ko", "fault", ["disk I/O error"]) == ["disk I/O error"]
    own = "m of s: whatever a plug-in says"
    assert _said(shown[1], "ko", "recorded", [own]) == ["s의 m: whatever a plug-in says"]


def test_each_form_is_recognised_as_itself_and_no_other(shown: tuple[Served, Page]) -> None:
    en, ko = _catalogue("en"), _catalogue("ko")
    calls = {"said": "check", "lack": "fault", "part": "part"}
    wrong = {}
    for family in ("said", "check", "fault", "lack", "struck", "part"):
        keys = [key for key in en if key.startswith(f"{family}_")]
        assert keys
        before = "opened: " if family == "part" else ""
        texts = [before + _filled(en[key], 0) for key in keys]
        found = _said(shown[1], "ko", calls.get(family, family), texts)
        for key, one in zip(keys, found, strict=True):
            expected = ("시작: " if before else "") + _filled(ko[key], 1)
            if one != expected:
                wrong[key] = one, expected
    assert wrong == {}


def _row(at: int, source: str, metric: str, **others: Any) -> AlertState:
    values: dict[str, Any] = {
        "severity": "WARNING", "score": 0.8, "summary": f"{metric} of {source}: median 3 > 2",
        "detector": "rule", "labels": {}, "shift": 0.0,
    } | others  # fmt: skip
    return AlertState(
        id=f"a{at}", fingerprint=f"f{at}", source_id=source, metric_name=metric,
        opened=(1_767_592_800 + at) * MICROS, incident="i", **values,
    )  # fmt: skip


def _stories() -> list[dict[str, Any]]:
    """A story of each kind: what is alone, likely, unclear; many sources; open and over."""
    speaks = [
        {"kind": kind, "metric": "rpm", "figure": "12.3", "tier": tier, "users": users}
        for kind in ("above", "below", "scores")
        for tier, users in (("", 0), ("own", 0), ("seen", 2), ("sent", 1))
    ]
    whole = [{"source": "s0", "score": 0.62, "why": _why(one), "speaks": one} for one in speaks]
    found = []
    for at, cause in enumerate(whole):
        for many, decided in ((1, False), (3, True), (3, False), (9, True)):
            rows = [
                _row(n, f"s{n}", "rpm", shift=(0.0, 4.25, -7.0)[n % 3], closed=(at % 2) * 10**16)
                for n in range(many)
            ]
            rows[-1].summary = rows[-1].summary if at % 3 else ""
            causes = [cause, {**cause, "source": "s1"}][:many]
            view = {
                "causes": causes,
                "decided": decided,
                "sources": [one.source_id for one in rows],
            }
            found.append(story_of(view, rows))
    return found


def _why(one: dict[str, Any]) -> str:
    from padit.alerting.cause import Speaks

    return Speaks(**one).text


def test_the_story_of_the_page_is_that_of_the_server_word_for_word(
    shown: tuple[Served, Page],
) -> None:
    lines = [line for story in _stories() for part in story.values() for line in part]
    assert len({line["kind"] for line in lines}) == 11
    assert _said(shown[1], "en", "told", lines) == [line["text"] for line in lines]
    for one in _said(shown[1], "ko", "told", lines):
        assert _foreign(one, {"rpm", "median"}) == [], one


# What a person reads or hears: texts, and the attributes that stand for one.
_TEXTS = """() => {
  const found = [], seen = (one) => one.checkVisibility ? one.checkVisibility() : true;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let one = walk.nextNode(); one; one = walk.nextNode()) {
    if (one.parentElement.closest('code, textarea, kbd, script, style, .u-legend')) continue;
    if (seen(one.parentElement) && one.data.trim()) found.push(one.data.trim());
  }
  for (const one of document.querySelectorAll('[title], [aria-label], [placeholder], [alt]')) {
    for (const name of ['title', 'aria-label', 'placeholder', 'alt']) if (one.getAttribute(name)) found.push(one.getAttribute(name));
  }
  return found;
}"""  # noqa: E501


def _names(one: Served, factory: Path) -> set[str]:
    """Names and data: of sources, metrics, units, detectors, features, files and people."""
    rows = one.portal.overview.alerts.values()
    texts = [f"{row.source_id} {row.metric_name} {row.detector}" for row in rows]
    texts += [f"{source} {metric}" for source, metric in one.portal.series.find("", None, 999)[0]]
    texts += [path.name for path in factory.iterdir()]
    texts += ["eve webhook default page rule model machine spindle is at", " ".join(registry())]
    names = {word.lower() for text in texts for word in _LATIN.findall(text)}
    return names | {"nm", "min", "rpm", "median", "max", "count", "iqr", "mean", "last", "range"}


def _look(page: Page, one: Served, view: str) -> None:
    page.goto(f"{one.address}/#/{view}")
    page.wait_for_selector("main:not([aria-busy=true]) h1")
    page.wait_for_function("() => !document.querySelector('main [aria-busy=true], .chart.wait')")
    page.wait_for_timeout(300)


def test_no_view_says_anything_in_english(factory: Path, shown: tuple[Served, Page]) -> None:
    one, page = shown
    names, found = _names(one, factory), {}

    def note(place: str) -> None:
        kept(page, f"korean-{place}")
        left = {text: _foreign(text, names) for text in page.evaluate(_TEXTS)}
        found[place] = {text: words for text, words in left.items() if words}

    logs = [{"message": f"spindle {n} is at {n}", "level": "error"} for n in range(9)]
    assert one.client("ingest").post("/api/v1/logs", json=logs).status_code == 201
    row = next(iter(one.portal.overview.alerts.values()))
    for view in ("now", "series", f"series/{row.source_id}/{row.metric_name}", "explore?hours=2",
                 "logs", "health", "whatif"):  # fmt: skip
        _look(page, one, view)
        note(re.sub(r"\W+", "-", view))
    page.fill("textarea", one.portal.config_text + "min_score: 0.9\n")
    page.click("#run")
    page.wait_for_selector("#verdict")
    note("tried")
    for incident in list(one.portal.overview.incidents)[:6]:
        _look(page, one, f"incident/{incident}")
        for part in page.query_selector_all("details:not([open]) > summary")[:4]:
            part.click()
        for button in page.query_selector_all("button:text-is('다시 계산')")[:4]:
            button.click()
        page.wait_for_timeout(600)
        note(f"incident-{incident[:8]}")
    _look(page, one, "incident/none")
    note("gone")
    _look(page, one, "compare?left=alerts.jsonl&right=other.alerts.jsonl")
    page.wait_for_selector(".changes")
    note("compare")
    page.keyboard.press("?")
    page.wait_for_selector("dialog .keys")
    note("keys")
    page.keyboard.press("Escape")
    page.click("button[aria-label='설정']")
    page.wait_for_selector("dialog select")
    note("settings")
    page.keyboard.press("Escape")
    left = {place: words for place, words in found.items() if words}
    assert left == {}, left
    assert len(found) >= 12
    assert [each for each in faults_of(page) if "404" not in each] == []


def test_what_is_done_to_an_open_incident_is_told_in_korean(
    tmp_path: Path, chromium: Browser
) -> None:
    base = int(time.time() * MICROS)
    sources = ("press-1", "press-2", "press-3")
    append(tmp_path / "alerts.jsonl", *(
        transition("opened", at, source, base=base, source_id=source, shift=12.5 * at,
                   summary=f"torque_nm of {source}: torque_nm 64.7 Nm, above its usual 35.2 to 48")
        for at, source in enumerate(sources)
    ))  # fmt: skip
    names, found = {"press", "torque_nm", "nm", "eve", "rule", "default", "page"}, {}
    with (
        served(tmp_path) as one,
        opened(
            chromium, one.address, one.portal.accounts.link("admin"), "eve", locale="ko-KR"
        ) as page,
    ):

        def note(place: str) -> None:
            kept(page, f"korean-open-{place}")
            left = {text: _foreign(text, names) for text in page.evaluate(_TEXTS)}
            found[place] = {text: words for text, words in left.items() if words}

        page.wait_for_selector("li.incident")
        note("now")
        page.keyboard.press("j")
        page.keyboard.press("s")
        page.wait_for_selector('.preview[data-ready="yes"]')
        note("silence")
        page.click("#silence-it")
        page.wait_for_selector("ul.plain-list >> text=eve")
        note("silenced")
        page.keyboard.press("a")
        page.wait_for_selector("li.incident .tag.good")
        note("acknowledged")
        page.keyboard.press("e")
        page.wait_for_selector(".story")
        page.click("button:text-is('실제')")
        page.wait_for_selector(".toast")
        note("judged")
        _look(page, one, "now")
        _look(page, one, f"incident/{next(iter(one.portal.overview.incidents))}")
        note("story")
        story = page.inner_text(".story")
        assert "평소 범위 35.2 ~ 48보다 높음" in story
        _look(page, one, "health")
        note("health")
        page.goto(f"{one.address}/#/logs?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z")
        page.wait_for_selector(".fault")
        note("refused")
        assert page.inner_text(".fault") == "`to` 가 `from` 보다 앞섭니다"
    left = {place: words for place, words in found.items() if words}
    assert left == {}, left
