package posture

import "fmt"

// Status is what came of a check.
type Status string

// The values of Status, from the best to the worst.
const (
	Pass          Status = "pass"
	NotApplicable Status = "not_applicable" // the pack has nothing that this is about
	Unknown       Status = "unknown"        // it could not be seen from here
	Fail          Status = "fail"
)

// Evidence is one observation.
type Evidence struct {
	Asked string `json:"asked"`
	Came  string `json:"came"`
	Where string `json:"where"`
}

// maxEvidence bounds what is kept of each text in bytes: answers are foreign.
const maxEvidence = 300

// trial collects what one check sees. The worst of what is said decides, and a
// trial that has seen nothing is unknown.
type trial struct {
	evidence []Evidence
	status   Status
	reasons  []string
}

func (t *trial) saw(asked, came, where string) {
	t.evidence = append(t.evidence, Evidence{shown(asked), shown(came), shown(where)})
}

func (t *trial) fail(format string, args ...any)    { t.say(Fail, format, args...) }
func (t *trial) unknown(format string, args ...any) { t.say(Unknown, format, args...) }
func (t *trial) absent(reason string)               { t.say(NotApplicable, "%s", reason) }

func (t *trial) say(s Status, format string, args ...any) {
	if worse(s, t.status) {
		t.status = s
	}
	t.reasons = append(t.reasons, shown(fmt.Sprintf(format, args...)))
}

// want fails with the reason unless ok.
func (t *trial) want(ok bool, format string, args ...any) {
	if !ok {
		t.fail(format, args...)
	}
}

func (t *trial) verdict() (Status, []string) {
	switch {
	case t.status != "":
		return t.status, t.reasons
	case len(t.evidence) == 0:
		return Unknown, []string{"nothing was seen"}
	}
	return Pass, nil
}

var ranks = map[Status]int{"": 0, Pass: 1, NotApplicable: 2, Unknown: 3, Fail: 4}

func worse(a, b Status) bool { return ranks[a] > ranks[b] }

// shown keeps foreign text to one bounded, printable line.
func shown(s string) string {
	runes := []rune(s)
	cut := len(runes) > maxEvidence
	if cut {
		runes = runes[:maxEvidence]
	}
	for i, r := range runes {
		if r < ' ' || r == 0x7f {
			runes[i] = ' '
		}
	}
	if cut {
		return string(runes) + "…"
	}
	return string(runes)
}
