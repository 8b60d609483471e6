package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/control/audit"
	"gatehouse/control/audit/audittest"
	"gatehouse/control/audit/verify"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/store"
	"gatehouse/e2e/pack"
)

// asGatehouse in the environment makes the test binary the gatehouse command.
const asGatehouse = "GATEHOUSE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asGatehouse) != "" {
		os.Exit(Main())
	}
	os.Exit(m.Run())
}

// child is a gatehouse that may be killed.
type child struct {
	args []string
	env  []string
	log  string
	cmd  *exec.Cmd
}

func (c *child) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.cmd = exec.CommandContext(t.Context(), os.Args[0], c.args...)
	c.cmd.Env = append(append(os.Environ(), asGatehouse+"=1"), c.env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (c *child) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		text, _ := os.ReadFile(c.log)
		t.Fatalf("%v; its log:\n%s", err, text)
	}
	_ = c.cmd.Wait() // killed
}

func (c *child) stop(t *testing.T) { c.end(t, syscall.SIGTERM) }
func (c *child) kill(t *testing.T) { c.end(t, syscall.SIGKILL) }

const maxAhead = 20_000

// produce adds events to the stream until stop is set, and returns how many
// Redis has taken: the ids are k-0, k-1, ... It is never further ahead of the log
// than maxAhead.
func produce(ctx context.Context, client *redis.Client, dir string, stop *atomic.Bool) (sent int, err error) {
	pace := time.NewTicker(5 * time.Millisecond) // at most 20,000 a second: the rest of the machine has work, too
	defer pace.Stop()
	for !stop.Load() {
		<-pace.C
		if size, err := sizeOf(dir); err == nil && sent-size > maxAhead {
			continue
		}
		pipe := client.Pipeline()
		for i := range 100 {
			e := event.Event{ID: fmt.Sprintf("k-%d", sent+i), Time: time.Now().UTC(), Type: event.RequestAllowed, Outcome: event.Allow, Source: "envoy", Path: "/load"}
			text, err := json.Marshal(e)
			if err != nil {
				return sent, err
			}
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: event.StreamKey, Values: map[string]any{event.StreamField: string(text)}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return sent, err
		}
		sent += 100
	}
	return sent, nil
}

func logged(t *testing.T, dir string) map[string]int {
	t.Helper()
	times := map[string]int{}
	if err := audit.Scan(t.Context(), dir, func(e event.Event) error {
		times[e.ID]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return times
}

func TestControlKilledTwentyTimesUnderLoadKeepsEachEventOnce(t *testing.T) {
	t.Parallel()
	dir, server := t.TempDir(), redistest.Start(t)
	config := filepath.Join(dir, "gatehouse.yaml")
	if err := os.WriteFile(config, []byte(goodPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "sqlite:" + filepath.Join(dir, "gatehouse.db")
	control := &child{
		log: filepath.Join(dir, "control.log"),
		args: []string{
			"serve", "control", "--instance", "control", "--config", config, "--state-dir", filepath.Join(dir, "state"), "--wasm", "filter.wasm",
			"--redis", "unix://" + server.Socket(), "--xds-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--store", url,
		},
		env: []string{"GATEHOUSE_AUDIT_KEY_FILE=" + auditKeyFile(t)},
	}
	auditDir := filepath.Join(dir, "state", "audit")
	client := server.Client()
	var stop atomic.Bool
	type result struct {
		sent int
		err  error
	}
	produced := make(chan result, 1)
	go func() {
		sent, err := produce(t.Context(), client, auditDir, &stop)
		produced <- result{sent, err}
	}()
	known := 0
	for range 20 {
		control.start(t)
		known = awaitGrowth(t, auditDir, known, 1+rand.IntN(1500))
		control.kill(t)
	}
	stop.Store(true)
	p := <-produced
	if p.err != nil {
		t.Fatal(p.err)
	}
	control.start(t)
	pack.Eventually(t, 60*time.Second, "every event is acknowledged", func(ctx context.Context) error {
		groups, err := client.XInfoGroups(ctx, event.StreamKey).Result()
		if err == nil && (len(groups) != 1 || groups[0].Pending != 0 || groups[0].Lag != 0) {
			err = fmt.Errorf("%+v", groups)
		}
		return err
	})
	awaitIndexed(t, url, p.sent)
	control.stop(t)

	times := logged(t, auditDir)
	for i := range p.sent {
		if n := times[fmt.Sprintf("k-%d", i)]; n != 1 {
			t.Fatalf("event k-%d of %d is in the log %d times", i, p.sent, n)
		}
	}
	v, err := verify.ParseKey(audittest.Verifier(t))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := verify.Log(t.Context(), verify.Options{Source: verify.Dir(auditDir), Verifier: v}); err != nil || r.Events < int64(p.sent) {
		t.Errorf("%+v %v", r, err)
	}
	t.Logf("%d events", p.sent)
}

// awaitIndexed waits until the index has the last of n events, and all before.
func awaitIndexed(t *testing.T, url string, n int) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	pack.Eventually(t, 60*time.Second, "every event can be searched for", func(ctx context.Context) error {
		state, err := s.EventIndex(ctx)
		if err == nil && state.Next < uint64(n) {
			err = fmt.Errorf("the index has %d of %d", state.Next, n)
		}
		return err
	})
	ids := []string{"k-0", fmt.Sprintf("k-%d", n/2), fmt.Sprintf("k-%d", n-1)}
	if known, err := s.KnownEvents(t.Context(), ids); err != nil || len(known) != len(ids) {
		t.Errorf("of %v the index knows %v: %v", ids, known, err)
	}
}

// awaitGrowth waits until the log has n more entries than it had, and returns
// how many it has then.
func awaitGrowth(t *testing.T, dir string, had, n int) (has int) {
	t.Helper()
	pack.Eventually(t, 60*time.Second, "the log grows", func(context.Context) error {
		var err error
		if has, err = sizeOf(dir); err == nil && has < had+n {
			err = fmt.Errorf("it has %d entries, and had %d", has, had)
		}
		return err
	})
	return has
}

// sizeOf is the number of entries that a log has for good, with or without a
// checkpoint.
func sizeOf(dir string) (int, error) {
	var state struct{ Size int }
	text, err := os.ReadFile(filepath.Join(dir, ".state", "treeState"))
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	return state.Size, err
}
