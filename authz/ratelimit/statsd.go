package ratelimit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatehouse/authz/internal/every"
)

// Bounds of Statsd.
const (
	statsdEvery  = 10 * time.Second
	statsdWithin = 2 * time.Second
	// maxDatagram is what fits into one packet of a usual network.
	maxDatagram  = 1400
	maxStatsName = 512
)

// Statsd tells a StatsD server of Compat's counters every ten seconds, under the names
// that envoyproxy/ratelimit gives them there: ratelimit.service.rate_limit.DOMAIN.KEY_VALUE
// and so on, as deep as the rule is, with .total_hits and its like. While the server is
// away what is counted waits; what was handed to a connection that then failed is not
// told twice.
type Statsd struct {
	network, address string
	compat           *Compat
	log              *slog.Logger
	away             bool // and the log has been told
}

// NewStatsd makes one for a server at tcp://HOST:PORT or udp://HOST:PORT.
func NewStatsd(at string, compat *Compat, log *slog.Logger) (*Statsd, error) {
	u, err := url.Parse(at)
	if err == nil && (u.Scheme != "tcp" && u.Scheme != "udp" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.User != nil) {
		err = fmt.Errorf("%.80q is not understood", at)
	}
	if err != nil {
		return nil, fmt.Errorf("the StatsD server: %w: write tcp://HOST:PORT or udp://HOST:PORT", err)
	}
	return &Statsd{network: u.Scheme, address: u.Host, compat: compat, log: log}, nil
}

// Run tells until ctx ends, and then once more.
func (s *Statsd) Run(ctx context.Context) {
	every.Turn(ctx, statsdEvery, s.flush)
	s.flush(context.WithoutCancel(ctx))
}

func (s *Statsd) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statsdWithin)
	defer cancel()
	err := s.tell(ctx)
	switch {
	case err != nil && !s.away:
		s.log.Warn("StatsD is not told: it is tried again every ten seconds", "address", s.address, "error", err)
	case err == nil && s.away:
		s.log.Info("StatsD is told again", "address", s.address)
	}
	s.away = err != nil
}

func (s *Statsd) tell(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, s.network, s.address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	deadline, _ := ctx.Deadline()
	err = conn.SetWriteDeadline(deadline)
	for _, packet := range s.packets() {
		if err == nil {
			_, err = conn.Write(packet)
		}
	}
	if closed := conn.Close(); err == nil {
		err = closed
	}
	return err //nolint:wrapcheck // net says what and where
}

// packets are lines that fit together, of all that was counted since the last time.
func (s *Statsd) packets() (packets [][]byte) {
	var packet bytes.Buffer
	line := func(name string, t *tallied) {
		n := t.n.Load()
		delta := n - t.told.Swap(n)
		if delta == 0 {
			return
		}
		if packet.Len()+len(name)+len(":|c\n")+len(strconv.FormatInt(delta, 10)) > maxDatagram {
			packets = append(packets, bytes.Clone(packet.Bytes()))
			packet.Reset()
		}
		_, _ = fmt.Fprintf(&packet, "%s:%d|c\n", name, delta) // into memory
	}
	line("ratelimit_server.ShouldRateLimit.total_requests", &s.compat.calls)
	line("ratelimit.service.call.should_rate_limit.redis_error", &s.compat.failures)
	s.compat.mu.RLock()
	defer s.compat.mu.RUnlock()
	for at, counters := range s.compat.rules {
		path := statsPath(at)
		for i := range counters {
			line("ratelimit.service.rate_limit."+path+"."+ruleCounterNames[i], &counters[i])
		}
	}
	if packet.Len() > 0 {
		packets = append(packets, packet.Bytes())
	}
	return packets
}

// statsPath is a rule's path. It may hold what a request said, which must not end the
// line or the name.
func statsPath(at ruleSeries) string {
	parts := make([]string, 0, 4)
	for _, part := range []string{at.domain, at.key1, at.key2, at.rest} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	path := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(":|@#", r) {
			return '_'
		}
		return r
	}, strings.Join(parts, "."))
	return path[:min(len(path), maxStatsName)]
}
