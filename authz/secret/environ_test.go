package secret

import (
	"errors"
	"strings"
	"testing"
)

// findsMark is a Finder that finds one word.
type findsMark string

func (f findsMark) Find(text string) []Found {
	if !strings.Contains(text, string(f)) {
		return nil
	}
	return []Found{{Rule: "mark", Line: 1, Secret: New([]byte(f))}}
}

func TestVariablesThatHoldSecretsAreRefusedOrWarnedOf(t *testing.T) {
	t.Parallel()
	const mark = "m4rk-of-a-rule"
	for _, test := range []struct {
		name, entry string
		refused     bool
		warned      bool
	}{
		{"a secret of ours", "REDIS_PASSWORD=" + plain, true, false},
		{"a secret of ours that is short", "GATEHOUSE_MASTER_KEY=x", true, false},
		{"a variable of ours that sounds like one", "GATEHOUSE_API_TOKEN=" + plain, true, false},
		{"a variable of ours in which a rule finds one", "GATEHOUSE_LISTEN=" + mark, true, false},
		{"somebody else's in which a rule finds one", "OTHER_KEY=" + mark, false, true},
		{"somebody else's that only sounds like one", "OTHER_PASSWORD=hunter", false, false},
		{"a file of ours", "REDIS_PASSWORD_FILE=/run/secrets/" + mark, false, false},
		{"somebody else's file", "OTHER_FILE=" + mark, false, false},
		{"an empty one of ours", "REDIS_PASSWORD=", false, false},
		{"an ordinary one", "PATH=/usr/bin:/bin", false, false},
		{"none at all", "odd", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refused, warned := Environ([]string{test.entry}, findsMark(mark))
			if len(refused) > 0 != test.refused || len(warned) > 0 != test.warned {
				t.Errorf("refused %v, warned %v", refused, warned)
			}
			for _, err := range append(refused, warned...) {
				if strings.Contains(err.Error(), plain) || strings.Contains(err.Error(), mark) {
					t.Errorf("it tells the secret: %v", err)
				}
			}
		})
	}
}

func TestAllVariablesAreReportedAtOnceAndSayWhatToDo(t *testing.T) {
	t.Parallel()
	refused, warned := Environ([]string{"REDIS_URL=redis://r", "REDIS_PASSWORD=x", "AWS_KEY=m4rk-of-a-rule"}, findsMark("m4rk-of-a-rule"))
	var own PlainError
	var foreign ForeignError
	if len(refused) != 2 || !errors.As(refused[0], &own) || own.Name != "REDIS_URL" || !strings.Contains(refused[1].Error(), "set REDIS_PASSWORD_FILE") {
		t.Errorf("%v", refused)
	}
	if len(warned) != 1 || !errors.As(warned[0], &foreign) || foreign.Rule != "mark" || !strings.Contains(warned[0].Error(), "env -u AWS_KEY") {
		t.Errorf("%v", warned)
	}
	if refused, warned := Environ([]string{"AWS_KEY=m4rk-of-a-rule"}, nil); len(refused)+len(warned) != 0 {
		t.Errorf("without a finder: %v %v", refused, warned)
	}
}
