package api

import (
	"encoding/base64"
	"net/http"
)

// Bounds of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 500
	maxCursor    = 512
)

// Paging is what a list's input embeds.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many entries at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"next_cursor of the page before; none for the first page."`
}

// Page is a list's body.
type Page[T any] struct {
	Items []T `json:"items"`
	// NextCursor is empty on the last page.
	NextCursor string `json:"next_cursor,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// NewPage makes sure that an empty list is written as one.
func NewPage[T any](items []T, nextCursor string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, NextCursor: nextCursor}
}

// EncodeCursor hides the form of a position, so that nobody builds on it.
func EncodeCursor(position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(position))
}

// DecodeCursor is the position again, or a problem with status 400.
func DecodeCursor(cursor string) (string, error) {
	position, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > maxCursor {
		return "", NewProblem(http.StatusBadRequest, "", "cursor is none that a page has given")
	}
	return string(position), nil
}
