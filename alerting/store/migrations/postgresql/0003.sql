-- Outcomes and messages that are no longer kept, by route and reason, so that accounts stay whole.
CREATE TABLE retired (
    route TEXT NOT NULL,
    reason TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (route, reason)
);

-- From where on the log is kept: number of its first entry, event time, entries dropped before.
CREATE TABLE horizon (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n BIGINT NOT NULL,
    time BIGINT NOT NULL,
    dropped BIGINT NOT NULL
);
