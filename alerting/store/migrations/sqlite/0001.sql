-- The log: what the engine saw, in order. `id` keeps a transition or command from coming twice.
CREATE TABLE log (
    n INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT,
    time INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX log_id ON log (kind, id) WHERE id IS NOT NULL;

-- How far each partition of each topic, or each file, was read.
CREATE TABLE position (
    place TEXT NOT NULL,
    partition INTEGER NOT NULL,
    following INTEGER NOT NULL,
    PRIMARY KEY (place, partition)
);

-- The engine's state after entry n, so that a start need not read the whole log.
CREATE TABLE snapshot (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n INTEGER NOT NULL,
    policy TEXT NOT NULL,
    state BLOB NOT NULL
);

-- What became of each transition on each route.
CREATE TABLE outcome (
    transition TEXT NOT NULL,
    route TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (transition, route)
);

-- Messages on their way to receivers: pending, delivered or dead.
CREATE TABLE delivery (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    route TEXT NOT NULL,
    receiver TEXT NOT NULL,
    incident TEXT NOT NULL,
    kind TEXT NOT NULL,
    time INTEGER NOT NULL,
    message BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at REAL NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    reference TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_due ON delivery (receiver, state, number);
CREATE INDEX delivery_incident ON delivery (incident, route, number);

CREATE TABLE command_result (
    id TEXT NOT NULL,
    result TEXT NOT NULL,
    alerts TEXT NOT NULL,
    time INTEGER NOT NULL
);

CREATE TABLE feedback (
    command TEXT NOT NULL,
    made_by TEXT NOT NULL,
    verdict TEXT NOT NULL,
    alert TEXT NOT NULL,
    time INTEGER NOT NULL
);

-- Bytes that are neither an alert nor a command.
CREATE TABLE refused (
    place TEXT NOT NULL,
    partition INTEGER NOT NULL,
    number INTEGER NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (place, partition, number)
);
