package policy

import (
	"fmt"

	"gatehouse/authz/session"
)

func (c *compiler) cap(where string, n int64, overflow string) session.Cap {
	if n < 0 || n > session.MaxCap {
		c.found.add(where+".max_sessions", fmt.Sprintf("is %d", n), fmt.Sprintf("write 1 to %d, or leave it out", session.MaxCap))
		n = 0
	}
	switch o := session.Overflow(overflow); o {
	case "", session.OldestOut, session.Refuse:
		return session.Cap{Sessions: int(n), Overflow: o}
	default:
		c.found.add(where+".when_full", fmt.Sprintf("is %.40q", overflow), "write oldest-out or refuse")
		return session.Cap{}
	}
}

func (c *compiler) bind(where, kind string) session.Binding {
	switch kind {
	case "", "none":
		return session.BindNone
	case string(session.BindCertificate), string(session.BindFingerprint):
		return session.Binding(kind)
	default:
		c.found.add(where, fmt.Sprintf("is %.40q", kind), "write none, certificate or fingerprint")
		return session.BindNone
	}
}

func (c *compiler) replicas(where string, n int64) int {
	if n < 0 || n > session.MaxReplicas {
		c.found.add(where, fmt.Sprintf("is %d", n), fmt.Sprintf("write 0 (the primary alone) to %d replicas of Redis", session.MaxReplicas))
		return 0
	}
	return int(n)
}

func (c *compiler) fresh(where, cache string) bool {
	switch cache {
	case "", "on":
		return false
	case "off":
		return true
	default:
		c.found.add(where, fmt.Sprintf("is %.40q", cache), "write on or off")
		return true
	}
}
