-- Log records with full text search. `simple`: words as they are, in every language.
CREATE SEQUENCE log_record_id;
CREATE TABLE log_template (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL UNIQUE
);
CREATE TABLE log_record (
    id bigint PRIMARY KEY,
    time bigint NOT NULL,
    source text NOT NULL,
    level text NOT NULL,
    template integer NOT NULL,
    message text NOT NULL
);
CREATE INDEX log_record_time ON log_record (time, id);
CREATE INDEX log_record_words ON log_record USING gin (to_tsvector('simple', message));
