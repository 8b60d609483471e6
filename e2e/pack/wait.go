package pack

import (
	"context"
	"time"
)

const pollInterval = 20 * time.Millisecond

// Eventually calls try until it returns nil, and fails the test with its last
// error once within has passed. It returns how long it took.
func Eventually(t TB, within time.Duration, what string, try func(context.Context) error) time.Duration {
	t.Helper()
	took, err := poll(within, try)
	if err != nil {
		t.Fatalf("%s: not within %v: %v", what, within, err)
	}
	return took
}

// poll never cancels a try that is under way before its own second is over, so
// that the error it reports is the try's and not the deadline's.
func poll(within time.Duration, try func(context.Context) error) (time.Duration, error) {
	began := time.Now()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := try(ctx)
		cancel()
		took := time.Since(began)
		if err == nil && took <= within {
			return took, nil
		}
		if took > within {
			if err == nil {
				err = context.DeadlineExceeded
			}
			return took, err
		}
		<-ticker.C
	}
}
