package extauthz

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"gatehouse/authz/login"
)

// written is what the codec makes of an answer, read again; fast says whether it
// was written without reflection.
func written(t testing.TB, in *authv3.CheckResponse) (out *authv3.CheckResponse, fast bool) {
	t.Helper()
	data, err := Codec().Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Free()
	out = &authv3.CheckResponse{}
	if err := proto.Unmarshal(data.Materialize(), out); err != nil {
		t.Fatal(err)
	}
	var l layout
	return out, l.of(in)
}

func TestTheCodecWritesWhatCheckAnswers(t *testing.T) {
	t.Parallel()
	signedIn := func(more ...string) map[string]string {
		return cookies(append(more, login.CookieName+"="+validToken)...)
	}
	spoofed := signedIn("theme=dark")
	spoofed["X-Gatehouse_Subject"], spoofed["authorization"] = "me", "Bearer "+session2()
	for name, c := range map[string]struct {
		ask  ask
		fast bool
	}{
		"allowed":               {ask{policy: "open"}, true},
		"to a person":           {ask{policy: "members", headers: signedIn("theme=dark", "lang=en")}, true},
		"without other cookies": {ask{policy: "members", headers: signedIn()}, true},
		"with limits":           {ask{policy: "limited", headers: signedIn()}, true},
		"reported":              {ask{policy: "watched"}, true},
		"to the sign-in":        {ask{policy: "open", route: "auth", headers: spoofed}, true},
		"a long cookie":         {ask{policy: "members", headers: signedIn("x=" + strings.Repeat("y", 5000))}, true},
		"refused":               {ask{policy: "members"}, false},
	} {
		h := newHarness(t)
		got := h.check(t, c.ask)
		again, fast := written(t, got.CheckResponse)
		if !proto.Equal(again, got.CheckResponse) || fast != c.fast {
			t.Errorf("%s: fast %v\n got %v\nwant %v", name, fast, again, got.CheckResponse)
		}
	}
}

// session2 is another token, of the same form.
func session2() string { return validToken[:len(validToken)-1] + "z" }

func TestTheCodecLeavesToReflectionWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	ok := func(change func(*authv3.CheckResponse, *authv3.OkHttpResponse)) *authv3.CheckResponse {
		answer := &authv3.OkHttpResponse{Headers: []*corev3.HeaderValueOption{overwrite("a", "b")}}
		out := &authv3.CheckResponse{Status: statusOK, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: answer}}
		change(out, answer)
		return out
	}
	for name, in := range map[string]*authv3.CheckResponse{
		"no answer": {Status: statusOK},
		"raw":       ok(func(_ *authv3.CheckResponse, a *authv3.OkHttpResponse) { a.Headers[0].Header.RawValue = []byte{1} }),
		"appended": ok(func(_ *authv3.CheckResponse, a *authv3.OkHttpResponse) {
			a.Headers[0] = &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: "a"}}
		}),
		"queries": ok(func(_ *authv3.CheckResponse, a *authv3.OkHttpResponse) { a.QueryParametersToRemove = []string{"q"} }),
		"a number": ok(func(r *authv3.CheckResponse, _ *authv3.OkHttpResponse) {
			r.DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(1)}}
		}),
	} {
		if out, fast := written(t, in); fast || !proto.Equal(out, in) {
			t.Errorf("%s: fast %v, %v", name, fast, out)
		}
	}
	// What no string may hold is an error, as ever: Envoy then refuses.
	bad := ok(func(_ *authv3.CheckResponse, a *authv3.OkHttpResponse) { a.Headers[0].Header.Value = "\xff" })
	if _, err := Codec().Marshal(bad); err == nil {
		t.Error("text that is not UTF-8 was written")
	}
}

func FuzzTheCodecWritesWhatReflectionReads(f *testing.F) {
	f.Add("ratelimit", "\"a\";r=1", "x-y", "why", "because")
	f.Add("", "", "", "", "")
	f.Fuzz(func(t *testing.T, key, value, removed, name, text string) {
		in := &authv3.CheckResponse{
			Status: statusOK,
			HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
				Headers: []*corev3.HeaderValueOption{overwrite(key, value)}, HeadersToRemove: []string{removed},
				ResponseHeadersToAdd: []*corev3.HeaderValueOption{overwrite(value, key)},
			}},
			DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{name: structpb.NewStringValue(text)}},
		}
		_, wrong := proto.Marshal(in)
		data, err := Codec().Marshal(in)
		if (wrong == nil) != (err == nil) {
			t.Fatalf("%v, and reflection says %v", err, wrong)
		}
		if err != nil {
			return
		}
		defer data.Free()
		var out authv3.CheckResponse
		if err := proto.Unmarshal(data.Materialize(), &out); err != nil || !proto.Equal(in, &out) {
			t.Errorf("%v\n got %v\nwant %v", err, &out, in)
		}
	})
}
