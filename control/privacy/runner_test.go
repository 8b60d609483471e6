package privacy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

var errAway = errors.New("the shop's database is away")

func TestAnErasureReachesAllOthersBeforeGatehouseForgets(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		id, token := f.user("ann")
		p, err := f.Enter(ctx, Who{Identities: []connector.Identity{{Type: "user_id", Value: id}, {Type: "email", Value: "ann@example.com"}}})
		if err != nil {
			f.t.Fatal(err)
		}
		bob := f.person("bob@example.com")
		for _, y := range []*system{f.shop, f.crm} {
			y.rows["ann@example.com"], y.rows["bob@example.com"] = rowsOf(5, "orders"), rowsOf(3, "orders")
		}
		if _, err := f.Record(ctx, p, Entry{Purpose: "news", State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
			f.t.Fatal(err)
		}
		waiting, err := f.Receive(ctx, p, Ask{Kind: connector.Access, Reason: "what do you have"})
		if err != nil {
			f.t.Fatal(err)
		}
		r := f.started(p, Ask{Kind: connector.Erasure, Reason: "forget me", By: "operator"})

		f.shop.fail = []error{errAway}
		f.work()
		if got, want := states(f.request(r.ID)), []string{"shop failed", "crm done", "gatehouse pending"}; !reflect.DeepEqual(got, want) {
			f.t.Fatalf("%v, want %v", got, want)
		}
		if _, err := f.o.Store.UserByID(ctx, id); err != nil {
			f.t.Fatalf("Gatehouse has forgotten before the shop has: %v", err)
		}
		f.clock.move(5 * time.Second)
		f.work()

		done := f.request(r.ID)
		if done.State != Completed || !done.Shredded || done.Words.Reason != "" {
			f.t.Errorf("%+v", done)
		}
		if len(f.shop.rows["ann@example.com"])+len(f.crm.rows["ann@example.com"]) != 0 || len(f.shop.rows["bob@example.com"]) != 3 {
			f.t.Error("rows are left, or another's are gone")
		}
		if _, err := f.mailer.Lookup(ctx, token, noDemand); err == nil {
			f.t.Error("the session is alive")
		}
		if _, err := f.o.Store.UserByID(ctx, id); err == nil {
			f.t.Error("the user is there")
		}
		if found, err := f.o.Store.Identities(ctx, p.ID); err != nil || len(found) != 0 {
			f.t.Errorf("identities: %v %v", found, err)
		}
		if _, err := f.Person(ctx, Who{Identities: []connector.Identity{{Type: "email", Value: "ann@example.com"}}}); !errors.Is(err, store.ErrNoSubject) {
			f.t.Errorf("the address still leads to somebody: %v", err)
		}
		history, _, err := f.o.Store.ConsentHistory(ctx, store.ConsentQuery{SubjectID: p.ID, Limit: 5})
		if err != nil || len(history) != 1 || history[0].UserID != "" {
			f.t.Errorf("the evidence of consent: %+v %v", history, err)
		}
		if other := f.request(waiting.ID); other.State != Cancelled {
			f.t.Errorf("what else she asked for is %s", other.State)
		}
		if _, err := f.Receive(ctx, p, Ask{Kind: connector.Access}); !is(err, Conflict) {
			f.t.Errorf("a request of somebody who was erased: %v", err)
		}
		if e := f.events.of(event.SubjectErased); len(e) != 1 || e[0].Subject != p.Pseudonym {
			f.t.Errorf("the tombstone: %+v", e)
		}
		if _, err := f.Record(ctx, bob, Entry{Purpose: "news", State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
			f.t.Errorf("bob: %v", err)
		}
	})
}

func TestWhatIsStillThereAfterAnErasureFailsTheStep(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	p := f.person("ann@example.com")
	f.shop.rows["ann@example.com"], f.shop.survives = rowsOf(5, "orders"), 2
	r := f.started(p, Ask{Kind: connector.Erasure})
	f.work()
	got := f.request(r.ID)
	if got.State != InProgress || got.Steps[0].State != string(StepFailed) || !strings.Contains(got.Steps[0].Error, "2 records") || got.Steps[2].Attempts != 0 {
		t.Errorf("%+v", got.Steps)
	}
	f.shop.survives = 0
	if _, err := f.Start(t.Context(), r.ID, "dpo"); err != nil { // now, not in a while
		t.Fatal(err)
	}
	f.work()
	if got := f.request(r.ID); got.State != Completed {
		t.Errorf("%s: %+v", got.State, got.Steps)
	}
}

func TestAFailureIsTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Access})
	f.shop.fail = []error{errAway, errAway, errAway}
	for n, wait := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		f.work()
		step := f.request(r.ID).Steps[0]
		if step.Attempts != n+1 || !step.Next.Equal(f.clock.now().Add(wait)) || !strings.Contains(step.Error, "away") {
			t.Errorf("%d: %+v", n, step)
		}
		f.clock.move(wait - time.Second)
		if worked, err := f.Work(t.Context()); worked != 0 || err != nil {
			t.Errorf("too early: %d %v", worked, err)
		}
		f.clock.move(time.Second)
	}
	f.work()
	if got := f.request(r.ID); got.State != Completed || got.Steps[0].Attempts != 4 || got.Steps[0].Error != "" {
		t.Errorf("%+v", got)
	}
	if failures := len(f.events.of(event.SubjectRequestStep)); failures != 1+3+3 { // started, failures, systems
		t.Errorf("%d events of steps", failures)
	}
	if got := f.backoff(40); got != f.o.Timing.MaxRetry {
		t.Errorf("after 40 attempts: %s", got)
	}
}

func TestASystemThatIsAtWorkIsAskedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Erasure})
	pending := &connector.PendingError{System: "shop", After: time.Hour}
	f.shop.fail = []error{pending, pending}
	for range 2 {
		f.work()
		if step := f.request(r.ID).Steps[0]; step.State != string(StepPending) || !step.Next.Equal(f.clock.now().Add(time.Hour)) {
			t.Errorf("%+v", step)
		}
		f.clock.move(time.Hour)
	}
	f.work()
	if got := f.request(r.ID); got.State != Completed {
		t.Errorf("%+v", got.Steps)
	}
}

func TestWhatASystemCannotDoIsDoneByHandAndSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	ctx := t.Context()
	r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Restriction})
	f.crm.fail = []error{connector.ErrUnsupported}
	f.work()
	for system, want := range map[string]ErrorKind{"gatehouse": Conflict, "shop": Conflict, "erp": NotFound} {
		if _, err := f.Attest(ctx, r.ID, system, "dpo", "done"); !is(err, want) {
			t.Errorf("%s: %v", system, err)
		}
	}
	got, err := f.Attest(ctx, r.ID, "crm", "dpo", "blocked in the CRM by hand")
	if err != nil || got.Words.Notes[0] != "crm: blocked in the CRM by hand" {
		t.Fatalf("%+v %v", got, err)
	}
	f.work()
	if got := f.request(r.ID); got.State != Completed || got.Steps[1].State != string(StepAttested) {
		t.Errorf("%s %v", got.State, states(got))
	}
	p, err := f.o.Store.Subject(ctx, r.SubjectID)
	if err != nil || !p.Restricted || !f.shop.restricted["ann@example.com"] {
		t.Errorf("%+v %v", p, err)
	}
	lift := f.started(p, Ask{Kind: connector.Restriction, Terms: Terms{Lift: true}})
	f.work()
	if p, err := f.o.Store.Subject(ctx, r.SubjectID); err != nil || p.Restricted || f.shop.restricted["ann@example.com"] || f.request(lift.ID).State != Completed {
		t.Errorf("%+v %v", p, err)
	}
}

func TestARectificationReachesEverySystem(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		id, token := f.user("ann")
		p, err := f.Enter(f.t.Context(), Who{Identities: []connector.Identity{{Type: "user_id", Value: id}, {Type: "email", Value: "ann@example.com"}}})
		if err != nil {
			f.t.Fatal(err)
		}
		f.shop.rows["ann@example.com"], f.crm.rows["ann@example.com"] = rowsOf(2, "customers"), rowsOf(2, "customers")
		r := f.started(p, Ask{Kind: connector.Rectification, Changes: []connector.Change{
			{Collection: "customers", Field: "name", Value: "Anne"}, {Collection: "gatehouse_users", Field: "name", Value: "anne"},
		}})
		f.work()
		if got := f.request(r.ID); got.State != Completed {
			f.t.Fatalf("%+v", got.Steps)
		}
		for _, y := range []*system{f.shop, f.crm} {
			for _, row := range y.rows["ann@example.com"] {
				if row.Fields["name"] != "Anne" {
					f.t.Errorf("%s: %v", y.name, row.Fields)
				}
			}
		}
		if u, err := f.o.Store.UserByName(f.t.Context(), "anne"); err != nil || u.ID != id {
			f.t.Errorf("%+v %v", u, err)
		}
		if _, err := f.mailer.Lookup(f.t.Context(), token, noDemand); err == nil {
			f.t.Error("a session goes on under the old name")
		}
	})
}

func TestAnObjectionIsEnteredIntoTheLedgerOnce(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		id, _ := f.user("ann")
		p, err := f.Enter(ctx, Who{ID: id})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, purpose := range []string{"ads", "news"} {
			if _, err := f.Record(ctx, p, Entry{Purpose: purpose, State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
				f.t.Fatal(err)
			}
		}
		f.started(p, Ask{Kind: connector.Objection, Terms: Terms{Purposes: []string{"ads", "profiling"}}})
		f.work()
		if f.given(id, "ads") || !f.given(id, "news") {
			f.t.Error("ads should be off, and news on")
		}
		f.started(p, Ask{Kind: connector.Objection}) // to all
		f.work()
		if f.given(id, "news") {
			f.t.Error("news should be off")
		}
		history, _, err := f.o.Store.ConsentHistory(ctx, store.ConsentQuery{SubjectID: p.ID, Limit: 10})
		if err != nil || len(history) != 5 || history[0].Channel != ChannelObjection {
			f.t.Errorf("%d entries: %+v %v", len(history), history, err)
		}
	})
}

func TestAnAccessIsAnsweredWithAllThereIs(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		id, _ := f.user("ann")
		p, err := f.Enter(ctx, Who{Identities: []connector.Identity{{Type: "user_id", Value: id}, {Type: "email", Value: "ann@example.com"}}})
		if err != nil {
			f.t.Fatal(err)
		}
		f.shop.rows["ann@example.com"] = rowsOf(5, "orders")
		r := f.verified(p, Ask{Kind: connector.Access})
		if _, err := f.Answer(ctx, r.ID); !is(err, Conflict) {
			f.t.Errorf("before it was carried out: %v", err)
		}
		plans, err := f.Plan(ctx, r.ID)
		if err != nil || len(plans) != 3 || plans[0].System != "shop" || plans[0].Steps[0].Count != 5 || plans[2].System != "gatehouse" {
			f.t.Errorf("%+v %v", plans, err)
		}
		if _, err := f.Start(ctx, r.ID, "dpo"); err != nil {
			f.t.Fatal(err)
		}
		f.work()
		answer, err := f.Answer(ctx, r.ID)
		if err != nil || answer.Filename != "access-"+r.ID+".jsonl" {
			f.t.Fatalf("%+v %v", answer, err)
		}
		var out bytes.Buffer
		if err := f.Export(ctx, answer, "dpo", &out); err != nil {
			f.t.Fatal(err)
		}
		counts := map[string]int{}
		for line := range strings.Lines(out.String()) {
			var record connector.Record
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				f.t.Fatal(err)
			}
			counts[record.Collection]++
		}
		want := map[string]int{"orders": 5, "gatehouse_users": 1, "gatehouse_sessions": 1, "gatehouse_identities": 2, "gatehouse_requests": 1}
		if !reflect.DeepEqual(counts, want) || strings.Contains(out.String(), "argon2") {
			f.t.Errorf("%v, want %v", counts, want)
		}
		f.shop.fail = []error{errAway}
		if err := f.Export(ctx, answer, "dpo", &out); !errors.Is(err, errAway) {
			f.t.Errorf("a system that is away: %v", err)
		}
		if e := f.events.of(event.SubjectDataExported); len(e) != 3 || e[2].Outcome != event.Failure {
			f.t.Errorf("%+v", e)
		}
		f.clock.move(answerFor + time.Second)
		if _, err := f.Answer(ctx, r.ID); !is(err, Conflict) {
			f.t.Errorf("after a month: %v", err)
		}
	})
}

func TestPortabilityLeavesOutWhatThePersonHasNotProvided(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) {
		o.Map = func() datamap.Map {
			return datamap.Map{
				Purposes: map[string]datamap.Purpose{"sale": {Basis: datamap.Contract}},
				Systems: []datamap.System{{Name: "shop", Collections: []datamap.Collection{
					{Name: "orders", Fields: []datamap.Field{{Name: "name", Purposes: []string{"sale"}, Source: datamap.FromPerson}}},
					{Name: "scores", Fields: []datamap.Field{{Name: "name", Purposes: []string{"sale"}, Source: datamap.Derived}}},
				}}},
			}
		}
	})
	p := f.person("ann@example.com")
	f.shop.rows["ann@example.com"] = append(rowsOf(3, "orders"), rowsOf(2, "scores")...)
	r := f.started(p, Ask{Kind: connector.Portability})
	f.work()
	answer, err := f.Answer(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Export(t.Context(), answer, "dpo", &out); err != nil || strings.Count(out.String(), "\n") != 3 || strings.Contains(out.String(), "scores") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestAWorkerThatHasLostItsLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Access})
		owner := "slow"
		if id, err := f.o.Store.LeaseRequest(ctx, string(InProgress), owner, f.clock.now(), time.Minute); err != nil || id != r.ID {
			f.t.Fatal(id, err)
		}
		if worked, err := f.Work(ctx); worked != 0 || err != nil {
			f.t.Fatalf("taken from another: %d %v", worked, err)
		}
		f.clock.move(time.Minute)
		f.work() // its lease is over
		step := f.request(r.ID).Steps[0]
		step.State = string(StepFailed)
		if err := f.o.Store.SaveStep(ctx, r.ID, owner, step); !errors.Is(err, store.ErrLease) {
			f.t.Errorf("the slow one writes: %v", err)
		}
		if err := f.o.Store.RenewLease(ctx, r.ID, owner, f.clock.now().Add(time.Hour)); !errors.Is(err, store.ErrLease) {
			f.t.Errorf("the slow one holds on: %v", err)
		}
		if got := f.request(r.ID); got.State != Completed {
			f.t.Errorf("%+v", got)
		}
	})
}

func TestAStopIsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Access})
	ctx, cancel := context.WithCancel(t.Context())
	f.crm.hook = func(string) { cancel() }
	f.crm.fail = []error{context.Canceled}
	if _, err := f.Work(ctx); err != nil {
		t.Errorf("%v", err)
	}
	got := f.request(r.ID)
	if want := []string{"shop done", "crm pending", "gatehouse pending"}; !reflect.DeepEqual(states(got), want) {
		t.Errorf("%v", states(got))
	}
	f.clock.move(time.Minute)
	f.work()
	if got := f.request(r.ID); got.State != Completed || len(f.shop.calls) != 1 {
		t.Errorf("%s, the shop was asked %d times", got.State, len(f.shop.calls))
	}
}

func TestOneSlowSystemHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) { o.Timing.Tick = 20 * time.Millisecond })
	slow := f.started(f.person("slow@example.com"), Ask{Kind: connector.Access})
	hold, reached := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	f.shop.hook = func(string) {
		if first.CompareAndSwap(false, true) {
			close(reached)
			<-hold
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	<-reached
	quick := f.started(f.person("quick@example.com"), Ask{Kind: connector.Access})
	pack.Eventually(t, 20*time.Second, "the other is completed", func(context.Context) error {
		if got := f.request(quick.ID); got.State != Completed {
			return fmt.Errorf("%s %v", got.State, states(got))
		}
		return nil
	})
	if got := f.request(slow.ID); got.State != InProgress {
		t.Errorf("%s", got.State)
	}
	close(hold)
	cancel()
	running.Wait()
}

func TestTheSecondOfTwoErasuresHasNothingToDo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	p := f.person("ann@example.com")
	first := f.started(p, Ask{Kind: connector.Erasure})
	f.clock.move(time.Second)
	second := f.verified(p, Ask{Kind: connector.Erasure})
	f.crm.fail = []error{errAway}
	if _, err := f.Start(t.Context(), second.ID, "dpo"); err != nil {
		t.Fatal(err)
	}
	f.work() // one of the two comes to its end, and the other waits
	f.clock.move(time.Hour)
	f.work()
	got := []State{f.request(first.ID).State, f.request(second.ID).State}
	slices.Sort(got)
	if !slices.Equal(got, []State{Cancelled, Completed}) || len(f.events.of(event.SubjectErased)) != 1 {
		t.Errorf("%v", got)
	}
}

func TestASystemThatHasGoneFromTheMapHoldsTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	r := f.started(f.person("ann@example.com"), Ask{Kind: connector.Erasure})
	f.shop.name = "boutique"
	f.work()
	got := f.request(r.ID)
	if got.State != InProgress || !strings.Contains(got.Steps[0].Error, "no connector of that name") {
		t.Errorf("%+v", got.Steps)
	}
}
