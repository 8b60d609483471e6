package pack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The blocks lie below Linux' ephemeral ports, so that no outgoing connection
// of some other test can take a port between its choice and its use.
const (
	firstPort = 12000
	lastPort  = 32000
	blockSize = 16
)

// Ports is a block of free loopback ports that belongs to one test.
type Ports struct{ base int }

// ReservePorts finds a block that nobody uses. The last port of the block is
// kept open until the test ends: that is how other test binaries see that the
// block is taken.
func ReservePorts(t TB) Ports {
	t.Helper()
	for range 200 {
		base := firstPort + blockSize*rand.IntN((lastPort-firstPort)/blockSize)
		guard, err := net.Listen("tcp4", loopback(base+blockSize-1))
		if err != nil {
			continue
		}
		if !allFree(base, blockSize-1) {
			_ = guard.Close()
			continue
		}
		t.Cleanup(func() { _ = guard.Close() })
		return Ports{base: base}
	}
	t.Fatal("no free block of ports on the loopback interface")
	return Ports{}
}

func allFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// Base is the first port of the block.
func (p Ports) Base() int { return p.base }

// Addr is the loopback address with the i-th port of the block.
func (p Ports) Addr(i int) string {
	if i < 0 || i >= blockSize-1 {
		return fmt.Sprintf("port %d is outside of the block", i)
	}
	return loopback(p.base + i)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
