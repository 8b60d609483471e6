package privacy

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

func TestARequestGoesOnlyWhereItsStateLeads(t *testing.T) {
	t.Parallel()
	ways := map[string]func(f *fixture, id string) error{
		"verify": func(f *fixture, id string) error {
			_, err := f.Verify(f.t.Context(), id, "operator", "passport")
			return err
		},
		"extend": func(f *fixture, id string) error { _, err := f.Extend(f.t.Context(), id, "dpo", "complex"); return err },
		"refuse": func(f *fixture, id string) error {
			_, err := f.Refuse(f.t.Context(), id, "dpo", "unfounded")
			return err
		},
		"cancel": func(f *fixture, id string) error {
			_, err := f.Cancel(f.t.Context(), id, "dpo", "taken back")
			return err
		},
		"run": func(f *fixture, id string) error { _, err := f.Start(f.t.Context(), id, "dpo"); return err },
	}
	for _, test := range []struct {
		name   string
		kind   connector.Kind
		before []string
		allows []string
	}{
		{"received", connector.Erasure, nil, []string{"cancel", "extend", "refuse", "verify"}},
		{"verified", connector.Erasure, []string{"verify"}, []string{"cancel", "extend", "refuse", "run"}},
		{"an erasure in progress", connector.Erasure, []string{"verify", "run"}, []string{"extend", "run"}},
		{"an access in progress", connector.Access, []string{"verify", "run"}, []string{"cancel", "extend", "run"}},
		{"completed", connector.Access, []string{"verify", "run", "work"}, nil},
		{"refused", connector.Access, []string{"refuse"}, nil},
		{"cancelled", connector.Access, []string{"cancel"}, nil},
		{"extended", connector.Access, []string{"extend"}, []string{"cancel", "refuse", "verify"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
			for way, do := range ways {
				r, err := f.Receive(t.Context(), f.person(way+"@example.com"), Ask{Kind: test.kind, By: "operator"})
				if err != nil {
					t.Fatal(err)
				}
				for _, before := range test.before {
					if before == "work" {
						f.work()
					} else if err := ways[before](f, r.ID); err != nil {
						t.Fatalf("%s: %v", before, err)
					}
				}
				err = do(f, r.ID)
				if allowed := slices.Contains(test.allows, way); allowed != (err == nil) || !allowed && !is(err, Conflict) {
					t.Errorf("%s: %v", way, err)
				}
			}
		})
	}
}

func TestARequestThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	p := f.person("ann@example.com")
	change := []connector.Change{{Collection: "c", Field: "f", Value: "v"}}
	for name, in := range map[string]Ask{
		"no kind":                            {},
		"a kind that is none":                {Kind: "forgetting"},
		"from the future":                    {Kind: connector.Access, Received: start.Add(time.Hour)},
		"from long ago":                      {Kind: connector.Access, Received: start.AddDate(-2, 0, 0)},
		"a rectification of nothing":         {Kind: connector.Rectification},
		"an access with changes":             {Kind: connector.Access, Changes: change},
		"a change of nowhere":                {Kind: connector.Rectification, Changes: []connector.Change{{Field: "f", Value: 1}}},
		"a change too large":                 {Kind: connector.Rectification, Changes: []connector.Change{{Collection: "c", Field: "f", Value: strings.Repeat("v", 5000)}}},
		"too many changes":                   {Kind: connector.Rectification, Changes: slices.Repeat(change, 201)},
		"an erasure that is lifted":          {Kind: connector.Erasure, Terms: Terms{Lift: true}},
		"a restriction of purposes":          {Kind: connector.Restriction, Terms: Terms{Purposes: []string{"ads"}}},
		"an objection to what is no purpose": {Kind: connector.Objection, Terms: Terms{Purposes: []string{"two words"}}},
		"a novel":                            {Kind: connector.Access, Reason: strings.Repeat("x", 4001)},
		"what is not text":                   {Kind: connector.Access, Reason: "\xff"},
	} {
		if _, err := f.Receive(t.Context(), p, in); !is(err, Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"verify without how": second(f.Verify(t.Context(), "x", "operator", "")), "extend without why": second(f.Extend(t.Context(), "x", "dpo", "")),
		"refuse without why": second(f.Refuse(t.Context(), "x", "dpo", "")), "cancel without why": second(f.Cancel(t.Context(), "x", "dpo", "")),
		"attest without note": second(f.Attest(t.Context(), "x", "shop", "dpo", "")),
	} {
		if !is(err, Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Request(t.Context(), "none"); !is(err, NotFound) {
		t.Error(err)
	}
}

func second(_ Request, err error) error { return err }

func TestTheClockRunsFromReceiptAndIsExtendedOnceWithinTheFirstMonth(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		received := start.AddDate(0, 0, -5)
		r, err := f.Receive(ctx, f.person("ann@example.com"), Ask{Kind: connector.Access, Received: received, By: "operator"})
		if err != nil {
			f.t.Fatal(err)
		}
		if want := at(f.t, "2026-04-05T23:59:59Z"); !r.Due.Equal(want) || !r.WorkBy.Equal(at(f.t, "2026-04-03T23:59:59Z")) {
			f.t.Errorf("due %s, work by %s", r.Due, r.WorkBy)
		}
		late, err := f.Receive(ctx, f.person("bob@example.com"), Ask{Kind: connector.Access, Received: received})
		if err != nil {
			f.t.Fatal(err)
		}
		f.clock.set(r.Due)
		r, err = f.Extend(ctx, r.ID, "dpo", "many systems")
		if want := at(f.t, "2026-06-05T23:59:59Z"); err != nil || !r.Due.Equal(want) || r.Words.Extended != "many systems" {
			f.t.Errorf("%+v %v", r, err)
		}
		f.clock.move(time.Second)
		if _, err := f.Extend(ctx, late.ID, "dpo", "forgotten"); !is(err, Conflict) {
			f.t.Errorf("after the first month: %v", err)
		}
		if e := f.events.of(event.SubjectRequestExtended); len(e) != 1 || e[0].Detail["due"] != "2026-06-05T23:59:59Z" {
			f.t.Errorf("%+v", e)
		}
	})
}

func TestWhatPeopleWroteIsNowhereInClear(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		p := f.person("ann.planted@example.com")
		r := f.verified(p, Ask{Kind: connector.Rectification, Reason: "planted reason", Changes: []connector.Change{{Collection: "customers", Field: "city", Value: "planted city"}}})
		if r.Words.Reason != "planted reason" || r.Words.Checked != "passport" || r.Words.Changes[0].Value != "planted city" {
			f.t.Errorf("%+v", r.Words)
		}
		row, err := f.o.Store.Request(ctx, r.ID)
		identities, err2 := f.o.Store.Identities(ctx, p.ID)
		if err != nil || err2 != nil || len(identities) != 1 {
			f.t.Fatal(err, err2)
		}
		for _, text := range []string{row.Sealed, row.Terms, identities[0].Hash, identities[0].Sealed} {
			for _, planted := range []string{"planted", "passport", "ann"} {
				if strings.Contains(text, planted) {
					f.t.Errorf("%q is in %q", planted, text)
				}
			}
		}
		for _, e := range f.events.events {
			for name, value := range e.Detail {
				if strings.Contains(value+e.Reason, "planted") || strings.Contains(value, "passport") {
					f.t.Errorf("event %s tells %s", e.Type, name)
				}
			}
		}
	})
}

func TestAPersonIsFoundByWhatIsKnownAndNobodyIsTwoPeople(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		mail := connector.Identity{Type: "email", Value: "Ann@Example.com"}
		number := connector.Identity{Type: "customer_id", Value: "C-7"}
		ann, err := f.Enter(ctx, Who{Identities: []connector.Identity{mail}})
		if err != nil {
			f.t.Fatal(err)
		}
		bob := f.person("bob@example.com")
		same, err := f.Enter(ctx, Who{Identities: []connector.Identity{{Type: "email", Value: "ann@example.com"}, number}})
		if err != nil || same.ID != ann.ID {
			f.t.Errorf("%+v %v", same, err)
		}
		for name, who := range map[string]Who{
			"her number": {Identities: []connector.Identity{number}}, "her id": {ID: ann.ID}, "her pseudonym": {ID: ann.Pseudonym},
		} {
			if p, err := f.Person(ctx, who); err != nil || p.ID != ann.ID {
				f.t.Errorf("%s: %+v %v", name, p, err)
			}
		}
		if _, err := f.Enter(ctx, Who{Identities: []connector.Identity{number, {Type: "email", Value: "bob@example.com"}}}); !is(err, Conflict) {
			f.t.Errorf("two people: %v", err)
		}
		if _, err := f.Enter(ctx, Who{ID: bob.ID, Identities: []connector.Identity{number}}); !is(err, Conflict) {
			f.t.Errorf("another's number: %v", err)
		}
		known, err := f.known(ctx, ann)
		want := []connector.Identity{{Type: "customer_id", Value: "C-7"}, {Type: "email", Value: "ann@example.com"}}
		if err != nil || !reflect.DeepEqual(known.Identities, want) {
			f.t.Errorf("%+v %v", known, err)
		}
		for name, who := range map[string]Who{
			"nobody":               {},
			"a type that is none":  {Identities: []connector.Identity{{Type: "E-Mail", Value: "x"}}},
			"an empty value":       {Identities: []connector.Identity{{Type: "email", Value: " "}}},
			"a value of two lines": {Identities: []connector.Identity{{Type: "email", Value: "a\nb"}}},
			"a value without end":  {Identities: []connector.Identity{{Type: "email", Value: strings.Repeat("x", 257)}}},
			"too many":             {Identities: slices.Repeat([]connector.Identity{mail}, 33)},
			"two users":            {UserID: "a", Identities: []connector.Identity{{Type: "user_id", Value: "b"}}},
		} {
			if _, err := f.Enter(ctx, who); !is(err, Invalid) {
				f.t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := f.Enter(ctx, Who{ID: "nobody-here"}); !is(err, NotFound) {
			f.t.Errorf("an unknown id: %v", err)
		}
	})
}

func TestTheNewestRequestsComeFirstPageByPage(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		p := f.person("ann@example.com")
		var ids []string
		for _, kind := range []connector.Kind{connector.Access, connector.Erasure, connector.Access} {
			r, err := f.Receive(ctx, p, Ask{Kind: kind})
			if err != nil {
				f.t.Fatal(err)
			}
			ids = append([]string{r.ID}, ids...)
		}
		var got []string
		for cursor := ""; ; {
			page, next, err := f.Requests(ctx, store.RequestQuery{SubjectID: p.ID, States: []string{"received"}, Limit: 2, Cursor: cursor})
			if err != nil {
				f.t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if slices.Sort(ids); len(got) != 3 || !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(b, a) }) {
			f.t.Errorf("%v, want %v", got, ids)
		}
		if page, _, err := f.Requests(ctx, store.RequestQuery{Kind: "erasure", Limit: 5}); err != nil || len(page) != 1 {
			f.t.Errorf("%v %v", page, err)
		}
	})
}
