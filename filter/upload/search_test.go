package upload

import (
	"bytes"
	"strings"
	"testing"
)

func TestAMarkIsFoundInAnyCaseAndHoweverItIsCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"a <?PhP b": true, "<?php": true, "x<<?php": true, "<?ph p": false, "<?ph": false, "<<<<<<?ph": false, strings.Repeat("<?ph", 50) + "p": true,
	} {
		for n := 1; n <= len(text); n++ {
			f, found := newPHPFinder(), false
			for rest := []byte(text); len(rest) > 0 && !found; {
				piece := bytes.Clone(rest[:min(n, len(rest))])
				found = f.find(piece, nil) != ""
				clear(piece)
				rest = rest[min(n, len(rest)):]
			}
			if found != want {
				t.Errorf("%q in pieces of %d: %v", text, n, found)
			}
		}
	}
}
