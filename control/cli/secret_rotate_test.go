package cli

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/audit/seal"
	"gatehouse/control/internal/pgtest"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

// sealedLog is a log with events whose readable fields are sealed under keys of
// a store, and the files of two master keys.
type sealedLog struct {
	url, state    string
	oldKey, fresh string
	events        int
}

func newSealedLog(t *testing.T, url string, people int) sealedLog {
	t.Helper()
	l := sealedLog{url: url, state: t.TempDir(), events: people, oldKey: masterFile(t, 7), fresh: masterFile(t, 8)}
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	keys := openKeys(t, s, l.oldKey)
	var events []event.Event
	var items []seal.Item
	for i := range people {
		e := event.Event{ID: fmt.Sprintf("e-%04d", i), Time: time.Now(), Type: event.AuthenticationAttempt, Subject: fmt.Sprintf("u:person-%04d", i)}
		items = append(items, seal.Item{Subject: e.Subject, Fields: map[string]string{"name": fmt.Sprintf("Person %04d", i)}})
		events = append(events, e)
	}
	texts, err := keys.SealAll(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		events[i].Sealed = texts[i]
	}
	log := audittest.Open(t, filepath.Join(l.state, "control", "audit"))
	appendTo(t, log, events...)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

func masterFile(t *testing.T, fill byte) string {
	t.Helper()
	return place(t, "master_key", hex.EncodeToString(bytes.Repeat([]byte{fill}, 32)), 0o600)
}

func openKeys(t *testing.T, s *store.Store, file string) *seal.Keyring {
	t.Helper()
	master, err := parseMaster(secret.File{Name: seal.MasterKeyName, Path: file})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.New(t.Context(), seal.Options{Store: s, Master: master})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (l sealedLog) env(master string) map[string]string {
	return map[string]string{"GATEHOUSE_STORE": l.url, "GATEHOUSE_STATE_DIR": l.state, "GATEHOUSE_MASTER_KEY_FILE": master}
}

func (l sealedLog) rotate(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := command{env: l.env(l.oldKey)}
	if got := c.run(t.Context(), append([]string{"secret", "rotate-master", "--new-file", l.fresh}, args...)...); got != code {
		t.Fatalf("exit code %d, want %d: %s%s", got, code, c.stdout.String(), c.stderr.String())
	}
	return c.stdout.String() + c.stderr.String()
}

// readable says whether all events can be read with that master key.
func (l sealedLog) readable(t *testing.T, master string) error {
	t.Helper()
	c := command{env: l.env(master)}
	if code := c.run(t.Context(), "audit", "tail", "--reveal", "-n", fmt.Sprint(l.events+100), "-o", "json"); code != ExitDone {
		return errors.New(c.stderr.String())
	}
	if n := strings.Count(c.stdout.String(), `"Person `); n != l.events {
		return fmt.Errorf("%d of %d can be read", n, l.events)
	}
	return nil
}

func (l sealedLog) expectReadable(t *testing.T, with, notWith string) {
	t.Helper()
	if err := l.readable(t, with); err != nil {
		t.Error(err)
	}
	if err := l.readable(t, notWith); err == nil || !strings.Contains(err.Error(), "under the master key") {
		t.Errorf("with the other master key: %v", err)
	}
}

// eachStore runs fn on a store of each kind.
func eachStore(t *testing.T, fn func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, "sqlite:"+filepath.Join(t.TempDir(), "gatehouse.db")) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, pgtest.Start(t)) })
}

func TestRotateMasterWrapsEveryKeyAndSaysWhatIsNext(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, url string) {
		l := newSealedLog(t, url, 1200)
		expectText(t, l.rotate(t, ExitDone, "--dry-run"), "planned", "1200 would be wrapped anew", "nothing was changed")
		l.expectReadable(t, l.oldKey, l.fresh)
		expectText(t, l.rotate(t, ExitDone), "rotated", "1200 wrapped anew; each opens under the new master key", "GATEHOUSE_MASTER_KEY_FILE", "destroy the old one")
		l.expectReadable(t, l.fresh, l.oldKey)
		var again rotation
		if err := json.Unmarshal([]byte(l.rotate(t, ExitDone, "-o", "json")), &again); err != nil || again.State != "was rotated" || again.Keys != 1200 || again.Old == again.New {
			t.Errorf("%+v %v", again, err)
		}
		expectText(t, l.rotate(t, ExitDone, "--dry-run"), "was rotated")
	})
}

func TestRotateMasterRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "gatehouse.db")
	l := newSealedLog(t, url, 1)
	empty := "sqlite:" + filepath.Join(t.TempDir(), "empty.db")
	if s, err := store.Open(t.Context(), store.Options{URL: empty}); err != nil || s.Close() != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says string
	}{
		"no new key":                 {nil, nil, ExitUsage, "--new-file is missing"},
		"no old key":                 {map[string]string{"GATEHOUSE_MASTER_KEY_FILE": ""}, []string{"--new-file", l.fresh}, ExitUsage, "--old-file"},
		"a key in the environment":   {map[string]string{"GATEHOUSE_MASTER_KEY": strings.Repeat("ab", 32)}, []string{"--new-file", l.fresh}, ExitWrong, "unset GATEHOUSE_MASTER_KEY"},
		"a new key that is none":     {nil, []string{"--new-file", place(t, "bad", "no key at all, no key at all", 0o600)}, ExitWrong, "32 random bytes"},
		"a new key open to all":      {nil, []string{"--new-file", place(t, "open", strings.Repeat("ab", 32), 0o644)}, ExitWrong, "chmod 0600"},
		"the old one again":          {nil, []string{"--new-file", l.oldKey}, ExitWrong, "are the same"},
		"another old one":            {nil, []string{"--old-file", masterFile(t, 9), "--new-file", l.fresh}, ExitWrong, "nothing was changed"},
		"a store that there is not":  {nil, []string{"--store", url + "x", "--new-file", l.fresh}, ExitWrong, "no such store"},
		"a store without master key": {nil, []string{"--store", empty, "--new-file", l.fresh}, ExitWrong, "has no master key yet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := command{env: l.env(l.oldKey)}
			for key, value := range test.env {
				c.env[key] = value
			}
			code := c.run(t.Context(), append([]string{"secret", "rotate-master"}, test.args...)...)
			if code != test.code || !strings.Contains(c.stderr.String(), test.says) {
				t.Errorf("exit code %d: %s", code, c.stderr.String())
			}
			if strings.Contains(c.stderr.String(), "abab") {
				t.Errorf("it tells the key: %s", c.stderr.String())
			}
		})
	}
	if _, err := os.Stat(strings.TrimPrefix(url, "sqlite:") + "x"); err == nil {
		t.Error("it has made a store")
	}
	if err := l.readable(t, l.oldKey); err != nil {
		t.Error(err)
	}
}

// kill runs the rotation in a process of its own and kills it once it is where
// reached says.
func (l sealedLog) kill(t *testing.T, reached func(context.Context) error) {
	t.Helper()
	c := child{log: filepath.Join(l.state, "rotate.log"), args: []string{"secret", "rotate-master", "--new-file", l.fresh}}
	for name, value := range l.env(l.oldKey) {
		c.env = append(c.env, name+"="+value)
	}
	c.start(t)
	pack.Eventually(t, 30*time.Second, "the rotation is in the middle", reached)
	c.kill(t)
	if status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("the rotation was not killed: %s", c.cmd.ProcessState)
	}
}

func TestARotationThatIsKilledAmongTheKeysHasDoneNothingAndIsDoneAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t)
	l := newSealedLog(t, url, 1200)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	// Somebody holds one of the last keys: those before are wrapped already.
	holder, err := db.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = holder.ExecContext(t.Context(), `SELECT 1 FROM subject_keys WHERE name = 'u:person-1100' FOR UPDATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	waiting := func(ctx context.Context) error {
		var n int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO subject_keys%' AND datname = current_database()`).Scan(&n)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d wait for the key", n)
		}
		return err
	}
	l.kill(t, waiting)
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	l.expectReadable(t, l.oldKey, l.fresh)
	expectText(t, l.rotate(t, ExitDone), "rotated", "1200 wrapped anew")
	l.expectReadable(t, l.fresh, l.oldKey)
}

func TestARotationThatIsKilledBeforeItHasClearedAwayIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	l := newSealedLog(t, "sqlite:"+path, 30)
	former := wrappedKeys(t, path)
	reader := oldReader(t, path) // for whom the former pages must stay
	l.kill(t, func(ctx context.Context) error {
		s, err := store.Open(ctx, store.Options{URL: l.url})
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		if id, err := s.MasterKeyID(ctx); err != nil || id != idOf(t, l.fresh) {
			return fmt.Errorf("the store is under %s: %w", id, errors.Join(err, errNotPrinted))
		}
		return nil
	})
	if !anyOn(t, path, former) {
		t.Error("nothing is left to clear away: the test proves nothing")
	}
	expectText(t, l.rotate(t, ExitWrong), "not all is cleared away", "rotate again with the same files")
	reader()
	expectText(t, l.rotate(t, ExitDone), "was rotated", "30 had been wrapped anew before")
	if anyOn(t, path, former) {
		t.Error("a key that the old master key opens is still on the disk")
	}
	l.expectReadable(t, l.fresh, l.oldKey)
}

func idOf(t *testing.T, file string) string {
	t.Helper()
	m, err := parseMaster(secret.File{Name: seal.MasterKeyName, Path: file})
	if err != nil {
		t.Fatal(err)
	}
	return m.ID()
}

func wrappedKeys(t *testing.T, path string) (keys [][]byte) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	err = s.EachSubjectKey(t.Context(), func(k store.SubjectKey) error {
		keys = append(keys, bytes.Clone(k.Wrapped))
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil || len(keys) == 0 {
		t.Fatal(err)
	}
	return keys
}

// oldReader reads the database as it is now until it is told to end.
func oldReader(t *testing.T, path string) (end func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err == nil {
		_, err = tx.ExecContext(t.Context(), `SELECT count(*) FROM subject_keys`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// anyOn says whether one of the texts is in the files of a database.
func anyOn(t *testing.T, path string, texts [][]byte) bool {
	t.Helper()
	for _, file := range []string{path, path + "-wal"} {
		content, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, text := range texts {
			if bytes.Contains(content, text) {
				return true
			}
		}
	}
	return false
}

func TestControlGoesOnWithTheRotatedMasterKeyWithoutARestart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, url string) {
		l := newSealedLog(t, url, 3)
		server, config := redistest.Start(t), place(t, "gatehouse.yaml", goodPolicy, 0o600)
		pseudonyms := place(t, "pseudonym_key", goodKey, 0o600)
		env := l.env(l.oldKey)
		env["GATEHOUSE_AUDIT_KEY_FILE"], env["GATEHOUSE_PSEUDONYM_KEY_FILE"] = auditKeyFile(t), pseudonyms
		ctx, cancel := context.WithCancel(t.Context())
		c, done := command{env: env}, make(chan int, 1)
		state := filepath.Join(l.state, "control")
		go func() {
			done <- c.run(ctx, "serve", "control", "--redis", "unix://"+server.Socket(), "--state-dir", state, "--wasm", "filter.wasm",
				"--config", config, "--xds-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
		}()
		transit, err := event.NewTransit([]byte(goodKey))
		if err != nil {
			t.Fatal(err)
		}
		writer, err := event.NewWriter(event.Options{Redis: server.Client(), Source: "authz", Transit: transit})
		if err != nil {
			t.Fatal(err)
		}
		sign := func(name string) {
			writer.Append(event.Event{Type: event.AuthenticationAttempt, Subject: "u:" + name + "-" + name, Personal: map[string]string{"name": "Person " + name}})
		}
		awaitReadable := func(what string, n int, master string) {
			t.Helper()
			pack.Eventually(t, 30*time.Second, what, func(context.Context) error {
				l.events = n
				return l.readable(t, master)
			})
		}
		sign("before")
		awaitReadable("the event before is logged", 4, l.oldKey)
		expectText(t, l.rotate(t, ExitDone), "4 wrapped anew")
		sign("between")
		text, err := os.ReadFile(l.fresh)
		if err == nil {
			err = os.Rename(l.fresh, l.oldKey)
		}
		if err != nil || len(text) == 0 {
			t.Fatal(err)
		}
		sign("after")
		awaitReadable("all events are logged and can be read", 6, l.oldKey)
		tail := command{env: l.env(l.oldKey)}
		pack.Eventually(t, 30*time.Second, "the rotation is in the log", func(ctx context.Context) error {
			if code := tail.run(ctx, "audit", "tail", "--type", "operator_action", "-o", "json"); code != ExitDone || !strings.Contains(tail.stdout.String(), "master_key_rotated") {
				return errors.New(tail.stdout.String() + tail.stderr.String())
			}
			return nil
		})
		if err := writer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		if code := <-done; code != ExitDone {
			t.Errorf("exit code %d: %s", code, c.stderr.String())
		}
		expectText(t, c.stderr.String(), "the master key was rotated")
	})
}
