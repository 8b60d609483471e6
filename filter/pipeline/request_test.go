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
		var none, read head
		none.read(nil)
		read.read([][2]string{{name, "7"}})
		if reflect.DeepEqual(none, read) {
			t.Errorf("%s is not read", name)
		}
		read = head{}
		read.read([][2]string{{name[:len(name)-1] + "_", "7"}})
		if !reflect.DeepEqual(none, read) {
			t.Errorf("another name of the length of %s is taken for it: %+v", name, read)
		}
	}
}
