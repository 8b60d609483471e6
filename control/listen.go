package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// listen binds an address; its error is one line that says what to do.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program; choose another with %s or stop it", address, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be bound by this user; choose another with %s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("listen on %s (%s): %w", address, flag, err)
	}
	return l, nil
}

// bind opens what is to be listened on, or nothing.
func (c *control) bind(ctx context.Context) (err error) {
	for _, b := range []struct {
		flag, address string
		listener      *net.Listener
	}{
		{"--xds-listen", c.o.XDSListen, &c.o.XDSListener},
		{"--http-listen", c.o.HTTPListen, &c.o.HTTPListener},
		{"--metrics-listen", c.o.MetricsListen, &c.o.MetricsListener},
	} {
		if *b.listener == nil && b.address != "" {
			if *b.listener, err = listen(ctx, b.flag, b.address); err != nil {
				return err
			}
		}
		if *b.listener != nil {
			c.owned = append(c.owned, *b.listener)
		}
	}
	if at, err := netip.ParseAddrPort(c.o.XDSListener.Addr().String()); c.o.ScanAddress == "" && err == nil && !at.Addr().IsUnspecified() {
		c.o.ScanAddress = at.String()
	}
	return nil
}
