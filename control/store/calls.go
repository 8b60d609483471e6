package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
)

// CallClaim is a call that is to be made once.
type CallClaim struct {
	ID          string        // of caller and key together
	Fingerprint string        // of all that the call says
	For         time.Duration // how long the claim holds if nobody settles it
	Keep        time.Duration // how long the ID is remembered
}

// CallClaimed is whose a call is. With a Claim it is the claimer's, to be
// settled by KeepAnswer or ReleaseCall; with an Answer it was made; with neither
// it is under way elsewhere. Fingerprint is that of the first call.
type CallClaimed struct {
	Claim, Fingerprint string
	Answer             []byte
}

// purgeAtOnce bounds what one claim cleans up.
const purgeAtOnce = 100

// ClaimCall takes a call for the caller of this method, unless somebody has it.
// It also forgets some calls whose time is over.
func (s *Store) ClaimCall(ctx context.Context, c CallClaim) (claimed CallClaimed, err error) {
	now := s.now()
	if _, err := s.exec(ctx, `DELETE FROM idempotent_calls WHERE id IN
		(SELECT id FROM idempotent_calls WHERE expires_ms <= ? ORDER BY expires_ms LIMIT ?)`, now.UnixMilli(), purgeAtOnce); err != nil {
		return claimed, fmt.Errorf("forget old calls: %w", err)
	}
	err = s.tx(ctx, func(c2 conn) error {
		claimed, err = claimCall(ctx, c2, c, now)
		return err
	})
	return claimed, err
}

func claimCall(ctx context.Context, tx conn, c CallClaim, now time.Time) (CallClaimed, error) {
	mine := event.NewID()
	// One statement decides: a new row, or one whose claimer died or whose time
	// is over. Two at once cannot both change it.
	result, err := tx.exec(ctx, `INSERT INTO idempotent_calls (id, fingerprint, claim, claimed_ms, expires_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, claim = excluded.claim,
			claimed_ms = excluded.claimed_ms, expires_ms = excluded.expires_ms, answer = NULL
		WHERE idempotent_calls.expires_ms <= ? OR
			(idempotent_calls.answer IS NULL AND idempotent_calls.claimed_ms <= ? AND idempotent_calls.fingerprint = excluded.fingerprint)`,
		c.ID, c.Fingerprint, mine, now.UnixMilli(), now.Add(c.Keep).UnixMilli(),
		now.UnixMilli(), now.Add(-c.For).UnixMilli())
	if err != nil {
		return CallClaimed{}, fmt.Errorf("claim a call: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return CallClaimed{}, fmt.Errorf("claim a call: %w", err)
	} else if n == 1 {
		return CallClaimed{Claim: mine, Fingerprint: c.Fingerprint}, nil
	}
	var held CallClaimed
	err = tx.queryRow(ctx, `SELECT fingerprint, answer FROM idempotent_calls WHERE id = ?`, c.ID).Scan(&held.Fingerprint, &held.Answer)
	if errors.Is(err, sql.ErrNoRows) { // released this moment: as if under way, the caller comes again
		return CallClaimed{Fingerprint: c.Fingerprint}, nil
	}
	if err != nil {
		return CallClaimed{}, fmt.Errorf("read a call: %w", err)
	}
	return held, nil
}

// KeepAnswer settles a claim with what was answered. A claim that was lost
// meanwhile changes nothing.
func (s *Store) KeepAnswer(ctx context.Context, id, claim string, answer []byte) error {
	if _, err := s.exec(ctx, `UPDATE idempotent_calls SET answer = ? WHERE id = ? AND claim = ?`, answer, id, claim); err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	return nil
}

// ReleaseCall settles a claim as if the call had never come.
func (s *Store) ReleaseCall(ctx context.Context, id, claim string) error {
	if _, err := s.exec(ctx, `DELETE FROM idempotent_calls WHERE id = ? AND claim = ? AND answer IS NULL`, id, claim); err != nil {
		return fmt.Errorf("release a call: %w", err)
	}
	return nil
}
