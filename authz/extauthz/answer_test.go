package extauthz

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fields are the names of all that is set in a message and what it holds, down
// to lists and maps.
func fields(m protoreflect.Message, prefix string) (names []string) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := prefix + string(f.Name())
		names = append(names, name)
		if f.Message() != nil && !f.IsList() && !f.IsMap() && f.Message().FullName() != "google.protobuf.Struct" {
			names = append(names, fields(v.Message(), name+".")...)
		}
		return true
	})
	slices.Sort(names)
	return names
}

// Which fields of the answer are used, and that no other one is: query parameters
// are left alone, since identity in a URL gets into logs; the deprecated
// ok_response.dynamic_metadata would hide the one that is set; error_response is
// for nobody, see TestLessonAnEnvoyThatLetsErrorsPassHasNoneToLetPass.
func TestTheAnswerHasTheseFieldsAndNoOthers(t *testing.T) {
	t.Parallel()
	denied := []string{
		"denied_response", "denied_response.body", "denied_response.headers", "denied_response.status", "denied_response.status.code",
		"dynamic_metadata", "status", "status.code", "status.message",
	}
	for name, test := range map[string]struct {
		ask  ask
		want []string
	}{
		"allowed": {ask{policy: "open"}, []string{"dynamic_metadata", "ok_response", "ok_response.headers_to_remove", "status"}},
		"allowed, with who it is and how much is left": {ask{policy: "limited", headers: cookies(ours, "a=1")}, []string{
			"dynamic_metadata", "ok_response", "ok_response.headers", "ok_response.headers_to_remove", "ok_response.response_headers_to_add", "status",
		}},
		"refused":         {ask{policy: "members"}, denied},
		"a gRPC client":   {ask{policy: "members", headers: map[string]string{"content-type": "application/grpc"}}, denied},
		"without a check": {ask{policy: "nosuch"}, denied},
	} {
		h := newHarness(t)
		if got := fields(h.check(t, test.ask).CheckResponse.ProtoReflect(), ""); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n%q, want\n%q", name, got, test.want)
		}
	}
}

// Envoy lets what came as error_response pass where its operator wrote
// failure_mode_allow: true, as it does when nobody answers. What cannot be
// checked is refused because the policy says so: by denied_response, which that
// setting does not touch. e2e tries it with a real Envoy.
func TestLessonAnEnvoyThatLetsErrorsPassHasNoneToLetPass(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ask     ask
		prepare func(*harness)
	}{
		"the sessions cannot be looked up": {ask{policy: "members", headers: cookies(ours)}, func(h *harness) { h.sessions.err = errDown }},
		"the limits cannot be counted":     {ask{policy: "deny"}, func(h *harness) { h.limits.err = errDown }},
		"nobody knows who has consented":   {ask{policy: "consented", headers: cookies(ours)}, func(h *harness) { h.consents.err = errDown }},
		"the policy is unknown":            {ask{policy: "nosuch"}, func(*harness) {}},
	} {
		h := newHarness(t)
		test.prepare(h)
		got := h.check(t, test.ask)
		if got.GetErrorResponse() != nil || got.GetDeniedResponse() == nil || got.code != 503 || got.GetStatus().GetCode() != int32(codes.Unavailable) {
			t.Errorf("%s: %v", name, got.CheckResponse)
		}
	}
}
