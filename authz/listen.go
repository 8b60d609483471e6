package authz

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// listen binds an address; its error is one line that says what to do.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
		removeStale(ctx, path)
	}
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another process: stop it, or choose another with %s", address, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be bound by this user: choose another with %s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("listen on %s (%s): %w", address, flag, err)
	}
	return l, nil
}

// removeStale removes the socket of a process that has ended: one that nobody
// accepts on.
func removeStale(ctx context.Context, path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // somebody lives there: binding will say so
		return
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // binding says if it could not be removed
	}
}
