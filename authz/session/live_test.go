package session

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// asked is what became of a session that was asked for.
type asked struct {
	found found
	err   error
	left  map[string]string
	ttl   time.Duration
	short bool
}

// What live.lua says of a session is what lookup.lua says, which here is asked without it: the same answer, and the
// same left behind.
func TestTheShortJudgementIsTheWholeOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	shortens := "if flags == 0 and"
	if strings.Count(liveSource, shortens) != 1 {
		t.Fatalf("live.lua has no %q to take out", shortens)
	}
	both := LookupSource()
	short, whole := redis.NewScript(both), redis.NewScript(strings.Replace(both, shortens, "if false and", 1))
	now := h.clock().UnixMilli()
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- the same cases each time
	near := func(ms ...int64) int64 { return ms[random.IntN(len(ms))] + int64(random.IntN(3)) - 1 }
	taken := 0
	for range 3000 {
		id := strings.Repeat(string(rune('a'+random.IntN(25))), 32)
		idle := near(1000, 60_000, 1_800_000)
		r := record{
			created: now - near(1, 5000, 3_600_000), seen: now - near(1, 50, 1000, 3000, 60_000, idle, idle/20),
			absolute: now + near(0, 1, 3_600_000), idle: idle, auth: now, born: near(5, 6), generation: uint32(random.IntN(3)), // #nosec G115 -- 0 to 2
			rights: "pwd\nadmin",
		}
		if random.IntN(4) == 0 {
			r.flags, r.bound = flagBound, digest('f', "agent")
		}
		newer := record{created: now, seen: now, absolute: now + 1000, idle: 1000, born: 10, generation: 3}
		demand := Demand{Client: Client{Fingerprint: "agent"}}
		if random.IntN(2) == 0 {
			demand.MaxIdle, demand.MaxAge = time.Duration(near(0, 1000, 60_000))*time.Millisecond, time.Duration(near(0, 5000, 3_600_000))*time.Millisecond
			demand.MaxIdle, demand.MaxAge = max(0, demand.MaxIdle), max(0, demand.MaxAge)
		}
		if random.IntN(8) == 0 {
			demand.Cap.Sessions = 1
		}
		args := demand.args(now, near(5, 6), id, time.Duration(near(1, 1000, 60_000))*time.Millisecond)
		user := map[string]any{"u": "u-1", "g": random.IntN(3)}
		for _, name := range []string{"n", "t"} {
			if random.IntN(2) == 0 {
				user[name] = strings.Repeat(name, random.IntN(300))
			}
		}
		ask := func(script *redis.Script) asked {
			key := keyOf("aaaaaaaaaaaa")
			must := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			must(h.client.Del(t.Context(), key).Err())
			must(h.client.HSet(t.Context(), key, user).Err())
			must(h.client.HSet(t.Context(), key, strings.Repeat("z", 32), newer.encode()).Err())
			must(h.client.HSet(t.Context(), key, id, r.encode(), "d"+id[:shortLength], "Firefox\n192.0.2.0/24").Err())
			answer, err := script.Run(t.Context(), h.client, []string{key}, args...).Result()
			must(err)
			_, text := answer.(string)
			f, err := answered(id, answer)
			return asked{f, err, h.client.HGetAll(t.Context(), key).Val(), h.client.TTL(t.Context(), key).Val().Round(time.Minute), text}
		}
		got, want := ask(short), ask(whole)
		if got.short {
			taken++
		}
		got.short = false
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v of %+v: %+v; the whole judgement: %+v", args, r, got, want)
		}
	}
	if taken < 100 || taken > 2500 {
		t.Errorf("%d of 3000 were judged by live.lua: the cases are no cases", taken)
	}
}

func TestWhatIsNoAnswerOfTheScriptIsUnavailable(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]any{
		"nothing": nil, "a number": int64(1), "an empty list": []any{}, "a list of numbers": []any{int64(1)}, "an unknown verdict": []any{"fine"},
		"a text too short for its lengths": "\x00\x01\x00", "a text shorter than its lengths say": "\x00\x28\x00\x09\x00\x00\x00\x00" + strings.Repeat("r", 40),
		"a record too short": "\x00\x01\x00\x00\x00\x00\x00\x00r", "a list that ends early": []any{"live", strings.Repeat("i", 32)},
	} {
		if f, err := answered(strings.Repeat("i", 32), answer); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}
