package own

import (
	"context"
	"fmt"

	"gatehouse/control/privacy/connector"
)

// Erase implements connector.Connector. Its order matters: nobody may sign in
// again behind it, and what leads from the person to all the rest goes last.
func (c *Connector) Erase(ctx context.Context, p connector.Person) (connector.Result, error) {
	result := connector.Result{Note: "events and consents are kept under a pseudonym (Art. 5(2), 7(1))"}
	h, err := c.held(ctx, p)
	if err != nil {
		return result, err
	}
	if h.userID != "" {
		if err := c.eraseUser(ctx, h.userID, &result); err != nil {
			return result, err
		}
	}
	for _, pseudonym := range h.pseudonyms {
		if err := c.o.Keys.Destroy(ctx, pseudonym); err != nil {
			return result, fmt.Errorf("destroy the person's key: %w", err)
		}
	}
	identities, err := c.o.Store.EraseSubject(ctx, h.ID)
	if err != nil {
		return result, err
	}
	result.Deleted += identities
	return result, nil
}

func (c *Connector) eraseUser(ctx context.Context, userID string, result *connector.Result) error {
	if _, err := c.o.Store.SetDisabledByID(ctx, userID, true); err != nil {
		return err
	}
	// Twice: a sign-in that was under way before may end in between.
	for range 2 {
		ended, err := c.o.Sessions.RevokeAll(ctx, userID)
		if err != nil {
			return fmt.Errorf("end the person's sessions: %w", err)
		}
		result.Deleted += int64(len(ended))
		deleted, err := c.o.Store.DeleteUser(ctx, userID)
		if err != nil {
			return err
		}
		if deleted {
			result.Deleted++
		}
	}
	err := c.limitKeys(ctx, userID, func(key string) error {
		result.Deleted++
		return c.o.Redis.Del(ctx, key).Err()
	})
	if err != nil {
		return err
	}
	return c.o.Copy.Forget(ctx, userID)
}

// Verify implements connector.Connector.
func (c *Connector) Verify(ctx context.Context, p connector.Person) (remaining int64, err error) {
	h, err := c.held(ctx, p)
	if err != nil {
		return 0, err
	}
	if _, found, err := c.user(ctx, h.userID); err != nil {
		return 0, err
	} else if found {
		remaining++
	}
	if h.userID != "" {
		credentials, err := c.o.Store.Credentials(ctx, h.userID)
		if err != nil {
			return 0, err
		}
		remaining += int64(len(credentials))
		sessions, err := c.o.Sessions.List(ctx, h.userID)
		if err != nil {
			return 0, err
		}
		remaining += int64(len(sessions))
		if err := c.limitKeys(ctx, h.userID, func(string) error { remaining++; return nil }); err != nil {
			return 0, err
		}
	}
	identities, err := c.o.Store.Identities(ctx, h.ID)
	if err != nil {
		return 0, err
	}
	remaining += int64(len(identities))
	keys, err := c.o.Store.SubjectKeys(ctx, h.pseudonyms)
	if err != nil {
		return 0, err
	}
	for _, name := range h.pseudonyms {
		if key, known := keys[name]; !known || key.Wrapped != nil {
			remaining++ // without the tombstone a new one could be made
		}
	}
	return remaining, nil
}

// Plan implements connector.Connector.
func (c *Connector) Plan(ctx context.Context, p connector.Person, kind connector.Kind) (connector.Plan, error) {
	plan := connector.Plan{System: Name}
	counts := map[string]int64{}
	err := c.Collect(ctx, p, func(r connector.Record) error { counts[r.Collection]++; return nil })
	if err != nil {
		return plan, err
	}
	add := func(collection string, action connector.Action, note string) {
		plan.Steps = append(plan.Steps, connector.Step{Collection: collection, Action: action, Count: counts[collection], Note: note})
	}
	switch kind {
	case connector.Access, connector.Portability:
		for _, collection := range collections() {
			add(collection, connector.Read, "")
		}
	case connector.Rectification:
		add(Users, connector.Update, "only if a change names "+Users+".name; it ends the person's sessions")
	case connector.Restriction, connector.Objection:
		counts[Identities] = 1
		add(Identities, connector.Restrict, "the person is marked")
	case connector.Erasure:
		for _, collection := range []string{Sessions, Credentials, Users, Limits, Identities} {
			add(collection, connector.Delete, "")
		}
		plan.Steps[3].Count = -1 // counters are not data that are handed over
		counts[Keys] = 1
		add(Keys, connector.Delete, "what is sealed can be read by nobody then")
		for _, collection := range []string{Events, Consents, Requests} {
			add(collection, connector.Keep, "under a pseudonym, as evidence (Art. 5(2), 7(1))")
		}
	}
	return plan, nil
}

func collections() []string {
	return []string{Users, Credentials, Sessions, Identities, Consents, Requests, Events}
}
