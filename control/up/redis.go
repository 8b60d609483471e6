package up

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// maxSocketPath is the room that the kernel has for a Unix socket's path (108
// bytes on Linux), with some left.
const maxSocketPath = 100

// redisPlace is where the pack's Redis is: a child, or memory of this process.
type redisPlace struct {
	url          string // for --redis
	network      string
	address      string
	password     string
	passwordFile string
	service      *service // nil when embedded
	release      func()   // removes what is outside the state folder
}

// Embedded as a path of redis-server asks for the substitute in memory.
const Embedded = "embedded"

// placeRedis prepares the pack's Redis: a real server that listens on a Unix
// socket only, or, without a binary, a substitute in this process' memory.
func placeRedis(s state, binary string) (*redisPlace, error) {
	passwordFile, err := s.secretFile("redis_password")
	if err != nil {
		return nil, err
	}
	password, err := readSecret(passwordFile)
	if err != nil {
		return nil, err
	}
	place := &redisPlace{password: password, passwordFile: passwordFile, release: func() {}}
	if binary == Embedded {
		return place, place.embed()
	}
	socket, release, err := socketPath(s)
	if err != nil {
		return nil, err
	}
	place.release = release
	place.url, place.network, place.address = "unix://"+socket, "unix", socket
	config := s.path("redis", "redis.conf")
	if err := writeFile(config, redisConfig(s.path("redis"), socket, password)); err != nil {
		return nil, err
	}
	place.service = &service{
		name:    "redis",
		command: command{path: binary, args: []string{config}, dir: s.path("redis"), log: s.path("logs", "redis.log")},
		ready:   place.ping,
		grace:   10 * time.Second,
	}
	return place, nil
}

// embed starts the substitute. It speaks TCP, so it must ask for the password too.
func (r *redisPlace) embed() error {
	server := miniredis.NewMiniRedis()
	server.RequireAuth(r.password)
	if err := server.Start(); err != nil {
		return fmt.Errorf("start the substitute for redis-server: %w", err)
	}
	r.url, r.network, r.address = "redis://"+server.Addr(), "tcp", server.Addr()
	r.release = server.Close
	return nil
}

func (r *redisPlace) ping(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Network: r.network, Addr: r.address, Password: r.password, MaxRetries: -1, PoolSize: 1})
	defer func() { _ = client.Close() }()
	return client.Ping(ctx).Err()
}

// redisConfig keeps everything in files that only this user reads; the
// password is in the file and not in the arguments, which every user sees.
func redisConfig(dir, socket, password string) []byte {
	lines := [][2]string{
		{"port", "0"},
		{"unixsocket", strconv.Quote(socket)},
		{"unixsocketperm", "600"},
		{"requirepass", strconv.Quote(password)},
		{"dir", strconv.Quote(dir)},
		{"appendonly", "yes"},
		{"appendfsync", "everysec"},
		{"save", `""`},
		{"maxmemory-policy", "noeviction"},
		{"daemonize", "no"},
		{"logfile", `""`},
	}
	var out []byte
	for _, line := range lines {
		out = fmt.Appendf(out, "%s %s\n", line[0], line[1])
	}
	return out
}

// socketPath is in the state folder unless the kernel has no room for that.
func socketPath(s state) (path string, release func(), err error) {
	if path := s.path("run", "redis.sock"); len(path) <= maxSocketPath {
		return path, func() { _ = os.Remove(path) }, nil
	}
	dir, err := os.MkdirTemp("", "gatehouse-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for Redis' socket: %w", err)
	}
	return filepath.Join(dir, "redis.sock"), func() { _ = os.RemoveAll(dir) }, nil
}

func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	return string(trimNewline(data)), nil
}

func trimNewline(data []byte) []byte {
	for len(data) > 0 && (data[len(data)-1] == '\n' || data[len(data)-1] == '\r') {
		data = data[:len(data)-1]
	}
	return data
}
