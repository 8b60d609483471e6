package every

import (
	"context"
	"testing"
	"time"
)

func TestATurnComesAgainUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	turns := 0
	Turn(ctx, time.Microsecond, func(got context.Context) {
		if got != ctx {
			t.Error("another context")
		}
		if turns++; turns == 3 {
			end()
		}
	})
	if turns != 3 {
		t.Errorf("%d turns", turns)
	}
}

func TestAContextThatHasEndedLeavesNothingToWaitFor(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	end()
	Turn(ctx, time.Hour, func(context.Context) { t.Error("a turn") })
}
