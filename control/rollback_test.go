package control

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rollbackTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// keepEditions makes a state folder with the given policies, the oldest first,
// and a policy file.
func keepEditions(t *testing.T, file string, editions ...string) (state, config string) {
	t.Helper()
	state = t.TempDir()
	h := history{dir: filepath.Join(state, "policies")}
	for i, text := range editions {
		if err := h.keep(versionOf(t, text), []byte(text), rollbackTime.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	config = filepath.Join(t.TempDir(), "gatehouse.yaml")
	if file != "" {
		if err := os.WriteFile(config, []byte(file), 0o640); err != nil { //nolint:gosec // a mode to be kept
			t.Fatal(err)
		}
	}
	return state, config
}

func TestRollbackChoosesTheNewestPolicyThatMeansSomethingElse(t *testing.T) {
	t.Parallel()
	one, two, three := good(1), good(2), good(3)
	for name, c := range map[string]struct {
		file     string
		editions []string
		to       string
		want     string
	}{
		"after a good edit, the one before":                 {three, []string{one, two, three}, "", two},
		"after a broken edit, the live one":                 {"routes: [", []string{one, two}, "", two},
		"after an edit that was never live, the live":       {three, []string{one, two}, "", two},
		"after a change of comments, the one before":        {"# new\n" + two, []string{one, two}, "", one},
		"without a file, the live one":                      {"", []string{one, two}, "", two},
		"after a rollback, the one that was left":           {one, []string{one, two, one}, "", two},
		"to a version that is named":                        {three, []string{one, two, three}, versionOf(t, one), one},
		"to a version that is named by its beginning":       {three, []string{one, two, three}, versionOf(t, one)[:6], one},
		"to a version that the file has already":            {three, []string{one, two, three}, versionOf(t, three), three},
		"twice the same version is not two, if it is named": {three, []string{one, two, one}, versionOf(t, one)[:6], one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, config := keepEditions(t, c.file, c.editions...)
			r, err := PlanRollback(state, config, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Source()) != c.want || r.Target.Version != versionOf(t, c.want) {
				t.Errorf("version %s:\n%s", r.Target.Version, r.Source())
			}
		})
	}
}

func TestRollbackThatIsImpossibleSaysWhyAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		editions []string
		to, says string
		spoil    func(t *testing.T, state string)
	}{
		"nothing is kept":             {nil, "", "--state-dir", nil},
		"only the same is kept":       {[]string{good(1)}, "", "only one", nil},
		"a version that there is not": {[]string{good(1), good(2)}, "ffff0000", "--list", nil},
		"a beginning that two have":   {nil, "", "more of it", nil},
		"a kept file that is not a policy": {[]string{good(2), good(1)}, "", "not understood", func(t *testing.T, state string) {
			names, err := filepath.Glob(filepath.Join(state, "policies", "*"+versionOf(t, good(2))+".yaml"))
			if err := errors.Join(err, os.WriteFile(names[0], []byte("version: 9\n"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, config := keepEditions(t, good(1), c.editions...)
			if c.says == "more of it" {
				c.to = twoOfOneBeginning(t, state)
			}
			if c.spoil != nil {
				c.spoil(t, state)
			}
			if _, err := PlanRollback(state, config, c.to); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if text, err := os.ReadFile(config); err != nil || string(text) != good(1) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}

// twoOfOneBeginning keeps policies until two versions begin alike.
func twoOfOneBeginning(t *testing.T, state string) string {
	t.Helper()
	seen := map[string]bool{}
	for i := range keptPolicies {
		text := good(i + 2)
		version := versionOf(t, text)
		if err := (history{dir: filepath.Join(state, "policies")}).keep(version, []byte(text), rollbackTime.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if seen[version[:1]] {
			return version[:1]
		}
		seen[version[:1]] = true
	}
	t.Fatal("twenty versions begin with as many hexadecimal digits")
	return ""
}

func TestRollbackReplacesTheFileWholeAndKeepsTheReplacedOneBesideIt(t *testing.T) {
	t.Parallel()
	state, config := keepEditions(t, good(2), good(1), good(2))
	if err := os.Chmod(config, 0o640); err != nil { //nolint:gosec // a mode to be kept
		t.Fatal(err)
	}
	r, err := PlanRollback(state, config, "")
	if err != nil {
		t.Fatal(err)
	}
	replaced, err := r.Apply(rollbackTime)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(filepath.Dir(config), "gatehouse.replaced-20260102T030405.000Z.yaml"); replaced != want {
		t.Errorf("kept as %s, want %s", replaced, want)
	}
	for path, want := range map[string]string{config: good(1), replaced: good(2)} {
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if errors.Join(err, statErr) != nil || string(text) != want || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v %v: %s", path, errors.Join(err, statErr), info.Mode(), text)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(config)); err != nil || len(entries) != 2 {
		t.Errorf("%v %v: something else is left there", entries, err)
	}
}

func TestRollbackWithoutAFileMakesOne(t *testing.T) {
	t.Parallel()
	state, config := keepEditions(t, "", good(1))
	r, err := PlanRollback(state, config, "")
	if err != nil {
		t.Fatal(err)
	}
	if replaced, err := r.Apply(rollbackTime); err != nil || replaced != "" {
		t.Errorf("%q %v", replaced, err)
	}
	if text, err := os.ReadFile(config); err != nil || string(text) != good(1) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestRollbackFollowsALink(t *testing.T) {
	t.Parallel()
	state, real := keepEditions(t, good(2), good(1), good(2))
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	r, err := PlanRollback(state, link, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(rollbackTime); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%v %v: the link is gone", info, err)
	}
	if text, err := os.ReadFile(link); err != nil || string(text) != good(1) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestRollbackThatCannotBeWrittenLeavesTheFileAsItWas(t *testing.T) {
	t.Parallel()
	state, config := keepEditions(t, good(2), good(1), good(2))
	r, err := PlanRollback(state, config, "")
	if err != nil {
		t.Fatal(err)
	}
	// The name for the new file is taken: permissions would not stop root.
	taken := filepath.Join(filepath.Dir(config), ".gatehouse.yaml.20260102T030405.000Z.new")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(rollbackTime); err == nil || !strings.Contains(err.Error(), "write the policy file") {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(config); err != nil || string(text) != good(2) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestRollbackGoesLiveInARunningControl(t *testing.T) {
	r := start(t, good(1))
	config := filepath.Join(r.dir, "gatehouse.yaml")
	r.write(t, good(2))
	r.await(t, "the second is live", func(s readiness) bool { return s.Policy.Version == versionOf(t, good(2)) })

	r.rollBack(t, config, versionOf(t, good(1)))
	r.awaitAuthz(t, versionOf(t, good(1)), "base")

	r.write(t, "routes: [")
	r.await(t, "the broken edit is refused", func(s readiness) bool { return s.LastError != nil })
	r.rollBack(t, config, versionOf(t, good(1)))
	r.await(t, "the refusal is over", func(s readiness) bool { return s.LastError == nil })
}

func (r *running) rollBack(t *testing.T, config, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	plan, err := PlanRollback(filepath.Join(r.dir, "state"), config, "")
	if err != nil {
		t.Fatal(err)
	}
	f := &Follower{URL: r.http, Client: http.DefaultClient}
	if err := f.Look(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Apply(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Await(ctx, plan.Target.Version); err != nil || plan.Target.Version != want {
		t.Fatalf("version %s, want %s: %v", plan.Target.Version, want, err)
	}
}

func TestAFollowerSaysWhyAPolicyIsNotLive(t *testing.T) {
	t.Parallel()
	const (
		old     = `{"ready":true,"policy":{"version":"a"},"last_error":{"time":"2026-01-01T00:00:00Z","errors":["an old one"]}}`
		refused = `{"ready":true,"policy":{"version":"a"},"last_error":{"time":"2026-01-01T00:00:09Z","errors":["2:1: no","3:1: no"]}}`
		half    = `{"ready":true,"policy":{"version":"b"},"envoys":[{"id":"x","version":"b"},{"id":"y","version":"a","rejected":"bad route"}]}`
		whole   = `{"ready":true,"policy":{"version":"b"},"envoys":[{"id":"x","version":"b"},{"id":"y","version":"b"}]}`
	)
	for name, c := range map[string]struct {
		before, after string
		says          string // empty: it is live
		live          Live
	}{
		"it is live":                        {`{"policy":{"version":"a"}}`, whole, "", Live{2, 2}},
		"it is live without any Envoy":      {old, `{"policy":{"version":"b"}}`, "", Live{}},
		"control refuses it":                {old, refused, "control refuses it: 2:1: no; 3:1: no", Live{}},
		"an older refusal is not about it":  {old, old, "control has policy a", Live{}},
		"one Envoy refuses it":              {old, half, "1 of 2 Envoys have it; y says: bad route", Live{2, 1}},
		"control goes away in the meantime": {old, `no control`, "control does not answer", Live{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := make(chan string, 1)
			answer <- c.before
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				select {
				case text := <-answer:
					_, _ = w.Write([]byte(text))
				default:
					_, _ = w.Write([]byte(c.after))
				}
			}))
			defer server.Close()
			f := &Follower{URL: server.URL, Client: server.Client(), sure: time.Millisecond}
			if err := f.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*askEvery)
			defer cancel()
			live, err := f.Await(ctx, "b")
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || live != c.live {
				t.Errorf("%+v %v, want %+v %q", live, err, c.live, c.says)
			}
		})
	}
}

func TestAFollowerKnowsAControlThatIsAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	f := &Follower{URL: server.URL, Client: &http.Client{Timeout: time.Second}}
	if err := f.Look(t.Context()); !errors.Is(err, ErrControlAway) {
		t.Errorf("%v", err)
	}
}
