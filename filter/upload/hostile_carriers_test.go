package upload

import (
	"runtime"
	"strings"
	"testing"
)

// hostileBodies are what a reader of carriers that goes back, or keeps what it has
// seen, would be slow or large on, about n bytes long.
func hostileBodies(n int) []struct{ name, media, body string } {
	repeat := func(s string) string { return strings.Repeat(s, n/len(s)) }
	const form, json = "multipart/form-data; boundary=" + testBoundary, "application/json"
	file := "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n"
	return []struct{ name, media, body string }{
		{"almost the boundary", form, file + repeat("\r\n--Xy") + "\r\n--XyZ--"},
		{"hyphens", form, file + repeat("-") + "\r\n--XyZ--"},
		{"line ends", form, file + repeat("\r\n") + "\r\n--XyZ--"},
		{"parts", form, strings.Repeat("--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"+strings.Repeat("x", n/1000)+"\r\n", 999) + "--XyZ--"},
		{"heads", form, strings.Repeat("--XyZ\r\nX-A: "+strings.Repeat("y", min(8000, n/900))+"\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n", 900) + "--XyZ--"},
		{"escapes", json, `{"x":"` + repeat(`\u0041`) + `"}`},
		{"halves of pairs", json, `{"x":"` + repeat(`\ud800`) + `"}`},
		{"members", json, `{"y":1` + repeat(`,"y":1`) + `}`},
		{"members that are almost named", json, `{"y":1` + repeat(`,"document_":1`) + `}`},
		{"empty objects", json, `[{}` + repeat(`,{}`) + `]`},
		{"a long name", json, `{"` + repeat("a") + `":1}`},
		{"brackets", json, `[` + repeat(strings.Repeat("[", 500)+strings.Repeat("]", 500)+",") + `1]`},
		{"a file of line ends", json, `{"document":{"content":"` + repeat(`\r\n`) + `"}}`},
		{"a file by its codes", json, `{"document":{"content":"` + repeat(`\u0061\u0047\u0056\u0073`) + `"}}`},
		{"a list of empty files", json, `{"files":[{"data":""}` + repeat(`,{"data":""}`) + `]}`},
	}
}

func judgeHostile(tb testing.TB, p *Policy, media, body string, n int) {
	tb.Helper()
	if rule, _ := inspect(tb, p, Request{ContentType: media, ContentLength: -1}, body, n); rule != "" {
		tb.Fatalf("refused: %s", rule)
	}
}

func hostilePolicy(tb testing.TB) *Policy {
	tb.Helper()
	return policyOf(tb, Config{Allow: []string{"txt", "csv"}, MaxFileSize: 64 << 20, JSONFields: []JSONField{{Path: "document.content"}, {Path: "files[*].data"}}})
}

//nolint:paralleltest // it counts what the whole program allocates
func TestHostileCarriersCostNoMoreWhenTheyAreLonger(t *testing.T) {
	p := hostilePolicy(t)
	long := hostileBodies(1 << 20)
	for i, s := range hostileBodies(256 << 10) {
		t.Run(s.name, func(t *testing.T) {
			spent := func(media, body string) int64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				judgeHostile(t, p, media, body, 4000)
				runtime.ReadMemStats(&after)
				return int64(after.TotalAlloc - before.TotalAlloc) //nolint:gosec // far from it
			}
			// inspect copies each piece once; names cost a string of their own size.
			if short, more := spent(s.media, s.body), spent(long[i].media, long[i].body); more > 5*short+2<<20 {
				t.Errorf("%d bytes for 256 KiB, %d for 1 MiB", short, more)
			}
		})
	}
}

func BenchmarkHostileCarriers(b *testing.B) {
	p := hostilePolicy(b)
	for _, n := range []int{1 << 20, 8 << 20} {
		for _, s := range hostileBodies(n) {
			b.Run(s.name+"/"+map[bool]string{true: "1MiB", false: "8MiB"}[n == 1<<20], func(b *testing.B) {
				b.SetBytes(int64(len(s.body)))
				for b.Loop() {
					judgeHostile(b, p, s.media, s.body, 16<<10)
				}
			})
		}
	}
}

func BenchmarkFileInJSON(b *testing.B) {
	p := policyOf(b, Config{Allow: []string{"jpeg"}, MaxFileSize: 64 << 20, JSONFields: []JSONField{{Path: "a"}}})
	jpeg := sampleJPEG(b)
	body := `{"a":"` + in64(jpeg[:len(jpeg)-2]+strings.Repeat("\x80", 8<<20)+"\xff\xd9") + `"}`
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		judgeHostile(b, p, "application/json", body, 64<<10)
	}
}
