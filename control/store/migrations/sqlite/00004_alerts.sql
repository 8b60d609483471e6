-- +goose Up
CREATE TABLE alerts (
    id         TEXT PRIMARY KEY,
    rule       TEXT NOT NULL,
    group_key  TEXT NOT NULL,
    labels     TEXT NOT NULL,
    severity   TEXT NOT NULL,
    summary    TEXT NOT NULL,
    events     BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    last_ms    BIGINT NOT NULL,
    quiet_ms   BIGINT NOT NULL,
    ended_ms   BIGINT
);
CREATE INDEX alerts_by_start ON alerts (started_ms DESC, id);
CREATE INDEX alerts_firing ON alerts (rule, group_key) WHERE ended_ms IS NULL;

-- What a sink is to be told; gone once it was. dead_ms marks what it did not take in the end.
CREATE TABLE alert_deliveries (
    id         TEXT PRIMARY KEY,
    alert_id   TEXT NOT NULL REFERENCES alerts (id),
    sink       TEXT NOT NULL,
    resolved   BOOLEAN NOT NULL,
    attempts   BIGINT NOT NULL,
    next_ms    BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    dead_ms    BIGINT
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (sink, next_ms) WHERE dead_ms IS NULL;

-- +goose Down
DROP TABLE alert_deliveries;
DROP TABLE alerts;
