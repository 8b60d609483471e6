package uploadpaths

import (
	"testing"

	"gatehouse/e2e/pack"
)

// settlesWithin, in MiB, is more than `make bench-upload-soak` allows for twenty times
// as many: memory settles only after some thousand.
const settlesWithin = 40

// One Envoy serves all: to compile the module is most of what this costs.
func TestUploadsThroughEveryPath(t *testing.T) {
	t.Parallel()
	throughEveryPath(t, startEdge(t, pack.StartUpstream(t, nil), 0))
}

func TestGatheredUploadsThroughEveryPath(t *testing.T) {
	t.Parallel()
	throughEveryPath(t, startEdge(t, pack.StartUpstream(t, nil), 128<<10))
}

func throughEveryPath(t *testing.T, e *edge) {
	t.Helper()
	t.Run("no complete request reaches the upstream that was refused", func(t *testing.T) { expectNothingCompleteThatWasRefused(t, e) })
	t.Run("nothing that is held makes Envoy answer 413", func(t *testing.T) { expectNoPauseToCost413(t, e) })
	t.Run("nothing undecided goes on with what another filter has kept", func(t *testing.T) { expectNothingUndecidedBehind(t, e) })
	t.Run("the sizes of frames make no difference", func(t *testing.T) { expectFramesToMakeNoDifference(t, e) })
	t.Run("without a gate, what is to be scanned is refused", func(t *testing.T) { expectNoScanWithoutGate(t, e) })
	t.Run("a thousand uploads leave nothing behind", func(t *testing.T) {
		r := e.soak(t, 1000)
		grown := (r.Late.Resident - r.Early.Resident) >> 20
		t.Logf("%d accepted, %d refused, %d broken off; Envoy %+d MiB", r.Accepted, r.Refused, r.Aborted, grown)
		if grown > settlesWithin {
			t.Errorf("Envoy grew by %d MiB", grown)
		}
	})
}
