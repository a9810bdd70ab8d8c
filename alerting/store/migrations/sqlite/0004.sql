-- Attempts to deliver a message, by the clock of the process that made them, microseconds.
CREATE TABLE attempt (
    n INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    time INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX attempt_number ON attempt (number);
