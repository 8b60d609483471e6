package up

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRedisConfigurationKeepsThePasswordOutOfTheArguments(t *testing.T) {
	s := newState(t)
	place, err := placeRedis(s, "/usr/bin/redis-server")
	if err != nil {
		t.Fatal(err)
	}
	defer place.release()
	if strings.Contains(strings.Join(place.service.command.args, " "), place.password) {
		t.Error("the password is in the arguments")
	}
	path := s.path("redis", "redis.conf")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"port 0\n", "requirepass \"" + place.password + "\"\n", "appendonly yes\n"} {
		if !strings.Contains(string(data), line) {
			t.Errorf("the configuration lacks %q", line)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestALongStateFolderMovesTheSocketToAShortOne(t *testing.T) {
	s, err := openState(filepath.Join(t.TempDir(), strings.Repeat("x", 120)))
	if err != nil {
		t.Fatal(err)
	}
	path, release, err := socketPath(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(path) > maxSocketPath {
		t.Errorf("%s has %d bytes", path, len(path))
	}
	release()
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
}

func TestTheSubstituteForRedisAsksForThePassword(t *testing.T) {
	place, err := placeRedis(newState(t), Embedded)
	if err != nil {
		t.Fatal(err)
	}
	defer place.release()
	if err := place.ping(t.Context()); err != nil {
		t.Error(err)
	}
	place.password = "wrong"
	if err := place.ping(t.Context()); err == nil {
		t.Error("a wrong password is accepted")
	}
}
