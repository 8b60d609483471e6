package own_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/consent"
	"gatehouse/authz/event"
	"gatehouse/authz/login"
	"gatehouse/authz/secret"
	"gatehouse/authz/session"
	"gatehouse/control/audit/seal"
	"gatehouse/control/internal/redistest"
	"gatehouse/control/privacy/connector"
	"gatehouse/control/privacy/own"
	"gatehouse/control/store"
	"gatehouse/control/store/storetest"
)

var now = time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC)

type fixture struct {
	*own.Connector
	t        *testing.T
	store    *store.Store
	redis    *redis.Client
	server   *redistest.Server
	sessions *session.Manager
	keys     *seal.Keyring
	names    *event.Pseudonymizer
	events   []event.Event
}

func each(t *testing.T, fn func(f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Parallel()
		f := &fixture{t: t, store: s, server: redistest.Start(t)}
		f.redis = f.server.Client()
		clock := func() time.Time { return now }
		f.sessions = session.New(f.redis, clock, rand.Reader)
		master, err := seal.ParseMaster(secret.New(hex.AppendEncode(nil, bytes.Repeat([]byte{1}, 32))))
		if err != nil {
			t.Fatal(err)
		}
		if f.keys, err = seal.New(t.Context(), seal.Options{Store: s, Master: master}); err != nil {
			t.Fatal(err)
		}
		if f.names, err = event.NewPseudonymizer(bytes.Repeat([]byte{7}, 32)); err != nil {
			t.Fatal(err)
		}
		f.Connector = own.New(own.Options{
			Store: s, Sessions: f.sessions, Copy: consent.New(f.redis), Keys: f.keys, Redis: f.redis, Pseudonyms: f.names,
			Events: func(_ context.Context, pseudonym string, fn func(event.Event) error) error {
				for _, e := range f.events {
					if e.Subject == pseudonym {
						if err := fn(e); err != nil {
							return err
						}
					}
				}
				return nil
			},
		})
		fn(f)
	})
}

// person is a user with a session, a counter, an address, a consent and an event.
func (f *fixture) person(name string) connector.Person {
	f.t.Helper()
	ctx := f.t.Context()
	u, err := f.store.AddUser(ctx, name, "$argon2id$planted", []string{"auditor"})
	if err != nil {
		f.t.Fatal(err)
	}
	p := store.Subject{ID: "s-" + name, UserID: u.ID, Pseudonym: f.names.Subject(u.ID)}
	mail := name + "@example.com"
	sealed, err := f.keys.Seal(ctx, p.Pseudonym, map[string]string{"value": mail})
	if err != nil {
		f.t.Fatal(err)
	}
	_, _, err = f.sessions.Create(ctx, session.User{ID: u.ID, Name: name}, session.Grant{Idle: time.Hour, Absolute: time.Hour, Device: "Firefox"})
	err = errors.Join(err,
		f.store.AddSubject(ctx, p, []store.SubjectIdentity{{Type: "email", Hash: "hash of " + mail, Sealed: sealed}}),
		f.redis.Set(ctx, "gh:l:{"+session.Handle(u.ID)+"}scope:s", 1, 0).Err(),
		f.redis.Set(ctx, "gh:l:{"+session.Handle(u.ID)+"}scope|203.0.113.7:s", 1, 0).Err(),
		consent.New(f.redis).Put(ctx, []consent.Entry{{Seq: 1, UserID: u.ID, Purpose: "news", Given: true}}),
	)
	e := event.Event{ID: event.NewID(), Time: now, Type: event.ConsentGiven, Subject: p.Pseudonym}
	key := login.Credential{ID: "key-of-" + u.ID, UserID: u.ID, Kind: login.KindAPIKey, Lookup: "hash-of-" + name, Label: "build server", Active: true}
	err3 := f.store.AddCredentials(ctx, key)
	_, err2 := f.store.AddConsent(ctx, store.Consent{ID: e.ID, SubjectID: p.ID, Purpose: "news", State: store.ConsentGiven, Time: now}, e)
	if err := errors.Join(err, err2, err3); err != nil {
		f.t.Fatal(err)
	}
	e.Personal, e.Sealed = map[string]string{"ip": "203.0.113.7"}, "s1.x"
	f.events = append(f.events, e)
	return connector.Person{Subject: p.ID, Identities: []connector.Identity{{Type: "user_id", Value: u.ID}, {Type: "email", Value: mail}}}
}

func (f *fixture) collected(p connector.Person) (counts map[string]int, text string) {
	f.t.Helper()
	counts = map[string]int{}
	var lines []string
	err := f.Collect(f.t.Context(), p, func(r connector.Record) error {
		counts[r.Collection]++
		for name, value := range r.Fields {
			if s, ok := value.(string); ok {
				lines = append(lines, r.Collection+" "+name+"="+s)
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	slices.Sort(lines) // fields have no order
	return counts, strings.Join(lines, "\n")
}

func TestAllThatGatehouseHasIsHandedOverButNoPassword(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ann := f.person("ann")
		f.person("bob")
		u, err := f.store.UserByName(f.t.Context(), "ann")
		asked := login.AddressChange{UserID: u.ID, Lookup: "x", Address: "soon@example.com", Expires: time.Now().Add(time.Hour)}
		if err := errors.Join(err, f.store.BeginAddress(f.t.Context(), asked)); err != nil {
			f.t.Fatal(err)
		}
		counts, text := f.collected(ann)
		want := map[string]int{own.Users: 1, own.Credentials: 1, own.Sessions: 1, own.Identities: 2, own.Consents: 1, own.Events: 1}
		if !reflect.DeepEqual(counts, want) {
			f.t.Errorf("%v, want %v", counts, want)
		}
		for _, part := range []string{"name=ann", "device=Firefox", "value=ann@example.com", "purpose=news", "label=build server", "ip=203.0.113.7", "email_asked_for=soon@example.com"} {
			if !strings.Contains(text, part) {
				f.t.Errorf("%q is not in\n%s", part, text)
			}
		}
		if strings.Contains(text, "argon2id") || strings.Contains(text, "bob") || strings.Contains(text, "s1.x") || strings.Contains(text, "hash-of-ann") {
			f.t.Errorf("too much is in\n%s", text)
		}
		stop := errors.New("enough")
		if err := f.Collect(f.t.Context(), ann, func(connector.Record) error { return stop }); !errors.Is(err, stop) {
			f.t.Errorf("%v", err)
		}
	})
}

func TestAnErasureLeavesNothingAndTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		ann, bob := f.person("ann"), f.person("bob")
		before, beforeText := f.collected(bob)
		if n, err := f.Verify(ctx, ann); err != nil || n != 1+1+1+2+1+1+1 { // user, key, session, counters, identity, two keys
			f.t.Errorf("before: %d remain, %v", n, err)
		}
		for n := range 2 { // again is no error
			r, err := f.Erase(ctx, ann)
			if err != nil || n == 0 && r.Deleted != 5 || n == 1 && r.Deleted != 0 {
				f.t.Errorf("%d: %+v %v", n, r, err)
			}
			if n, err := f.Verify(ctx, ann); err != nil || n != 0 {
				f.t.Errorf("%d remain, %v", n, err)
			}
		}
		after, afterText := f.collected(bob)
		if !reflect.DeepEqual(before, after) || beforeText != afterText {
			f.t.Error("bob's data were touched")
		}
		if n, err := f.redis.Exists(ctx, "gh:l:{"+session.Handle(bob.Of("user_id")[0])+"}scope:s").Result(); err != nil || n != 1 {
			f.t.Errorf("bob's counter: %d %v", n, err)
		}
		if _, err := f.keys.Seal(ctx, f.names.Subject(ann.Of("user_id")[0]), map[string]string{"a": "b"}); !errors.Is(err, seal.ErrShredded) {
			f.t.Errorf("her key: %v", err)
		}
	})
}

func TestOnlyTheNameOfAUserCanBeCorrected(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		ann := f.person("ann")
		f.person("bob")
		change := func(collection, field string, value any) []connector.Change {
			return []connector.Change{{Collection: collection, Field: field, Value: value}}
		}
		for range 2 {
			if n, err := f.Rectify(ctx, ann, change(own.Users, "name", "Anne")); n != 1 || err != nil {
				f.t.Errorf("%d %v", n, err)
			}
		}
		if live, err := f.sessions.List(ctx, ann.Of("user_id")[0]); err != nil || len(live) != 0 {
			f.t.Errorf("sessions under the old name: %v %v", live, err)
		}
		if n, err := f.Rectify(ctx, ann, change("customers", "name", "Anne")); n != 0 || err != nil {
			f.t.Errorf("another system's: %d %v", n, err)
		}
		for name, changes := range map[string][]connector.Change{
			"a field that is none": change(own.Users, "roles", "admin"), "no text": change(own.Users, "name", 7), "another's name": change(own.Users, "name", "BOB"),
		} {
			if _, err := f.Rectify(ctx, ann, changes); err == nil {
				f.t.Errorf("%s is taken", name)
			}
		}
	})
}

func TestAPlanCountsAndChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ann := f.person("ann")
		before, _ := f.collected(ann)
		for _, kind := range connector.Kinds() {
			plan, err := f.Plan(f.t.Context(), ann, kind)
			if err != nil || plan.System != own.Name || len(plan.Steps) == 0 {
				f.t.Errorf("%s: %+v %v", kind, plan, err)
			}
		}
		plan, err := f.Plan(f.t.Context(), ann, connector.Erasure)
		if err != nil || plan.Steps[0] != (connector.Step{Collection: own.Sessions, Action: connector.Delete, Count: 1}) || plan.Steps[7].Action != connector.Keep {
			f.t.Errorf("%+v %v", plan.Steps, err)
		}
		if after, _ := f.collected(ann); !reflect.DeepEqual(before, after) {
			f.t.Errorf("%v became %v", before, after)
		}
	})
}

func TestWithoutRedisAnErasureIsNotDone(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ann := f.person("ann")
		f.server.Stop()
		if _, err := f.Erase(f.t.Context(), ann); err == nil {
			f.t.Fatal("it says that it is done")
		}
		if identities, err := f.store.Identities(f.t.Context(), ann.Subject); err != nil || len(identities) != 1 {
			f.t.Errorf("how to find her is gone: %v %v", identities, err)
		}
		f.server.Restart()
		if r, err := f.Erase(f.t.Context(), ann); err != nil || r.Deleted != 2 { // user and identity; Redis is empty
			f.t.Errorf("%+v %v", r, err)
		}
	})
}

func TestSomebodyWhoIsNoUserCanBeErasedToo(t *testing.T) {
	t.Parallel()
	each(t, func(f *fixture) {
		ctx := f.t.Context()
		if err := f.store.AddSubject(ctx, store.Subject{ID: "s-1", Pseudonym: f.names.Subject("s-1")}, nil); err != nil {
			f.t.Fatal(err)
		}
		p := connector.Person{Subject: "s-1"}
		if err := f.Restrict(ctx, p, true); err != nil {
			f.t.Fatal(err)
		}
		if _, err := f.Erase(ctx, p); err != nil {
			f.t.Fatal(err)
		}
		if n, err := f.Verify(ctx, p); err != nil || n != 0 {
			f.t.Errorf("%d remain, %v", n, err)
		}
		if _, err := f.Erase(ctx, connector.Person{Subject: "nobody"}); !errors.Is(err, store.ErrNoSubject) {
			f.t.Errorf("%v", err)
		}
	})
}
