package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Entry is one request of a log.
type Entry struct {
	Time time.Time
	IP   string // without a port; empty if the line does not tell
	User string // empty if it does not tell
	Path string // without the query
	// fields are those of a JSON line, for keys that it alone has.
	fields map[string]any
}

// Names are those of the fields of JSON lines; each empty one is looked for under
// the names that are usual.
type Names struct{ Time, IP, User, Path string }

// The names that are usual, in the order in which they are looked for.
var (
	timeNames = []string{"start_time", "time", "timestamp", "@timestamp", "ts"}
	ipNames   = []string{"client_ip", "downstream_remote_address", "remote_addr", "remote_address", "ip"}
	userNames = []string{"user", "subject", "remote_user"}
	pathNames = []string{"path", "uri", "request_path", "url"}
)

// Parse reads one line. Hops is the number of proxies of one's own in front of
// the Envoy that wrote it: so many addresses from the right of X-Forwarded-For
// are theirs.
func Parse(line string, names Names, hops int) (Entry, error) {
	switch {
	case strings.HasPrefix(line, "{"):
		return parseJSON(line, names)
	case strings.HasPrefix(line, "["):
		return parseEnvoy(line, hops)
	default:
		return parseCommon(line)
	}
}

func parseJSON(line string, names Names) (Entry, error) {
	var fields map[string]any
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return Entry{}, fmt.Errorf("no JSON object: %w", err)
	}
	text := func(own string, usual []string) string {
		if own != "" {
			usual = []string{own}
		}
		for _, name := range usual {
			if s, ok := fields[name].(string); ok && s != "" && s != "-" {
				return s
			}
		}
		return ""
	}
	e := Entry{fields: fields, IP: address(text(names.IP, ipNames)), User: text(names.User, userNames), Path: pathOf(text(names.Path, pathNames))}
	stamp := text(names.Time, timeNames)
	if stamp == "" {
		return Entry{}, errors.New("no field tells the time; name it with --time-field")
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return Entry{}, fmt.Errorf("the time %.40q is not as in RFC 3339", stamp)
	}
	e.Time = at
	return e, nil
}

// parseEnvoy reads Envoy's default format: [time] "method path protocol" code
// flags received sent duration upstream-duration "X-Forwarded-For" "agent" ...
func parseEnvoy(line string, hops int) (Entry, error) {
	stamp, rest, ok := strings.Cut(line[1:], "]")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if !ok || err != nil {
		return Entry{}, errors.New("it does not begin with [time], as Envoy's format does")
	}
	quoted := strings.Split(rest, `"`)
	if len(quoted) < 4 {
		return Entry{}, errors.New("it lacks the quoted parts of Envoy's format")
	}
	return Entry{Time: at, Path: requestPath(quoted[1]), IP: forwarded(quoted[3], hops)}, nil
}

// forwarded is the address that the outermost of one's own proxies saw.
func forwarded(field string, hops int) string {
	parts := strings.Split(field, ",")
	i := len(parts) - 1 - hops
	if i < 0 {
		return ""
	}
	return address(strings.TrimSpace(parts[i]))
}

// parseCommon reads the common log format, and the combined one that goes on.
func parseCommon(line string) (Entry, error) {
	client, rest, ok := strings.Cut(line, " ")
	_, rest, ok2 := strings.Cut(rest, " ")
	user, rest, ok3 := strings.Cut(rest, " [")
	stamp, rest, ok4 := strings.Cut(rest, "] \"")
	if !ok || !ok2 || !ok3 || !ok4 {
		return Entry{}, errors.New("neither JSON, nor Envoy's format, nor the common log format")
	}
	at, err := time.Parse("02/Jan/2006:15:04:05 -0700", stamp)
	if err != nil {
		return Entry{}, fmt.Errorf("the time %.40q is not as in the common log format", stamp)
	}
	request, _, _ := strings.Cut(rest, `"`)
	if user == "-" {
		user = ""
	}
	return Entry{Time: at, IP: address(client), User: user, Path: requestPath(request)}, nil
}

// requestPath is the path of "GET /path HTTP/1.1".
func requestPath(request string) string {
	_, rest, _ := strings.Cut(request, " ")
	path, _, _ := strings.Cut(rest, " ")
	return pathOf(path)
}

func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// address takes a port off; what is no address is none.
func address(text string) string {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().String()
	}
	if at, err := netip.ParseAddr(text); err == nil {
		return at.String()
	}
	return ""
}
