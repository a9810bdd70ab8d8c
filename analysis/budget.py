"""The budget of alerts at the end of a run: what it was, what was spent, what more would cost."""

from typing import NamedTuple

from padit.domain.config import AlertSettings, Budget

__all__ = ["Spending", "budget_line"]

_YOUNG = 48
"""Hours for which a series is judged by the prior as much as by its own past."""


class Spending(NamedTuple):
    """What a run has come to, as in its summary.

    Attributes:
        hours: hours of series in which they were judged.
        alerts: under the budget.
        more: that twice the budget would have added.
        series: how many.
    """

    hours: int
    alerts: int
    more: int
    series: int


def budget_line(settings: AlertSettings, spent: Spending) -> str | None:
    """The sentence about the budget; None without a budget, or before anything was judged.

    >>> budget_line(AlertSettings(), Spending(24000, 7, 3, 100))
    'alerts: the budget is 5 per 1000 series a day, 7 in 1,000 series-days were opened under it \
(7.0 per 1000); twice the budget would have added 3'
    """
    if settings.budget is None or not spent.hours:
        return None
    budget = Budget.parse(settings.budget)
    days = spent.hours / 24
    count = f"{days:,.0f}" if days >= 10 else f"{days:.1f}"
    line = (
        f"alerts: the budget is {budget.text}, {spent.alerts:,} in {count} series-days were opened "
        f"under it ({1000 * spent.alerts / days:.1f} per 1000); twice the budget would have added "
        f"{spent.more:,}"
    )
    if spent.hours < _YOUNG * spent.series:
        line += (
            ". The series have been judged for less than two days each, so where alerts open is "
            "mostly not from their own past yet; a longer history (--start_time, or "
            "--bootstrap_from of a live job) changes that"
        )
    return line
