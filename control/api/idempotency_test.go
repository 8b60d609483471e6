package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/control/store"
)

const someKey = "0190a1b2-c3d4-7e5f-8a9b-aabbccddeeff"

// counted registers a POST that counts how often it was carried out.
func counted(n *atomic.Int64, work func(context.Context, string) error) func(huma.API) {
	return func(a huma.API) {
		op := Roles(operation("make", http.MethodPost, "/v1/t/make"), Operator)
		op.MaxBodyBytes = 200_000
		huma.Register(a, op, func(ctx context.Context, in *echoInput) (*echoOutput, error) {
			out := &echoOutput{}
			out.Body.Text, out.Body.Count = in.Body.Text, n.Add(1)
			if work != nil {
				if err := work(ctx, in.Body.Text); err != nil {
					return nil, err
				}
			}
			return out, nil
		})
	}
}

func TestACallWithAKeyIsMadeOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	first := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	again := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	if n.Load() != 1 || first.Body.String() != again.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" ||
		again.Header().Get("Content-Type") != first.Header().Get("Content-Type") {
		t.Errorf("made %d times; %s, then %s %v", n.Load(), first.Body, again.Body, again.Header())
	}
	p := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"b"}`, IdempotencyHeader, someKey).problem(http.StatusUnprocessableEntity)
	if p.Type != typePrefix+"idempotency-key-reused" {
		t.Errorf("%+v", p)
	}
	// Another caller has keys of their own, and so has the same after a day.
	g.as(Admin, http.MethodPost, "/v1/t/make", `{"text":"b"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	g.clock.advance(25 * time.Hour)
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"b"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	if n.Load() != 3 {
		t.Errorf("made %d times", n.Load())
	}
	for _, key := range []string{"short", strings.Repeat("x", 129), "with a space in it, and long"} {
		g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, key).problem(http.StatusBadRequest)
	}
}

func TestOfManyEqualCallsAtOnceOneIsMade(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	begun, proceed := make(chan struct{}, 1), make(chan struct{})
	g := newRig(t, nil, counted(&n, func(context.Context, string) error {
		begun <- struct{}{}
		<-proceed
		return nil
	}))
	codes := make([]int, 16)
	var all sync.WaitGroup
	all.Go(func() {
		codes[0] = g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).Code
	})
	<-begun
	for i := range codes[1:] {
		all.Go(func() {
			a := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey)
			codes[i+1] = a.Code
		})
	}
	deadline := time.After(10 * time.Second)
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	// The fifteen are answered while the first is still at work.
	for g.refusedCount() < len(codes)-1 {
		select {
		case <-deadline:
			t.Fatal("the other calls wait")
		case <-time.After(time.Millisecond):
		}
	}
	close(proceed)
	<-done
	for i, code := range codes {
		if i == 0 && code != http.StatusOK || i > 0 && code != http.StatusConflict {
			t.Errorf("call %d: %d", i, code)
		}
	}
	if n.Load() != 1 {
		t.Errorf("made %d times", n.Load())
	}
}

// refusedCount is how many calls were told that another is under way.
func (g *rig) refusedCount() (n int) {
	for _, e := range g.events.all() {
		if e.Status == http.StatusConflict {
			n++
		}
	}
	return n
}

func TestARaceForAKeyIsWonByOne(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	for round := range 10 {
		key := fmt.Sprintf("a-key-for-the-round-%d", round)
		before := n.Load()
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				a := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, key)
				if a.Code != http.StatusOK && a.Code != http.StatusConflict {
					t.Errorf("%d %s", a.Code, a.Body)
				}
			})
		}
		all.Wait()
		if made := n.Load() - before; made != 1 {
			t.Errorf("round %d: made %d times", round, made)
		}
	}
}

func TestAFailureOfOursMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	mode := "panic"
	g := newRig(t, nil, counted(&n, func(context.Context, string) error {
		switch mode {
		case "panic":
			panic("boom")
		case "error":
			return errors.New("the disk is full of hunter2")
		}
		return nil
	}))
	for _, mode = range []string{"panic", "error"} {
		p := g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).problem(http.StatusInternalServerError)
		if strings.Contains(p.Detail, "hunter2") || len(p.Errors) > 0 {
			t.Errorf("the inside is shown: %+v", p)
		}
	}
	if !strings.Contains(g.log.String(), "hunter2") || !strings.Contains(g.log.String(), "boom") {
		t.Errorf("the log knows nothing: %s", g.log)
	}
	mode = ""
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	if n.Load() != 3 {
		t.Errorf("made %d times", n.Load())
	}
}

func TestAnAnswerTooLargeToKeepIsNotMadeTwice(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	body := `{"text":"` + strings.Repeat("x", maxKept) + `"}`
	g.as(Operator, http.MethodPost, "/v1/t/make", body, IdempotencyHeader, someKey).want(http.StatusOK)
	p := g.as(Operator, http.MethodPost, "/v1/t/make", body, IdempotencyHeader, someKey).problem(http.StatusConflict)
	if p.Type != typePrefix+"already-done" || n.Load() != 1 {
		t.Errorf("made %d times: %+v", n.Load(), p)
	}
}

func TestAKeyWhoseCallDiedIsFreeAfterAMinute(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	lost := &lostAnswers{Idempotency: g.store}
	g.server.o.Idempotency = lost
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	g.server.o.Idempotency = g.store
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).problem(http.StatusConflict)
	g.clock.advance(claimFor + time.Second)
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).want(http.StatusOK)
}

// lostAnswers is a store whose process dies before it can settle.
type lostAnswers struct{ Idempotency }

func (*lostAnswers) KeepAnswer(context.Context, string, string, []byte) error {
	return errors.New("killed")
}

func TestWithoutTheStoreACallWithAKeyIsNotMade(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	if err := g.store.Close(); err != nil {
		t.Fatal(err)
	}
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`, IdempotencyHeader, someKey).problem(http.StatusServiceUnavailable)
	if n.Load() != 0 {
		t.Error("the call was made although nobody could know whether it was before")
	}
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"a"}`).want(http.StatusOK)
}

func TestTheStoreNeverSeesWhatWasAnswered(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := newRig(t, nil, counted(&n, nil))
	const personal = "anna@example.com"
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"`+personal+`"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	spy := &spy{Idempotency: g.store}
	g.server.o.Idempotency = spy
	g.as(Operator, http.MethodPost, "/v1/t/make", `{"text":"`+personal+`"}`, IdempotencyHeader, someKey).want(http.StatusOK)
	if len(spy.answer) == 0 || strings.Contains(string(spy.answer), personal) || strings.Contains(spy.id, someKey) {
		t.Errorf("%q under %s", spy.answer, spy.id)
	}
	if _, err := openAnswer("another-key-of-another", spy.id, spy.answer); err == nil {
		t.Error("an answer opens under another key")
	}
}

// spy sees what the store keeps.
type spy struct {
	Idempotency
	id     string
	answer []byte
}

func (s *spy) ClaimCall(ctx context.Context, c store.CallClaim) (store.CallClaimed, error) {
	claimed, err := s.Idempotency.ClaimCall(ctx, c)
	s.id, s.answer = c.ID, claimed.Answer
	return claimed, err
}
