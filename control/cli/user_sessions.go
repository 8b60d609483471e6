package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gatehouse/authz/session"
	"gatehouse/control/store"
)

// endWithin is how long the end of somebody's sessions waits for Redis.
const endWithin = 10 * time.Second

// endSessionFlags say where the sessions are that a change of a user ends.
type endSessionFlags struct {
	sessionFlags
	keep   bool
	record *userRecord
}

func (f *endSessionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.redis.redis, "redis", "", "redis://HOST:PORT/DB or unix:///PATH, where the user's sessions are; without a password (REDIS_PASSWORD_FILE)")
	cmd.Flags().StringVar(&f.redis.redisURLFile, "redis-url-file", "", "file that holds the URL of Redis")
	cmd.Flags().BoolVar(&f.keep, "keep-sessions", false, "leave sessions that are open as they are")
}

// check is done before anything is changed: a user who is disabled and still
// signed in looks safe and is not.
func (f *endSessionFlags) check(app *App) error {
	if f.keep {
		return nil
	}
	log, err := app.logger("text", "warn")
	if err != nil {
		return err
	}
	url, err := app.redisURL(&f.redis, log.Logger)
	if err != nil {
		return err
	}
	if url == nil {
		return misuse("the user's sessions are in Redis: pass --redis, --redis-url-file or REDIS_URL_FILE to end them, or --keep-sessions to leave them open")
	}
	return nil
}

// end ends all sessions of the user of that name, unless they are to stay.
func (f *endSessionFlags) end(ctx context.Context, app *App, s *store.Store, name string) error {
	if f.keep {
		return nil
	}
	u, err := s.UserByName(ctx, name)
	if err != nil {
		return err
	}
	return f.endOf(ctx, app, u.ID)
}

func (f *endSessionFlags) endOf(ctx context.Context, app *App, userID string) (err error) {
	if f.keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	log, err := app.logger("text", "warn")
	if err != nil {
		return err
	}
	defer log.close()
	client, err := f.client(app, log.Logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	ended, err := session.New(client, time.Now, rand.Reader).RevokeAll(ctx, userID)
	if err != nil {
		return fmt.Errorf("the change is made, but sessions of the user may still be open: repeat the command when Redis answers: %w", err)
	}
	if f.record != nil {
		if err := f.record.ended(ctx, ended); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(app.Stderr, "ended %d sessions\n", len(ended))
	return err
}
