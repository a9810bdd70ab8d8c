"""Where the numbers of a series lie in the state of `usual`, and the constants of its kernel."""

from padit.transforms.detectors.usual_homes import HOMES
from padit.transforms.detectors.usual_scale import CHANNEL
from padit.transforms.detectors.usual_season import SEASON

__all__ = [
    "ACCEPTED", "ACTIVE", "ACTIVE_CHANNEL", "ACTIVITY", "ACTIVITY_FLOOR", "AGE", "BACK_FOR",
    "BETWEEN", "BEYOND", "BEYOND_FROM", "BLOCK", "BORN", "CALM", "CALM_AFTER", "CHANNEL_OF",
    "COUNTER", "DOWNWARD", "EQUALS", "FACTS", "FALLS", "FAR", "FARTHEST", "FAR_FOR",
    "FIT_EVERY", "FRACTIONS", "HALF_HOUR", "HOME", "INSIDE", "INTERVAL", "JUDGED", "JUDGED_VALUE",
    "KIND", "KINDS", "LAST", "LASTING", "LAST_TIME", "LEVEL", "LONGEST", "LONG_QUIET", "NEWS",
    "NEXT_KIND", "OPEN", "QUEUE", "QUIET", "RESETS", "RISES", "RUN", "RUNS", "RUN_LONG",
    "RUN_MEAN", "RUN_RECORD", "RUN_SPREAD", "SEASONAL", "SEASON_AT", "SELDOM_SAMPLED", "SEVERE",
    "SINCE", "SLOTS", "SPELL", "STASH", "STASHED", "STAY", "STAYED", "STAY_AT", "STAY_LAST",
    "STAY_PEAK", "STEP1", "STEP2", "STEPS", "STEP_SUM", "STOOD", "STORE", "STRIDE", "STUCK",
    "TOLD_FARTHEST", "TOLD_RUN", "TOLD_SPELL", "TURN", "UPWARD", "VALUE", "WAIT", "WAITING",
    "WAITING_A", "WAIT_A",
]  # fmt: skip

# Slots of a series, before its channels.
AGE, LAST_TIME, LAST, STEP1, STEP2, ACTIVE = 0, 1, 2, 3, 4, 5
RISES, FALLS, EQUALS, COUNTER = 6, 7, 8, 9
RUN, RUN_RECORD, RUNS = 10, 11, 12
OPEN, SINCE, CALM, RUN_MEAN, BORN = 13, 14, 15, 16, 17
WAITING, STASHED, STRIDE, TURN = 18, 19, 20, 21
ACTIVITY_FLOOR = 22
STEP_SUM, STEPS, JUDGED = 23, 24, 25
WAITING_A, NEXT_KIND, INSIDE, INTERVAL, LEVEL = 26, 27, 28, 29, 30
CHANNEL_OF, ACCEPTED, JUDGED_VALUE, NEWS = 31, 32, 33, 34
WAIT, WAIT_A, STASH = 32, 4, 128
SEVERE, FAR_FOR = 35, 44
FRACTIONS, RESETS = 45, 46  # whether a value was no whole number; how often a counter began again
RUN_SPREAD = 47  # variance of the runs, and RUN_MEAN their mean: of the run a sample belongs to
KINDS, KIND = 4, 36  # of excursions: where each lay, and how often it came; then the next place
STOOD, TOLD_RUN = 48, 49  # alerts of a stuck value that ended; the longest run of the last
BEYOND, BEYOND_FROM, SPELL = 50, 51, 52  # of `usual_runs`; below 0: downward
LONGEST, TOLD_SPELL = 53, 55  # two each: upward, downward
FARTHEST, TOLD_FARTHEST = 57, 59  # two each: the greatest, the least
STAY, STAY_PEAK, STAYED = 61, 62, 63  # of `usual_spells`; STAYED has two of each side
RUN_LONG = 67  # the longest run of four weeks
STAY_LAST, STAY_AT = 68, 70  # of `usual_spells`, one of each side: count and end of the last stays
BACK_FOR = 72  # samples in a row nearer than the 90 % quantile
HOME = 73  # where `usual_homes` begins
QUEUE = HOME + 3 * HOMES
STORE = QUEUE + WAIT + WAIT_A
SEASON_AT = STORE + STASH
VALUE = SEASON_AT + SEASON
ACTIVITY = VALUE + CHANNEL
SLOTS = ACTIVITY + CHANNEL

FIT_EVERY = 32
BLOCK = 8
CALM_AFTER = 300_000_000
QUIET = 900_000_000  # a young series of few samples is not judged yet
LONG_QUIET = 2_700_000_000  # nor is one that moves, and whose kind is not stated
HALF_HOUR = 1_800_000_000
FACTS = 17
FAR = 8.0
LASTING = 300_000_000
SELDOM_SAMPLED = 900e6  # microseconds from one sample to the next
# Channels; the sums of shifts are 2 and 3.
UPWARD, DOWNWARD = 0.0, 1.0
BETWEEN, ACTIVE_CHANNEL, STUCK, SEASONAL = 4.0, 5.0, 6.0, 7.0
