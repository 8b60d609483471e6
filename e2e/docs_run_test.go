package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/e2e/pack"
)

// runFence is a block that a reader pastes into a shell. Its lines that begin
// with "# shows: " are expressions that what comes must match.
var runFence = regexp.MustCompile("(?ms)^```sh tested\n(.*?)^```$")

const showsMark = "# shows: "

// TestTheDocumentsCommandsDoWhatTheySay runs each block of the documents against
// one demo pack, in the order of each document.
func TestTheDocumentsCommandsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	dir, ports := t.TempDir(), pack.ReservePorts(t)
	pack.Up(t, dir, "--port-base", strconv.Itoa(ports.Base())).Start(t)
	blocks := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range runFence.FindAllStringSubmatchIndex(string(text), -1) {
			blocks++
			line := 1 + strings.Count(string(text[:match[0]]), "\n")
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(file), line), func(t *testing.T) {
				runBlock(t, string(text[match[2]:match[3]]), dir, ports)
			})
		}
	}
	if blocks == 0 {
		t.Error("no document has a ```sh tested block")
	}
}

func runBlock(t *testing.T, block, dir string, ports pack.Ports) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", "set -eu -o pipefail\n"+atHand(block, dir, ports))
	cmd.Dir = pack.Root(t)
	cmd.Env = append(os.Environ(), "GATEHOUSE_STATE_DIR="+dir, "GOFLAGS=-trimpath")
	cmd.WaitDelay = 5 * time.Second // what the shell has started may hold its output
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	shown := 0
	for line := range strings.Lines(block) {
		expression, ok := strings.CutPrefix(strings.TrimSpace(line), showsMark)
		if !ok {
			continue
		}
		shown++
		if !regexp.MustCompile("(?m)" + expression).Match(out) {
			t.Errorf("nothing matches %s", expression)
		}
	}
	if shown == 0 {
		t.Error("the block does not say what it shows")
	}
	if t.Failed() {
		t.Logf("$ %s\n%s", block, out)
	}
}

// atHand puts the places of this pack where a document has the usual ones.
func atHand(block, dir string, ports pack.Ports) string {
	port := func(i int) string {
		_, port, _ := net.SplitHostPort(ports.Addr(i))
		return port
	}
	return strings.NewReplacer(
		"localhost:8080", "localhost:"+port(0), "localhost:8443", "localhost:"+port(1), "127.0.0.1:8081", ports.Addr(5),
		".gatehouse/", dir+"/",
	).Replace(block)
}
