package password

import (
	"errors"
	"testing"
)

func TestTheMostFrequentPasswordsAreRefusedWithoutAnyList(t *testing.T) {
	t.Parallel()
	if n := len(common()); n < 3000 {
		t.Errorf("only %d passwords of at least %d characters are known", n, LeastMinLength)
	}
	for text, refused := range map[string]bool{
		"password1": true, "PassWord1": true, "iloveyou1": true, "football1": true, "qwertyuiop": true, "Starwars1": true,
		"tinsel-hearth-moss": false, "correct horse battery": false,
	} {
		if err := (Rules{}).Check(t.Context(), text, "alice"); errors.Is(err, ErrCompromised) != refused {
			t.Errorf("%s: %v", text, err)
		}
	}
}
