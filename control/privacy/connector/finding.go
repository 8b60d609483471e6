package connector

import "context"

// Level of a Finding.
type Level string

// The levels.
const (
	Fault   Level = "fault"   // requests cannot be carried out so
	Warning Level = "warning" // probably not meant
)

// Finding is one thing that the data map and a system disagree on.
type Finding struct {
	System string `json:"system"`
	Level  Level  `json:"level"`
	Text   string `json:"text"`
}

// Checker is a connector that can compare the data map with its system.
type Checker interface {
	Check(ctx context.Context) ([]Finding, error)
}
