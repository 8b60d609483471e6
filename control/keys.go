package control

import (
	"context"
	"fmt"
	"time"

	"gatehouse/authz/event"
	"gatehouse/control/audit/seal"
)

// expireEvery is how often months are looked for whose retention is over.
const expireEvery = time.Hour

// openKeys opens what readable fields of events are sealed with: for their way
// through Redis the key that authz and control share, and for good the keys of
// the subjects, in the store, under the master key.
func (c *control) openKeys(ctx context.Context) (err error) {
	if !c.o.PseudonymKey.Empty() {
		if c.transit, err = event.NewTransit(c.o.PseudonymKey.Reveal()); err != nil {
			return err
		}
	}
	switch {
	case c.store == nil:
		return nil
	case c.o.MasterKey.Empty() && c.o.LiveMasterKey == nil:
		c.o.Log.Warn("no master key is set: names, addresses and file names of events are dropped; set " + seal.MasterKeyName + "_FILE")
		return nil
	}
	master, err := c.masterKey()
	if err != nil {
		return err
	}
	if c.keys, err = seal.New(ctx, seal.Options{Store: c.store, Master: master, Renew: c.masterKey, Renewed: c.masterRenewed, Now: c.o.Now}); err != nil {
		return fmt.Errorf("open the keys of subjects: %w", err)
	}
	return nil
}

// clientData is how long the data map says that the addresses of people are
// readable whom nobody knows; 0 leaves it to the default.
func (c *control) clientData() time.Duration {
	if c.rights == nil {
		return 0
	}
	return c.systems.datamap().ClientData
}

// masterKey is the one that its file has now.
func (c *control) masterKey() (seal.Master, error) {
	if c.o.LiveMasterKey != nil {
		return seal.ParseMaster(c.o.LiveMasterKey.Fresh())
	}
	return seal.ParseMaster(c.o.MasterKey)
}

// masterRenewed tells of a master key that was rotated while control runs.
func (c *control) masterRenewed(id string) {
	c.o.Log.Info("the master key was rotated: the new one is in use", "id", id)
	c.events.Append(event.Event{
		Type: event.OperatorAction, Severity: event.Warning, Outcome: event.Success,
		Rule: "master_key_rotated", Reason: "the keys of readable fields are under another master key", Detail: map[string]string{"master_key": id},
	})
}

// expireKeys destroys the keys of months whose retention is over, until ctx ends.
func (c *control) expireKeys(ctx context.Context) {
	if c.keys == nil {
		return
	}
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		expired, err := c.keys.Expire(ctx, c.o.Now(), c.clientData())
		if err != nil && ctx.Err() == nil {
			c.o.Log.Error("keys whose retention is over could not be destroyed; they will be, within the hour", "error", err)
		}
		if len(expired) > 0 {
			c.o.Log.Info("the readable fields of events without a subject have expired", "months", expired)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
