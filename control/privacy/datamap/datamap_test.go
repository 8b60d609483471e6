package datamap

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"gatehouse/control/privacy/connector"
)

func TestAPeriodIsReadByTheCalendar(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Period{
		"90d": {Days: 90}, "10y": {Years: 10}, "6mo": {Months: 6}, "2w": {Days: 14}, "1y6mo": {Years: 1, Months: 6}, "1w3d": {Days: 10},
	} {
		if got, err := ParsePeriod(text); err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0d", "90", "d", "1d1y", "1y1y", "-1d", "1 y", "10001d", "99999999999999999999d", "3h", "1m", "1Y", "1d "} {
		if got, err := ParsePeriod(text); err == nil {
			t.Errorf("%q was taken for %+v", text, got)
		}
	}
}

func TestAPeriodEndsAndIsToldByTheCalendar(t *testing.T) {
	t.Parallel()
	p := Period{Years: 1, Months: 2, Days: 1}
	if got := p.After(time.Date(2024, 2, 29, 8, 0, 0, 0, time.UTC)); !got.Equal(time.Date(2025, 4, 30, 8, 0, 0, 0, time.UTC)) {
		t.Error(got)
	}
	if got := p.String(); got != "1 year 2 months 1 day" {
		t.Error(got)
	}
	if _, ok := p.Exact(); ok {
		t.Error("a year is no number of hours")
	}
	if d, ok := (Period{Days: 2}).Exact(); !ok || d != 48*time.Hour {
		t.Error(d, ok)
	}
}

func FuzzParsePeriod(f *testing.F) {
	for _, seed := range []string{"90d", "1y6mo2w3d", "0d", "y", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePeriod(text)
		if err == nil && (p.IsZero() || p.Years < 0 || p.Months < 0 || p.Days < 0) {
			t.Fatalf("%q: %+v", text, p)
		}
	})
}

func sample() Map {
	return Map{
		Purposes: map[string]Purpose{
			"orders": {Basis: Contract, Retention: Period{Years: 3}, Persons: []string{"customers"}, Recipients: []string{"carriers"}},
			"news":   {Basis: Consent, Condition: "explicit_consent"},
			"books":  {Basis: LegalObligation, Retention: Period{Years: 10}},
		},
		Systems: []System{
			{Name: "shop", Kind: PostgreSQL, Collections: []Collection{{Name: "customers", Fields: []Field{
				{Name: "email", Category: "contact", Purposes: []string{"orders", "news"}, Source: FromPerson, OnErasure: connector.Delete},
				{Name: "visits", Category: "behaviour", Purposes: []string{"news"}, Source: Observed, Retention: Period{Days: 90}, OnErasure: connector.Delete},
				{Name: "score", Category: "behaviour", Purposes: []string{"orders"}, Source: Derived, OnErasure: connector.Delete},
				{Name: "vat", Category: "financial", Purposes: []string{"books"}, Source: FromPerson, OnErasure: connector.Delete},
			}}}},
			{Name: "mailer", Kind: OpenDSR, Recipients: []string{"Mailer Inc.", "carriers"}, Collections: []Collection{{Name: "list", Fields: []Field{
				{Name: "email", Category: "contact", Purposes: []string{"news"}, Source: FromPerson, OnErasure: connector.Delete},
			}}}},
		},
	}
}

func TestTheRecordOfProcessingHasWhatTheSystemsDo(t *testing.T) {
	t.Parallel()
	want := []Activity{
		{Purpose: "books", Basis: "legal_obligation", Data: []string{"financial"}, Retention: []string{"10 years"}, Systems: []string{"shop"}},
		{
			Purpose: "news", Basis: "consent, Art. 9(2): explicit_consent", Data: []string{"behaviour", "contact"}, Recipients: []string{"Mailer Inc.", "carriers"},
			Retention: []string{"90 days (behaviour)"}, Systems: []string{"shop", "mailer"},
		},
		{
			Purpose: "orders", Basis: "contract", Persons: []string{"customers"}, Data: []string{"behaviour", "contact"}, Recipients: []string{"carriers"},
			Retention: []string{"3 years"}, Systems: []string{"shop"},
		},
	}
	got := sample().Activities()
	if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s %v", text, err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) { // which does not tell nil from an empty list
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestAPersonTakesAlongWhatTheyHaveProvidedOnConsentOrContract(t *testing.T) {
	t.Parallel()
	m := sample()
	all := map[string]any{"email": "a@example.com", "visits": 3, "score": 7, "vat": "DE1", "unmapped": true}
	got, ok := m.Portable(connector.Record{System: "shop", Collection: "customers", Key: "1", Fields: all})
	if want := map[string]any{"email": "a@example.com", "visits": 3}; !ok || !reflect.DeepEqual(got.Fields, want) || len(all) != 5 {
		t.Errorf("%v %v", got, ok)
	}
	for _, r := range []connector.Record{
		{System: "shop", Collection: "customers", Fields: map[string]any{"score": 7}},
		{System: "shop", Collection: "elsewhere", Fields: all}, {System: "gatehouse", Collection: "gatehouse_events", Fields: all},
	} {
		if got, ok := m.Portable(r); ok {
			t.Errorf("%v", got)
		}
	}
}

func TestTheWordsOfTheLawAreAllThere(t *testing.T) {
	t.Parallel()
	n := 0
	for _, c := range Categories() {
		if IsSpecial(c) {
			n++
		}
	}
	if len(Bases()) != 6 || n != 9 || len(Conditions()) != 11 {
		t.Errorf("%d grounds of Art. 6(1), %d special categories, %d conditions", len(Bases()), n, len(Conditions()))
	}
}
