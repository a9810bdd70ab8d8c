"""The loop of `usual` over the samples of a table, each series in event-time order."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.columns import bounded
from padit.transforms.detectors.directions import DAY_OLD, NEVER_ACCEPTED
from padit.transforms.detectors.usual_alert import follow, open_alert, severity, told
from padit.transforms.detectors.usual_channels import (
    activity,
    increase,
    of_a_day,
    sides,
    stuck,
)
from padit.transforms.detectors.usual_evidence import (
    AGED,
    DOWN,
    FEW,
    HERE,
    HINT,
    KNOWN,
    OLD,
    UP,
    YOUNG,
    known,
)
from padit.transforms.detectors.usual_farthest import MOST_ALONE, farther
from padit.transforms.detectors.usual_homes import HOMES, at_home, keep_home
from padit.transforms.detectors.usual_scale import (
    CENTRE,
    CHANNEL,
    COUNT,
    HIGH,
    LEAST,
    LOW,
    MOST,
    OUTSIDE_RUN,
    OVER,
    PATIENCE,
    REACH,
    SIDES,
    SLOW,
    TENTH,
    fit,
    log2,
    remember,
    slowness,
)
from padit.transforms.detectors.usual_season import SEASON, season_judge, season_learn
from padit.transforms.detectors.usual_spells import stays
from padit.transforms.detectors.usual_state import (
    ACCEPTED,
    ACTIVE,
    ACTIVITY,
    AGE,
    BORN,
    CHANNEL_OF,
    COUNTER,
    DOWNWARD,
    FIT_EVERY,
    HOME,
    INTERVAL,
    JUDGED_VALUE,
    LAST,
    LAST_TIME,
    LEVEL,
    NEWS,
    OPEN,
    QUEUE,
    RUN,
    SEASON_AT,
    SEASONAL,
    SELDOM_SAMPLED,
    SEVERE,
    STUCK,
    UPWARD,
    VALUE,
    WAIT,
    WAIT_A,
    WAITING,
    WAITING_A,
)
from padit.transforms.detectors.usual_sums import weigh
from padit.transforms.detectors.usual_unseen import (
    HORIZON,
    far_from_known,
    reached,
    record,
    unseen,
)

__all__ = ["run"]

UNSEEN = 0.6  # how new a sample is that may be news alone
SPIKES_FROM = 2 * 86400e6  # microseconds
RANKED = 0.4  # what is new and no news stays below this verdict, in the order of how new it is
FORGET, HARDLY = 0.9, 0.05  # how new the last samples were, and less than which they are old
DOUBT = 2.0  # what was seen at other times of the day takes more to be news
STEADY = 512  # samples without a move, after which one is news
STATED = 128  # of an availability or an error rate
MATURE = 1024  # samples of a series that moves
SELDOM = 3.0  # up to so many samples in two days (as a decimal logarithm)
NOVEL = 2.0  # tails for what is news if new
FOLLOWED_AFTER = 6 * 3600e6  # microseconds outside of the usual, if that is 16 samples or more

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def run(
    states: Array,
    seasons: NDArray[np.float32],
    memories: Array,
    rows: Ints,
    offset: Ints,
    time: Ints,
    value: Array,
    directions: Ints,
    limits: Array,
    sample: Array,
    out: Array,
) -> None:
    """Judge the samples of n windows, in the order of the table, then learn from them.

    Args:
        states: float64 (series, SLOTS).
        seasons: float32 (series, SLOTS_OF_SEASON).
        memories: float64 (series, SLOTS_OF_UNSEEN).
        rows: int64 (n,), the series of each window; -1: it is not judged here.
        offset: int64 (n + 1,), its samples.
        time: int64 (m,), microseconds, ascending within a series.
        value: float64 (m,), taken as `bounded`.
        directions: int64 (n,), bits: higher counts; lower does; a shift is never accepted.
        limits: float64 (3,): verdicts that open and keep open; microseconds until acceptance.
        sample: float64 (m,), gets the event verdict of each sample; NaN while warming up.
        out: float64 (FACTS, n), gets what `FACT` names.
    """
    for row in np.flatnonzero(rows >= 0):
        s, season, memory = states[rows[row]], seasons[rows[row]], memories[rows[row]]
        event, best, level, accepted, severe = np.nan, -1.0, 0.0, 0.0, 0.0
        for i in range(offset[row], offset[row + 1]):
            s[ACCEPTED] = 0.0
            x = bounded(value[i])
            sample[i] = _step(s, season, memory, time[i], x, directions[row], limits)
            if not sample[i] <= event and sample[i] == sample[i]:
                event, best = sample[i], float(i)
                _facts(s, out, row)
            if s[SEVERE] > severe:
                severe, best = s[SEVERE], float(i)
                _facts(s, out, row)
            level, accepted = max(level, s[LEVEL]), max(accepted, s[ACCEPTED])
        if offset[row] == offset[row + 1] and s[OPEN] > 0:
            level = s[LEVEL]
        held = 1.0 if s[OPEN] > 0 and (directions[row] & 4 or s[CHANNEL_OF] == STUCK) else 0.0
        if best < 0:
            _facts(s, out, row)
        out[0, row], out[1, row], out[2, row], out[3, row] = event, best, level, held
        out[4, row], out[16, row] = accepted, severe


@lean_kernel
def _facts(s: Array, out: Array, row: int | np.intp) -> None:
    c = s[VALUE : VALUE + CHANNEL]
    known = c[COUNT] >= YOUNG
    out[5, row] = s[CHANNEL_OF]
    out[6, row] = c[CENTRE] - c[SIDES + 5 + REACH] if known else np.nan
    out[7, row] = c[CENTRE] + c[SIDES + REACH] if known else np.nan
    out[8, row] = c[CENTRE] if known else np.nan
    out[9, row] = c[HIGH] - c[LOW] if known else np.nan
    out[10, row] = c[COUNT]
    out[11, row] = s[JUDGED_VALUE] - c[CENTRE] if known else np.nan
    out[12, row] = s[INTERVAL]
    out[13, row] = s[JUDGED_VALUE]
    out[14, row] = s[COUNTER]
    out[15, row] = s[RUN]


@lean_kernel
def _step(
    s: Array,
    season: NDArray[np.float32],
    memory: Array,
    t: int,
    x: float,
    directions: int,
    limits: Array,
) -> float:
    """One sample; the verdict that it is news, NaN while warming up; the level is in its slot."""
    c, a = s[VALUE : VALUE + CHANNEL], s[ACTIVITY : ACTIVITY + CHANNEL]
    y, fresh = _derive(s, season, memory, t, x, directions)
    closed = s[OPEN] == 0
    directions = sides(s, t, directions)
    active = activity(s, x)
    repeats = stuck(s, x, closed)
    verdict, channel, new = 0.0, 0.0, 0.0
    if fresh:
        new, far, place = _places(s, c, memory, y)
        verdict, channel = _judge(s, c, a, season, t, y, active, directions | place, closed, far)
        s[JUDGED_VALUE] = y
        if closed and new > verdict:
            steady = STATED if directions & NEVER_ACCEPTED else STEADY
            verdict, channel = _alone(s, c, memory, new, verdict, channel, steady)
    if repeats > verdict:
        verdict, channel = repeats, STUCK
    s[LEVEL], s[SEVERE] = verdict, 0.0
    news = 0.0
    if closed:
        s[CHANNEL_OF] = channel
        news = _news(c, verdict, new, limits[0])
        if news >= limits[0]:
            open_alert(s, t)
    if s[OPEN] > 0:
        s[SEVERE] = severity(s, t, c[OVER] if fresh else 0.0, (directions & NEVER_ACCEPTED) != 0)
        s[LEVEL] = follow(s, season, t, y, verdict, channel, limits, (directions & 4) != 0)
    elif fresh:
        _learn(s, c, a, t, y, active, directions)
    s[AGE] += 1
    s[LAST_TIME], s[LAST] = t, x
    return news


@lean_kernel
def _places(s: Array, c: Array, memory: Array, y: float) -> tuple[float, float, int]:
    """How new a value is, how far from all known ones, and bits `OLD` and `HERE`; it is learnt.

    A day is remembered, or `HORIZON` samples if they take longer. Where an excursion was that was
    told, nothing is known until it is routine. What lies outside of the usual is learnt late, so
    that a slow walk is not followed while it is judged.
    """
    low, high = reached(memory)
    place = OLD if c[LOW] == c[HIGH] and low <= y <= high else 0
    learn = not 2 <= c[OUTSIDE_RUN] < PATIENCE
    new = unseen(memory, y, of_a_day(s), learn) / UNSEEN
    far = np.inf if told(s, y) else far_from_known(memory)
    c[OVER] = 0.0
    s[NEWS] = max(new, FORGET * s[NEWS])
    if far == 0 and s[NEWS] < HARDLY and slowness(c) >= SLOW:
        place |= HERE
    return new, far, place


@lean_kernel
def _derive(
    s: Array, season: NDArray[np.float32], memory: Array, t: int, x: float, kind: int
) -> tuple[float, bool]:
    """The value that is judged, and whether there is one; another kind begins from nothing."""
    if s[AGE] == 0:
        s[BORN] = t
    else:
        s[INTERVAL] += (t - s[LAST_TIME] - s[INTERVAL]) / min(s[AGE], 16.0)
    counter = s[COUNTER]
    y, fresh = increase(s, t, x, kind)
    if s[COUNTER] != counter and s[AGE] > 0:
        memory[:], season[:] = 0.0, np.nan
    return y, fresh


@lean_kernel
def _news(c: Array, verdict: float, new: float, opens: float) -> float:
    """The verdict where it opens an alert, else how new the sample is, below all that opens one."""
    if c[COUNT] < FEW:
        return np.nan
    if verdict >= opens:
        return verdict
    return min(RANKED * new / (RANKED + new), 0.99 * opens)


@lean_kernel
def _alone(
    s: Array,
    c: Array,
    memory: Array,
    new: float,
    verdict: float,
    channel: float,
    steady: int,
) -> tuple[float, float]:
    """The verdict that one sample is news alone: never seen, and beyond the tail of its side.

    Of an exponential tail one sample in 100 lies beyond the 99 % quantile, and one in 10 of those
    beyond each further unit; the limit is that of five in 1,000 days. Where a day has few samples a
    sample that is several times as new as it has to be may lie up to a third as far out.
    """
    if c[OVER] <= 0 or c[COUNT] < (steady if c[LEAST] == c[MOST] else MATURE):
        return verdict, channel
    tails = TENTH * log2(max(SPIKES_FROM / max(s[INTERVAL], 1.0), 4.0))
    over = c[OVER]
    if tails <= SELDOM:
        over *= min(max(NOVEL * new / tails, 1.0), 3.0)
    alone = min(NOVEL * new, over) / tails
    alone *= MOST_ALONE / (alone + MOST_ALONE - 1.0)
    if alone <= max(verdict, 1.0) or not record(memory, s[JUDGED_VALUE], tails):
        return verdict, channel
    return alone, UPWARD if s[JUDGED_VALUE] >= c[CENTRE] else DOWNWARD


@lean_kernel
def _judge(
    s: Array,
    c: Array,
    a: Array,
    season: NDArray[np.float32],
    t: int,
    y: float,
    active: bool,
    directions: int,
    closed: bool,
    far: float,
) -> tuple[float, float]:
    """The highest verdict of the channels over a value, and the channel."""
    seasonal = s[SEASON_AT : SEASON_AT + SEASON]
    season_learn(seasonal, season, t, y, s[INTERVAL] >= SELDOM_SAMPLED)
    timely, context = season_judge(
        seasonal, y, directions & (UP | DOWN), closed, DOUBT if s[NEWS] < HARDLY else 1.0
    )
    if known(c) and stays(s, c, t, y):
        context &= ~(KNOWN | HINT)
    context |= (AGED if t - s[BORN] >= DAY_OLD else 0) | (directions & OLD)
    if closed and (directions & HERE or (far < np.inf and _home(s, c, t, y, directions, 0.0))):
        context |= KNOWN
    verdict, channel = 0.0, 0.0
    if known(c):
        verdict, channel = weigh(s, c, a, t, y, active, directions, context, closed, far)
    if context & HINT and not closed:
        c[OVER] = 0.0  # so it was a day ago: that is no reason to be CRITICAL
    if timely > verdict:
        verdict, channel = timely, SEASONAL
    return farther(s, c, t, y, directions, closed, far, (verdict, channel))


@lean_kernel
def _home(s: Array, c: Array, t: int, y: float, directions: int, until: float) -> bool:
    """Whether a series that may change its place is back where it was at home."""
    if directions & NEVER_ACCEPTED:
        return False
    return at_home(s[HOME : HOME + 3 * HOMES], c, t, y, until)


@lean_kernel
def _learn(s: Array, c: Array, a: Array, t: int, y: float, activity: bool, directions: int) -> None:
    """Put the sample into the queue, and the one from 32 samples ago into the memory."""
    at = int(s[WAITING])
    place = QUEUE + at % WAIT
    if at >= WAIT or s[AGE] < WAIT + 24:
        late = y if s[AGE] < WAIT + 24 else s[place]  # young: no wait
        until = t + max(DAY_OLD, HORIZON * s[INTERVAL])
        home = _home(s, c, t, late, directions, until)
        patience = min(max(FOLLOWED_AFTER / max(s[INTERVAL], 1.0), 16.0), PATIENCE)
        remember(c, late, home, t - s[BORN] < DAY_OLD, patience)
        n = int(c[COUNT])
        if n % FIT_EVERY == 0 or n == 8 or n == 16 or n == 24:
            fit(c, 1e-3 if s[COUNTER] > 0 else 1e-12)
            if known(c):
                keep_home(s[HOME : HOME + 3 * HOMES], c, until)
    s[place] = y
    s[WAITING] = at + 1
    if activity:
        at = int(s[WAITING_A])
        place = QUEUE + WAIT + at % WAIT_A
        if at >= WAIT_A:
            remember(a, s[place], False, False, PATIENCE)
            if a[COUNT] % 16 == 0:
                fit(a, 0.0)
        s[place] = s[ACTIVE]
        s[WAITING_A] = at + 1
