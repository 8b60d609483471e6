package privacy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/authz/event"

	"gatehouse/control/privacy/datamap"
)

func (f *fixture) breach(facts Facts) Breach {
	f.t.Helper()
	if facts.Title == "" {
		facts.Title = "a lost laptop"
	}
	b, err := f.RecordBreach(f.t.Context(), "dpo", time.Time{}, facts)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

func TestABreachIsWrittenDownStepByStep(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		b := f.breach(Facts{Nature: "loss"})
		if !b.Due.Equal(start.Add(72*time.Hour)) || b.State != BreachRecorded {
			f.t.Errorf("%+v", b)
		}
		for _, step := range []struct {
			in   BreachChange
			want BreachState
		}{
			{BreachChange{Facts: Facts{Risk: RiskHigh, Persons: 120}, State: BreachAssessed}, BreachAssessed},
			{BreachChange{Facts: Facts{Measures: "wiped from afar"}, State: BreachContained}, BreachContained},
			{BreachChange{Aware: start.Add(-time.Hour)}, BreachContained},
		} {
			var err error
			if b, err = f.UpdateBreach(ctx, b.ID, "dpo", step.in); err != nil || b.State != step.want {
				f.t.Fatalf("%+v: %+v %v", step.in, b, err)
			}
		}
		if b.Facts.Nature != "loss" || b.Facts.Persons != 120 || !b.Due.Equal(start.Add(71*time.Hour)) {
			f.t.Errorf("%+v", b)
		}
		for _, whom := range []string{"authority", "persons", "authority"} { // the last is further information
			var err error
			if b, err = f.Notify(ctx, b.ID, "dpo", Notice{Whom: whom, Reference: "LDA-7"}); err != nil {
				f.t.Fatal(err)
			}
		}
		b, err := f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{State: BreachClosed})
		if err != nil || b.State != BreachClosed || b.Facts.Reference != "LDA-7" || b.Facts.PersonsNotified.IsZero() {
			f.t.Errorf("%+v %v", b, err)
		}
		if len(b.Entries) != 8 || b.Entries[0].Version != 1 || b.Entries[7].By != "dpo" {
			f.t.Errorf("%d entries: %+v", len(b.Entries), b.Entries)
		}
		if got := f.events.types(); len(got) != 8 || got[0] != event.BreachRecorded || got[4] != event.BreachNotified || got[7] != event.BreachUpdated {
			f.t.Errorf("%v", got)
		}
		if _, err := f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{}); !is(err, Conflict) {
			f.t.Errorf("after it was closed: %v", err)
		}
		found, _, err := f.Breaches(ctx, "closed", 10, "")
		if err != nil || len(found) != 1 || found[0].ID != b.ID {
			f.t.Errorf("%+v %v", found, err)
		}
	})
}

func TestABreachIsClosedOnlyWithWhatTheLawDemands(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	for _, test := range []struct {
		name      string
		facts     Facts
		contained bool
		notify    []string
		want      string // empty: it is closed
	}{
		{"not assessed", Facts{}, true, nil, "risk was not assessed"},
		{"not contained", Facts{Risk: RiskNone, Consequences: "encrypted"}, false, nil, "not contained"},
		{"no risk, without saying why", Facts{Risk: RiskNone}, true, nil, "why there is no risk"},
		{"no risk, with the reason", Facts{Risk: RiskNone, Consequences: "encrypted"}, true, nil, ""},
		{"a risk that the authority does not know", Facts{Risk: RiskSome}, true, nil, "authority was not notified"},
		{"a risk that it knows", Facts{Risk: RiskSome}, true, []string{"authority"}, ""},
		{"a high risk that the persons do not know", Facts{Risk: RiskHigh}, true, []string{"authority"}, "persons were not notified"},
		{"a high risk that they know", Facts{Risk: RiskHigh}, true, []string{"authority", "persons"}, ""},
		{"a high risk with an exemption", Facts{Risk: RiskHigh, Exemption: "encrypted (Art. 34(3)(a))"}, true, []string{"authority"}, ""},
	} {
		b := f.breach(test.facts)
		for _, whom := range test.notify {
			if _, err := f.Notify(t.Context(), b.ID, "dpo", Notice{Whom: whom}); err != nil {
				t.Fatal(err)
			}
		}
		if test.contained {
			if _, err := f.UpdateBreach(t.Context(), b.ID, "dpo", BreachChange{State: BreachContained}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := f.UpdateBreach(t.Context(), b.ID, "dpo", BreachChange{State: BreachClosed})
		if test.want == "" && err != nil || test.want != "" && (!is(err, Conflict) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestALateNotificationSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	b := f.breach(Facts{Risk: RiskSome})
	f.clock.set(b.Due.Add(time.Second))
	if _, err := f.Notify(t.Context(), b.ID, "dpo", Notice{Whom: "authority"}); !is(err, Invalid) || !strings.Contains(err.Error(), "33(1)") {
		t.Errorf("%v", err)
	}
	if _, err := f.Notify(t.Context(), b.ID, "dpo", Notice{Whom: "authority", Time: b.Due}); err != nil {
		t.Errorf("a letter that was in time, entered late: %v", err)
	}
	late := f.breach(Facts{Risk: RiskSome})
	f.clock.set(late.Due.Add(time.Hour))
	if got, err := f.Notify(t.Context(), late.ID, "dpo", Notice{Whom: "authority", Reason: "the holidays"}); err != nil || got.Facts.Reason != "the holidays" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestABreachThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", nil)
	ctx, b := t.Context(), f.breach(Facts{})
	future := start.Add(time.Hour)
	for name, err := range map[string]error{
		"no title":                   breachError(f.RecordBreach(ctx, "dpo", start, Facts{})),
		"known in the future":        breachError(f.RecordBreach(ctx, "dpo", future, Facts{Title: "t"})),
		"a risk that is none":        breachError(f.RecordBreach(ctx, "dpo", start, Facts{Title: "t", Risk: "grave"})),
		"fewer than nobody":          breachError(f.RecordBreach(ctx, "dpo", start, Facts{Title: "t", Persons: -1})),
		"a novel":                    breachError(f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{Facts: Facts{Nature: strings.Repeat("x", 4001)}})),
		"a state that is none":       breachError(f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{State: "forgotten"})),
		"assessed without a risk":    breachError(f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{State: BreachAssessed})),
		"known later, in the future": breachError(f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{Aware: future})),
		"told to the press":          breachError(f.Notify(ctx, b.ID, "dpo", Notice{Whom: "press"})),
		"told in the future":         breachError(f.Notify(ctx, b.ID, "dpo", Notice{Whom: "authority", Time: future})),
		"told before it was known":   breachError(f.Notify(ctx, b.ID, "dpo", Notice{Whom: "authority", Time: start.Add(-time.Hour)})),
	} {
		if !is(err, Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.clock.move(time.Hour)
	if _, err := f.UpdateBreach(ctx, b.ID, "dpo", BreachChange{Aware: future}); !is(err, Conflict) {
		t.Errorf("a clock that is set back: %v", err)
	}
	if _, err := f.Breach(ctx, "none"); !is(err, NotFound) {
		t.Error(err)
	}
	if _, err := f.Draft(ctx, b.ID, 35); !is(err, Invalid) {
		t.Error(err)
	}
}

func breachError(_ Breach, err error) error { return err }

func TestDraftsAndRecordsReadAsTheyShould(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "sqlite:"+t.TempDir()+"/s.db", func(o *Options) {
		o.Map = func() datamap.Map {
			return datamap.Map{
				Controller: datamap.Controller{Name: "Example GmbH", Contact: "info@example.com", DPO: "dpo@example.com"},
				Purposes: map[string]datamap.Purpose{
					"newsletter": {Basis: datamap.Consent, Persons: []string{"subscribers"}, Retention: datamap.Period{Years: 5}},
					"contract":   {Basis: datamap.Contract, Recipients: []string{"carrier <b>"}},
				},
				Systems: []datamap.System{
					{Name: "crm", Collections: []datamap.Collection{{Fields: []datamap.Field{{Category: "contact", Purposes: []string{"newsletter"}}}}}},
					{Name: "shop", Collections: []datamap.Collection{{Fields: []datamap.Field{
						{Category: "=cmd|' /C calc'!A0", Purposes: []string{"contract"}}, {Category: "contact", Purposes: []string{"contract"}},
					}}}},
				},
			}
		}
	})
	whole := f.breach(Facts{
		Title: "A laptop was lost", Nature: "loss of confidentiality\n## not a heading <script>", Categories: "customers: contact", Persons: 120, Records: 400,
		Consequences: "phishing", Measures: "wiped from afar", Risk: RiskHigh,
	})
	bare := f.breach(Facts{})
	f.clock.set(bare.Due.Add(time.Hour))
	draft := func(id string, article int) []byte {
		text, err := f.Draft(t.Context(), id, article)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(strings.ReplaceAll(string(text), id, "BREACH"))
	}
	csv, err := f.Processing().CSV()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]byte{
		"art33.md": draft(whole.ID, 33), "art33_unknown.md": draft(bare.ID, 33), "art34.md": draft(whole.ID, 34), "art34_no_risk.md": draft(bare.ID, 34),
		"records.md": f.Processing().Markdown(), "records.csv": csv,
	} {
		path := filepath.Join("testdata", name)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(path, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}
