package password

import (
	"strings"
	"sync"

	"github.com/trustelem/zxcvbn/frequency"
)

// common are the passwords that are tried first, those of at least LeastMinLength
// characters out of the 30,000 most frequent (ASVS 5.0 6.2.4 asks for 3,000). They
// are refused with every List, and without one; they are no list of what has
// become known elsewhere.
var common = sync.OnceValue(func() map[string]bool {
	known := map[string]bool{}
	for _, text := range frequency.FrequencyLists["passwords"] {
		if len(text) >= LeastMinLength {
			known[text] = true
		}
	}
	return known
})

// isCommon takes no notice of letter case: Password1 is tried after password1.
func isCommon(password string) bool { return common()[strings.ToLower(password)] }
