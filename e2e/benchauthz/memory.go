package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"gatehouse/authz/session"
)

// measureMemory signs in as many users, one session each, and asks Redis.
func measureMemory(ctx context.Context, client *redis.Client, sessions int) error {
	before, err := usedMemory(ctx, client)
	if err != nil {
		return err
	}
	if _, err := signIn(ctx, client, sessions); err != nil {
		return err
	}
	after, err := usedMemory(ctx, client)
	if err != nil {
		return err
	}
	fmt.Printf("%d sessions of as many users: %.0f bytes of Redis each\n", sessions, float64(after-before)/float64(sessions))
	m := session.New(client, time.Now, rand.Reader)
	crowded := session.User{ID: "somebody with many devices"}
	for range session.DefaultCap {
		if _, _, err := m.Create(ctx, crowded, session.Grant{Idle: time.Hour, Absolute: time.Hour}); err != nil {
			return err //nolint:wrapcheck // says all
		}
	}
	for name, user := range map[string]session.User{"1 session": userOf(sessions / 2), fmt.Sprint(session.DefaultCap, " sessions"): crowded} {
		begun := time.Now()
		list, err := m.List(ctx, user.ID)
		if err != nil {
			return err //nolint:wrapcheck // says all
		}
		listed := time.Since(begun)
		begun = time.Now()
		ended, err := m.RevokeAll(ctx, user.ID)
		if err != nil {
			return err //nolint:wrapcheck // says all
		}
		fmt.Printf("a user with %s: listed (%d) in %s, revoked (%d) in %s\n", name,
			len(list), listed.Round(time.Microsecond), len(ended), time.Since(begun).Round(time.Microsecond))
	}
	begun := time.Now()
	if err := m.RevokeEverything(ctx); err != nil {
		return err //nolint:wrapcheck // says all
	}
	fmt.Printf("everything revoked in %s\n", time.Since(begun).Round(time.Microsecond))
	return nil
}

var usedPattern = regexp.MustCompile(`used_memory:(\d+)`)

func usedMemory(ctx context.Context, client *redis.Client) (int64, error) {
	info, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	found := usedPattern.FindStringSubmatch(info)
	if found == nil {
		return 0, fmt.Errorf("ask Redis for its memory: no used_memory in %d bytes", len(info))
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask Redis for its memory: %w", err)
	}
	return n, nil
}
