package pack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Clamd is a real clamd, whose only signature is one of the test's own.
type Clamd struct {
	*Process
	// Address is host:port, Socket unix:///path.
	Address, Socket string
	// Signature is what it knows, under the name SignatureName.
	Signature string
}

// SignatureName is what clamd calls Clamd.Signature; the suffix is its own, for
// signatures that are not of its makers.
const SignatureName = "Gatehouse.Test.Signature.UNOFFICIAL"

// StartClamd runs one until the test ends. more are further lines of clamd.conf.
func StartClamd(t TB, more ...string) *Clamd {
	t.Helper()
	binary, env, err := clamdBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "clamd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &Clamd{Address: ReservePorts(t).Addr(0), Socket: "unix://" + filepath.Join(dir, "s"), Signature: "gatehouse test signature " + rand.Text()}
	writeFile(t, filepath.Join(dir, "own.ndb"), strings.TrimSuffix(SignatureName, ".UNOFFICIAL")+":0:*:"+hex.EncodeToString([]byte(c.Signature))+"\n")
	_, port, _ := net.SplitHostPort(c.Address)
	config := filepath.Join(dir, "clamd.conf")
	writeFile(t, config, strings.Join(append([]string{
		"Foreground yes", "DatabaseDirectory " + dir, "LocalSocket " + filepath.Join(dir, "s"),
		"TCPSocket " + port, "TCPAddr 127.0.0.1", "TemporaryDirectory " + dir, "Bytecode no", "",
	}, more...), "\n")+"\n")
	c.Process = newProcess(t, dir, "clamd", []string{binary, "--config-file=" + config}, env, c.ping)
	c.Start(t)
	return c
}

func (c *Clamd) ping(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", c.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(conn, "zPING\x00"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if string(answer) != "PONG\x00" {
		return fmt.Errorf("clamd answered %q: %w", answer, err)
	}
	return nil
}

// clamdBinary is Debian's, or that of make test, which brings its libraries.
func clamdBinary() (path string, env []string, err error) {
	for _, name := range []string{"clamd", "/usr/sbin/clamd", "/usr/local/sbin/clamd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil, nil
		}
	}
	root, env, err := scanners()
	if err != nil {
		return "", nil, err
	}
	if binary := filepath.Join(root, "usr", "sbin", "clamd"); exists(binary) {
		return binary, env, nil
	}
	return "", nil, errors.New("no clamd: install Debian's clamav-daemon, or run make test, which fetches it into .tools/clamav")
}

// scanners is where make test unpacks what is not installed, and the environment
// in which programs find the libraries that came with them.
func scanners() (root string, env []string, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", nil, err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if root = filepath.Join(dir, ".tools", "clamav"); exists(root) {
			libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
			return root, []string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":")}, err
		}
	}
	return "", nil, nil
}
