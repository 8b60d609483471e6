package consent_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"gatehouse/authz/consent"
	"gatehouse/authz/internal/redistest"
)

func TestACopyAnswersWithTheNewestEntryOfAPersonAndPurpose(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := consent.New(redistest.Start(t).Client())
	for _, entries := range [][]consent.Entry{
		{{Seq: 1, UserID: "ann", Purpose: "news", Given: true}, {Seq: 2, UserID: "bob", Purpose: "news", Given: true}},
		{{Seq: 4, UserID: "bob", Purpose: "news"}, {Seq: 3, UserID: "bob", Purpose: "news", Given: true}}, // 3 is late
	} {
		if err := c.Put(ctx, entries); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetMark(ctx, 4); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		user, purpose string
		want          bool
	}{{"ann", "news", true}, {"bob", "news", false}, {"ann", "ads", false}, {"eve", "news", false}} {
		if got, err := c.Given(ctx, test.user, test.purpose); err != nil || got != test.want {
			t.Errorf("%+v: %v %v", test, got, err)
		}
	}
	if err := c.Forget(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Given(ctx, "ann", "news"); err != nil || got {
		t.Errorf("a forgotten user: %v %v", got, err)
	}
}

func TestWithoutACompleteCopyNobodyKnows(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := redistest.Start(t).Client()
	c := consent.New(client)
	if err := c.Put(ctx, []consent.Entry{{Seq: 1, UserID: "ann", Purpose: "news", Given: true}}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := c.Mark(ctx); ok || err != nil {
		t.Fatalf("a mark before it was set: %v %v", ok, err)
	}
	if _, err := c.Given(ctx, "ann", "news"); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("without a mark: %v", err)
	}
	if err := c.SetMark(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if seq, ok, err := c.Mark(ctx); seq != 1 || !ok || err != nil {
		t.Errorf("mark: %d %v %v", seq, ok, err)
	}
	keys, err := client.Keys(ctx, "gh:c:*").Result()
	if err != nil || len(keys) != 1 || strings.Contains(keys[0], "ann") {
		t.Fatalf("%v %v", keys, err)
	}
	for what, value := range map[string]string{"a word of another version": "1 maybe", "nothing": ""} {
		if err := client.HSet(ctx, keys[0], "news", value).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Given(ctx, "ann", "news"); !errors.Is(err, consent.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := client.Set(ctx, keys[0], "not a hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Given(ctx, "ann", "news"); !errors.Is(err, consent.ErrUnavailable) {
		t.Errorf("a key of another kind: %v", err)
	}
}

func TestARedisThatIsAwayIsUnavailableForEverything(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := consent.New(server.Client())
	server.Stop()
	ctx := t.Context()
	for what, do := range map[string]func(context.Context) error{
		"given": func(ctx context.Context) error { _, err := c.Given(ctx, "ann", "news"); return err },
		"mark":  func(ctx context.Context) error { _, _, err := c.Mark(ctx); return err },
		"put": func(ctx context.Context) error {
			return c.Put(ctx, []consent.Entry{{Seq: 1, UserID: "a", Purpose: "p"}})
		},
		"set":    func(ctx context.Context) error { return c.SetMark(ctx, 1) },
		"forget": func(ctx context.Context) error { return c.Forget(ctx, "ann") },
		"clear":  c.Clear,
	} {
		if err := do(ctx); !errors.Is(err, consent.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := c.Put(ctx, nil); err != nil {
		t.Errorf("nothing to put: %v", err)
	}
}

func TestClearLeavesNothingOfTheCopyAndAllElse(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	client := redistest.Start(t).Client()
	c := consent.New(client)
	var entries []consent.Entry
	for i := range 2500 {
		entries = append(entries, consent.Entry{Seq: int64(i + 1), UserID: strings.Repeat("u", i%50+1) + string(rune('a'+i%26)), Purpose: "p", Given: true})
	}
	if err := errors.Join(c.Put(ctx, entries), c.SetMark(ctx, 2500), client.Set(ctx, "gh:s:other", "1", 0).Err()); err != nil {
		t.Fatal(err)
	}
	if err := c.Clear(ctx); err != nil {
		t.Fatal(err)
	}
	if left := client.Keys(ctx, "*").Val(); len(left) != 1 || left[0] != "gh:s:other" {
		t.Errorf("left: %v", left)
	}
}

func TestTwoWhoWriteAtOnceLeaveTheNewest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := redistest.Start(t)
	var wg sync.WaitGroup
	for w := range 4 {
		c := consent.New(server.Client())
		wg.Go(func() {
			for seq := int64(w + 1); seq <= 200; seq += 4 {
				if err := c.Put(ctx, []consent.Entry{{Seq: seq, UserID: "ann", Purpose: "p", Given: seq%2 == 0}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	c := consent.New(server.Client())
	if err := c.SetMark(ctx, 200); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Given(ctx, "ann", "p"); err != nil || !got {
		t.Errorf("entry 200 gives: %v %v", got, err)
	}
}
