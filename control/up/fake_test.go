package up

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/control/demo"
)

// TestMain lets the test binary stand in for the programs that a pack runs, so
// that these tests are about up alone. e2e runs the real ones.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && standsIn(os.Args[1]) {
		if err := standIn(os.Args[1:]); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			syscall.Exit(3)
		}
		// Not os.Exit, in which the race detector waits a second for other threads.
		syscall.Exit(0)
	}
	os.Exit(m.Run())
}

func standsIn(first string) bool {
	return first == "serve" || first == "up" || first == "--config-path" || first == "--version"
}

func standIn(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "serve control":
		return answer(ctx, option(args, "--http-listen"))
	case "serve authz":
		return answer(ctx, option(args, "--listen"))
	case "up demo":
		return demo.Serve(ctx, option(args, "--listen"), slog.New(slog.DiscardHandler))
	}
	if args[0] == "--version" {
		return nil
	}
	return standInForEnvoy(ctx, args[1])
}

func option(args []string, name string) string {
	for i, arg := range args[:len(args)-1] {
		if arg == name {
			return args[i+1]
		}
	}
	return ""
}

// standInForEnvoy listens where the bootstrap and the policy beside it say.
func standInForEnvoy(ctx context.Context, config string) error {
	data, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var bootstrap struct {
		Admin struct {
			Address struct {
				Socket struct {
					Address string `json:"address"`
					Port    int    `json:"port_value"`
				} `json:"socket_address"`
			} `json:"address"`
		} `json:"admin"`
	}
	if err := json.Unmarshal(data, &bootstrap); err != nil {
		return err
	}
	policy, err := os.ReadFile("gatehouse.yaml")
	if err != nil {
		return err
	}
	listen := regexp.MustCompile(`listen: (\S+)`).FindSubmatch(policy)
	admin := bootstrap.Admin.Address.Socket
	return answer(ctx, fmt.Sprintf("%s:%d", admin.Address, admin.Port), string(listen[1]))
}

// answer says 200 to everything until ctx ends.
func answer(ctx context.Context, addresses ...string) error {
	failed := make(chan error, len(addresses))
	for _, address := range addresses {
		server := &http.Server{
			Addr: address, ReadHeaderTimeout: time.Second,
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		}
		go func() { failed <- server.ListenAndServe() }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
