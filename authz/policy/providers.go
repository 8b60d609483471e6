package policy

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/authz/login/openid"
)

// Federation is who else signs people in.
type Federation struct {
	Origins   []string
	Providers []FederatedProvider
}

// FederatedProvider is one of them.
type FederatedProvider struct {
	openid.Settings   // without the client's secret
	Public            bool
	NewUsers          bool
	Refresh, MaxStale time.Duration
}

// federation has package openid judge what it will be given.
func (c *compiler) federation(config SignIn) Federation {
	f := Federation{Origins: config.Origins}
	names := map[string]bool{}
	for i, p := range config.Providers {
		where := fmt.Sprintf("sign_in.providers[%d]", i)
		settings := openid.Settings{
			Name: p.Name, Title: p.Title, Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes, RoleClaim: p.RoleClaim,
		}
		var flaw *openid.Flaw
		for _, err := range settings.Flaws() {
			if errors.As(err, &flaw) {
				c.found.add(where+"."+flaw.Field, flaw.What, flaw.Fix)
			}
		}
		if names[p.Name] {
			c.found.add(where+".name", fmt.Sprintf("%.40q stands twice", p.Name), "give each provider its own name")
		}
		names[p.Name] = true
		f.Providers = append(f.Providers, FederatedProvider{
			Settings: settings, Public: p.Public, NewUsers: p.NewUsers,
			Refresh:  c.seconds(where+".refresh_seconds", p.RefreshSeconds),
			MaxStale: c.seconds(where+".max_stale_seconds", p.MaxStaleSeconds),
		})
	}
	if len(config.Providers) > 0 && len(config.Origins) == 0 {
		c.found.add("sign_in", "has providers, but no origins to which people come back from them",
			"write the addresses that people use: origins: [https://app.example.com]")
	}
	return f
}
