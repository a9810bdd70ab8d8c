-- Attempts to deliver a message, by the clock of the process that made them, microseconds.
CREATE TABLE attempt (
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number BIGINT NOT NULL,
    time BIGINT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX attempt_number ON attempt (number);
