package login

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"
)

// indistinct are the ways to fail that nobody may tell apart: the names are of a user
// who exists, of none, of one who is disabled, and of one who has to reset.
func indistinct(s *site) []string {
	s.ledger.edit("dora", func(u *User) {
		*u = User{ID: "u-8", Name: "dora", PasswordHash: hash{params: cheap, salt: random(newSaltBytes), key: random(newKeyBytes)}.String()}
	})
	return []string{"alice", "nobody", "carol", "dora"}
}

// Work, answer and traces are equal by their structure: this is what the
// measurement below (make bench-signin) can only find likely.
func TestUnknownWrongAndLockedDoTheSameWorkAndGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	type trace struct {
		status       int
		text, header string
		hashes       int64
		events       int
		scripts      int64 // that Redis ran
	}
	s := newSite(t)
	var first trace
	for i, name := range indistinct(s) {
		p := s.person()
		s.events.take()
		before, commands := s.counted.runs.Load(), s.commands(t)
		got := p.do(http.MethodPost, "/auth/login", asJSON, jsonBody(name, "another password"))
		got.header.Del("Date")
		now := trace{got.status, got.text, fmt.Sprint(got.header), s.counted.runs.Load() - before, len(s.events.take()), s.commands(t) - commands}
		if i == 0 {
			first = now
		} else if now != first {
			t.Errorf("%s: %+v, and of the first %+v", name, now, first)
		}
	}
	if first.hashes != 1 || first.status != http.StatusUnauthorized || first.events != 1 {
		t.Errorf("%+v", first)
	}
}

// commands is how often Redis ran a script.
func (s *site) commands(t *testing.T) int64 {
	t.Helper()
	info, err := s.redis.Client().InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var n, calls int64
	for _, section := range info {
		for name, text := range section {
			if name != "cmdstat_evalsha" {
				continue
			}
			if _, err := fmt.Sscanf(text, "calls=%d", &calls); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			n += calls
		}
	}
	return n
}

// BenchmarkFailuresCannotBeToldApart measures sign-ins that fail, of the four
// kinds in turn, with the costs of production, and compares their ranks. It
// fails where the medians differ by more than 5 % and the ranks say that this is
// no chance (Mann-Whitney, |z| > 4).
func BenchmarkFailuresCannotBeToldApart(b *testing.B) {
	people := newPeople(b)
	phc, err := HashPassword("correct horse battery")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"alice", "carol"} {
		u := people.users[name]
		u.PasswordHash = phc
		people.users[name] = u
	}
	dora := User{ID: "u-8", Name: "dora", PasswordHash: NoPassword()}
	people.users["dora"] = dora
	a := NewAuthenticator(people, NewHasher(DefaultParams(), DefaultHashMemoryKiB))
	names := []string{"alice", "nobody", "carol", "dora"}
	took := map[string][]float64{}
	n := 0
	for b.Loop() {
		for i := range names {
			name := names[(i+n)%len(names)]
			begun := time.Now()
			if _, err := a.Authenticate(b.Context(), name, "another password"); err == nil {
				b.Fatal("signed in")
			}
			took[name] = append(took[name], float64(time.Since(begun)))
		}
		n++
	}
	for _, name := range names[1:] {
		z, ratio := rankTest(took[names[0]], took[name]), median(took[name])/median(took[names[0]])
		b.Logf("%s against a wrong password: %d each, median ratio %.4f, z = %+.2f", name, n, ratio, z)
		b.ReportMetric(ratio, name+"-ratio")
		if n >= 100 && math.Abs(z) > 4 && math.Abs(ratio-1) > 0.05 {
			b.Errorf("%s can be told from a wrong password", name)
		}
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// rankTest is the Mann-Whitney U test's z for large samples.
func rankTest(x, y []float64) float64 {
	type one struct {
		value float64
		first bool
	}
	var all []one
	for _, v := range x {
		all = append(all, one{v, true})
	}
	for _, v := range y {
		all = append(all, one{v, false})
	}
	slices.SortFunc(all, func(a, b one) int { return int(math.Copysign(1, a.value-b.value)) })
	ranks := 0.0
	for i, o := range all {
		if o.first {
			ranks += float64(i + 1)
		}
	}
	n, m := float64(len(x)), float64(len(y))
	u := ranks - n*(n+1)/2
	return (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
}

func TestTheRankTestSeesADifferenceThatIsThere(t *testing.T) {
	t.Parallel()
	var x, y, z []float64
	for i := range 400 {
		v := float64((i * 7919) % 1000)
		x, y, z = append(x, v), append(y, v+0.5), append(z, v+150)
	}
	if same := rankTest(x, y); math.Abs(same) > 4 {
		t.Errorf("equal samples: z = %f", same)
	}
	if other := rankTest(x, z); math.Abs(other) < 4 {
		t.Errorf("samples that differ by 15 %%: z = %f", other)
	}
}
