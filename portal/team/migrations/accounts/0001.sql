-- Accounts that several portals share; the tables of portal/accounts.py.
CREATE TABLE "user" (name text PRIMARY KEY, role text NOT NULL, password text NOT NULL);
CREATE TABLE session (digest text PRIMARY KEY, "user" text NOT NULL, ends double precision NOT NULL);
CREATE TABLE link (digest text PRIMARY KEY, role text NOT NULL, ends double precision NOT NULL);
CREATE TABLE api_key (prefix text PRIMARY KEY, digest text NOT NULL UNIQUE, name text NOT NULL,
    role text NOT NULL, ends double precision NOT NULL, made_by text NOT NULL);
CREATE TABLE signing (kid text PRIMARY KEY, secret text NOT NULL, made double precision NOT NULL);
CREATE TABLE audit (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time double precision NOT NULL, who text NOT NULL, what text NOT NULL, target text NOT NULL,
    result integer NOT NULL, place text NOT NULL);
