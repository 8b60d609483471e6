package secret

import (
	"context"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"gatehouse/authz/internal/clip"
)

// write looks at a line and passes it on.
func (c *core) write(l line) {
	next, record := c.looked(l)
	_ = next.Handle(context.Background(), record) // who logs has nobody to tell
}

// looked returns what may be written. Should a rule fail over a text, the line
// goes out without its texts: a logger must neither end the process nor give up.
func (c *core) looked(l line) (next slog.Handler, record slog.Record) {
	defer func() {
		if recover() != nil {
			next, record = l.from.hurried(), unscanned(l.record, c.clean)
		}
	}()
	if l.hurried {
		return l.from.hurried(), l.record
	}
	return l.from.handler(), c.inspect(l.record)
}

// handler is the next one after all steps, which are looked at once.
func (h *Handler) handler() slog.Handler {
	if ready := h.ready.Load(); ready != nil {
		return *ready
	}
	next := h.after(func(attrs []slog.Attr) []slog.Attr {
		r := slog.NewRecord(timeless, slog.LevelInfo, "", 0)
		r.AddAttrs(attrs...)
		return attrsOf(h.core.inspect(r))
	})
	h.ready.Store(&next)
	return next
}

// hurried is handler without the looking, if nobody has looked yet.
func (h *Handler) hurried() slog.Handler {
	if ready := h.ready.Load(); ready != nil {
		return *ready
	}
	return h.after(func(attrs []slog.Attr) []slog.Attr { return replaceAll(attrs, Unscanned) })
}

// after is the next one after all steps, with what written makes of their attributes.
func (h *Handler) after(written func([]slog.Attr) []slog.Attr) slog.Handler {
	next := h.core.next
	for _, s := range h.steps {
		if s.group != "" {
			next = next.WithGroup(s.group)
			continue
		}
		next = next.WithAttrs(written(s.attrs))
	}
	return next
}

// inspect returns r without what the finder finds in it. The rules go by the
// name before a text, too, so each text is looked at behind its key.
func (c *core) inspect(r slog.Record) slog.Record {
	if c.guard == nil {
		return r
	}
	for range passes {
		text := lay(r)
		if c.clean.has(text) {
			return r
		}
		hits := c.real(r, c.guard.finder.Find(lookAt(text)))
		if len(hits) == 0 {
			c.clean.add(text)
			c.clean.add(r.Message) // on its own: a line without its other texts may keep it
			return r
		}
		r = c.takeAll(r, hits)
	}
	return replaced(r, Redacted)
}

// takeAll takes the hits of one look out of r. One that is not there any more was
// part of another, or the same found twice; if none was there, it is hidden in a
// way that only the finder understands, and all texts go.
func (c *core) takeAll(r slog.Record, hits []Found) slog.Record {
	took := false
	for _, hit := range hits {
		without, place := take(r, hit)
		if place == "" {
			continue
		}
		took = true
		r = without
		c.guard.Report(hit.Rule, place)
	}
	if !took {
		c.guard.Report(hits[0].Rule, "log line"+source(r))
		return replaced(r, Mark(hits[0].Rule))
	}
	return r
}

// real drops what is known not to be a secret: a trace's id under a key that
// also has the word "secret" in it looks like one to the rule that goes by names.
func (c *core) real(r slog.Record, hits []Found) []Found {
	kept := hits[:0]
	for _, hit := range hits {
		if hit.Rule == "generic-api-key" && identifies(r, hit.Secret.RevealString()) {
			continue
		}
		kept = append(kept, hit)
	}
	return kept
}

func identifies(r slog.Record, text string) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		key := snake(a.Key)
		for _, name := range [...]string{"trace_id", "span_id", "request_id", "traceparent", "version"} {
			if a.Value.Kind() == slog.KindString && a.Value.String() == text && (key == name || strings.HasSuffix(key, "_"+name)) {
				found = true
			}
		}
		return !found
	})
	return found
}

// lay writes the texts of r one a line, as name = "text".
func lay(r slog.Record) string {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		layAttr(&b, a)
		return true
	})
	return b.String()
}

func layAttr(b *strings.Builder, a slog.Attr) {
	if a.Value.Kind() == slog.KindGroup {
		for _, member := range a.Value.Group() {
			layAttr(b, member)
		}
		return
	}
	for _, text := range texts(a.Value) {
		b.WriteByte('\n')
		b.WriteString(a.Key)
		b.WriteString(` = "`)
		b.WriteString(text)
		b.WriteByte('"')
	}
}

// texts are the forms in which a frozen value may be written.
func texts(v slog.Value) []string {
	switch v.Kind() {
	case slog.KindString:
		return []string{v.String()}
	case slog.KindAny:
		switch v := v.Any().(type) {
		case []byte:
			return []string{string(v)}
		case frozen:
			if v.json == nil {
				return []string{v.text}
			}
			return []string{v.text, string(v.json)}
		}
	}
	return nil
}

// take takes a secret out of r and says where it was; "" if it stands nowhere as
// it was found.
func take(r slog.Record, hit Found) (clean slog.Record, place string) {
	text, mark := hit.Secret.RevealString(), Mark(hit.Rule)
	if text == "" || strings.Contains(mark, text) { // the mark would hold it again
		return r, ""
	}
	clean = slog.NewRecord(r.Time, r.Level, strings.ReplaceAll(r.Message, text, mark), r.PC)
	if clean.Message != r.Message {
		place = "log message"
	}
	r.Attrs(func(a slog.Attr) bool {
		without, changed := takeAttr(a, text, mark)
		if changed && place == "" {
			place = "log attribute " + clip.Text(Scrub(a.Key), maxPlace/2)
		}
		clean.AddAttrs(without)
		return true
	})
	if place == "" {
		return r, ""
	}
	return clean, place + source(r)
}

func takeAttr(a slog.Attr, text, mark string) (_ slog.Attr, changed bool) {
	if a.Value.Kind() == slog.KindGroup {
		group := a.Value.Group()
		members := make([]slog.Attr, len(group))
		for i, member := range group {
			var c bool
			members[i], c = takeAttr(member, text, mark)
			changed = changed || c
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(members...)}, changed
	}
	forms := texts(a.Value)
	for _, form := range forms {
		changed = changed || strings.Contains(form, text)
	}
	if !changed {
		return a, false
	}
	// What had two forms is left with the one for people, if it shows that
	// something was there.
	clean := strings.ReplaceAll(forms[0], text, mark)
	if clean == forms[0] {
		clean = mark
	}
	return slog.String(a.Key, clean), true
}

// source is the place in the code that logged r.
func source(r slog.Record) string {
	if r.PC == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	return " at " + filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
}
