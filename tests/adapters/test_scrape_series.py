"""Scraped series that a name of ours does not tell apart are not mixed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.base import ListEmitter
from padit.adapters.scrape_points import Points, Selection
from padit.adapters.series import Naming
from padit.codecs.exposition import parse
from padit.domain.metric import Metric
from tests.adapters.live import poll_once
from tests.adapters.test_prometheus_scrape import Served, page

TARGET = (("instance", "a:1"),)
POD = Naming(drop_labels=("pod",))


class Scrapes:
    """Pages of one adapter, one after the other."""

    def __init__(self, naming: Naming = POD, **select: Any) -> None:
        self.points = Points(Selection.model_validate(select), naming, "s")
        self.emitter = ListEmitter()

    def take(self, time: float, *lines: str, target: Any = TARGET) -> list[Metric]:
        body = "\n".join([*lines, ""]).encode()
        found = parse(body, openmetrics=False)
        before = sum(self.emitter.faults.values()) + sum(self.emitter.left.values())
        taken = self.points.metrics(found, target, time, self.emitter)
        after = sum(self.emitter.faults.values()) + sum(self.emitter.left.values())
        assert taken.used + after - before == len(found.samples)
        return taken.metrics


def test_two_pods_on_a_real_page_are_not_mixed_and_the_answer_says_why() -> None:
    body = b'# TYPE mem gauge\nmem{pod="p-1"} 100\nmem{pod="p-2"} 900\n'
    naming = {"drop_labels": ["pod"]}
    with Served(page(body)) as served:
        config = {"type": "prometheus-scrape", "urls": [served.url], "naming": naming}
        emitter = poll_once(config, 3)
    assert emitter.values("mem") == [100.0] * 3
    assert emitter.faults == {"mixed": 3}
    assert "pod='p-2' against pod='p-1'" in emitter.messages["mixed"]
    assert "naming.drop_labels" in emitter.messages["mixed"]


def test_counters_and_histograms_are_refused_as_a_whole() -> None:
    scrapes = Scrapes()
    for number in range(3):
        lines = ["# TYPE c_total counter", "# TYPE h histogram"]
        for step, pod in ((1, "p-1"), (7, "p-2")):
            count = step * (number + 1)
            lines += [
                f'c_total{{pod="{pod}"}} {count}',
                f'h_bucket{{pod="{pod}",le="1"}} {count}',
                f'h_bucket{{pod="{pod}",le="+Inf"}} {count}',
                f'h_count{{pod="{pod}"}} {count}',
                f'h_sum{{pod="{pod}"}} {count}',
            ]
        found = scrapes.take(1000.0 + 10 * number, *lines)
        rates = {m.metric_name: m.value for m in found}
        assert len(found) == len(rates)
        if number:
            assert rates["c_total_per_s"] == rates["h_per_s"] == 0.1
    assert scrapes.emitter.faults == {"mixed": 2 * 5}


def test_next_pod_goes_on_with_the_series_when_the_first_is_silent() -> None:
    scrapes = Scrapes()
    assert scrapes.take(1000, 'mem{pod="p-1"} 1')
    assert scrapes.take(1050, 'mem{pod="p-2"} 2') == []
    assert [m.value for m in scrapes.take(1061, 'mem{pod="p-2"} 3')] == [3.0]
    assert scrapes.take(1062, 'mem{pod="p-1"} 4') == []


def test_one_page_by_two_targets_is_mixed_under_no_label() -> None:
    naming = Naming(source_labels=("job",), drop_labels=("instance",))
    scrapes = Scrapes(naming)
    assert scrapes.take(1000, 'up2{job="x"} 1', target=(("instance", "a"),))
    assert scrapes.take(1001, 'up2{job="x"} 2', target=(("instance", "b"),)) == []
    own = Scrapes(naming, honor_labels=True)
    assert own.take(1000, 'up2{job="x",instance="i"} 1', target=(("instance", "a"),))
    assert own.take(1001, 'up2{job="x",instance="i"} 2', target=(("instance", "b"),)) == []
    assert "instance of the target='b'" in own.emitter.messages["mixed"]


def test_gauge_named_like_a_part_of_a_histogram_is_kept_apart() -> None:
    lines = ["# TYPE h histogram", 'h_bucket{le="+Inf"} %d', "h_count %d", "h_sum %d", "h_mean 50"]
    scrapes = Scrapes(Naming())
    for number in (1, 2):
        text = "\n".join(lines) % (number, number, number)
        found = [m for m in scrapes.take(1000 + number, text) if m.metric_name == "h_mean"]
        assert [m.value for m in found] == [50.0]
    assert scrapes.emitter.faults == {"mixed": 3}


_LABELS = st.fixed_dictionaries({"pod": st.sampled_from("pq"), "a": st.sampled_from("xy")})
_PAGES = st.lists(st.lists(st.tuples(st.sampled_from("gc"), _LABELS), max_size=6), max_size=5)


@pytest.mark.parametrize("most", [2, 1000])
@given(pages=_PAGES)
def test_samples_of_one_series_of_ours_have_one_pod(most: int, pages: Any) -> None:
    scrapes = Scrapes(Naming(drop_labels=("pod",), max_series=most))
    owners: dict[str, set[str]] = {}
    for number, samples in enumerate(pages):
        lines = ["# TYPE c counter"]
        for i, (name, labels) in enumerate(samples):
            value = (1 if labels["pod"] == "p" else 2) * 1000 + i
            lines.append(f'{name}{{pod="{labels["pod"]}",a="{labels["a"]}"}} {value}')
        for metric in scrapes.take(1000.0 + number, *lines):
            if metric.metric_name.startswith("g"):
                owners.setdefault(metric.metric_name, set()).add(str(metric.value)[0])
    if most > 4:
        assert all(len(one) == 1 for one in owners.values())
