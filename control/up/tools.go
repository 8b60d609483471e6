package up

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tools are the files that a pack runs.
type tools struct {
	gatehouse, wasm, envoy string
	redis                  string // Embedded when there is none
}

// findTools looks where `make build` and `make tools` leave things, relative to
// the gatehouse command itself, then in PATH. An explicit path is taken or refused.
func findTools(ctx context.Context, o Options) (tools, error) {
	beside := filepath.Dir(o.Executable)
	local := filepath.Join(filepath.Dir(beside), ".tools")
	found := tools{gatehouse: o.Executable}
	var envoyErr, wasmErr, redisErr error

	found.wasm, wasmErr = pick(o.Wasm, filepath.Join(beside, "gatehouse.wasm"))
	if wasmErr != nil {
		wasmErr = fmt.Errorf("the filter: %w; build it (make build) or name it (--wasm, GATEHOUSE_WASM)", wasmErr)
	}
	found.envoy, envoyErr = pick(o.Envoy, filepath.Join(local, "envoy", "bin", "envoy"), "envoy")
	if envoyErr == nil {
		envoyErr = runs(ctx, found.envoy)
	}
	if envoyErr != nil {
		envoyErr = fmt.Errorf("envoy: %w; fetch it (make tools) or name it (--envoy, GATEHOUSE_ENVOY)", envoyErr)
	}
	found.redis, redisErr = pickRedis(ctx, o.RedisServer, filepath.Join(local, "redis", "bin", "redis-server"))
	return found, errors.Join(wasmErr, envoyErr, redisErr)
}

func pickRedis(ctx context.Context, explicit, local string) (string, error) {
	if explicit == Embedded {
		return Embedded, nil
	}
	path, err := pick(explicit, "redis-server", local)
	switch {
	case err != nil && explicit == "":
		return Embedded, nil // the pack says so when it starts
	case err == nil:
		err = runs(ctx, path)
	}
	if err != nil {
		return "", fmt.Errorf("redis-server: %w; install it, or name it (--redis-server, GATEHOUSE_REDIS_SERVER)", err)
	}
	return path, nil
}

// pick returns the explicit file, or the first candidate there is. A candidate
// without a slash is looked up in PATH.
func pick(explicit string, candidates ...string) (string, error) {
	if explicit != "" {
		if !fileExists(explicit) {
			return "", fmt.Errorf("%s is not there", explicit)
		}
		return filepath.Abs(explicit)
	}
	for _, candidate := range candidates {
		if !strings.ContainsRune(candidate, filepath.Separator) {
			if path, err := exec.LookPath(candidate); err == nil {
				return filepath.Abs(path)
			}
			continue
		}
		if fileExists(candidate) {
			return filepath.Abs(candidate)
		}
	}
	return "", fmt.Errorf("not found (looked for %s)", strings.Join(candidates, ", "))
}

const versionTimeout = 10 * time.Second

// runs tells a file that is a program for this machine from one that is not.
func runs(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not run (%w) %s", path, err, firstLine(out))
	}
	return nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
