-- Where each reader stands in each partition; written in the transaction of the rows themselves.
CREATE TABLE store_position (
    reader text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    following bigint NOT NULL,
    moved timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reader, topic, partition)
);

-- Readings of machines, one row for a machine and moment.
CREATE TABLE sensor_log (
    machine_id text NOT NULL,
    "timestamp" timestamptz NOT NULL,
    air_temp_k double precision,
    process_temp_k double precision,
    rpm double precision,
    torque_nm double precision,
    tool_wear_min double precision,
    PRIMARY KEY (machine_id, "timestamp")
) PARTITION BY RANGE ("timestamp");
CREATE TABLE sensor_log_default PARTITION OF sensor_log DEFAULT;

-- Every other metric: a row for each sample, with a number for its series.
CREATE TABLE metric_series (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL UNIQUE, -- of the three names, which may be too long for an index
    source_id text NOT NULL,
    metric_name text NOT NULL,
    unit text NOT NULL,
    metric_type text,
    labels jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX metric_series_name ON metric_series (left(source_id, 200), left(metric_name, 200));
CREATE TABLE metric_sample (
    series integer NOT NULL,
    "time" timestamptz NOT NULL,
    value double precision,
    PRIMARY KEY (series, "time")
) PARTITION BY RANGE ("time");
CREATE TABLE metric_sample_default PARTITION OF metric_sample DEFAULT;
CREATE VIEW metric AS
    SELECT source_id, metric_name, unit, "time", value, metric_type, labels
    FROM metric_sample JOIN metric_series ON id = series;

-- Features of windows.
CREATE TABLE feature (
    series integer NOT NULL,
    window_end timestamptz NOT NULL,
    mean double precision,
    std double precision,
    min double precision,
    max double precision,
    median double precision,
    p25 double precision,
    p75 double precision,
    p95 double precision,
    p99 double precision,
    trend double precision,
    ewma double precision,
    gradient double precision,
    cusum double precision,
    seasonality double precision,
    count double precision,
    score double precision,
    level double precision,
    expected_low double precision,
    expected_high double precision,
    PRIMARY KEY (series, window_end)
) PARTITION BY RANGE (window_end);
CREATE TABLE feature_default PARTITION OF feature DEFAULT;

-- Scores of anomalous windows (the topic `anomalies`).
CREATE TABLE anomaly_score (
    id text NOT NULL,
    event_time timestamptz NOT NULL,
    source_id text NOT NULL,
    metric_name text NOT NULL,
    composite double precision,
    confidence double precision,
    is_anomaly boolean,
    detector text,
    scores jsonb,
    evidence jsonb,
    labels jsonb,
    PRIMARY KEY (event_time, id)
) PARTITION BY RANGE (event_time);
CREATE TABLE anomaly_score_default PARTITION OF anomaly_score DEFAULT;

-- Transitions of alerts, each once (the topic `alerts`).
CREATE TABLE anomaly_history (
    transition_id text NOT NULL,
    "time" timestamptz NOT NULL,
    alert_id text NOT NULL,
    kind text NOT NULL,
    opened timestamptz,
    source_id text NOT NULL,
    metric_name text NOT NULL,
    severity text NOT NULL,
    score double precision,
    summary text NOT NULL,
    detector text,
    incident text,
    reason text,
    labels jsonb,
    evidence jsonb,
    PRIMARY KEY ("time", transition_id)
) PARTITION BY RANGE ("time");
CREATE INDEX anomaly_history_alert ON anomaly_history (alert_id);
CREATE TABLE anomaly_history_default PARTITION OF anomaly_history DEFAULT;

-- What Debezium's event router, or the relay, publishes; written in one transaction with the history.
CREATE TABLE outbox (
    id text NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (created, id)
) PARTITION BY RANGE (created);
CREATE INDEX outbox_order ON outbox (txid, seq);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
CREATE TABLE outbox_position (
    relay text PRIMARY KEY,
    txid xid8 NOT NULL,
    seq bigint NOT NULL,
    leads boolean NOT NULL, -- whether the relay publishes, or follows the slot of Debezium
    moved timestamptz NOT NULL DEFAULT now()
);

-- Records that cannot be used, with the reason.
CREATE TABLE dead_letter (
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    lost integer NOT NULL,
    elements jsonb NOT NULL,
    original bytea NOT NULL,
    size bigint NOT NULL,
    digest text NOT NULL,
    kept timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX dead_letter_kept ON dead_letter (kept);
