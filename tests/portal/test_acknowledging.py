"""Who has one series of an incident, or all of it, as the API shows it."""

from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser

from padit.domain.timestamps import parse_timestamp
from tests.portal.browsing import opened
from tests.portal.making import append, served, transition, wait_for


def _incident(client: httpx.Client) -> dict[str, Any]:
    name = client.get("/api/incidents").json()["items"][0]["id"]
    found: dict[str, Any] = client.get(f"/api/incidents/{name}").json()
    return found


def _holders(of: dict[str, Any]) -> dict[str, str]:
    return {one["metric_name"]: one["acknowledged_by"] for one in of["members"]}


def test_one_series_is_taken_and_given_back_then_all_and_the_timeline_has_a_line_for_each_act(
    tmp_path: Path,
) -> None:
    metrics = ("torque_nm", "rpm", "temp")
    append(
        tmp_path / "alerts.jsonl",
        *(transition("opened", 60 + i, f"a{i}", metric_name=one) for i, one in enumerate(metrics)),
    )
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version >= 3)
        operator = one.client("operator")
        of = {each["metric_name"]: each["alert"] for each in _incident(operator)["members"]}
        nobody = dict.fromkeys(metrics, "")

        assert operator.post(f"/api/alerts/{of['rpm']}/acknowledge", json={}).status_code == 200
        found = _incident(operator)
        assert (found["acknowledged_by"], found["acknowledged_at"]) == ("", None)
        assert _holders(found) == nobody | {"rpm": "key:operator"}
        (member,) = [each for each in found["members"] if each["acknowledged_at"]]
        assert parse_timestamp(member["acknowledged_at"]) > parse_timestamp(member["opened"])
        assert not [each for each in found["messages"] if each["kind"] == "acknowledged"]

        assert operator.post(f"/api/alerts/{of['rpm']}/unacknowledge", json={}).status_code == 200
        assert _holders(_incident(operator)) == nobody

        path = f"/api/incidents/{found['id']}"
        done = operator.post(f"{path}/acknowledge", json={})
        assert (done.status_code, len(done.json()["commands"])) == (200, 3)
        found = _incident(operator)
        assert found["acknowledged_by"] == "key:operator"
        assert _holders(found) == nobody
        kinds = [each["kind"] for each in found["messages"]]
        assert kinds.count("acknowledged") == 1

        acts = [
            (each["kind"], sorted(each["alerts"])) for each in found["timeline"] if "by" in each
        ]
        assert acts == [("acknowledge", [of["rpm"]]), ("unacknowledge", [of["rpm"]]),
                        ("acknowledge", sorted(of.values()))]  # fmt: skip
        assert operator.post(f"{path}/unacknowledge", json={}).status_code == 200
        assert _incident(operator)["acknowledged_by"] == ""


def test_the_page_has_a_button_for_each_series_of_an_incident_that_several_have(
    tmp_path: Path, chromium: Browser
) -> None:
    append(
        tmp_path / "alerts.jsonl",
        transition("opened", 60), transition("opened", 61, "b", metric_name="rpm"),
    )  # fmt: skip
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        page.click(".title")
        page.click('button[aria-label="Acknowledge: press-1 rpm"]')
        row = page.locator("tr", has_text="rpm")
        row.locator(".tag.good", has_text="ann has it").wait_for()
        assert page.locator(".heading .tag.good").count() == 0
        page.click('button[aria-label="Take back: press-1 rpm"]')
        page.wait_for_selector('button[aria-label="Acknowledge: press-1 rpm"]')
        page.click(".heading button.strong")
        page.locator(".heading .tag.good", has_text="ann has it").wait_for()
        assert page.locator("tr .tag.good").count() == 0
        assert page.locator("tr button").count() == 0
