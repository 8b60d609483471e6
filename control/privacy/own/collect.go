package own

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// page bounds what is read from the store at once.
const page = 200

// Collect implements connector.Connector. Password hashes are not handed over:
// they would be of use only to whoever steals the answer.
func (c *Connector) Collect(ctx context.Context, p connector.Person, fn func(connector.Record) error) error {
	h, err := c.held(ctx, p)
	if err != nil {
		return err
	}
	for _, collect := range []func(context.Context, held, func(connector.Record) error) error{
		c.collectUser, c.collectCredentials, c.collectSessions, identitiesOf(p), c.collectConsents, c.collectRequests, c.collectEvents,
	} {
		if err := collect(ctx, h, fn); err != nil {
			return err
		}
	}
	return nil
}

func record(collection, key string, fields map[string]any) connector.Record {
	return connector.Record{System: Name, Collection: collection, Key: key, Fields: fields}
}

func (c *Connector) collectUser(ctx context.Context, h held, fn func(connector.Record) error) error {
	u, found, err := c.user(ctx, h.userID)
	if err != nil || !found {
		return err
	}
	asked, err := c.o.Store.PendingAddress(ctx, u.ID, time.Now())
	if err != nil && !errors.Is(err, login.ErrNoChange) {
		return err
	}
	return fn(record(Users, u.ID, map[string]any{
		"id": u.ID, "name": u.Name, "email": u.Email, "email_asked_for": asked.Address, "roles": u.Roles, "disabled": u.Disabled,
		"created": u.Created, "updated": u.Updated, "restricted": h.Restricted,
	}))
}

// collectCredentials says what there is and how it was used; what is hashed or
// sealed is of use to nobody but a thief, as above.
func (c *Connector) collectCredentials(ctx context.Context, h held, fn func(connector.Record) error) error {
	if h.userID == "" {
		return nil
	}
	list, err := c.o.Store.Credentials(ctx, h.userID)
	if err != nil {
		return err
	}
	for _, one := range list {
		err := fn(record(Credentials, one.ID, map[string]any{
			"id": one.ID, "kind": string(one.Kind), "label": one.Label, "created": one.Created, "used": one.Used, "expires": one.Expires,
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Connector) collectSessions(ctx context.Context, h held, fn func(connector.Record) error) error {
	if h.userID == "" {
		return nil
	}
	sessions, err := c.o.Sessions.List(ctx, h.userID)
	if err != nil {
		return fmt.Errorf("read the person's sessions: %w", err)
	}
	for _, s := range sessions {
		err := fn(record(Sessions, s.ID, map[string]any{
			"id": s.ID, "device": s.Device, "created": s.Created.UTC(), "last_seen": s.LastSeen.UTC(), "expires": s.ExpiresAt().UTC(), "methods": s.AMR,
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

func identitiesOf(p connector.Person) func(context.Context, held, func(connector.Record) error) error {
	return func(_ context.Context, _ held, fn func(connector.Record) error) error {
		for _, i := range p.Identities {
			if err := fn(record(Identities, i.Type, map[string]any{"type": i.Type, "value": i.Value})); err != nil {
				return err
			}
		}
		return nil
	}
}

func (c *Connector) collectConsents(ctx context.Context, h held, fn func(connector.Record) error) error {
	for cursor := ""; ; {
		entries, next, err := c.o.Store.ConsentHistory(ctx, store.ConsentQuery{SubjectID: h.ID, Limit: page, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, e := range entries {
			err := fn(record(Consents, e.ID, map[string]any{
				"purpose": e.Purpose, "state": e.State, "notice_version": e.NoticeVersion, "channel": e.Channel, "by": e.By, "time": e.Time,
			}))
			if err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

func (c *Connector) collectRequests(ctx context.Context, h held, fn func(connector.Record) error) error {
	for cursor := ""; ; {
		requests, next, err := c.o.Store.Requests(ctx, store.RequestQuery{SubjectID: h.ID, Limit: page, Cursor: cursor})
		if err != nil {
			return err
		}
		for _, r := range requests {
			err := fn(record(Requests, r.ID, map[string]any{"kind": r.Kind, "state": r.State, "received": r.Received, "due": r.Due}))
			if err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return nil
		}
	}
}

// collectEvents hands events over as the log has them, with what is readable of
// them.
func (c *Connector) collectEvents(ctx context.Context, h held, fn func(connector.Record) error) error {
	if c.o.Events == nil {
		return nil
	}
	for _, pseudonym := range h.pseudonyms {
		err := c.o.Events(ctx, pseudonym, func(e event.Event) error {
			fields, err := fieldsOf(e)
			if err != nil {
				return err
			}
			return fn(record(Events, e.ID, fields))
		})
		if err != nil {
			return fmt.Errorf("read the events about the person: %w", err)
		}
	}
	return nil
}

func fieldsOf(e event.Event) (map[string]any, error) {
	personal := e.Personal
	e.Personal, e.Sealed = nil, ""
	text, err := json.Marshal(e)
	fields := map[string]any{}
	if err = errors.Join(err, json.Unmarshal(text, &fields)); err != nil {
		return nil, fmt.Errorf("write event %s as a record: %w", e.ID, err)
	}
	for name, value := range personal {
		fields[name] = value
	}
	return fields, nil
}
