package session

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The fields of a session's hash. One or two letters: there are a million of
// them. "end_" is set when the session was ended on purpose.
func (s Session) fields() []any {
	fields := []any{
		"u", s.User.ID,
		"c", s.Created.UnixMilli(),
		"l", s.LastSeen.UnixMilli(),
		"x", s.Expires.UnixMilli(),
		"i", s.Idle.Milliseconds(),
	}
	optional := func(name, value string) {
		if value != "" {
			fields = append(fields, name, value)
		}
	}
	optional("n", s.User.Name)
	optional("m", strings.Join(s.AMR, " "))
	optional("d", s.Device)
	if !s.AuthTime.Equal(s.Created) {
		fields = append(fields, "a", s.AuthTime.UnixMilli())
	}
	return fields
}

// parse reads what the scripts answer after the verdict.
func parse(key id, pairs []string) (Session, error) {
	values := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	var errs []error
	number := func(name string) int64 {
		n, err := strconv.ParseInt(values[name], 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("stored session %s: field %s: %w", key.public(), name, err))
		}
		return n
	}
	s := Session{
		ID:       key.public(),
		User:     User{ID: values["u"], Name: values["n"]},
		Created:  time.UnixMilli(number("c")),
		LastSeen: time.UnixMilli(number("l")),
		Expires:  time.UnixMilli(number("x")),
		Idle:     time.Duration(number("i")) * time.Millisecond,
		AMR:      strings.Fields(values["m"]),
		Device:   values["d"],
	}
	s.AuthTime = s.Created
	if values["a"] != "" {
		s.AuthTime = time.UnixMilli(number("a"))
	}
	return s, errors.Join(errs...)
}

var verdicts = map[string]error{
	"valid":       nil,
	"none":        ErrNone,
	"revoked":     ErrRevoked,
	"idle":        ErrExpiredIdle,
	"absolute":    ErrExpiredAbsolute,
	"demand_idle": ErrDemandIdle,
	"demand_age":  ErrDemandAge,
}
