"""Images are pinned by what they hold where that is known, and named where it is not."""

from __future__ import annotations

import re

import pytest

from tests.deploy import pinned
from tests.deploy.chart import CHART, VALUES, containers, objects, run
from tests.deploy.pinned import TAGS, images
from tests.deploy.schemas import KUBERNETES

_DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_every_image_has_a_digest_or_is_named_as_one_that_has_only_a_tag() -> None:
    found = list(images())
    assert {one.file for one in found} == {
        "deploy/Dockerfile", "docker-compose.yml", "deploy/helm/padit/values.yaml",
    }  # fmt: skip
    assert {one.name for one in found if not one.digest} == TAGS
    pattern = re.compile(r"sha256:[0-9a-f]{64}")
    assert [one for one in found if one.digest and not pattern.fullmatch(one.digest)] == []


def test_an_image_is_the_same_wherever_it_is_named() -> None:
    known: dict[tuple[str, str], set[str]] = {}
    for one in images():
        known.setdefault((one.name, one.tag), set()).add(one.digest)
    assert {name: digests for name, digests in known.items() if len(digests) > 1} == {}


def test_the_page_on_security_names_what_has_only_a_tag(capsys: pytest.CaptureFixture[str]) -> None:
    assert pinned.main() == 0
    listed = re.findall(
        r"^(\S+):\S+ in \S+: by its tag only$", capsys.readouterr().out, re.MULTILINE
    )
    page = (pinned.ROOT / "docs" / "security.md").read_text()
    (sentence,) = re.findall(r"pinned by their tag only: (.*?)\.\s", page, re.DOTALL)
    assert set(re.findall(r"`([^`]+)`", sentence)) == set(listed)


@pytest.mark.parametrize("name", VALUES)
def test_every_image_of_a_pod_comes_from_the_values(name: str) -> None:
    # So a mirror can be named, and a digest for each.
    given = {f"image.digests.{part}": _DIGEST for part in ("worker", "job", "service")}
    given |= {"flink.image": f"f@{_DIGEST}", "job.serverImage": f"s@{_DIGEST}",
              "kafka.topics.image": f"k@{_DIGEST}"}  # fmt: skip
    done = run(
        "helm", "template", "padit", CHART, f"--kube-version={KUBERNETES}", *VALUES[name],
        *(f"--set-string={key}={value}" for key, value in given.items()),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^ *(?:- )?image: (\S+)$", done.stdout, re.MULTILINE)
    wanted = sum(len(containers(one)) for one in objects(name)) + 1  # Flink's own
    assert len(found) == wanted
    assert [one for one in found if not one.endswith(f"@{_DIGEST}")] == []
