package pack

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Root is the repository's folder.
func Root(t TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
	return dir
}

// Gatehouse is the built command.
func Gatehouse(t TB) string {
	t.Helper()
	return built(t, "gatehouse")
}

// Wasm is the built filter.
func Wasm(t TB) string {
	t.Helper()
	return built(t, "gatehouse.wasm")
}

// WasmWithoutGRPC is the same for hosts that have no gRPC calls, and can be told
// to crash.
func WasmWithoutGRPC(t TB) string {
	t.Helper()
	return built(t, "gatehouse-nogrpc.wasm")
}

// WasmByGo is that, compiled by Go's own compiler, as the filter is where TinyGo
// cannot be had.
func WasmByGo(t TB) string {
	t.Helper()
	return built(t, "gatehouse-nogrpc-go.wasm")
}

func built(t TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), "bin", name)
	if !exists(path) {
		t.Fatalf("%s is missing: run make build, or make bin/%s", path, name)
	}
	return path
}

// EnvoyBinary is $GATEHOUSE_ENVOY, else the one that make tools installed, else
// the one in PATH.
func EnvoyBinary(t TB) string {
	t.Helper()
	if path := os.Getenv("GATEHOUSE_ENVOY"); path != "" {
		return path
	}
	return tool(t, "envoy", filepath.Join(".tools", "envoy", "bin", "envoy"))
}

// RedisBinary is the one in PATH, else the one that make tools installed.
func RedisBinary(t TB) string {
	t.Helper()
	if path, err := exec.LookPath("redis-server"); err == nil {
		return path
	}
	return tool(t, "redis-server", filepath.Join(".tools", "redis", "bin", "redis-server"))
}

// Hey is the load generator that make test installed, or the one in PATH.
func Hey(t TB) string {
	t.Helper()
	return tool(t, "hey", filepath.Join(".tools", "bin", "hey"))
}

// AlertmanagerBinary is the one that make test installed, or the one in PATH.
func AlertmanagerBinary(t TB) string {
	t.Helper()
	return tool(t, "alertmanager", filepath.Join(".tools", "bin", "alertmanager"))
}

// TlogCheck is the tlog-tiles client that is not ours, as make test built it.
func TlogCheck(t TB) string {
	t.Helper()
	return tool(t, "tlogcheck", filepath.Join(".tools", "bin", "tlogcheck"))
}

func tool(t TB, name, local string) string {
	t.Helper()
	path := filepath.Join(Root(t), local)
	if exists(path) {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is neither in %s nor in PATH: run make tools, or make test for what only tests need", name, local)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
