package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/datamap"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

func TestTheNewestEntryOfALedgerHoldsAndReachesAuthz(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		id, _ := f.user("ann")
		p, err := f.Enter(ctx, Who{ID: id})
		if err != nil {
			f.t.Fatal(err)
		}
		for n, step := range []struct {
			state string
			want  bool
		}{{store.ConsentGiven, true}, {store.ConsentWithdrawn, false}, {store.ConsentGiven, true}} {
			c, err := f.Record(ctx, p, Entry{Purpose: "news", State: step.state, NoticeVersion: "3", Channel: "form", By: "token app"})
			if err != nil || c.Seq != int64(n+1) {
				f.t.Fatalf("%+v %v", c, err)
			}
			if got := f.given(id, "news"); got != step.want {
				f.t.Errorf("after %s authz sees %v", step.state, got)
			}
		}
		if f.given(id, "ads") {
			f.t.Error("a consent for one purpose holds for another")
		}
		history, _, err := f.o.Store.ConsentHistory(ctx, store.ConsentQuery{SubjectID: p.ID, Limit: 10})
		if err != nil || len(history) != 3 || history[0].State != store.ConsentGiven || history[1].State != store.ConsentWithdrawn {
			f.t.Errorf("%+v %v", history, err)
		}
		told := f.events.of(event.ConsentGiven)
		if len(told) != 2 || told[0].ID != history[2].ID || told[0].Subject != p.Pseudonym || told[0].Detail["purpose"] != "news" || told[0].Detail["notice_version"] != "3" {
			f.t.Errorf("%+v", told)
		}
	})
}

func TestAnEntryThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) {
		o.Map = func() datamap.Map {
			return datamap.Map{Purposes: map[string]datamap.Purpose{"news": {NoticeVersion: "7"}, "ads": {}}}
		}
	})
	p := f.person("ann@example.com")
	for name, in := range map[string]Entry{
		"no purpose":             {State: store.ConsentGiven},
		"a purpose with spaces":  {Purpose: "two words", State: store.ConsentGiven},
		"one that is not mapped": {Purpose: "profiling", State: store.ConsentGiven},
		"a state that is none":   {Purpose: "news", State: "maybe"},
		"no notice":              {Purpose: "ads", State: store.ConsentGiven},
	} {
		if _, err := f.Record(t.Context(), p, in); !is(err, Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := f.Record(t.Context(), p, Entry{Purpose: "news", State: store.ConsentGiven})
	if err != nil || c.NoticeVersion != "7" || c.Channel != "api" {
		t.Errorf("the data map's notice: %+v %v", c, err)
	}
}

func TestACopyThatRedisLostIsMadeAnewBeforeItCounts(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		ann, _ := f.user("ann")
		bob, _ := f.user("bob")
		for _, in := range []struct{ user, state string }{
			{ann, store.ConsentGiven}, {bob, store.ConsentGiven}, {bob, store.ConsentWithdrawn},
		} {
			p, err := f.Enter(ctx, Who{ID: in.user})
			if err == nil {
				_, err = f.Record(ctx, p, Entry{Purpose: "news", State: in.state, NoticeVersion: "1"})
			}
			if err != nil {
				f.t.Fatal(err)
			}
		}
		f.redis.Stop()
		p, err := f.Enter(ctx, Who{ID: ann})
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := f.Record(ctx, p, Entry{Purpose: "ads", State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
			f.t.Fatalf("a consent is recorded without Redis: %v", err)
		}
		f.redis.Restart() // empty
		if _, err := f.copy.Given(ctx, ann, "news"); !errors.Is(err, consent.ErrUnavailable) {
			f.t.Errorf("an empty Redis says %v", err)
		}
		if err := f.Tick(ctx); err != nil {
			f.t.Fatal(err)
		}
		for _, test := range []struct {
			user, purpose string
			want          bool
		}{{ann, "news", true}, {bob, "news", false}, {ann, "ads", true}} {
			if got := f.given(test.user, test.purpose); got != test.want {
				f.t.Errorf("%+v: %v", test, got)
			}
		}
	})
}

func TestACopyThatIsAheadOfTheLedgerIsMadeAnew(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		// As after the store was restored from a backup.
		err := errors.Join(f.copy.Put(ctx, []consent.Entry{{Seq: 9, UserID: "ghost", Purpose: "news", Given: true}}), f.copy.SetMark(ctx, 9))
		if err == nil {
			err = f.Tick(ctx)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if f.given("ghost", "news") {
			f.t.Error("a consent that the ledger does not have is in force")
		}
	})
}

func TestTwoControlsLeaveTheLedgersOrder(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		id, _ := f.user("ann")
		p, err := f.Enter(ctx, Who{ID: id})
		if err != nil {
			f.t.Fatal(err)
		}
		other, err := New(f.o)
		if err != nil {
			f.t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, s := range []*Service{f.Service, other} {
			for _, state := range []string{store.ConsentGiven, store.ConsentWithdrawn} {
				wg.Go(func() {
					for range 10 {
						if _, err := s.Record(ctx, p, Entry{Purpose: "news", State: state, NoticeVersion: "1"}); err != nil {
							f.t.Error(err)
						}
					}
				})
			}
		}
		wg.Wait()
		if err := f.Tick(ctx); err != nil {
			f.t.Fatal(err)
		}
		held, _, err := f.o.Store.Consents(ctx, store.ConsentQuery{SubjectID: p.ID, Limit: 1})
		if err != nil || len(held) != 1 || held[0].Seq != 40 {
			f.t.Fatalf("%+v %v", held, err)
		}
		if got := f.given(id, "news"); got != (held[0].State == store.ConsentGiven) {
			f.t.Errorf("authz sees %v, the ledger has %s", got, held[0].State)
		}
	})
}

func TestConsentsFromBeforeAPersonWasAUserAreInForceAfterwards(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		p := f.person("ann@example.com")
		if _, err := f.Record(ctx, p, Entry{Purpose: "news", State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
			f.t.Fatal(err)
		}
		id, _ := f.user("ann")
		linked, err := f.Enter(ctx, Who{Identities: []connector.Identity{{Type: "user_id", Value: id}, {Type: "email", Value: " ANN@example.com"}}})
		if err != nil || linked.ID != p.ID || linked.UserID != id {
			f.t.Fatalf("%+v %v", linked, err)
		}
		if !f.given(id, "news") {
			f.t.Error("the consent is not in force")
		}
	})
}

func TestAnObjectionThatAuthzMetIsEnteredOnce(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx, cancel := context.WithCancel(f.t.Context())
		id, _ := f.user("ann")
		p, err := f.Enter(ctx, Who{ID: id})
		if err == nil {
			_, err = f.Record(ctx, p, Entry{Purpose: "ads", State: store.ConsentGiven, NoticeVersion: "1"})
		}
		if err != nil {
			f.t.Fatal(err)
		}
		met := func(pseudonym, rule, purpose string) event.Event {
			return event.Event{Type: event.ConsentMissing, Rule: rule, Subject: pseudonym, Detail: map[string]string{"purpose": purpose}}
		}
		f.Observe([]event.Event{
			met(p.Pseudonym, "consent_missing", "ads"), // no objection: only no consent
			met("", gpcRule, "ads"), met("u:stranger", gpcRule, "ads"), met(p.Pseudonym, gpcRule, "news"),
			met(p.Pseudonym, gpcRule, "ads"), met(p.Pseudonym, gpcRule, "ads"),
		})
		f.Observe(slices.Repeat([]event.Event{met("u:flood", gpcRule, "ads")}, 10*signals)) // does not wait
		var running sync.WaitGroup
		running.Go(func() { f.enter(ctx) })
		pack.Eventually(f.t, 20*time.Second, "all is entered", func(context.Context) error {
			if n := len(f.signals); n > 0 {
				return fmt.Errorf("%d wait", n)
			}
			return nil
		})
		cancel()
		running.Wait()
		history, _, err := f.o.Store.ConsentHistory(f.t.Context(), store.ConsentQuery{SubjectID: p.ID, Limit: 10})
		if err != nil || len(history) != 2 || history[0].Channel != ChannelGPC || f.given(id, "ads") {
			f.t.Errorf("%+v %v", history, err)
		}
	})
}

func TestGlobalPrivacyControlIsAnObjectionToWhatTheMapMarks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) {
		o.Map = func() datamap.Map {
			return datamap.Map{Purposes: map[string]datamap.Purpose{
				"ads": {GPC: true, NoticeVersion: "1"}, "sale": {GPC: true, NoticeVersion: "1"}, "news": {NoticeVersion: "1"},
			}}
		}
	})
	ctx := t.Context()
	id, _ := f.user("ann")
	p, err := f.Enter(ctx, Who{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{"ads", "news"} {
		if _, err := f.Record(ctx, p, Entry{Purpose: purpose, State: store.ConsentGiven}); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []int{2, 0} { // the second time there is nothing new
		entries, err := f.Objects(ctx, p, "session")
		if err != nil || len(entries) != want {
			t.Fatalf("%d: %+v %v", n, entries, err)
		}
	}
	if f.given(id, "ads") || !f.given(id, "news") {
		t.Error("ads should be off, and news on")
	}
	if e := f.events.of(event.ConsentWithdrawn); len(e) != 2 || e[0].Detail["channel"] != ChannelGPC {
		t.Errorf("%+v", e)
	}
}
