// Package store keeps what must outlive Redis: users, keys, requests, consents
// and the search index.
//
// It promises that several programs may use one store at the same time (authz
// reads while an operator adds a user), that its schema is brought up to date
// when it is opened, by one of them, and that a user's name is one whatever the
// letter case. It is opened by URL: "sqlite:PATH", or "postgres://..." for more
// than one machine; another scheme is a clear error and not a file of that name.
// It never sees a password, only its hash.
package store
