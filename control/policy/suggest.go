package policy

import (
	"slices"
	"strings"
)

// suggest says what a misspelt word may have meant, else what there is.
func suggest(word string, known []string, what string) string {
	best, distance := "", len(word)/3+1
	for _, k := range known {
		if n := editDistance(strings.ToLower(word), k); n <= distance && (best == "" || n < distance) {
			best, distance = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	if len(known) == 0 {
		return "there is no " + what + " here"
	}
	sorted := slices.Sorted(slices.Values(known))
	return "write one of " + strings.Join(sorted, ", ")
}

// maxWord bounds the cost of comparing; no word of ours is as long.
const maxWord = 64

// editDistance counts the letters to insert, remove, replace or swap with their
// neighbour (optimal string alignment).
func editDistance(a, b string) int {
	a, b = a[:min(len(a), maxWord)], b[:min(len(b), maxWord)]
	before, previous, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous, row = previous, row, before
	}
	return previous[len(b)]
}
