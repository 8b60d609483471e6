package cors

import "strings"

// MergeVary adds want to the Vary lines that the response has and returns the
// single value to set: each name once, in the spelling that came first, and "*"
// alone where it stands (RFC 9110 section 12.5.5).
//
//go:noinline
func MergeVary(have []string, want string) string {
	if len(have) == 0 {
		return want
	}
	size := len(want)
	for i := range have {
		size += len(have[i]) + len(", ")
	}
	merged := make([]byte, 0, size)
	for i := range have {
		merged = appendNew(merged, have[i])
	}
	if listHas(string(merged), "*") {
		return "*"
	}
	return string(appendNew(merged, want))
}

// appendNew appends the list's names that are not there yet.
func appendNew(merged []byte, list string) []byte {
	for at := 0; at < len(list); {
		var name string
		if name, at = element(list, at); name == "" || listHas(string(merged), name) {
			continue
		}
		if len(merged) > 0 {
			merged = append(merged, ", "...)
		}
		merged = append(merged, name...)
	}
	return merged
}

// Varies tells whether the lines say already what want says, and no name twice,
// so that they can stay as they are.
//
//go:noinline
func Varies(have []string, want string) bool {
	if len(have) != 1 {
		return false
	}
	line := have[0]
	if line == want || line == "*" {
		return true
	}
	for at := 0; at < len(line); {
		var name string
		if name, at = element(line, at); name == "*" || name != "" && listHas(line[at:], name) {
			return false
		}
	}
	for at := 0; at < len(want); {
		var name string
		if name, at = element(want, at); !listHas(line, name) {
			return false
		}
	}
	return true
}

func listHas(list, name string) bool {
	for at := 0; at < len(list); {
		var e string
		if e, at = element(list, at); len(e) == len(name) && strings.EqualFold(e, name) {
			return true
		}
	}
	return false
}

// element is the list's element that begins at at, without the space around it, and
// where the next begins. It is asked for each response: an iterator would allocate.
func element(list string, at int) (name string, next int) {
	end := at
	for end < len(list) && list[end] != ',' {
		end++
	}
	next = min(end+1, len(list))
	for at < end && (list[at] == ' ' || list[at] == '\t') {
		at++
	}
	for at < end && (list[end-1] == ' ' || list[end-1] == '\t') {
		end--
	}
	return list[at:end], next
}
