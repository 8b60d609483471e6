package session

import (
	"context"
	"sync"
	"time"

	"gatehouse/authz/internal/every"
)

const retryEvery = 100 * time.Millisecond

// Run follows revocations until ctx ends, so that lookups need not ask for them
// and the cache can be used. Without Run all is as true, and costs a read a
// second. It is called once.
func (m *Manager) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { m.hear(ctx) })
	both.Go(func() { m.poll(ctx) })
	both.Wait()
}

func (m *Manager) hear(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		begun := time.Now()
		err := m.revoked.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > silence {
			failing = false
		}
		if !failing {
			m.log.Warn("revocations are not heard of; the session cache is off until they are", "error", err)
		}
		failing = true
		wait(ctx, retryEvery)
	}
}

func (m *Manager) poll(ctx context.Context) {
	every.Turn(ctx, m.revoked.poll, func(ctx context.Context) {
		_ = m.revoked.compare(ctx) // lookups find it stale, ask themselves, and say why not
	})
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
