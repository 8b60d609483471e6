package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/authz/internal/redistest"
)

func transit(t *testing.T, key string) *Transit {
	t.Helper()
	tr, err := NewTransit([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

var planted = map[string]string{
	PersonalName: "Wilhelmina Testfrau-Überlingen", PersonalIP: "203.0.113.77",
	PersonalFilename: "diagnosis-of-wilhelmina.pdf", PersonalUserAgent: "PlantedAgent/7.0",
}

func TestPersonalFieldsTravelSealedAndArriveReadable(t *testing.T) {
	t.Parallel()
	e := Event{ID: "id-1", Personal: maps.Clone(planted)}
	if err := transit(t, "0123456789abcdef").Seal(&e); err != nil {
		t.Fatal(err)
	}
	if e.Personal != nil || !strings.HasPrefix(e.Sealed, transitPrefix) {
		t.Fatalf("%+v", e)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var arrived Event
	if err := json.Unmarshal(text, &arrived); err != nil {
		t.Fatal(err)
	}
	if err := transit(t, "0123456789abcdef").Open(&arrived); err != nil || !maps.Equal(arrived.Personal, planted) || arrived.Sealed != "" {
		t.Errorf("%+v %v", arrived, err)
	}
}

func TestWhatDoesNotOpenGoesNoFurther(t *testing.T) {
	t.Parallel()
	key := transit(t, "0123456789abcdef")
	good := Event{ID: "id-1", Personal: maps.Clone(planted)}
	if err := key.Seal(&good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		by *Transit
		e  Event
	}{
		"sealed under another key":       {transit(t, "another-pseudonym-key"), good},
		"moved to another event":         {key, Event{ID: "id-2", Sealed: good.Sealed}},
		"opened by one who has no key":   {nil, good},
		"sealed for good":                {key, Event{ID: "id-1", Sealed: "s1.s.AAAA"}},
		"no base64":                      {key, Event{ID: "id-1", Sealed: transitPrefix + "%%"}},
		"written in clear by a stranger": {key, Event{ID: "id-1", Sealed: "203.0.113.77"}},
	} {
		e := c.e
		if err := c.by.Open(&e); !errors.Is(err, ErrTransit) || e.Sealed != "" || e.Personal != nil {
			t.Errorf("%s: %v %+v", name, err, e)
		}
	}
}

func TestWithoutAKeyPersonalFieldsAreDropped(t *testing.T) {
	t.Parallel()
	e := Event{ID: "id-1", Personal: maps.Clone(planted), Sealed: "made up by the caller"}
	var none *Transit
	if err := none.Seal(&e); err != nil || e.Personal != nil || e.Sealed != "" {
		t.Errorf("%+v %v", e, err)
	}
	if err := none.Open(&Event{}); err != nil {
		t.Errorf("nothing to open: %v", err)
	}
	if _, err := NewTransit([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

func TestPersonalFieldsAreBoundedAndTheCallersMapStays(t *testing.T) {
	t.Parallel()
	fields := map[string]string{}
	for i := range 20 {
		fields[strings.Repeat("k", i+1)] = strings.Repeat("x", 600)
	}
	e := clipped(Event{Personal: fields})
	if len(e.Personal) != maxPersonal || len(fields) != 20 {
		t.Errorf("%d kept, the caller has %d", len(e.Personal), len(fields))
	}
	for _, value := range e.Personal {
		if len(value) != maxPersonalField {
			t.Errorf("%d bytes", len(value))
		}
	}
}

func TestNoPersonalFieldReachesRedisOrALogInClear(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	server := redistest.StartDurable(t)
	for _, key := range []*Transit{transit(t, "0123456789abcdef"), nil} {
		w := newWriter(t, server.Client(), func(o *Options) {
			o.Transit, o.Logger = key, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		for range 50 {
			w.Append(Event{Type: AuthenticationAttempt, Subject: "u:x", Personal: planted})
		}
		closed(t, w)
	}
	entries, err := server.Client().XRange(context.Background(), StreamKey, "-", "+").Result()
	if err != nil || len(entries) != 100 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	var seen bytes.Buffer
	sealed := 0
	for _, entry := range entries {
		text, _ := entry.Values[StreamField].(string)
		seen.WriteString(text)
		if strings.Contains(text, `"sealed":"t1.`) {
			sealed++
		}
	}
	if sealed != 50 {
		t.Errorf("%d events are sealed", sealed)
	}
	if files := readTree(t, filepath.Dir(server.Socket())); !bytes.Contains(files, []byte(StreamKey)) {
		t.Error("the append-only file was not found")
	} else {
		seen.Write(files)
	}
	seen.Write(log.Bytes())
	for name, value := range planted {
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' }) {
			if bytes.Contains(seen.Bytes(), []byte(part)) {
				t.Errorf("%s %q is there in clear", name, part)
			}
		}
	}
}

// readTree is all files under dir, one after the other.
func readTree(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		all = append(all, text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
