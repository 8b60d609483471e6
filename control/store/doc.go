// Package store keeps what must outlive Redis: the users.
//
// It promises that two programs may use one store at the same time (authz reads
// while an operator adds a user), that its schema is brought up to date when it
// is opened, and that a user's name is one whatever the letter case. It is
// opened by URL: "sqlite:PATH" is the only kind yet; another scheme is a clear
// error and not a file of that name. It never sees a password, only its hash.
package store
