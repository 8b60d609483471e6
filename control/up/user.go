package up

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/authz/login"
	"gatehouse/control/store"
)

// demoUserName is who signs in to the demo.
const demoUserName = "demo"

// makeDemoUser gives the demo's user a new password of 120 random bits. Nothing
// but up.json and the panel ever holds it; the store has its hash.
func (p *pack) makeDemoUser(ctx context.Context) (*Credentials, error) {
	who := &Credentials{Username: demoUserName, Password: randomText(15)}
	if err := setPassword(ctx, p.storeURL(), *who); err != nil {
		return nil, fmt.Errorf("make the demo user: %w", err)
	}
	return who, nil
}

func (p *pack) storeURL() string { return "sqlite:" + p.state.path("gatehouse.db") }

func setPassword(ctx context.Context, url string, who Credentials) (err error) {
	hash, err := login.HashPassword(who.Password)
	if err != nil {
		return err
	}
	users, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, users.Close()) }()
	err = users.SetPassword(ctx, who.Username, hash)
	if errors.Is(err, login.ErrNoUser) {
		_, err = users.AddUser(ctx, who.Username, hash, nil)
	}
	return err
}
