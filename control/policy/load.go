package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	authzpolicy "gatehouse/authz/policy"
	"gatehouse/control/privacy/datamap"
	filterpolicy "gatehouse/filter/policy"
)

// Load reads and compiles the text of a gatehouse.yaml. file is its name, for
// messages and as the folder of relative file names; it is not opened. The
// error is an Errors with everything that is wrong.
func Load(file string, data []byte) (*Compiled, error) {
	d := &decoder{file: file}
	c := compileText(d, file, data)
	if len(d.errs) > 0 {
		return nil, d.errs.sorted()
	}
	c.Warnings = d.warnings.sorted()
	return c, nil
}

func compileText(d *decoder, file string, data []byte) *Compiled {
	found := scanText(d, data)
	root := parse(d, data)
	if root == nil {
		refuseFound(d, data, found)
		return nil
	}
	checkSecrets(d, root)
	refuseFound(d, data, found)
	raw, ok := fileKind().read(d, root)
	if !ok {
		return nil
	}
	k := &compiler{d: d, raw: raw, family: newFamily(d, raw.policies.v), used: map[string]bool{}}
	k.out = &Compiled{
		Source:  file,
		Filter:  newFilter(),
		Authz:   authzpolicy.Config{Policies: map[string]authzpolicy.Policy{}},
		origins: map[string]trace{},
	}
	k.compile()
	return k.out
}

// gatherBody is a body's bytes, as many as an upload whose verdict comes with its last
// ones is read whole by.
const gatherBody = 128 << 10

// newFilter is the filter's part before there are policies. Every route that is
// rendered asks Check, whose metadata already tell the log the policy and its
// version of what was allowed: the filter need not say so again. Metadata stay
// the way to name a policy, because each route has its own. Every virtual host that is
// rendered has room for a body that is gathered.
func newFilter() filterpolicy.Config {
	return filterpolicy.Config{
		HoldRequestHeaders: true, GatherBody: gatherBody, Verdicts: filterpolicy.VerdictsDecisions,
		DefaultPolicy: DefaultPolicy, Policies: map[string]filterpolicy.Policy{},
	}
}

// seal gives the compilation its version and has the compilers of the rooms
// judge it as a whole: what they would refuse must not leave here.
func (k *compiler) seal() {
	version, err := fingerprint(k.out)
	if err != nil {
		k.d.fail(pos{}, err.Error(), "", "")
		return
	}
	k.joinFiles()
	k.out.Version, k.out.Filter.Version, k.out.Authz.Version = version, version, version
	if _, err := filterpolicy.Compile(k.out.Filter); err != nil {
		k.d.fail(pos{}, "the filter refuses this policy: "+err.Error(), "", "")
	}
	if _, err := authzpolicy.Compile(k.out.Authz); err != nil {
		k.d.fail(pos{}, "authz refuses this policy: "+err.Error(), "", "")
	}
}

// fingerprint hashes what the file means. Maps are written in the order of
// their keys, so the same meaning has the same bytes.
func fingerprint(c *Compiled) (string, error) {
	canonical, err := json.Marshal(struct {
		Filter     filterpolicy.Config
		Authz      authzpolicy.Config
		Envoy      EnvoySettings
		Upstreams  []Upstream
		Routes     []Route
		Redis      RedisSettings
		AuthPolicy string
		Control    ControlSettings `json:",omitzero"`
		Privacy    datamap.Map     `json:",omitzero"`
		Alerts     AlertSettings
	}{c.Filter, c.Authz, c.Envoy, c.Upstreams, c.Routes, c.Redis, c.AuthPolicy, c.Control, c.Privacy, c.Alerts})
	if err != nil {
		return "", fmt.Errorf("hash the policy: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8]), nil
}
