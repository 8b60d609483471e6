package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/session"
	"gatehouse/control/audit"
	"gatehouse/control/audit/seal"
	"gatehouse/control/privacy"
	"gatehouse/control/privacy/own"
	"gatehouse/control/store"
)

// openRights makes the room of people's rights; it comes before the API. Without
// the keys there is none: what would be readable for ever is not taken.
func (c *control) openRights(context.Context) error {
	if c.store == nil {
		return nil
	}
	if c.keys == nil || c.o.PseudonymKey.Empty() {
		c.o.Log.Warn("people's rights are not served, and routes that require consent are refused: set " + seal.MasterKeyName + "_FILE and GATEHOUSE_PSEUDONYM_KEY_FILE")
		return nil
	}
	names, err := c.pseudonymizer()
	if err != nil {
		return err
	}
	if err := c.openSystems(); err != nil {
		return err
	}
	archive, err := c.archiver()
	if err != nil {
		return err
	}
	copied := consent.New(c.redis)
	c.rights, err = privacy.New(privacy.Options{
		Store: c.store, Sealer: c.keys, Shredded: seal.ErrShredded, Pseudonyms: names, Key: c.o.PseudonymKey.Reveal(),
		Events: c.events, Log: logged{c.log, c.store}, Copy: copied,
		Own: own.New(own.Options{
			Store: c.store, Sessions: session.New(c.redis, c.o.Now, rand.Reader), Copy: copied, Keys: c.keys, Redis: c.redis,
			Pseudonyms: names, Events: c.eventsAbout,
		}),
		Connectors: c.systems.connectors, Map: c.systems.datamap, Archive: archive,
		Logger: c.o.Log, Now: c.o.Now, Instance: c.o.Instance, Timing: privacy.Timing{Retry: c.o.timing.retry},
	})
	if err != nil {
		return fmt.Errorf("make the room of people's rights: %w", err)
	}
	return nil
}

// observe hands new events to those who watch. Rights are opened after the log,
// and before anything is taken in.
func (c *control) observe(events []event.Event) {
	c.web.hub.Publish(events)
	if c.alerts != nil {
		c.alerts.Observe(events)
	}
	if c.rights != nil {
		c.rights.Observe(events)
	}
}

// runRights does what is due for people's rights, until ctx ends. Where they are
// not served, the events of commands on users are taken to the log all the same.
func (c *control) runRights(ctx context.Context) {
	switch {
	case c.rights != nil:
		c.rights.Run(ctx)
	case c.store != nil:
		c.relayEvents(ctx)
	}
}

// relayEvery is how often it is looked for events that commands have left.
const relayEvery = 5 * time.Second

func (c *control) relayEvents(ctx context.Context) {
	out := privacy.Outbox{Store: c.store, Events: c.events, Log: logged{c.log, c.store}, Now: c.o.Now}
	ticker := time.NewTicker(relayEvery)
	defer ticker.Stop()
	for {
		if err := out.Relay(ctx); err != nil && ctx.Err() == nil {
			c.o.Log.Error("events of commands on users could not be taken to the log; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// logged is the audit log as people's rights ask it.
type logged struct {
	log   prover
	store *store.Store
}

// Has implements privacy.Log. The index is behind the log by a moment, and is
// never ahead of it.
func (l logged) Has(ctx context.Context, eventID string) (bool, error) {
	_, err := l.store.EventLeaf(ctx, eventID)
	if errors.Is(err, store.ErrNoEvent) {
		return false, nil
	}
	return err == nil, err
}

// Proof implements privacy.Log.
func (l logged) Proof(ctx context.Context, eventID string) (string, error) {
	proof, err := l.log.Proof(ctx, eventID)
	if errors.Is(err, audit.ErrNoEvent) {
		return "", privacy.ErrNotLogged
	}
	if err != nil {
		return "", err
	}
	return proof.Text(), nil
}

// eventsAbout hands over what the log has about a pseudonym, the newest first,
// with the sealed fields opened where their key is still there.
func (c *control) eventsAbout(ctx context.Context, pseudonym string, fn func(event.Event) error) error {
	for cursor := ""; ; {
		page, err := c.store.SearchEvents(ctx, store.EventQuery{Subject: pseudonym, Limit: store.MaxPage, Cursor: cursor})
		if err != nil {
			return err
		}
		leaves := make([]uint64, len(page.Events))
		for i, e := range page.Events {
			leaves[i] = e.Leaf
		}
		found, err := audit.At(ctx, c.auditDir(), leaves)
		if err != nil {
			return fmt.Errorf("read the events about a person: %w", err)
		}
		for _, e := range found {
			if err := c.open(ctx, &e); err != nil {
				return err
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// open fills in what can be read of an event's sealed fields.
func (c *control) open(ctx context.Context, e *event.Event) error {
	if e.Sealed == "" {
		return nil
	}
	fields, err := c.keys.Open(ctx, e.Sealed, e.Subject)
	if errors.Is(err, seal.ErrShredded) || errors.Is(err, seal.ErrNoKey) {
		return nil
	}
	e.Personal = fields
	return err
}
