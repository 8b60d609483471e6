package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/control/internal/shoptest"
	"gatehouse/control/privacy/connector"
)

func TestADatabaseThatIsAwayIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	for url, want := range map[string]string{
		"postgres://u:hunter2@127.0.0.1:1/db": "is the database there?",
		"postgres://u:hunter2@[::1:bad":       "the URL of system shop cannot be read",
		"":                                    "is empty",
		"host=/nowhere user=u password=hunter2 dbname=d": "is the database there?",
	} {
		if err := os.WriteFile(shop.URLFile, []byte(url), 0o600); err != nil {
			t.Fatal(err)
		}
		_, planned := c.Plan(t.Context(), ann.Known(), connector.Erasure)
		_, erased := c.Erase(t.Context(), ann.Known())
		_, verified := c.Verify(t.Context(), ann.Known())
		_, rectified := c.Rectify(t.Context(), ann.Known(), nil)
		_, checked := c.Check(t.Context())
		collected := c.Collect(t.Context(), ann.Known(), func(connector.Record) error { return nil })
		restricted := c.Restrict(t.Context(), ann.Known(), true)
		for _, err := range []error{planned, erased, verified, rectified, checked, collected, restricted} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	// And it is found again once it is back.
	if err := os.WriteFile(shop.URLFile, []byte(shop.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Erase(t.Context(), ann.Known()); err != nil {
		t.Error(err)
	}
}

func TestAnErasureThatTakesTooLongIsTakenBack(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	ann := shop.Plant(t, "ann")
	before := shop.Sums(t, "nobody")
	shop.Exec(t, `CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN OLD; END $$;
		CREATE TRIGGER wait BEFORE DELETE ON customers FOR EACH ROW EXECUTE FUNCTION wait()`)
	c := connect(t, shop.Map(t, "      kind: postgres\n", "      kind: postgres\n      timeout: 1s\n"))
	if _, err := c.Erase(t.Context(), ann.Known()); err == nil || !strings.Contains(err.Error(), "a statement took too long") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	patient := connect(t, shop.Map(t))
	if _, err := patient.Erase(ctx, ann.Known()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if !maps.Equal(shop.Sums(t, "nobody"), before) {
		t.Error("something was changed")
	}
}

func TestAReaderThatEndsEndsTheCollection(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	ann := shop.Plant(t, "ann")
	c := connect(t, shop.Map(t))
	enough := errors.New("enough")
	n := 0
	err := c.Collect(t.Context(), ann.Known(), func(connector.Record) error {
		if n++; n == 30 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 30 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestWhatNoKeyLeadsToAnyMoreIsFoundByTheReadBack(t *testing.T) {
	t.Parallel()
	shop := shoptest.Start(t)
	ann := shop.Plant(t, "ann")
	c, keys := connect(t, shop.Map(t)), connect(t, shop.Map(t, "      kind: postgres\n", "      kind: postgres\n      read_back: keys\n"))
	shop.Exec(t, `UPDATE invoices SET order_id = NULL WHERE number = 'ann-4'`)
	if _, err := c.Erase(t.Context(), ann.Known()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(t.Context(), ann.Known()); err == nil || !strings.Contains(err.Error(), "1 rows of public.invoices, column bill_email") || strings.Contains(err.Error(), "ann@") {
		t.Errorf("%v", err)
	}
	if n, err := keys.Verify(t.Context(), ann.Known()); n != 0 || err != nil {
		t.Errorf("by keys only: %d, %v", n, err)
	}
}

// An erasure is killed by SIGKILL, in a process of its own, while it waits in
// the middle of its transaction for a lock that the test holds.

const jobVariable = "GATEHOUSE_TEST_SHOP_ERASURE"

type job struct{ URL, Name, Number, Email string }

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
	shop := shoptest.Open(t, j.URL)
	p := shoptest.Person{Name: j.Name, Number: j.Number, Email: j.Email}
	if _, err := connect(t, shop.Map(t)).Erase(t.Context(), p.Known()); err != nil {
		t.Fatal(err)
	}
}

func TestAnErasureThatIsKilledInTheMiddleHasNotHappened(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"invoices UPDATE", "order_items DELETE", "customers UPDATE", "visits DELETE", "customers DELETE"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			shop := shoptest.Start(t)
			shop.Plant(t, "bob")
			before := shop.Sums(t, "ann")
			ann := shop.Plant(t, "ann")
			planted := shop.Sums(t, "nobody")
			table, action, _ := strings.Cut(at, " ")
			shop.Exec(t, `CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711);
				IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$;
				CREATE TRIGGER gate BEFORE `+action+` ON `+table+` FOR EACH ROW EXECUTE FUNCTION gate()`)
			killInTheMiddle(t, shop, ann)
			if !maps.Equal(shop.Sums(t, "nobody"), planted) {
				t.Error("something was changed")
			}
			c := connect(t, shop.Map(t))
			if _, err := c.Erase(t.Context(), ann.Known()); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Verify(t.Context(), ann.Known()); n != 0 || err != nil || !maps.Equal(shop.Sums(t, "ann"), before) {
				t.Errorf("resumed, it does not end as it should: %d left, %v", n, err)
			}
		})
	}
}

func killInTheMiddle(t *testing.T, shop *shoptest.Shop, p shoptest.Person) {
	t.Helper()
	holder, err := shop.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close() }()
	if _, err := holder.ExecContext(t.Context(), `SELECT pg_advisory_lock(4711)`); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(job{shop.URL, p.Name, p.Number, p.Email})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestErasureWorker$", "-test.count=1") // #nosec G702 -- this very binary
	cmd.Env = append(os.Environ(), jobVariable+"="+string(text))
	cmd.Dir = filepath.Dir(os.Args[0])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waiting := `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND NOT l.granted
		AND a.application_name = 'gatehouse' AND a.datname = current_database()`
	until(t, func() bool { return shop.Text(t, waiting) == "1" })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("the process was not killed: %v", err)
	}
	if _, err := holder.ExecContext(t.Context(), `SELECT pg_advisory_unlock(4711)`); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		return shop.Text(t, `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gatehouse' AND datname = current_database()`) == "0"
	})
}

// until waits for something to become true.
func until(t *testing.T, fn func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !fn() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it did not become true in time")
		}
	}
}
