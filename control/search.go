package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"

	"gatehouse/authz/event"
	"gatehouse/control/api"
	"gatehouse/control/audit"
	"gatehouse/control/audit/verify"
	"gatehouse/control/store"
)

// evidence answers the API's questions about the audit log: found by the index
// in the store, read from the log itself, and checked as an auditor would.
type evidence struct {
	dir      string
	log      prover
	store    *store.Store
	verifier note.Verifier
	now      func() time.Time
}

// prover makes inclusion proofs; *audit.Tlog does.
type prover interface {
	Proof(ctx context.Context, eventID string) (*audit.Proof, error)
}

// Search implements api.Events.
func (s evidence) Search(ctx context.Context, q api.EventQuery) ([]event.Event, string, error) {
	page, err := s.store.SearchEvents(ctx, store.EventQuery{
		Types: q.Types, Subject: q.Subject, Client: q.Client, RequestID: q.RequestID, From: q.From, To: q.To,
		Text: q.Text, Limit: q.Limit, Cursor: q.Cursor,
	})
	if errors.Is(err, store.ErrBadCursor) {
		return nil, "", api.NewProblem(http.StatusBadRequest, "", "cursor is none that a page has given")
	}
	if err != nil {
		return nil, "", err
	}
	leaves := make([]uint64, len(page.Events))
	for i, e := range page.Events {
		leaves[i] = e.Leaf
	}
	found, err := audit.At(ctx, s.dir, leaves)
	if err != nil {
		return nil, "", fmt.Errorf("read what the index of the audit log has found: %w", err)
	}
	for i, e := range found {
		if e.ID != page.Events[i].ID {
			return nil, "", fmt.Errorf("the index says that entry %d is event %s, and the log has %s there: run `gatehouse audit reindex`", leaves[i], page.Events[i].ID, e.ID)
		}
	}
	return found, page.Next, nil
}

// Event implements api.Events.
func (s evidence) Event(ctx context.Context, id string) (event.Event, error) {
	leaf, err := s.store.EventLeaf(ctx, id)
	if errors.Is(err, store.ErrNoEvent) {
		return event.Event{}, api.ErrNotFound
	}
	if err != nil {
		return event.Event{}, err
	}
	found, err := audit.At(ctx, s.dir, []uint64{leaf})
	if err != nil {
		return event.Event{}, err
	}
	if found[0].ID != id {
		return event.Event{}, fmt.Errorf("the index says that entry %d is event %s, and the log has %s there: run `gatehouse audit reindex`", leaf, id, found[0].ID)
	}
	return found[0], nil
}

// Verify implements api.Verifier. The proof is made by the writer and checked by
// code that shares nothing with it.
func (s evidence) Verify(ctx context.Context, id string) (api.Verification, error) {
	out := api.Verification{EventID: id, CheckedAt: s.now().UTC()}
	proof, err := s.log.Proof(ctx, id)
	if errors.Is(err, audit.ErrNoEvent) {
		return out, api.ErrNotFound
	}
	if err != nil {
		out.Reason = "no proof can be made: " + err.Error()
		return out, nil //nolint:nilerr // that the log does not hold is the answer
	}
	text := proof.Text()
	proven, err := verify.Inclusion([]byte(text), s.verifier)
	if err != nil {
		_, signature := verify.OpenCheckpoint(proof.Checkpoint, "the log's checkpoint", s.verifier)
		out.Signature, out.Reason = signature == nil, err.Error()
		return out, nil //nolint:nilerr // that the log does not hold is the answer
	}
	if proven.Event.ID != id {
		out.Signature, out.Reason = true, "the proof is of another event: "+proven.Event.ID
		return out, nil
	}
	if out.Proof, err = json.Marshal(text); err != nil {
		return out, fmt.Errorf("write the proof as JSON: %w", err)
	}
	out.Signature, out.Inclusion = true, true
	out.Origin, out.Index, out.Size = proven.Head.Origin, uint64(proven.Index), uint64(proven.Head.Size) // #nosec G115 -- never negative
	out.Root = base64.StdEncoding.EncodeToString(proven.Head.Root[:])
	return out, nil
}
