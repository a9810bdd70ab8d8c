"""Identities of traces, made from what is traced, so that every process knows them.

A sample is a trace of its own, and so is an alert. Both follow from their identities, as the
alert's id does. So a later process names an earlier span that nobody handed to it: the evidence of
an alert holds source, metric and times of its samples, which is all that their traces are made of.
The job carries nothing, and its bytes do not change.

Whether a sample is traced follows from its trace id as well: it is if the id's last 56 bits, which
are random by W3C Trace Context Level 2, are below a share of all. So every process decides alike.
"""

from padit.domain.message import digest_of

__all__ = ["TraceIds", "alert_trace", "is_sampled", "sample_trace", "traceparent"]

TraceIds = tuple[int, int]
"""(trace id, 128 bits; span id, 64 bits) of the first span of a trace."""
_RANDOM_BITS = 56


def sample_trace(source_id: str, metric_name: str, time_us: int) -> TraceIds:
    """The trace of a sample; `time_us` its event time, microseconds."""
    return _ids("sample", source_id, metric_name, str(time_us))


def alert_trace(alert_id: str) -> TraceIds:
    """The trace of an alert, from its opening to the last delivery."""
    return _ids("alert", alert_id)


def is_sampled(trace_id: int, share: float) -> bool:
    """Whether the trace is among a share, 0 to 1, of all.

    >>> is_sampled(sample_trace("press-1", "torque_nm", 0)[0], 1.0)
    True
    """
    return trace_id % (1 << _RANDOM_BITS) < share * (1 << _RANDOM_BITS)


def traceparent(ids: TraceIds) -> str:
    """The header of W3C Trace Context that names a span that is recorded.

    >>> traceparent((1, 2))
    '00-00000000000000000000000000000001-0000000000000002-01'
    """
    return f"00-{ids[0]:032x}-{ids[1]:016x}-01"


def _ids(*identity: str) -> TraceIds:
    digest = digest_of("trace", *identity)
    # Neither may be 0; that has never been seen of a digest.
    return int(digest, 16) or 1, int(digest_of("span", *identity)[:16], 16) or 1
