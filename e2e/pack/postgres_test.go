package pack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// borrower in the environment makes TestPostgresBorrower a process that starts
// the PostgreSQL of this folder.
const borrower = "GATEHOUSE_TEST_BORROWER"

// TestPostgresBorrower is that process: without a folder it has nothing to do.
func TestPostgresBorrower(t *testing.T) {
	bin := os.Getenv(borrower)
	if bin == "" {
		return
	}
	dir, err := startCluster(bin)
	if err == nil {
		err = os.WriteFile(filepath.Join(filepath.Dir(dir), "serves"), nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(borrower+"_STAYS") != "" {
		_, _ = os.Stdin.Read(make([]byte, 1)) // until it is killed
	}
}

func TestNothingIsLeftOfAPostgresThatWasLentWheneverItsBorrowerEnds(t *testing.T) {
	t.Parallel()
	bin := hiddenPostgres(t)
	for name, test := range map[string]struct {
		dies string // once this is there; empty: the borrower ends by itself
	}{
		"while it is copied":      {dies: "gh-pg-*/postgres"},
		"while its data are made": {dies: "gh-pg-*/data"},
		"while it serves":         {dies: "serves"},
		"by itself":               {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place, err := os.MkdirTemp("", "gh-lent-") //nolint:usetesting // a socket's path is bounded, a test's name is long
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(place) })
			if err := os.Chmod(place, 0o711); err != nil { //nolint:gosec // PostgreSQL passes through it as somebody else
				t.Fatal(err)
			}
			borrow(t, bin, place, test.dies)
			Eventually(t, 60*time.Second, "nothing is left", func(context.Context) error {
				left, err := filepath.Glob(filepath.Join(place, "gh-pg-*"))
				if err == nil && len(left) > 0 {
					err = fmt.Errorf("left are %q", left)
				}
				return err
			})
		})
	}
}

// borrow runs the process until it ends, or until a file of that pattern is
// there, at which it is killed.
func borrow(t *testing.T, bin, place, dies string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPostgresBorrower$", "-test.count=1") //nolint:gosec // this very binary
	cmd.Env = append(os.Environ(), borrower+"="+bin, "TMPDIR="+place)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if dies == "" {
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		return
	}
	cmd.Env = append(cmd.Env, borrower+"_STAYS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := startTied(cmd); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 60*time.Second, dies+" is there", func(context.Context) error {
		found, err := filepath.Glob(filepath.Join(place, dies))
		if err == nil && len(found) == 0 {
			err = errors.New("not yet")
		}
		return err
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("the borrower was not killed: %s\n%s", cmd.ProcessState, out.String())
	}
}

// hiddenPostgres is a PostgreSQL that lies where make test puts one, in a folder
// that nobody else can pass.
func hiddenPostgres(t *testing.T) string {
	t.Helper()
	bin, err := postgresBinaries()
	if err != nil {
		t.Fatal(err)
	}
	// What make test has fetched has libraries beside its own folder.
	from, to := filepath.Dir(bin), filepath.Dir(fetchedBin)
	if fetched, ok := strings.CutSuffix(bin, fetchedBin); ok {
		from, to = fetched, ""
	}
	hidden := filepath.Join(t.TempDir(), "hidden")
	if err := errors.Join(os.Mkdir(hidden, 0o700), os.MkdirAll(hidden+to, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(hidden+to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return hidden + fetchedBin
}

func TestAPasswordIsDemandedOfWhoMustGiveOne(t *testing.T) {
	t.Parallel()
	url, password := PostgresWithPassword(t)
	connect := func(password string) error {
		db, err := sql.Open("pgx", url+"&password="+password)
		if err != nil {
			return err
		}
		return errors.Join(db.PingContext(t.Context()), db.Close())
	}
	if err := connect(password); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", password + "x"} {
		if err := connect(wrong); err == nil {
			t.Errorf("%q opens it", wrong)
		}
	}
	SetPostgresPassword(t, url, password+"x")
	if err := connect(password + "x"); err != nil {
		t.Error(err)
	}
}
