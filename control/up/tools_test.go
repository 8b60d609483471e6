package up

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func program(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestToolsAreFoundWhereMakeLeavesThem(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", filepath.Join(root, "path"))
	gatehouse := program(t, filepath.Join(root, "bin", "gatehouse"), "exit 0")
	wasm := program(t, filepath.Join(root, "bin", "gatehouse.wasm"), "")
	envoy := program(t, filepath.Join(root, ".tools", "envoy", "bin", "envoy"), "exit 0")

	found, err := findTools(t.Context(), Options{Executable: gatehouse})
	if err != nil {
		t.Fatal(err)
	}
	if want := (tools{gatehouse: gatehouse, wasm: wasm, envoy: envoy, redis: Embedded}); found != want {
		t.Errorf("got %+v, want %+v", found, want)
	}
	local := program(t, filepath.Join(root, ".tools", "redis", "bin", "redis-server"), "exit 0")
	if found, err = findTools(t.Context(), Options{Executable: gatehouse}); err != nil || found.redis != local {
		t.Errorf("got %+v %v, want the redis-server of make tools", found, err)
	}
	installed := program(t, filepath.Join(root, "path", "redis-server"), "exit 0")
	if found, err = findTools(t.Context(), Options{Executable: gatehouse}); err != nil || found.redis != installed {
		t.Errorf("got %+v %v, want the redis-server in PATH", found, err)
	}
}

func TestAToolThatIsNamedIsTakenOrRefused(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", filepath.Join(root, "path"))
	good := program(t, filepath.Join(root, "good"), "exit 0")
	broken := program(t, filepath.Join(root, "broken"), "echo wrong machine; exit 126")
	tests := []struct {
		name    string
		options Options
		message string
	}{
		{"all are there", Options{Envoy: good, Wasm: good, RedisServer: good}, ""},
		{"the substitute for redis may be asked for", Options{Envoy: good, Wasm: good, RedisServer: Embedded}, ""},
		{"envoy is missing", Options{Wasm: good}, "make tools"},
		{"the filter is missing", Options{Envoy: good}, "make build"},
		{"a named redis-server is missing", Options{Envoy: good, Wasm: good, RedisServer: "/nowhere"}, "--redis-server"},
		{"envoy does not run", Options{Envoy: broken, Wasm: good}, "wrong machine"},
		{"redis-server does not run", Options{Envoy: good, Wasm: good, RedisServer: broken}, "wrong machine"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.options.Executable = filepath.Join(root, "bin", "gatehouse")
			_, err := findTools(t.Context(), test.options)
			switch {
			case test.message == "" && err != nil:
				t.Error(err)
			case test.message != "" && (err == nil || !strings.Contains(err.Error(), test.message)):
				t.Errorf("got %v", err)
			case err != nil && strings.Contains(err.Error(), "\n"):
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}
