package uploadpaths

import (
	"testing"

	"gatehouse/e2e/pack"
)

// One Envoy serves all: to compile the module is most of what this costs.
func TestUploadsThroughEveryPath(t *testing.T) {
	t.Parallel()
	e := startEdge(t, pack.StartUpstream(t, nil))
	t.Run("no complete request reaches the upstream that was refused", func(t *testing.T) { expectNothingCompleteThatWasRefused(t, e) })
}
