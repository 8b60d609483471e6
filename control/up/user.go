package up

import (
	"context"
	"fmt"
)

// demoUserName is who signs in to the demo.
const demoUserName = "demo"

// AddUser sets the password of a user in a store ("sqlite:PATH"), made if absent.
type AddUser func(ctx context.Context, store, name, password string) error

// makeDemoUser gives the demo's user a new password of 120 random bits. Nothing
// but up.json and the panel ever holds it; the store has its hash.
func (p *pack) makeDemoUser(ctx context.Context) (*Credentials, error) {
	login := &Credentials{Username: demoUserName, Password: randomText(15)}
	if err := p.AddUser(ctx, p.storeURL(), login.Username, login.Password); err != nil {
		return nil, fmt.Errorf("make the demo user: %w", err)
	}
	return login, nil
}

func (p *pack) storeURL() string { return "sqlite:" + p.state.path("gatehouse.db") }
