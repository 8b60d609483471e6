package main

import (
	"strings"

	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm"
	"github.com/proxy-wasm/proxy-wasm-go-sdk/proxywasm/types"

	"gatehouse/filter/policy"
)

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

// plugin is one configuration. Several can live in a VM at once: while Envoy
// changes to a new one, the streams of the old go on with theirs.
type plugin struct {
	types.DefaultPluginContext
	set    *policy.Set
	random randomness
}

// OnPluginStart refuses a configuration with mistakes: at start Envoy does not
// come up, later it keeps the old one.
func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	text, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		proxywasm.LogCriticalf("gatehouse: cannot read the plugin's configuration: %v", err)
		return types.OnPluginStartStatusFailed
	}
	set, err := policy.Parse(text)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			proxywasm.LogCritical("gatehouse: configuration refused: " + line)
		}
		return types.OnPluginStartStatusFailed
	}
	p.set = set
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext {
	return &stream{set: p.set, random: &p.random}
}
