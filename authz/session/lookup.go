package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Question is a lookup as one command of Redis, for a pipeline that asks other
// things of the same slot at once: run Script on Key with Args, and give what it
// answers to Decode. LookupSource is the script's text, for one that is part of a
// larger script. Until then nobody knows whether the token is good, though
// it names a handle: anybody can make a token of anybody's handle. What counts
// against a user must wait for Decode.
type Question struct {
	Script *redis.Script
	Key    string
	Args   []any

	m      *Manager
	at     ref
	demand Demand
	now    int64
	known  *generations
	ticket ticket
}

// LookupSource is the script of a Question.
func LookupSource() string { return liveSource + commonSource + lookupSource }

// Handle is the hash tag of Key.
func (q *Question) Handle() string { return q.at.handle }

// Doubt is what a session must have been born after so that no revocation of a
// tenant can concern it: of an older one whose user has a tenant, the script does
// not know, but Decode does.
func (q *Question) Doubt() int64 { return q.known.newest }

// Ask prepares a lookup. Where the cache or the form of the token already
// answers, done is true and the rest is as of Lookup.
func (m *Manager) Ask(ctx context.Context, token string, demand Demand) (q Question, s Session, done bool, err error) {
	at, err := refOf(token)
	if err != nil {
		return Question{}, Session{}, true, err
	}
	known, err := m.revoked.current(ctx)
	if err != nil {
		return Question{}, Session{}, true, unavailable("read the revocations", err)
	}
	now := m.now().UnixMilli()
	cached := !demand.Fresh && demand.Cap.Sessions == 0
	if cached {
		if f, ok := m.cache.get(at); ok && f.judge(now, demand, known) == nil {
			m.counts.hit()
			return Question{}, f.Session, true, nil
		}
	}
	m.counts.miss()
	return Question{
		Script: m.lookup, Key: at.key(), m: m, at: at, demand: demand, now: now, known: known,
		ticket: m.cache.begin(at, cached),
		Args:   demand.args(now, known.epoch, at.id, cmp.Or(m.rules().Note, time.Second)),
	}, Session{}, false, nil
}

// remembered is memory in ms. One value serves all calls.
var remembered any = memory.Milliseconds()

// args are the script's.
func (d *Demand) args(now, epoch int64, id string, note time.Duration) []any {
	is := string(bind(BindCertificate, d.Client) + bind(BindFingerprint, d.Client))
	args := append(make([]any, 0, 10), now, epoch, id, note.Milliseconds(), remembered, is)
	if d.MaxIdle > 0 || d.MaxAge > 0 || d.Cap.Sessions > 0 {
		args = append(args, d.MaxIdle.Milliseconds(), d.MaxAge.Milliseconds(), d.Cap.Sessions, d.Cap.overflow())
	}
	return args
}

// Decode reads the answer of the script.
func (q *Question) Decode(answer any, err error) (Session, error) {
	if err != nil {
		return Session{}, unavailable("look a session up", err)
	}
	f, err := answered(q.at.id, answer)
	if err != nil {
		return f.Session, err
	}
	if f.record.born < q.known.floor(f.User.Tenant) {
		return f.Session, ErrRevoked
	}
	f.LastSeen, f.record.seen = time.UnixMilli(q.now), q.now
	q.m.cache.put(q.ticket, f)
	return f.Session, nil
}

// answered turns what the script answers into a session and the error that goes with it.
func answered(id string, answer any) (found, error) {
	if text, ok := answer.(string); ok {
		fields, err := live(id, text)
		if err != nil {
			return found{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return readStored(fields[:])
	}
	list, _ := answer.([]any)
	texts := make([]string, len(list))
	for i := range list {
		text, ok := list[i].(string)
		if !ok {
			return found{}, fmt.Errorf("%w: Redis answered %.80q", ErrUnavailable, fmt.Sprint(list[i]))
		}
		texts[i] = text
	}
	return judged(texts)
}

// live takes apart what live.lua answers, and puts the session's id before it.
func live(id, text string) (fields [answerLength]string, err error) {
	const lengths, wide = answerLength - 2, 2
	fields[0] = id
	at := lengths * wide
	for i := range lengths {
		if at > len(text) {
			return fields, errDamaged
		}
		end := at + int(text[wide*i])<<8 + int(text[wide*i+1])
		if end > len(text) {
			return fields, errDamaged
		}
		fields[1+i], at = text[at:end], end
	}
	fields[answerLength-1] = text[at:]
	return fields, nil
}

// judged turns a list's answer into a session and the error that goes with it.
func judged(answer []string) (found, error) {
	if len(answer) == 0 {
		return found{}, fmt.Errorf("%w: Redis answered nothing", ErrUnavailable)
	}
	verdict, known := verdicts[answer[0]]
	if !known {
		return found{}, fmt.Errorf("%w: Redis answered %.20q", ErrUnavailable, answer[0])
	}
	if errors.Is(verdict, ErrNone) {
		return found{}, verdict
	}
	f, err := readStored(answer[1:])
	if err != nil {
		return found{}, err
	}
	return f, verdict
}

func readStored(fields []string) (found, error) {
	f, err := read(fields)
	if err != nil {
		return found{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return f, nil
}

// Lookup finds the session of a token and notes that it was used, unless the
// demand refuses it. The error has ErrInvalid or ErrUnavailable in its chain;
// with errors other than ErrNone the Session tells whose it was. Malformed
// tokens are refused without asking Redis.
func (m *Manager) Lookup(ctx context.Context, token string, demand Demand) (Session, error) {
	q, s, done, err := m.Ask(ctx, token, demand)
	if done {
		return s, err
	}
	return q.Decode(q.Script.Run(ctx, m.redis, []string{q.Key}, q.Args...).Result())
}

// judge is lookup.lua's for what the cache holds. It may only be stricter: what
// it refuses, Redis is asked.
func (f *found) judge(now int64, demand Demand, known *generations) error {
	r := &f.record
	switch {
	case r.flags&(flagEnded|flagReplaced) != 0:
		return ErrRevoked
	case r.born < known.floor(f.User.Tenant):
		return ErrRevoked
	case now >= r.absolute:
		return ErrExpiredAbsolute
	case now-r.seen >= r.idle:
		return ErrExpiredIdle
	case !r.bound.admits(demand.Client):
		return ErrBound
	case demand.MaxAge > 0 && now-r.created >= demand.MaxAge.Milliseconds():
		return ErrDemandAge
	case demand.MaxIdle > 0 && now-r.seen >= demand.MaxIdle.Milliseconds():
		return ErrDemandIdle
	default:
		return nil
	}
}
