-- +goose Up
CREATE TABLE breaches (
    id         TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    facts      TEXT NOT NULL,
    aware_ms   BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    warned     INTEGER NOT NULL DEFAULT 0,
    version    BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX breaches_state ON breaches (state, id);

-- What was written down, when and by whom (Art. 33(5)).
CREATE TABLE breach_entries (
    breach_id   TEXT NOT NULL REFERENCES breaches (id),
    version     BIGINT NOT NULL,
    by_name     TEXT NOT NULL,
    changes     TEXT NOT NULL,
    recorded_ms BIGINT NOT NULL,
    PRIMARY KEY (breach_id, version)
);

-- +goose Down
DROP TABLE breach_entries;
DROP TABLE breaches;
