package secret

import (
	"log/slog"
	"time"
)

// timeless is the time of a record that is none, which handlers leave out.
var timeless time.Time

// replaced returns r with mark in the place of all its texts.
func replaced(r slog.Record, mark string) slog.Record {
	clean := slog.NewRecord(r.Time, r.Level, mark, r.PC)
	clean.AddAttrs(replaceAll(attrsOf(r), mark)...)
	return clean
}

// unscanned is replaced by Unscanned, with the message kept if it has been found
// clean before: nearly all messages are constants. Where it was logged stands in
// its place otherwise.
func unscanned(r slog.Record, known remembered) slog.Record {
	clean := replaced(r, Unscanned)
	if known.has(r.Message) {
		clean.Message = r.Message
	} else if place := source(r); place != "" {
		clean.Message += place
	}
	return clean
}

func attrsOf(r slog.Record) []slog.Attr {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return attrs
}

// replaceAll keeps numbers, times and truth values: they hide nothing.
func replaceAll(attrs []slog.Attr, mark string) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		switch {
		case a.Value.Kind() == slog.KindGroup:
			clean[i] = slog.Attr{Key: a.Key, Value: slog.GroupValue(replaceAll(a.Value.Group(), mark)...)}
		case hides(a.Value):
			clean[i] = slog.String(a.Key, mark)
		default:
			clean[i] = a
		}
	}
	return clean
}

// sizeOf is about what an attribute holds, in bytes.
func sizeOf(a slog.Attr) int64 {
	size := int64(len(a.Key)) + 64
	switch a.Value.Kind() {
	case slog.KindGroup:
		for _, member := range a.Value.Group() {
			size += sizeOf(member)
		}
	default:
		for _, text := range texts(a.Value) {
			size += int64(len(text))
		}
	}
	return size
}
