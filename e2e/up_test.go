package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// upFile is what up writes once everything is healthy.
type upFile struct {
	Commands []struct {
		Run   string `json:"run"`
		Shows string `json:"shows"`
	} `json:"commands"`
}

// shown are what the panel promises of its six commands, in their order: all
// of the expressions match the command's output.
var shown = [6][]string{
	{`(?m)^HTTP/\S+ 200`, `(?mi)^strict-transport-security: max-age=\d+`, `(?mi)^content-security-policy: `, `(?mi)^x-frame-options: DENY`},
	{`(?m)^HTTP/\S+ 20[04]`, `(?mi)^access-control-allow-origin: https://app\.example\.com`, `(?mi)^access-control-allow-methods: `},
	{`(?m)^HTTP/\S+ 200`, `[0-9a-f]{64}`},
	{`(?m)^HTTP/\S+ 415`, `urn:gatehouse:problem:unsupported-file-type`},
	{`"subject":"[0-9a-f]{8}-[0-9a-f-]{27}"`, `"status":\s*401`},
	{`(?m)^\s*100 200$`, `(?m)^\s*10 429$`},
}

func TestUpServesTheSixCommandsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	// One pack for each protocol: the last command uses a limit up.
	for _, version := range []string{"1.1", "2"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			dir, ports := t.TempDir(), pack.ReservePorts(t)
			up := pack.Up(t, dir, "--port-base", strconv.Itoa(ports.Base()))
			up.Start(t)
			t.Run("a second one in the same folder refuses", func(t *testing.T) {
				expectOneLine(t, refused(t, "--state-dir", dir, "--port-base", strconv.Itoa(pack.ReservePorts(t).Base())), dir)
			})
			commands := readUpFile(t, filepath.Join(dir, "up.json")).Commands
			if len(commands) != len(shown) {
				t.Fatalf("up.json has %d commands, want %d", len(commands), len(shown))
			}
			for i, c := range commands {
				t.Run(fmt.Sprintf("command %d", i+1), func(t *testing.T) {
					out := runCommand(t, version, c.Run)
					for _, expression := range shown[i] {
						if !regexp.MustCompile(expression).MatchString(out) {
							t.Errorf("the panel says %q, but nothing matches %s", c.Shows, expression)
						}
					}
				})
			}
			expectNothingLeft(t, up, dir)
		})
	}
}

// expectNothingLeft presses Ctrl-C.
func expectNothingLeft(t *testing.T, up *pack.Process, dir string) {
	t.Helper()
	tree := pack.Descendants(t, up.Pid())
	if len(tree) < 5 {
		t.Errorf("up has %d child processes, fewer than the parts of a pack", len(tree)-1)
	}
	up.Signal(t, syscall.SIGINT)
	if code := up.AwaitExit(t, 20*time.Second); code != 0 {
		t.Errorf("exit code %d after Ctrl-C:\n%s", code, up.Log())
	}
	if err := pack.Gone(tree); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "up.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("up.json is still there (%v)", err)
	}
}

func TestUpRefusesToStartWithOneClearLine(t *testing.T) {
	t.Parallel()
	t.Run("a port in use", func(t *testing.T) {
		ports := pack.ReservePorts(t)
		l, err := net.Listen("tcp4", ports.Addr(3))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(ports.Addr(3))
		expectOneLine(t, refused(t, "--state-dir", t.TempDir(), "--port-base", strconv.Itoa(ports.Base())), port)
	})
	t.Run("no Envoy", func(t *testing.T) {
		missing := filepath.Join(t.TempDir(), "no-such-envoy")
		expectOneLine(t, refused(t, "--state-dir", t.TempDir(), "--envoy", missing,
			"--port-base", strconv.Itoa(pack.ReservePorts(t).Base())), "envoy")
	})
	t.Run("a broken policy", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "gatehouse.yaml")
		if err := os.WriteFile(file, []byte("version: 1\npolices: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		out := refused(t, "--state-dir", t.TempDir(), "--config", file, "--port-base", strconv.Itoa(pack.ReservePorts(t).Base()))
		if !strings.Contains(out, "gatehouse.yaml:2:1") {
			t.Errorf("does not name the place: %q", out)
		}
	})
}

// refused runs up, which must end by itself with an error, and returns what it
// said.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, pack.Gatehouse(t), append([]string{"up"}, args...)...)
	cmd.Dir, cmd.Env = pack.Root(t), pack.UpEnv(t)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 1 {
		t.Fatalf("up %v: %v, want a refusal:\n%s", args, err, out)
	}
	return string(out)
}

func expectOneLine(t *testing.T, out, mentions string) {
	t.Helper()
	if lines := strings.Count(strings.TrimSpace(out), "\n") + 1; lines != 1 || !strings.Contains(strings.ToLower(out), strings.ToLower(mentions)) {
		t.Errorf("want one line that mentions %q, got %d:\n%s", mentions, lines, out)
	}
}

func readUpFile(t *testing.T, file string) upFile {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("up.json: mode %v, error %v; want 0600: it holds a password", info.Mode(), err)
	}
	var up upFile
	if err := json.Unmarshal(text, &up); err != nil {
		t.Fatalf("up.json: %v\n%s", err, text)
	}
	return up
}

// runCommand does what a user does: it pastes the command into a shell. Only
// curl is told which HTTP to speak.
func runCommand(t *testing.T, version, command string) string {
	t.Helper()
	bin := t.TempDir()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: apt-get install curl")
	}
	wrapper := fmt.Sprintf(curlWrapper, curl, version)
	if err := os.WriteFile(filepath.Join(bin, "curl"), []byte(wrapper), 0o700); err != nil { //nolint:gosec // it must be executable
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = pack.Root(t)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	t.Logf("$ %s\n%s", command, out)
	if err != nil {
		t.Errorf("%v", err)
	}
	return string(out)
}

// curlWrapper speaks HTTP/2 by ALPN over TLS and with prior knowledge in clear.
const curlWrapper = `#!/bin/sh
real=%q
case "%s $*" in
1.1*) exec "$real" --http1.1 "$@" ;;
*https://*) exec "$real" --http2 "$@" ;;
*) exec "$real" --http2-prior-knowledge "$@" ;;
esac
`
