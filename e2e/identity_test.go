package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"gatehouse/e2e/pack"
)

const identityConfig = preamble + `
policies:
  strangers: {session: none}
  members: {session: required}
  vault: {session: {require: required, second_factor: true, audience: vault.example.com}}
  few: {session: none, limits: [{name: few, by: [ip], rate: 1/1h}]}
routes:
  - {path_prefix: /strangers, upstream: app, policy: strangers}
  - {path_prefix: /members, upstream: app, policy: members}
  - {path_prefix: /vault, upstream: app, policy: vault}
  - {path_prefix: /shop.Orders, upstream: app, policy: members}
  - {path_prefix: /shop.Prices, upstream: app, policy: few}
`

var forged = []pack.Edit{
	pack.With("X-Gatehouse-Assertion", "forged"), pack.With("X-Gatehouse-Subject", "root"), pack.With("X-Gatehouse-Roles", "admin"),
	pack.With("X-Gatehouse-Session-Age", "1"),
}

func TestTheUpstreamCanVerifyWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: identityConfig})
	token := p.SignIn(t)
	verifier := oidc.NewVerifier("gatehouse", oidc.NewRemoteKeySet(t.Context(), p.URL("/auth/jwks.json")),
		&oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{oidc.ES256}})

	seen := p.Get(t, "/members/x", append(forged, pack.Bearer(token))...).Seen(t)
	assertions := seen.Header.Values("X-Gatehouse-Assertion")
	if len(assertions) != 1 {
		t.Fatalf("assertions %q", assertions)
	}
	verified, err := verifier.Verify(t.Context(), assertions[0])
	if err != nil {
		t.Fatal(err)
	}
	if subject := seen.Header.Values("X-Gatehouse-Subject"); len(subject) != 1 || verified.Subject != subject[0] || subject[0] == "root" {
		t.Errorf("sub %q, header %q", verified.Subject, subject)
	}
	if roles, age := seen.Header.Get("X-Gatehouse-Roles"), seen.Header.Values("X-Gatehouse-Session-Age"); roles == "admin" || len(age) != 1 {
		t.Errorf("roles %q, age %q", roles, age)
	}

	for path, edits := range map[string][]pack.Edit{"/strangers/x": append(forged, pack.Bearer(token)), "/strangers/y": forged} {
		for name := range p.Get(t, path, edits...).Seen(t).Header {
			if len(name) > 12 && name[:12] == "X-Gatehouse-" && name != "X-Gatehouse-Client" {
				t.Errorf("%s: the upstream is told %s", path, name)
			}
		}
	}
}

func TestAClientIsToldWhatItsSessionLacks(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: identityConfig})
	r := p.Get(t, "/vault", pack.Bearer(p.SignIn(t)))
	expectStatus(t, r, http.StatusUnauthorized)
	if problem := r.Problem(t); problem.Type != "urn:gatehouse:problem:step-up-required" {
		t.Errorf("%s", r.Body)
	}
	if got := r.Header.Get("Www-Authenticate"); got != `Bearer realm="gatehouse", error="insufficient_user_authentication", acr_values="mfa"` {
		t.Errorf("challenge %q", got)
	}
}

func TestGRPCClientsReadRefusalsAsStatuses(t *testing.T) {
	t.Parallel()
	p := pack.Start(t, pack.Options{Config: identityConfig})
	conn, err := grpc.NewClient(p.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	call := func(method string) codes.Code {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return status.Code(conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}))
	}
	if got := call("/shop.Orders/List"); got != codes.Unauthenticated {
		t.Errorf("without a session: %s", got)
	}
	_ = call("/shop.Prices/List") // the upstream speaks no gRPC; it is counted
	if got := call("/shop.Prices/List"); got != codes.ResourceExhausted {
		t.Errorf("over the limit: %s", got)
	}
}
