package verify

import "fmt"

// Kind is what is bad.
type Kind string

// The kinds of a Fault.
const (
	Checkpoint Kind = "checkpoint" // unreadable, unsigned, or of other tiles
	Tile       Kind = "tile"
	Bundle     Kind = "bundle" // of entries
	Entry      Kind = "entry"
	History    Kind = "history" // not a continuation of the older checkpoint
	Proof      Kind = "proof"
)

// Fault is the first bad place of a log.
type Fault struct {
	Kind Kind `json:"kind"`
	// File is the path in the log: "checkpoint", "tile/0/x001/067", ...
	File string `json:"file,omitempty"`
	// Index is the first entry that is concerned; -1 if there is none.
	Index   int64  `json:"index"`
	Problem string `json:"problem"`
}

// Error implements error.
func (f *Fault) Error() string {
	text := string(f.Kind)
	if f.Index >= 0 {
		text += fmt.Sprintf(" %d", f.Index)
		if f.Kind == Tile || f.Kind == Bundle {
			text = fmt.Sprintf("%s of entry %d", f.Kind, f.Index)
		}
	}
	if f.File != "" {
		text += " (" + f.File + ")"
	}
	return text + ": " + f.Problem
}

func fault(kind Kind, file string, index int64, format string, args ...any) *Fault {
	return &Fault{Kind: kind, File: file, Index: index, Problem: fmt.Sprintf(format, args...)}
}
