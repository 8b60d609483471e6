package pack

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

const (
	postgresWithin = 60 * time.Second
	postgresUser   = "gatehouse"
	passworded     = "passworded" // the role of all who must give a password
)

// Postgres makes an empty database in a real PostgreSQL and returns its URL.
// The server is started by the first test that asks, serves all tests of the
// test binary on a Unix socket, and is gone with it, its files too, however the
// binary ends. The database is dropped when the test ends.
func Postgres(t TB) (url string) {
	t.Helper()
	dir, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	name := "t" + strings.ToLower(rand.Text())
	if err := administer(dir, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := administer(dir, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return postgresURL(dir, name)
}

// PostgresWithPassword is Postgres for a user of the database's own, whom the
// server lets in with that password only.
func PostgresWithPassword(t TB) (url, password string) {
	t.Helper()
	dir, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	name, password := "t"+strings.ToLower(rand.Text()), rand.Text()
	for _, statement := range []string{
		"CREATE ROLE " + name + " LOGIN PASSWORD '" + password + "' IN ROLE " + passworded,
		"CREATE DATABASE " + name + " OWNER " + name,
	} {
		if err := administer(dir, statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := errors.Join(administer(dir, "DROP DATABASE "+name+" WITH (FORCE)"), administer(dir, "DROP ROLE "+name)); err != nil {
			t.Error(err)
		}
	})
	return "postgres://" + name + "@/" + name + "?host=" + dir, password
}

// SetPostgresPassword changes the password of PostgresWithPassword's user, and
// ends the connections that were opened with the old one.
func SetPostgresPassword(t TB, url, password string) {
	t.Helper()
	dir, err := cluster()
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(url, "postgres://"), "@")
	for _, statement := range []string{
		"ALTER ROLE " + name + " PASSWORD '" + password + "'",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + name + "'",
	} {
		if err := administer(dir, statement); err != nil {
			t.Fatal(err)
		}
	}
}

func postgresURL(dir, database string) string {
	return "postgres://" + postgresUser + "@/" + database + "?host=" + dir
}

func administer(dir, statement string) error {
	db, err := sql.Open("pgx", postgresURL(dir, "postgres"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), postgresWithin)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// guard runs PostgreSQL until the test binary, which holds the other end of its
// standard input, has ended. It waits for nothing to reach the disk: no test
// pulls the plug. Who is a member of passworded must give a password.
//
// It asks politely first: a shell's child that has not become PostgreSQL yet
// dies of TERM, and would ignore QUIT.
const guard = `
bin=$1 dir=$2
{
  "$bin/initdb" --pgdata "$dir/data" --username ` + postgresUser + ` --auth trust --encoding UTF8 --locale C --no-sync --no-instructions &&
    { echo "local all +` + passworded + ` scram-sha-256"; cat "$dir/data/pg_hba.conf"; } >"$dir/hba" && cp "$dir/hba" "$dir/data/pg_hba.conf"
} >"$dir/log" 2>&1 || exit
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
  -c shared_buffers=32MB -c max_connections=200 >>"$dir/log" 2>&1 </dev/null &
server=$!
read -r _
kill -TERM "$server"
{ sleep 2; kill -QUIT "$server"; } 2>/dev/null 3>&- &
impatience=$!
wait "$server"
kill "$impatience"
`

// sweeper takes the files away when nobody is left who holds the other end of
// its standard input: the test binary, the guard, and all of PostgreSQL.
const sweeper = `read -r _; rm -rf "$1"`

// cluster is the folder of the one server of this test binary.
var cluster = sync.OnceValues(func() (dir string, err error) {
	bin, err := postgresBinaries()
	if err != nil {
		return "", err
	}
	return startCluster(bin)
})

func startCluster(bin string) (dir string, err error) {
	dir, held, err := sweptFolder()
	if err != nil {
		return "", err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return "", err
	}
	if as != nil && strings.HasSuffix(bin, fetchedBin) {
		if bin, err = lend(bin, dir, as); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("sh", "-c", guard, "sh", bin, dir)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = "/", append(os.Environ(), "LC_ALL=C"), []*os.File{held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	// Never written to and never closed: it ends with this process.
	if _, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	go func() {
		_ = cmd.Wait()
		runtime.KeepAlive(held) // both pipes must not be collected, which would close them
	}()
	if _, err = poll(postgresWithin, func(context.Context) error { return administer(dir, "SELECT 1") }); err == nil {
		err = administer(dir, "CREATE ROLE "+passworded)
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // what is there is shown
		return "", fmt.Errorf("PostgreSQL of %s does not answer: %w\n%s", bin, err, tail(string(log)))
	}
	return dir, nil
}

// sweptFolder makes a folder that goes when this process and everybody else who
// was given held have ended, whatever ended them.
func sweptFolder() (dir string, held *os.File, err error) {
	if dir, err = os.MkdirTemp("", "gh-pg-"); err != nil {
		return "", nil, err
	}
	end, held, err := os.Pipe()
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	cmd := exec.Command("sh", "-c", sweeper, "sh", dir)
	cmd.Dir, cmd.Stdin, cmd.SysProcAttr = "/", end, &syscall.SysProcAttr{Setpgid: true}
	if err := errors.Join(cmd.Start(), end.Close()); err != nil {
		return "", nil, errors.Join(fmt.Errorf("start who takes %s away: %w", dir, err), held.Close(), os.Remove(dir))
	}
	go func() { _ = cmd.Wait() }()
	return dir, held, nil
}

// unprivileged is another user than root, which PostgreSQL refuses to run as,
// made the owner of dir. It is nil for everybody else.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // nil is os/exec's word for "as I am"
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// fetchedBin is where make test puts PostgreSQL, below .tools/postgres.
const fetchedBin = "/pgserver/pginstall/bin"

// lend copies what make test has fetched to where another user may read it: the
// tree that is tested may lie in a folder of root's own.
func lend(bin, dir string, to *syscall.Credential) (string, error) {
	from, copied := strings.TrimSuffix(bin, fetchedBin), filepath.Join(dir, "postgres")
	if err := os.CopyFS(copied, os.DirFS(from)); err != nil {
		return "", fmt.Errorf("copy PostgreSQL: %w", err)
	}
	err := filepath.WalkDir(copied, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(to.Uid), int(to.Gid)))
	})
	return copied + fetchedBin, err
}

// postgresBinaries is the folder of initdb and postgres: those on PATH, else the
// newest of Debian, which keeps them off PATH, else those of make test.
func postgresBinaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && exists(filepath.Join(filepath.Dir(path), "postgres")) {
			return filepath.Dir(path), nil
		}
	}
	versions, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(versions) > 0 {
		return filepath.Dir(slices.MaxFunc(versions, func(a, b string) int { return debianVersion(a) - debianVersion(b) })), nil
	}
	for dir, err := os.Getwd(); err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		bin := filepath.Join(dir, ".tools", "postgres") + fetchedBin
		if exists(filepath.Join(bin, "postgres")) {
			return bin, nil
		}
	}
	return "", errors.New("no PostgreSQL: install Debian's postgresql, or run make test, which fetches one")
}

// debianVersion is 15 for /usr/lib/postgresql/15/bin/postgres.
func debianVersion(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // an odd name is older than all
	return n
}
