// Package own is Gatehouse itself as a system that holds people's data: its
// users with their sessions, what counts their requests, the readable fields of
// events, consents, and how other systems know the person.
//
// It promises that an erasure ends every session, removes user and credentials,
// and destroys the keys of all that is sealed; that it may be cut off anywhere
// and done again; and that it goes last of all systems, because afterwards
// nobody can say who the person was. What stays names nobody: events with their
// pseudonym in the audit log, entries of the ledger of consents and requests
// under a random id (evidence: Art. 5(2), 7(1)). Counters of limits whose key is
// too long to be found expire by themselves.
package own

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/session"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/store"
)

// Name of the system.
const Name = "gatehouse"

// The collections, as records and changes name them.
const (
	Users    = "gatehouse_users"
	Sessions = "gatehouse_sessions"
	// Credentials are apps, passkeys, keys and recovery codes. A user's go with
	// the user.
	Credentials = "gatehouse_credentials"
	Identities  = "gatehouse_identities"
	Consents    = "gatehouse_consents"
	Requests    = "gatehouse_requests"
	Events      = "gatehouse_events"
	Limits      = "gatehouse_limits"
	Keys        = "gatehouse_keys"
)

// SessionManager ends and lists sessions; *session.Manager does.
type SessionManager interface {
	List(ctx context.Context, userID string) ([]session.Session, error)
	RevokeAll(ctx context.Context, userID string) ([]session.Session, error)
}

// Keyring destroys keys; *seal.Keyring does.
type Keyring interface {
	Destroy(ctx context.Context, pseudonym string) error
}

// Copy is authz's copy of consents; *consent.Consents is.
type Copy interface {
	Forget(ctx context.Context, userID string) error
}

// Options of New. All but Events are needed.
type Options struct {
	Store      *store.Store
	Sessions   SessionManager
	Copy       Copy
	Keys       Keyring
	Redis      redis.UniversalClient // that counts limits
	Pseudonyms *event.Pseudonymizer
	// Events hands over what the audit log has about a pseudonym, with the sealed
	// fields opened where they can be; nil hands over none.
	Events func(ctx context.Context, pseudonym string, fn func(event.Event) error) error
}

// Connector implements connector.Connector.
type Connector struct{ o Options }

var _ connector.Connector = (*Connector)(nil)

// New returns the connector of Gatehouse itself.
func New(o Options) *Connector { return &Connector{o} }

// Name implements connector.Connector.
func (*Connector) Name() string { return Name }

// held is what is known of the person at the begin of a call.
type held struct {
	store.Subject
	userID     string
	pseudonyms []string // all under which something may be sealed
}

func (c *Connector) held(ctx context.Context, p connector.Person) (held, error) {
	subject, err := c.o.Store.Subject(ctx, p.Subject)
	if err != nil {
		return held{}, fmt.Errorf("find the person in the store: %w", err)
	}
	h := held{Subject: subject, userID: subject.UserID}
	if users := p.Of(connector.UserID); h.userID == "" && len(users) > 0 {
		h.userID = users[0]
	}
	h.pseudonyms = []string{subject.Pseudonym}
	for _, id := range []string{subject.ID, h.userID} {
		if name := c.o.Pseudonyms.Subject(id); name != "" && name != subject.Pseudonym {
			h.pseudonyms = append(h.pseudonyms, name)
		}
	}
	return h, nil
}

func (c *Connector) user(ctx context.Context, userID string) (u store.User, ok bool, err error) {
	if userID == "" {
		return u, false, nil
	}
	u, err = c.o.Store.UserByID(ctx, userID)
	if errors.Is(err, login.ErrNoUser) {
		return u, false, nil
	}
	return u, err == nil, err
}

// Rectify implements connector.Connector: the name of a user is all that can be
// wrong here. It ends their sessions, which carry the old one.
func (c *Connector) Rectify(ctx context.Context, p connector.Person, changes []connector.Change) (n int64, err error) {
	h, err := c.held(ctx, p)
	if err != nil {
		return 0, err
	}
	for _, change := range changes {
		if change.Collection != Users {
			continue
		}
		name, ok := change.Value.(string)
		if change.Field != "name" || !ok {
			return n, fmt.Errorf("%s has no field %.40q that can be corrected: only name, a text", Users, change.Field)
		}
		u, found, err := c.user(ctx, h.userID)
		if err != nil {
			return n, err
		}
		if !found {
			continue
		}
		if u.Name != name {
			if err := c.o.Store.RenameUser(ctx, h.userID, name); err != nil {
				return n, err
			}
		}
		if _, err := c.o.Sessions.RevokeAll(ctx, h.userID); err != nil {
			return n, fmt.Errorf("end the sessions that carry the old name: %w", err)
		}
		n++
	}
	return n, nil
}

// Restrict implements connector.Connector: the person is marked, for those who
// ask before they use data. They can go on signing in.
func (c *Connector) Restrict(ctx context.Context, p connector.Person, on bool) error {
	return c.o.Store.SetRestricted(ctx, p.Subject, on)
}

// limitKeys calls fn with the keys of the counters by that user.
func (c *Connector) limitKeys(ctx context.Context, userID string, fn func(key string) error) error {
	if userID == "" {
		return nil
	}
	// Such a key begins with the user's handle, as that of the sessions does.
	pattern := "gh:l:{" + session.Handle(userID) + "}*"
	each := func(ctx context.Context, node redis.UniversalClient) error {
		for keys := node.Scan(ctx, 0, pattern, 1000).Iterator(); ; {
			if !keys.Next(ctx) {
				return keys.Err()
			}
			if err := fn(keys.Val()); err != nil {
				return err
			}
		}
	}
	var err error
	if cluster, ok := c.o.Redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return each(ctx, node) })
	} else {
		err = each(ctx, c.o.Redis)
	}
	if err != nil {
		return fmt.Errorf("look for the counters of a user's limits in Redis: %w", err)
	}
	return nil
}
