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


def _two_series(folder: Path) -> None:
    append(
        folder / "alerts.jsonl",
        transition("opened", 60),
        transition("opened", 61, "b", metric_name="rpm", summary="rpm of press-1: too low"),
    )


def test_undo_on_one_page_leaves_what_somebody_took_on_another(
    tmp_path: Path, chromium: Browser
) -> None:
    _two_series(tmp_path)
    with served(tmp_path) as one:
        link = one.portal.accounts.link
        with (
            opened(chromium, one.address, link("admin"), "ann") as ann,
            opened(chromium, one.address, link("operator"), "bob") as bob,
        ):
            bob.wait_for_selector(".incident .title")
            ann.click(".title")
            ann.click('button[aria-label="Acknowledge: press-1 rpm"]')
            ann.locator("tr .tag.good", has_text="ann has it").wait_for()

            bob.click('.incident button[aria-label^="Acknowledge"]')
            bob.locator(".incident .tag.good", has_text="ann, bob has it").wait_for()
            ann.locator(".heading .tag.good", has_text="ann, bob has it").wait_for()
            bob.click(".toast button:has-text('Undo')")
            bob.wait_for_selector('.incident button[aria-label^="Acknowledge"]')
            ann.locator("tr", has_text="rpm").locator(".tag.good", has_text="ann has it").wait_for()
            assert ann.locator("tr", has_text="torque_nm").locator(".tag.good").count() == 0
            assert ann.locator(".heading .tag.good").count() == 0

            # An undo that comes when somebody else has it by now changes nothing.
            ann.click(".toast button[aria-label=Close]")
            bob.click('.incident button[aria-label^="Acknowledge"]')
            bob.locator(".incident .tag.good", has_text="ann, bob has it").wait_for()
            ann.click(".heading button:has-text('Take back')")
            ann.click(".heading button:has-text('Acknowledge')")
            bob.wait_for_selector(".incident .tag.good:has-text('ann has it')")
            bob.click(".toast button:has-text('Undo')")
            bob.wait_for_selector(".toast:has-text('Taken back')")
            assert bob.locator(".incident .tag.good", has_text="ann has it").count() == 1
            assert ann.locator(".heading .tag.good", has_text="ann has it").count() == 1


def test_an_answer_names_the_action_that_an_undo_gives_back_and_nothing_else_is_undone(
    tmp_path: Path,
) -> None:
    _two_series(tmp_path)
    with served(tmp_path) as one:
        wait_for(lambda: one.portal.overview.version >= 2)
        operator, admin = one.client("operator"), one.client("admin")
        path = f"/api/incidents/{_incident(operator)['id']}"
        rpm = {each["metric_name"]: each["alert"] for each in _incident(operator)["members"]}["rpm"]
        operator.post(f"/api/alerts/{rpm}/acknowledge", json={})
        action = admin.post(f"{path}/acknowledge", json={}).json()["action"]
        assert _incident(operator)["acknowledged_by"] == "key:admin, key:operator"

        undone = admin.post(f"{path}/unacknowledge", json={"undoes": action})
        assert (undone.status_code, len(undone.json()["commands"])) == (200, 2)
        holders = {"torque_nm": "", "rpm": "key:operator"}
        assert _holders(_incident(operator)) == holders
        again = admin.post(f"{path}/unacknowledge", json={"undoes": action})
        assert (again.status_code, again.json()["commands"]) == (200, [])
        other = admin.post(f"{path}/unacknowledge", json={"undoes": "of nobody"})
        assert other.status_code == 422
        admin.post(f"{path}/unacknowledge", json={"undoes": "0b7f"})
        assert _holders(_incident(operator)) == holders
        assert admin.post(f"{path}/acknowledge", json={"undoes": action}).status_code == 422
        assert one.portal.overview.state.unmatched == 0


def test_the_page_shows_nobody_once_an_acknowledgement_has_run_out(
    tmp_path: Path, chromium: Browser
) -> None:
    _two_series(tmp_path)
    with (
        served(tmp_path) as one,
        opened(chromium, one.address, one.portal.accounts.link("admin"), "ann") as page,
    ):
        operator = one.client("operator")
        path = f"/api/incidents/{_incident(operator)['id']}"
        assert operator.post(f"{path}/acknowledge", json={"until": "5min"}).status_code == 200
        page.wait_for_selector(".incident .tag.good:has-text('key:operator has it')")
        append(tmp_path / "alerts.jsonl", transition("opened", 900, "c", source_id="press-2"))
        page.wait_for_selector('.incident button[aria-label^="Acknowledge"]')
        page.wait_for_function(
            "() => document.querySelectorAll('.incident .tag.good').length === 0"
        )
        assert _incident(operator)["acknowledged_by"] == ""
