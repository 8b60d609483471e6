package pipeline

import (
	"reflect"
	"testing"
)

// A name whose length take does not ask for would be read by nobody.
func TestEveryNameThatAPolicyAsksForIsRead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		":method", ":authority", ":path", ":scheme", "x-forwarded-proto", "x-request-id", "origin",
		"access-control-request-method", "access-control-request-headers", "access-control-request-private-network",
		"sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "content-type", "content-encoding", "content-disposition",
		"content-range", "content-length", "upload-offset", "upload-length", "upload-metadata", "upload-concat", "upload-complete",
	} {
		none, read := headOf(nil), headOf([][2]string{{name, "7"}})
		if reflect.DeepEqual(none, read) {
			t.Errorf("%s is not read", name)
		}
		read = headOf([][2]string{{name[:len(name)-1] + "_", "7"}})
		if !reflect.DeepEqual(none, read) {
			t.Errorf("another name of the length of %s is taken for it: %+v", name, read)
		}
	}
}

// headOf is all that is read of the lines.
func headOf(lines [][2]string) head {
	var h head
	h.read(lines)
	h.more()
	h.lines = nil
	return h
}

// What is read later must be what was there when the request began.
func TestTheRestOfAHeadIsReadOnceAndForgotten(t *testing.T) {
	t.Parallel()
	var h head
	h.read([][2]string{{"sec-fetch-site", "none"}, {"x-request-id", "1"}})
	if h.requestID != "" || len(h.fetchSite) > 0 {
		t.Errorf("read before it was asked for: %+v", h)
	}
	for range 2 {
		if h.more(); h.requestID != "1" || len(h.fetchSite) != 1 {
			t.Errorf("%+v", h)
		}
	}
	h.forget()
	if h.more(); h.requestID != "" || len(h.fetchSite) > 0 {
		t.Errorf("of another request: %+v", h)
	}
}
