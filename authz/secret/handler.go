package secret

import (
	"context"
	"fmt"
	"log/slog"
)

// Redact returns a handler that passes records on to next without the secrets
// in them: a Value, whatever stands under a key that names a secret, and text
// that looks like one, in the message and in values. Values of other types are
// passed on as they are unless their printed form contains a secret; then the
// scrubbed text takes their place.
func Redact(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ next slog.Handler }

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Scrub(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(scrubAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.next.WithAttrs(scrubAttrs(attrs))}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.next.WithGroup(name)} }

func scrubAttrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = scrubAttr(a)
	}
	return clean
}

func scrubAttr(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	if secretKey(a.Key) && hides(value) {
		return slog.String(a.Key, Redacted)
	}
	switch value.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(scrubAttrs(value.Group())...)}
	case slog.KindString:
		return slog.String(a.Key, Scrub(value.String()))
	case slog.KindAny:
		return slog.Attr{Key: a.Key, Value: scrubAny(value.Any())}
	default:
		return slog.Attr{Key: a.Key, Value: value}
	}
}

// hides is false for what cannot be a secret, such as tokens=3.
func hides(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindTime, slog.KindUint64:
		return false
	default:
		return true
	}
}

func scrubAny(v any) slog.Value {
	text := printed(v)
	if clean := Scrub(text); clean != text {
		return slog.StringValue(clean)
	}
	return slog.AnyValue(v)
}

func printed(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case error:
		return v.Error()
	default:
		return fmt.Sprintf("%+v", v)
	}
}
