package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

func TestTheIndexOfTheAuditLogFindsByEachField(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		at := func(second int) time.Time { return time.UnixMilli(int64(1_700_000_000_000 + second*1000)).UTC() }
		fill(t, s, []store.IndexedEvent{
			{ID: "e0", Time: at(0), Type: "session_created", Severity: "INFO", Outcome: "success", Subject: "u:anna", Client: "c:1", RequestID: "r0", Feature: "session"},
			{ID: "e1", Time: at(1), Type: "rate_limit_exceeded", Severity: "WARNING", Outcome: "deny", Client: "c:1", RequestID: "r1", Feature: "limits", Rule: "api_calls", Text: "api_calls 100% of 100/60s"},
			{ID: "e2", Time: at(2), Type: "file_upload_rejected", Severity: "CRITICAL", Outcome: "deny", Subject: "u:bob", Client: "c:2", RequestID: "r2", Feature: "uploads", Rule: "pdf_script", Text: "pdf_script Ärger mit /JS"},
			{ID: "e3", Time: at(3), Type: "session_revoked", Severity: "INFO", Outcome: "success", Subject: "u:anna", RequestID: "r0", Text: "100 of 100/60s"},
			{ID: "e\x004", Time: at(4), Type: "api_refused", Severity: "INFO", Outcome: "deny", Text: strings.Repeat("long ", 5000)},
		})
		for name, c := range map[string]struct {
			q    store.EventQuery
			want []uint64
		}{
			"everything, the newest first":   {store.EventQuery{}, []uint64{4, 3, 2, 1, 0}},
			"by id":                          {store.EventQuery{ID: "e2"}, []uint64{2}},
			"by type":                        {store.EventQuery{Types: []string{"session_created", "session_revoked"}}, []uint64{3, 0}},
			"by subject":                     {store.EventQuery{Subject: "u:anna"}, []uint64{3, 0}},
			"by client":                      {store.EventQuery{Client: "c:1"}, []uint64{1, 0}},
			"by request":                     {store.EventQuery{RequestID: "r0"}, []uint64{3, 0}},
			"by outcome":                     {store.EventQuery{Outcome: "deny"}, []uint64{4, 2, 1}},
			"by severity":                    {store.EventQuery{Severity: "CRITICAL"}, []uint64{2}},
			"by feature":                     {store.EventQuery{Feature: "limits"}, []uint64{1}},
			"by rule":                        {store.EventQuery{Rule: "pdf_script"}, []uint64{2}},
			"by text, whatever its case":     {store.EventQuery{Text: "ärger MIT"}, []uint64{2}},
			"a percent sign is no wildcard":  {store.EventQuery{Text: "100% of"}, []uint64{1}},
			"an underscore is no wildcard":   {store.EventQuery{Text: "i_c"}, []uint64{1}},
			"a backslash is no escape":       {store.EventQuery{Text: `\`}, nil},
			"from a time on":                 {store.EventQuery{From: at(3)}, []uint64{4, 3}},
			"before a time":                  {store.EventQuery{To: at(2)}, []uint64{1, 0}},
			"all conditions hold at a time":  {store.EventQuery{Subject: "u:anna", Types: []string{"session_revoked"}, From: at(1), To: at(9)}, []uint64{3}},
			"empty fields match no filter":   {store.EventQuery{Subject: " "}, nil},
			"a NUL is found as it was kept":  {store.EventQuery{ID: "e\x004"}, []uint64{4}},
			"behind a cursor":                {store.EventQuery{Cursor: "2"}, []uint64{1, 0}},
			"a limit above the most is that": {store.EventQuery{Limit: 1 << 30}, []uint64{4, 3, 2, 1, 0}},
		} {
			page, err := s.SearchEvents(t.Context(), c.q)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var got []uint64
			for _, e := range page.Events {
				got = append(got, e.Leaf)
			}
			if !slices.Equal(got, c.want) || page.Next != "" {
				t.Errorf("%s: %v, want %v; next %q", name, got, c.want, page.Next)
			}
		}
		if page, err := s.SearchEvents(t.Context(), store.EventQuery{ID: "e0"}); err != nil || page.Events[0].Subject != "u:anna" || page.Events[0].Rule != "" || !page.Events[0].Time.Equal(at(0)) {
			t.Errorf("%+v %v", page, err)
		}
		if _, err := s.SearchEvents(t.Context(), store.EventQuery{Cursor: "next"}); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("error %v", err)
		}
		if _, err := s.SearchEvents(t.Context(), store.EventQuery{Types: make([]string, 65)}); err == nil {
			t.Error("65 types are searched for")
		}
	})
}

// fill adds events at the end of the index.
func fill(t *testing.T, s *store.Store, events []store.IndexedEvent) {
	t.Helper()
	state, err := s.EventIndex(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i].Leaf = state.Next + uint64(i)
	}
	if err := s.IndexEvents(t.Context(), state.Next, events); err != nil {
		t.Fatal(err)
	}
}

func many(n int) []store.IndexedEvent {
	events := make([]store.IndexedEvent, n)
	for i := range events {
		events[i] = store.IndexedEvent{ID: fmt.Sprintf("e%d", i), Time: time.UnixMilli(int64(i)), Type: "request_allowed", Outcome: "allow"}
	}
	return events
}

func TestSearchGoesPageByPageWhileTheIndexGrows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		fill(t, s, many(700))
		var leaves []uint64
		for cursor := ""; ; {
			page, err := s.SearchEvents(t.Context(), store.EventQuery{Limit: 300, Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				leaves = append(leaves, e.Leaf)
			}
			fill(t, s, many(10)) // is not on any later page
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		slices.Reverse(leaves)
		for i, leaf := range leaves {
			if leaf != uint64(i) {
				t.Fatalf("place %d has entry %d", i, leaf)
			}
		}
		if len(leaves) != 700 {
			t.Errorf("%d entries", len(leaves))
		}
	})
}

func TestTheIndexIsFilledOnceAndEmptied(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		if err := s.ResetEventIndex(ctx, "log-1"); err != nil {
			t.Fatal(err)
		}
		fill(t, s, many(600))
		if err := s.IndexEvents(ctx, 599, many(1)); !errors.Is(err, store.ErrIndexMoved) {
			t.Errorf("error %v", err)
		}
		if state, err := s.EventIndex(ctx); err != nil || state != (store.IndexState{Log: "log-1", Next: 600}) {
			t.Errorf("%+v %v", state, err)
		}
		ids := []string{"nobody"}
		for i := range 600 {
			ids = append(ids, fmt.Sprintf("e%d", i))
		}
		if known, err := s.KnownEvents(ctx, ids); err != nil || len(known) != 600 || known["nobody"] {
			t.Errorf("%d known: %v", len(known), err)
		}
		if leaf, err := s.EventLeaf(ctx, "e599"); err != nil || leaf != 599 {
			t.Errorf("%d %v", leaf, err)
		}
		if err := s.ResetEventIndex(ctx, "log-2"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.EventLeaf(ctx, "e599"); !errors.Is(err, store.ErrNoEvent) {
			t.Errorf("error %v", err)
		}
		if state, err := s.EventIndex(ctx); err != nil || state != (store.IndexState{Log: "log-2"}) {
			t.Errorf("%+v %v", state, err)
		}
	})
}

func TestAStoreThatIsClosedSaysSoToTheIndex(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		s, err := store.Open(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, searched := s.SearchEvents(t.Context(), store.EventQuery{})
		_, known := s.KnownEvents(t.Context(), []string{"a"})
		_, state := s.EventIndex(t.Context())
		for _, err := range []error{searched, known, state, s.IndexEvents(t.Context(), 0, many(1)), s.ResetEventIndex(t.Context(), "x")} {
			if err == nil {
				t.Error("no error")
			}
		}
	})
}
