-- The log: what the engine saw, in order. `id` keeps a transition or command from coming twice.
CREATE TABLE log (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT,
    time BIGINT NOT NULL,
    payload BYTEA NOT NULL
);
CREATE UNIQUE INDEX log_id ON log (kind, id) WHERE id IS NOT NULL;

-- How far each partition of each topic, or each file, was read.
CREATE TABLE position (
    place TEXT NOT NULL,
    partition BIGINT NOT NULL,
    following BIGINT NOT NULL,
    PRIMARY KEY (place, partition)
);

-- The engine's state after entry n, so that a start need not read the whole log.
CREATE TABLE snapshot (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    n BIGINT NOT NULL,
    policy TEXT NOT NULL,
    state BYTEA NOT NULL
);

-- What became of each transition on each route.
CREATE TABLE outcome (
    transition TEXT NOT NULL,
    route TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (transition, route)
);

-- Messages on their way to receivers: pending, delivered or dead.
CREATE TABLE delivery (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    route TEXT NOT NULL,
    receiver TEXT NOT NULL,
    incident TEXT NOT NULL,
    kind TEXT NOT NULL,
    time BIGINT NOT NULL,
    message BYTEA NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at DOUBLE PRECISION NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    reference TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_due ON delivery (receiver, state, number);
CREATE INDEX delivery_incident ON delivery (incident, route, number);

CREATE TABLE command_result (
    id TEXT NOT NULL,
    result TEXT NOT NULL,
    alerts TEXT NOT NULL,
    time BIGINT NOT NULL
);

CREATE TABLE feedback (
    command TEXT NOT NULL,
    made_by TEXT NOT NULL,
    verdict TEXT NOT NULL,
    alert TEXT NOT NULL,
    time BIGINT NOT NULL
);

-- Bytes that are neither an alert nor a command.
CREATE TABLE refused (
    place TEXT NOT NULL,
    partition BIGINT NOT NULL,
    number BIGINT NOT NULL,
    reason TEXT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (place, partition, number)
);
