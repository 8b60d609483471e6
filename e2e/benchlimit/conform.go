package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"gatehouse/authz/ratelimit/conformance"
)

// tries is how often a case may begin again: a second may end between two of its
// steps, since the peer's clock cannot be held.
const tries = 5

// conform runs the conformance table against envoyproxy/ratelimit itself, to see
// that the table is right.
func conform(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-conform-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary, err := buildPeer(ctx, s.peer, dir)
	if err != nil {
		return err
	}
	var errs []error
	all, left := conformance.Cases(), 0
	if !s.newest {
		for n, c := range all {
			if c.Newer() {
				all[n].Mode = "left out"
				left++
			}
		}
	}
	for mode, env := range map[conformance.Mode]string{
		conformance.Plain: "X=", conformance.Shadow: "SHADOW_MODE=true", conformance.Quota: "QUOTA_MODE=true",
		conformance.Metadata: "RESPONSE_DYNAMIC_METADATA=true",
	} {
		errs = append(errs, conformMode(ctx, filepath.Join(dir, "mode"+string(mode)), binary, env, mode, all))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Printf("envoyproxy/ratelimit answers %d cases as the table says; %d are of newer versions and were left out\n", len(all)-left, left)
	return nil
}

func conformMode(ctx context.Context, home, binary, env string, mode conformance.Mode, all []conformance.Case) (err error) {
	folder := filepath.Join(home, "limits", "config")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for n, c := range all {
		if c.Mode == mode {
			if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(n)+".yaml"), c.File(n), 0o600); err != nil {
				return err
			}
		}
	}
	f := &field{}
	defer func() { err = errors.Join(err, f.stop()) }()
	if err := f.startPeer(ctx, binary, "peer", home, env, "LIMIT_RESPONSE_HEADERS_ENABLED=true"); err != nil {
		return err
	}
	client := pb.NewRateLimitServiceClient(f.contenders[0].conns[0])
	var errs []error
	for n, c := range all {
		if c.Mode != mode {
			continue
		}
		for range tries {
			if err = c.Check(ctx, client, n, time.Now); err == nil {
				break
			}
			// The next second is a new window for what is by the second.
			select {
			case <-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second))):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return errors.Join(errs...)
}
