package pack

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// documentedPorts are the ports of the files in envoy/, in the order of the
// block.
var documentedPorts = regexp.MustCompile(`\b(8080|8443|9901|9001|9002|8081|9090|9000)\b`)

var portIndex = map[string]int{
	"8080": portHTTP, "8443": portTLS, "9901": portAdmin, "9001": portAuthz,
	"9002": portXDS, "8081": portControl, "9090": portAuthzMetrics, "9000": portDemo,
}

// StartableEnvoy prepares Envoy on one of the repository's own configurations,
// with its documented ports replaced by those of the block. The working
// directory is the repository's, as the files' relative paths want it.
func StartableEnvoy(t TB, dir string, ports Ports, file string, replace ...string) *Process {
	t.Helper()
	text, err := os.ReadFile(file) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	config := documentedPorts.ReplaceAllStringFunc(string(text), func(port string) string {
		_, own, _ := net.SplitHostPort(ports.Addr(portIndex[port]))
		return own
	})
	config = strings.NewReplacer(replace...).Replace(config)
	path := filepath.Join(dir, "envoy.yaml")
	writeFile(t, path, config)
	return EnvoyOn(t, dir, path, ports.Addr(portAdmin), ports.Addr(portHTTP))
}

// EnvoyOn prepares Envoy on a finished configuration file. It is ready when its
// own readiness says so and its listener accepts connections.
func EnvoyOn(t TB, dir, configFile, admin, listener string) *Process {
	t.Helper()
	return EnvoyWith(t, dir, configFile, admin, listener, 1)
}

// EnvoyWith is EnvoyOn with more workers than one.
func EnvoyWith(t TB, dir, configFile, admin, listener string, workers int) *Process {
	t.Helper()
	p := newProcess(t, dir, "envoy", []string{
		EnvoyBinary(t), "--config-path", configFile, "--use-dynamic-base-id",
		"--concurrency", strconv.Itoa(workers), "--log-level", "warning", "--drain-time-s", "1", "--file-flush-interval-msec", "50",
	}, nil, func(ctx context.Context) error {
		if err := expect200(ctx, "http://"+admin+"/ready"); err != nil {
			return err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", listener)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	p.dir = Root(t)
	return p
}

// Memory of one Envoy, in bytes.
type Memory struct {
	Allocated int64 // what Envoy holds by its own account
	Resident  int64 // what the kernel has given it
}

// EnvoyMemory measures the running Envoy.
func (p *Pack) EnvoyMemory(t TB) Memory {
	t.Helper()
	return MeasureEnvoy(t, p.Ports.Addr(portAdmin), p.Envoy.Pid())
}

// MeasureEnvoy asks an Envoy's admin interface and the kernel.
func MeasureEnvoy(t TB, admin string, pid int) Memory {
	t.Helper()
	m, err := envoyMemory(admin, pid)
	if err != nil {
		t.Fatalf("memory of Envoy: %v", err)
	}
	return m
}

func envoyMemory(admin string, pid int) (Memory, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, body, err := get(ctx, "http://"+admin+"/memory")
	if err != nil {
		return Memory{}, err
	}
	var own struct {
		Allocated string `json:"allocated"`
	}
	if err := json.Unmarshal([]byte(body), &own); err != nil {
		return Memory{}, fmt.Errorf("/memory: %w", err)
	}
	allocated, err := strconv.ParseInt(own.Allocated, 10, 64)
	if err != nil {
		return Memory{}, fmt.Errorf("/memory: %w", err)
	}
	resident, err := residentBytes(pid)
	return Memory{Allocated: allocated, Resident: resident}, err
}

func residentBytes(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm: %q", pid, statm)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// WatchMemory samples the memory until stop is called, which returns the
// highest figures seen.
func (p *Pack) WatchMemory(t TB) (stop func() Memory) {
	t.Helper()
	admin, pid := p.Ports.Addr(portAdmin), p.Envoy.Pid()
	done, result := make(chan struct{}), make(chan Memory)
	go func() {
		var peak Memory
		ticker := time.NewTicker(pollInterval)
		defer ticker.Stop()
		for {
			if m, err := envoyMemory(admin, pid); err == nil {
				peak.Allocated = max(peak.Allocated, m.Allocated)
				peak.Resident = max(peak.Resident, m.Resident)
			}
			select {
			case <-done:
				result <- peak
				return
			case <-ticker.C:
			}
		}
	}()
	return func() Memory { close(done); return <-result }
}

// EnvoyStat is one of Envoy's counters or gauges, 0 if it has none of that
// name.
func (p *Pack) EnvoyStat(t TB, name string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, body, err := get(ctx, "http://"+p.Ports.Addr(portAdmin)+"/stats?filter=^"+regexp.QuoteMeta(name)+"$")
	if err != nil {
		t.Fatal(err)
	}
	_, value, found := strings.Cut(strings.TrimSpace(body), ": ")
	if !found {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatalf("stat %s: %v", name, err)
	}
	return n
}
