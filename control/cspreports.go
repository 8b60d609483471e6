package control

import (
	"context"

	"gatehouse/control/api"
	"gatehouse/control/store"
)

// cspReports implements api.CSPReports.
type cspReports struct{ store *store.Store }

func (c cspReports) Count(ctx context.Context, found []api.CSPGroup) error {
	groups := make([]store.CSPReport, len(found))
	for i, g := range found {
		groups[i] = store.CSPReport(g)
	}
	return c.store.AddCSPReports(ctx, groups)
}

func (c cspReports) Groups(ctx context.Context, policy string, limit int) ([]api.CSPGroup, error) {
	found, err := c.store.CSPReports(ctx, policy, limit)
	groups := make([]api.CSPGroup, len(found))
	for i, g := range found {
		groups[i] = api.CSPGroup(g)
	}
	return groups, err
}
