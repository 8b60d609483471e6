package redistest

import (
	"context"
	"testing"
)

func TestADurableServerKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	server := StartDurable(t)
	client := server.Client()
	ctx := context.Background()
	if err := client.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if err := client.Get(ctx, "key").Err(); err == nil {
		t.Fatal("a stopped server answers")
	}
	server.Restart()
	if got := client.Get(ctx, "key").Val(); got != "value" {
		t.Fatalf("after a restart: %q", got)
	}
}

func TestAWrongPathIsNamed(t *testing.T) {
	t.Setenv("GATEHOUSE_REDIS_SERVER", "/nowhere/redis-server")
	if path, err := find(); err == nil {
		t.Fatalf("found %q", path)
	}
}
