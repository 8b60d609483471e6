package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/store"
)

// IdempotencyHeader of a POST: the same key, by the same caller, is the same
// call (draft-ietf-httpapi-idempotency-key-header).
const IdempotencyHeader = "Idempotency-Key"

const (
	minIdempotencyKey = 16
	maxIdempotencyKey = 128
	// keptFor is how long an answer is kept, and for how long a key belongs to
	// its first call.
	keptFor = 24 * time.Hour
	// claimFor is how long a call that neither ended nor failed holds its key:
	// its control was killed.
	claimFor = time.Minute
	// maxKept bounds an answer that is kept, in bytes.
	maxKept = 64 << 10
)

// Idempotency keeps the answers; *store.Store does.
type Idempotency interface {
	ClaimCall(ctx context.Context, c store.CallClaim) (store.CallClaimed, error)
	KeepAnswer(ctx context.Context, id, claim string, answer []byte) error
	ReleaseCall(ctx context.Context, id, claim string) error
}

// once carries out a POST with an Idempotency-Key one time, and answers it as
// often as it comes.
func (s *Server) once(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header(IdempotencyHeader)
	if key == "" || ctx.Method() != http.MethodPost || flag(ctx.Operation(), metaLong) || flag(ctx.Operation(), metaPublic) {
		next(ctx)
		return
	}
	if err := s.onceWith(ctx, key, next); err != nil {
		var p *Problem
		if !errors.As(err, &p) {
			s.log.ErrorContext(ctx.Context(), "a call cannot be made once only, and was not made", "error", err, "request_id", requestID(ctx.Context()))
		}
		s.refuse(ctx, asProblem(err))
	}
}

// onceWith returns an error as long as nothing was answered.
func (s *Server) onceWith(ctx huma.Context, key string, next func(huma.Context)) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if s.o.Idempotency == nil {
		return unavailable()
	}
	body, err := readBody(ctx)
	if err != nil {
		return err
	}
	caller := CallerFrom(ctx.Context())
	claim := store.CallClaim{
		ID:          hashOf("gatehouse/call\x00" + caller.method + "\x00" + caller.SubjectID + "\x00" + caller.Name + "\x00" + key),
		Fingerprint: fingerprint(ctx, body), For: claimFor, Keep: keptFor,
	}
	claimed, err := s.o.Idempotency.ClaimCall(ctx.Context(), claim)
	switch {
	case err != nil:
		return fmt.Errorf("claim an idempotency key: %w", err)
	case claimed.Fingerprint != claim.Fingerprint:
		return NewProblem(http.StatusUnprocessableEntity, "idempotency-key-reused", "this Idempotency-Key belongs to another call: use a new key for a new call")
	case claimed.Claim == "" && claimed.Answer == nil:
		return NewProblem(http.StatusConflict, "idempotency-key-in-use", "the first call with this Idempotency-Key is still under way").with("Retry-After", "1")
	case claimed.Claim == "":
		return replay(ctx, key, claim.ID, claimed.Answer)
	}
	s.carryOut(ctx, key, claim.ID, claimed.Claim, body, next)
	return nil
}

// carryOut makes the call and keeps its answer. A failure of ours is not kept:
// the caller may try again.
func (s *Server) carryOut(ctx huma.Context, key, id, claim string, body []byte, next func(huma.Context)) {
	rec := &recording{inner: ctx, body: bytes.NewReader(body), answer: kept{Header: map[string]string{}}}
	done := false
	defer func() {
		// The caller may have gone, or the handler panicked: the key is settled
		// all the same.
		settle, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), callWithin)
		defer cancel()
		err := s.settle(settle, key, id, claim, rec, done)
		if err != nil {
			s.log.ErrorContext(settle, "an idempotency key stays taken for a minute", "error", err, "request_id", requestID(settle))
		}
	}()
	next(rec)
	done = true
}

func (s *Server) settle(ctx context.Context, key, id, claim string, rec *recording, done bool) error {
	status := rec.answer.Status
	if !done || rec.whole > maxKept || status >= http.StatusInternalServerError ||
		status == http.StatusRequestTimeout || status == http.StatusTooManyRequests {
		if done && status < http.StatusBadRequest {
			// Done, but its answer is too large to keep: it must not be done again.
			rec.answer = kept{Status: http.StatusConflict, Header: map[string]string{}, TooLarge: true}
		} else {
			return s.o.Idempotency.ReleaseCall(ctx, id, claim)
		}
	}
	text, err := json.Marshal(rec.answer)
	if err != nil {
		return fmt.Errorf("write an answer: %w", err)
	}
	sealed, err := sealAnswer(key, id, text)
	if err != nil {
		return err
	}
	return s.o.Idempotency.KeepAnswer(ctx, id, claim, sealed)
}

// kept is an answer to a call.
type kept struct {
	Status   int               `json:"status"`
	Header   map[string]string `json:"header"`
	Body     []byte            `json:"body"`
	TooLarge bool              `json:"too_large,omitempty"`
}

func replay(ctx huma.Context, key, id string, sealed []byte) error {
	text, err := openAnswer(key, id, sealed)
	if err != nil {
		return err
	}
	var answer kept
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read a kept answer: %w", err)
	}
	if answer.TooLarge {
		return NewProblem(http.StatusConflict, "already-done", "the first call with this Idempotency-Key was carried out; its answer was too large to keep")
	}
	for name, value := range answer.Header {
		ctx.SetHeader(name, value)
	}
	ctx.SetHeader("Idempotency-Replayed", "true")
	ctx.SetStatus(answer.Status)
	_, _ = ctx.BodyWriter().Write(answer.Body) // the client has gone, then
	return nil
}

func checkKey(key string) error {
	if len(key) < minIdempotencyKey || len(key) > maxIdempotencyKey ||
		strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return NewProblem(http.StatusBadRequest, "", "Idempotency-Key: send 16 to 128 random printable characters, such as a UUID")
	}
	return nil
}

func readBody(ctx huma.Context) ([]byte, error) {
	limit := ctx.Operation().MaxBodyBytes
	if limit <= 0 {
		limit = MaxBody
	}
	body, err := io.ReadAll(io.LimitReader(ctx.BodyReader(), limit+1))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large), int64(len(body)) > limit:
		return nil, NewProblem(http.StatusRequestEntityTooLarge, "payload-too-large", "")
	case err != nil:
		return nil, NewProblem(http.StatusRequestTimeout, "", "the body did not arrive in time")
	}
	return body, nil
}

// fingerprint tells calls apart: where they go, and all they say.
func fingerprint(ctx huma.Context, body []byte) string {
	at := ctx.URL()
	h := sha256.New()
	var length [8]byte
	for _, part := range [][]byte{[]byte(ctx.Operation().OperationID), []byte(at.EscapedPath()), []byte(at.RawQuery), []byte(ctx.Header("Content-Type")), body} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// inner has another name than huma.Context's own method.
type inner = huma.Context

// recording answers and remembers what it answered.
type recording struct {
	inner
	body   *bytes.Reader
	answer kept
	whole  int // bytes of the body, kept or not
}

// Unwrap lets the adapter find its own context.
func (r *recording) Unwrap() huma.Context { return r.inner }

func (r *recording) BodyReader() io.Reader { return r.body }

func (r *recording) SetStatus(code int) {
	r.answer.Status = code
	r.inner.SetStatus(code)
}

func (r *recording) SetHeader(name, value string) {
	r.answer.Header[name] = value
	r.inner.SetHeader(name, value)
}

func (r *recording) AppendHeader(name, value string) {
	r.answer.Header[name] = value
	r.inner.AppendHeader(name, value)
}

func (r *recording) BodyWriter() io.Writer { return r }

func (r *recording) Write(p []byte) (int, error) {
	if r.whole += len(p); r.whole <= maxKept {
		r.answer.Body = append(r.answer.Body, p...)
	}
	n, err := r.inner.BodyWriter().Write(p)
	if err != nil {
		// The caller has gone. The call is done, and its answer kept.
		return len(p), nil //nolint:nilerr // huma would take it for a failure of ours
	}
	return n, nil
}
