"""Names of every counter and gauge that the job and the adapters export.

Dashboards and alert rules depend on them, so each is written once, here. Those of the job are Beam
metrics in the namespace `padit`; Flink shows them as `<operator>.padit_<name>`, and a process of
the job as Prometheus metrics (`ops.job_metrics`). Those of the adapters are Prometheus metrics.
"""

from collections.abc import Mapping

# The job, in the order of its flow.
NAMESPACE = "padit"
READ = "read"
LATE = "late"
DEAD_LETTERED = "dead_lettered"
PARTITIONS_ENDED = "partitions_ended"
CONSUMER_LAG = "consumer_lag"
LABELS_LEFT_OUT = "labels_left_out"
SCORED = "scored"
DUPLICATE = "duplicate"
WINDOWS = "windows"
ANOMALIES = "anomalies"
ALERTS = "alerts"
SERIES = "series"
SERIES_WARMED_UP = "series_warmed_up"
SERIES_EVICTED = "series_evicted"
WAITING = "waiting"
JUDGED_HOURS = "series_hours_judged"
BUDGET_ALERTS = "budget_alerts"
BUDGET_MORE = "budget_more"
SILENCED = "silenced"
RELEASED = "released"
OF_THE_FLEET = (SILENCED, RELEASED)
"""Counters of a job with the option `peers`; names in log and summary are the same."""
JUDGED_PREFIX = "judged_"
"""Begins the names of counters of the series that a detector has scored."""

OF_A_GROUP: Mapping[str, str] = {
    "scored": SCORED,
    "duplicate": DUPLICATE,
    "windows": WINDOWS,
    "anomalies": ANOMALIES,
    "alerts": ALERTS,
    "series": SERIES,
    "warm": SERIES_WARMED_UP,
    "waiting": WAITING,
    "dead_lettered": DEAD_LETTERED,
    "series_evicted": SERIES_EVICTED,
    "judged_hours": JUDGED_HOURS,
    "budget_alerts": BUDGET_ALERTS,
    "budget_more": BUDGET_MORE,
}
"""Counter of each total that a key group keeps, by the total's name in state, log and summary."""

# The adapter process.
ADAPTER_SAMPLES = "padit_adapter_samples_total"
ADAPTER_RECORDS = "padit_adapter_records_total"
ADAPTER_POLLS = "padit_adapter_polls_total"
ADAPTER_FAILURES = "padit_adapter_failures_total"
ADAPTER_FAULTS = "padit_adapter_faults_total"
ADAPTER_UNWATCHED = "padit_adapter_unwatched_total"
ADAPTER_OVERRUNS = "padit_adapter_overruns_total"
ADAPTER_STUCK_CALLS = "padit_adapter_stuck_calls"
ADAPTER_UP = "padit_adapter_up"
ADAPTER_POLL_SECONDS = "padit_adapter_poll_seconds"
LOOP_FAILURES = "padit_loop_failures_total"
LOOP_ALIVE = "padit_loop_alive"
CALLBACK_ERRORS = "padit_callback_errors_total"
LOOP_LAG_SECONDS = "padit_adapters_loop_lag_seconds"
PUBLISHER_SENT = "padit_publisher_sent_total"
PUBLISHER_DROPPED = "padit_publisher_dropped_total"
PUBLISHER_BUFFERED = "padit_publisher_buffered"
PUBLISHER_DISK_ERRORS = "padit_publisher_disk_errors_total"
PUBLISHER_DISK_BYTES = "padit_publisher_disk_bytes"
PUBLISHER_CONNECTED = "padit_publisher_connected"

# Alerting.
ALERTING_TRANSITIONS = "padit_alerting_transitions_total"
ALERTING_RESIDUE = "padit_alerting_residue"
ALERTING_MESSAGES = "padit_alerting_messages"
ALERTING_BREAKER_OPEN = "padit_alerting_breaker_open"
ALERTING_OPEN_ALERTS = "padit_alerting_open_alerts"
ALERTING_INCIDENTS = "padit_alerting_incidents"
ALERTING_OUT_OF_ORDER = "padit_alerting_out_of_order_total"
ALERTING_UNMATCHED = "padit_alerting_unmatched_commands_total"
ALERTING_EDGES = "padit_alerting_edges_total"
ALERTING_REFUSED = "padit_alerting_refused_total"
ALERTING_AHEAD = "padit_alerting_ahead_total"
ALERTING_STORE_UP = "padit_alerting_store_up"
ALERTING_JOB_SILENT = "padit_alerting_job_silent_seconds"
CANARY_LAST = "padit_canary_last_timestamp_seconds"
CANARY_DELAY = "padit_canary_delay_seconds"
CANARY_SLOTS = "padit_canary_slots_total"
CANARY_THROUGH = "padit_canary_slots_through_total"

PROCESS_MEMORY = "process_resident_memory_bytes"
PROCESS_CPU = "process_cpu_seconds_total"

PROCESS_MEMORY_LIMIT = "padit_process_memory_limit_bytes"

# Processes that run the job: the counters above as Prometheus metrics, and what only they know.
JOB_PREFIX = "padit_job_"
"""Begins the Prometheus names of the job's counters: `padit_job_read_total`."""
JOB_GAUGES = frozenset((SERIES, SERIES_WARMED_UP, WAITING))
"""Counters of the job that may fall; as Prometheus metrics they are gauges, without `_total`."""
JOB_LAG = "padit_job_consumer_lag"
JOB_WATERMARK_DELAY = "padit_job_watermark_delay_seconds"
JOB_ALERT_DELAY = "padit_job_alert_delay_seconds"
POOL_WORKERS = "padit_worker_pool_workers"
POOL_STARTED = "padit_worker_pool_started_total"
HISTOGRAMS = (JOB_ALERT_DELAY,)
"""Names whose series end with _bucket, _count and _sum."""


def job_metric(counter: str) -> str:
    """The Prometheus name of one of the job's counters."""
    return f"{JOB_PREFIX}{counter}{'' if counter in JOB_GAUGES else '_total'}"


HELP: Mapping[str, str] = {
    ADAPTER_SAMPLES: "Samples an adapter emitted.",
    ADAPTER_RECORDS: "Records for other topics an adapter emitted.",
    ADAPTER_POLLS: "Polls that succeeded.",
    ADAPTER_FAILURES: "Polls or openings that failed, by cause.",
    ADAPTER_FAULTS: "Bad input that was refused, by cause.",
    ADAPTER_UNWATCHED: "Input that becomes no sample by decision, by kind.",
    ADAPTER_OVERRUNS: "Polls that were skipped because one took too long.",
    ADAPTER_STUCK_CALLS: "Blocking calls that were given up and have not returned.",
    ADAPTER_UP: "1 while the last poll of the adapter succeeded.",
    ADAPTER_POLL_SECONDS: "Duration of the last poll.",
    LOOP_FAILURES: "Failures of a loop that must not end, by loop.",
    LOOP_ALIVE: "0 after a loop has ended; the process then ends, too.",
    CALLBACK_ERRORS: "Errors in callbacks of the event loop.",
    LOOP_LAG_SECONDS: "How late the event loop ran a timer, seconds.",
    PUBLISHER_SENT: "Samples and records the broker has acknowledged.",
    PUBLISHER_DROPPED: "Samples that were lost, by reason.",
    PUBLISHER_BUFFERED: "Samples waiting in memory or on disk.",
    PUBLISHER_DISK_ERRORS: "Reads, writes and removals that the disk refused.",
    PUBLISHER_DISK_BYTES: "Bytes in the disk buffer.",
    PUBLISHER_CONNECTED: "1 while the broker acknowledges.",
    ALERTING_TRANSITIONS: "Transitions of alerts by route and what became of them.",
    ALERTING_RESIDUE: "Transitions that a route has neither decided nor holds; must be 0.",
    ALERTING_MESSAGES: "Messages by route and state: pending, delivered or dead.",
    ALERTING_BREAKER_OPEN: "1 while a receiver that failed too often is left alone.",
    ALERTING_OPEN_ALERTS: "Alerts that are open.",
    ALERTING_INCIDENTS: "Incidents that are open or may begin again.",
    ALERTING_OUT_OF_ORDER: "Transitions that came later than merge_delay.",
    ALERTING_UNMATCHED: "Commands that met no alert.",
    ALERTING_EDGES: "Alerts whose label states what their source depends on: result joined (an "
    "incident by that alone) or apart (others depend on the same, which is no reason).",
    ALERTING_REFUSED: "Records of the inputs that are no entry.",
    ALERTING_AHEAD: "Alerts, runs and progress dated too far ahead, since the process began.",
    ALERTING_STORE_UP: "0 while the store is full, locked or away.",
    ALERTING_JOB_SILENT: "Seconds since the job last reported its progress.",
    CANARY_LAST: "Event time of the last alert of a canary.",
    CANARY_DELAY: "From the event time of the last alert of a canary to alerting.",
    CANARY_SLOTS: "Slots of 10 s in which a canary should have come through.",
    CANARY_THROUGH: "Those of them in which one came through in time.",
    PROCESS_MEMORY: "Resident memory of the process.",
    PROCESS_CPU: "CPU time of the process, user and system.",
    PROCESS_MEMORY_LIMIT: "Memory that the process may use: of its container, else the machine.",
    JOB_LAG: "Records that wait in the topics the job reads.",
    JOB_WATERMARK_DELAY: "How far the slowest watermark is behind the clock.",
    JOB_ALERT_DELAY: "From the event time of an alert's transition to its delivery.",
    POOL_WORKERS: "Python workers, by state.",
    POOL_STARTED: "Python workers that were handed to a runner since the pool began.",
    **{
        job_metric(name): text
        for name, text in {
            READ: "Samples read.",
            LATE: "Samples older than the watermark of their partition.",
            DEAD_LETTERED: "Samples that could not be used.",
            PARTITIONS_ENDED: "Partitions read to their end.",
            SCORED: "Samples in windows that were judged.",
            DUPLICATE: "Samples that came twice.",
            WAITING: "Samples whose windows are open.",
            WINDOWS: "Windows closed.",
            ANOMALIES: "Anomalous windows.",
            ALERTS: "Transitions of alerts.",
            SERIES: "Series met.",
            SERIES_WARMED_UP: "Series that a detector has scored.",
            SERIES_EVICTED: "Series that made room for others.",
            JUDGED_HOURS: "Hours in which a series was judged, of all series.",
            BUDGET_ALERTS: "Alerts under the budget.",
            SILENCED: "Alerts that peers silenced.",
            RELEASED: "Alerts that peers silenced, and that were told after all.",
            BUDGET_MORE: "Alerts that twice the budget would have added.",
        }.items()
    },
}
"""Help texts of the Prometheus metrics."""
