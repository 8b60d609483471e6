package opendsr

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gatehouse/control/privacy/connector"
)

// Erase implements connector.Connector. What was deleted, the processor may
// count.
func (c *Connector) Erase(ctx context.Context, p connector.Person) (result connector.Result, err error) {
	r, err := c.request(ctx)
	if err != nil {
		return result, err
	}
	s, err := c.settle(ctx, p, r, typeErasure, c.orderID(r.ID, typeErasure), nil)
	if err != nil {
		return result, err
	}
	if s.Count != nil && *s.Count > 0 {
		result.Deleted = *s.Count
	}
	return result, nil
}

// Bounds of the questions by which an erasure is read back.
const (
	maxRounds  = 60
	roundEvery = 24 * time.Hour // the next question, once one was answered with data
)

// Verify implements connector.Connector: the processor is asked for access, and
// must have nothing. That it still has, it is asked about again a day later.
func (c *Connector) Verify(ctx context.Context, p connector.Person) (remaining int64, err error) {
	r, err := c.request(ctx)
	if err != nil {
		return 0, err
	}
	switch ok, err := c.can(ctx, typeAccess); {
	case err != nil:
		return 0, err
	case !ok:
		return 0, connector.ErrUnsupported
	}
	for round := range maxRounds {
		id := c.orderID(r.ID, "read back", strconv.Itoa(round))
		s, err := c.settle(ctx, p, connector.Request{ID: r.ID, Kind: connector.Access, Received: c.asked(r, round)}, typeAccess, id, nil)
		if err != nil {
			return 0, err
		}
		remaining, err = c.results(ctx, s, func(connector.Record) error { return nil })
		if err != nil && !errors.Is(err, errGone) {
			return 0, err
		}
		if err == nil && (remaining == 0 || c.now().Before(c.asked(r, round+1))) {
			return remaining, nil
		}
	}
	return remaining, c.fail("the processor was asked %d times and still has data of the person", maxRounds)
}

// asked is when a round may begin.
func (c *Connector) asked(r connector.Request, round int) time.Time {
	return r.Received.Add(time.Duration(round) * roundEvery)
}
