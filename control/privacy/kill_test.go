package privacy

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/audit/seal"
	"gatehouse/control/internal/pgtest"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/own"
	"gatehouse/control/store"
)

// An erasure is cut off by SIGKILL, in a process of its own, at each of the
// moments at which anything outside of it changes, and resumed by another.

// moments counts them; at the one that is asked for the process ends.
type moments struct {
	n, at atomic.Int64
}

func (m *moments) pass() {
	if m.n.Add(1) == m.at.Load() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// folder is a system whose rows are files: DIR/PERSON/KEY.
type folder struct {
	*system
	dir string
	m   *moments
}

func (y *folder) files(p connector.Person) []string {
	found, _ := filepath.Glob(filepath.Join(y.dir, key(p), "*")) // the pattern is ours
	return found
}

func (y *folder) Erase(_ context.Context, p connector.Person) (r connector.Result, err error) {
	for _, file := range y.files(p) {
		y.m.pass()
		if err := os.Remove(file); err != nil {
			return r, err
		}
		r.Deleted++
	}
	y.m.pass()
	return r, nil
}

func (y *folder) Verify(_ context.Context, p connector.Person) (int64, error) {
	y.m.pass()
	if key(p) == "" {
		return 0, errors.New("nobody says who the person is")
	}
	return int64(len(y.files(p))), nil
}

// cutSessions, cutKeys and cutCopy are Gatehouse's own parts with moments
// before and after.
type cutSessions struct {
	*session.Manager
	m *moments
}

func (c cutSessions) RevokeAll(ctx context.Context, id string) ([]session.Session, error) {
	c.m.pass()
	defer c.m.pass()
	return c.Manager.RevokeAll(ctx, id)
}

type cutKeys struct {
	*seal.Keyring
	m *moments
}

func (c cutKeys) Destroy(ctx context.Context, name string) error {
	c.m.pass()
	defer c.m.pass()
	return c.Keyring.Destroy(ctx, name)
}

type cutCopy struct {
	*consent.Consents
	m *moments
}

func (c cutCopy) Forget(ctx context.Context, id string) error {
	c.m.pass()
	defer c.m.pass()
	return c.Consents.Forget(ctx, id)
}

// cutEvents writes events to a file; a moment is before each.
type cutEvents struct {
	path string
	m    *moments
	err  error
}

func (c *cutEvents) Append(e event.Event) {
	c.m.pass()
	f, err := os.OpenFile(c.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		err = errors.Join(json.NewEncoder(f).Encode(e), f.Close())
	}
	c.err = errors.Join(c.err, err)
}

// job is what a process works on.
type job struct {
	Dir, URL, Socket string
	KillAt           int64
	Now              time.Time
}

const jobVariable = "GATEHOUSE_TEST_ERASURE"

// service is a Service on the job's store, Redis and folders.
func (j job) service(t *testing.T) (*Service, *cutEvents, *moments) {
	t.Helper()
	m := &moments{}
	m.at.Store(j.KillAt)
	now := func() time.Time { return j.Now }
	s, err := store.Open(t.Context(), store.Options{URL: j.URL, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	master, err := seal.ParseMaster(secret.New(hex.AppendEncode(nil, bytes.Repeat([]byte{1}, 32))))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.New(t.Context(), seal.Options{Store: s, Master: master, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	names, err := event.NewPseudonymizer(pseudonymKey)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: j.Socket})
	t.Cleanup(func() { _ = client.Close() })
	events := &cutEvents{path: filepath.Join(j.Dir, "events"), m: m}
	shop := &folder{newSystem("shop"), filepath.Join(j.Dir, "shop"), m}
	crm := &folder{newSystem("crm"), filepath.Join(j.Dir, "crm"), m}
	service, err := New(Options{
		Store: s, Sealer: keys, Shredded: seal.ErrShredded, Pseudonyms: names, Key: pseudonymKey, Events: events, Copy: consent.New(client),
		Connectors: func() []connector.Connector { return []connector.Connector{shop, crm} },
		Own: own.New(own.Options{
			Store: s, Sessions: cutSessions{session.New(client, now, rand.Reader), m}, Copy: cutCopy{consent.New(client), m},
			Keys: cutKeys{keys, m}, Redis: client, Pseudonyms: names,
		}),
		Logger: slog.New(slog.DiscardHandler), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return service, events, m
}

// TestErasureWorker is the process: without a job it has nothing to test.
func TestErasureWorker(t *testing.T) {
	text := os.Getenv(jobVariable)
	if text == "" {
		return
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		t.Fatal(err)
	}
	j.work(t)
}

// work does all that there is to do, in this process.
func (j job) work(t *testing.T) {
	t.Helper()
	s, events, _ := j.service(t)
	_, err := s.Work(t.Context())
	if err := errors.Join(err, s.Tick(t.Context()), events.err); err != nil {
		t.Fatal(err)
	}
}

// run starts the process and says whether it was killed.
func (j job) run(t *testing.T) (killed bool) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestErasureWorker$", "-test.count=1") // #nosec G702 -- this very binary
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text), "TMPDIR="+t.TempDir())           // what is killed leaves its folders
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && ctx.Err() == nil {
			return true
		}
	}
	t.Fatalf("%v\n%s", err, out)
	return false
}

// plant makes a person in three systems who has asked to be forgotten, and
// another who has not.
func (j job) plant(t *testing.T) (request, userID string) {
	t.Helper()
	s, _, _ := j.service(t)
	ctx := t.Context()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: j.Socket})
	defer func() { _ = client.Close() }()
	for _, name := range []string{"ann", "bob"} {
		u, err := s.o.Store.AddUser(ctx, name, "$argon2id$x", nil)
		if err != nil {
			t.Fatal(err)
		}
		mail := name + "@example.com"
		for _, system := range []string{"shop", "crm"} {
			dir := filepath.Join(j.Dir, system, mail)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			for n := range 3 {
				if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(n)), []byte(mail), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, _, err := session.New(client, func() time.Time { return j.Now }, rand.Reader).Create(ctx, session.User{ID: u.ID, Name: name}, session.Grant{Idle: time.Hour, Absolute: time.Hour * 8}); err != nil {
			t.Fatal(err)
		}
		if err := client.Set(ctx, "gh:l:{"+session.Handle(u.ID)+"}scope:s", "1", 0).Err(); err != nil {
			t.Fatal(err)
		}
		p, err := s.Enter(ctx, Who{UserID: u.ID, Identities: []connector.Identity{{Type: "email", Value: mail}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Record(ctx, p, Entry{Purpose: "news", State: store.ConsentGiven, NoticeVersion: "1"}); err != nil {
			t.Fatal(err)
		}
		if name != "ann" {
			continue
		}
		userID = u.ID
		r, err := s.Receive(ctx, p, Ask{Kind: connector.Erasure, Reason: "planted"})
		if err == nil {
			_, err = s.Verify(ctx, r.ID, "operator", "passport")
		}
		if err == nil {
			_, err = s.Start(ctx, r.ID, "dpo")
		}
		if err != nil {
			t.Fatal(err)
		}
		request = r.ID
	}
	return request, userID
}

// state is all that is left, as text.
func (j job) state(t *testing.T, request, userID string) string {
	t.Helper()
	s, _, _ := j.service(t)
	ctx := t.Context()
	var b strings.Builder
	note := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	r, err := s.Request(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	note("request %s, shredded %v, %v", r.State, r.Shredded, states(r))
	users, err := s.o.Store.Users(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		note("user %s disabled %v", u.Name, u.Disabled)
	}
	identities, err := s.o.Store.Identities(ctx, r.SubjectID)
	note("identities %d %v", len(identities), err)
	history, _, err := s.o.Store.ConsentHistory(ctx, store.ConsentQuery{Limit: 10})
	for _, c := range history {
		note("consent %s of hers %v, linked %v", c.State, c.SubjectID == r.SubjectID, c.UserID != "")
	}
	names := []string{s.o.Pseudonyms.Subject(userID), s.o.Pseudonyms.Subject(r.SubjectID)}
	keys, err2 := s.o.Store.SubjectKeys(ctx, names)
	for _, name := range names {
		note("key known %v, destroyed %v", keys[name].Name != "", !keys[name].Destroyed.IsZero())
	}
	files, err3 := filepath.Glob(filepath.Join(j.Dir, "*", "*", "*"))
	for _, file := range files {
		note("row %s", strings.TrimPrefix(file, j.Dir))
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: j.Socket})
	defer func() { _ = client.Close() }()
	limits, err4 := client.Keys(ctx, "gh:l:*").Result()
	live, err5 := session.New(client, func() time.Time { return j.Now }, rand.Reader).List(ctx, userID)
	given, err6 := consent.New(client).Given(ctx, userID, "news")
	note("limits %d, sessions %d, consent in force %v", len(limits), len(live), given)
	if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	note("%s", j.told(t))
	return b.String()
}

// told are the events that were made, each once.
func (j job) told(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(j.Dir, "events"))
	if err != nil {
		t.Fatal(err)
	}
	seen, counts := map[string]bool{}, map[string]int{}
	for line := range strings.Lines(string(text)) {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if !seen[e.ID] {
			seen[e.ID] = true
			counts[string(e.Type)+" "+e.Detail["system"]+" "+e.Detail["step"]]++
		}
	}
	return fmt.Sprint(counts)
}

func TestAnErasureThatIsKilledAnywhereEndsTheSame(t *testing.T) {
	t.Parallel()
	for kind, stride := range map[string]int64{"sqlite": 1, "postgres": 6} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			var want string
			for at := int64(0); ; at += stride {
				if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				j := job{Dir: t.TempDir(), Socket: server.Socket(), Now: start}
				j.URL = "sqlite:" + filepath.Join(j.Dir, "s.db")
				if kind == "postgres" {
					j.URL = pgtest.Start(t)
				}
				request, userID := j.plant(t)
				j.KillAt = at // 0 is never
				killed := j.run(t)
				j.KillAt = 0
				j.Now = j.Now.Add(2 * time.Minute) // the lease of the dead is over
				j.work(t)
				j.Now = j.Now.Add(2 * time.Minute) // and so is the time for events to arrive
				j.work(t)
				got := j.state(t, request, userID)
				switch {
				case at == 0:
					want = got
					if !strings.Contains(got, "request completed, shredded true") || strings.Contains(got, "ann@") || !strings.Contains(got, "subject_erased  :1") {
						t.Fatalf("an erasure that is left alone ends so:\n%s", got)
					}
				case got != want:
					t.Errorf("killed at moment %d, it ends so:\n%s\nand not so:\n%s", at, got, want)
				}
				if at > 0 && !killed {
					t.Logf("%d moments", at-1)
					return
				}
			}
		})
	}
}
