package main

// openUploads is the gauge of the streams whose body is, or was, inspected and
// that the host has not deleted yet; Envoy shows it as
// wasmcustom.gatehouse_uploads_open. At rest it is 0: anything else is a leak. The
// host is told by the clock, at most tickMillis later, because a call for each
// stream's beginning and one for its end would be a fortieth of what a small upload
// costs.
const openUploads = "gatehouse_uploads_open"

// gauge is defined when it is first used, because a VM may never see an upload.
type gauge struct {
	id      uint32
	defined bool
	broken  bool // what cannot be counted is no reason to refuse anything
	count   int64
	told    int64 // what the host knows
}

// add counts a stream of the plugin, whose clock tells the host.
func (g *gauge) add(p *plugin, delta int64) {
	g.count += delta
	if !g.defined {
		g.tell()
	}
	if p == nil || p.ticked || g.broken {
		return
	}
	if err := p.tick(true); err != nil {
		g.fail(err)
	}
}

// tell tells the host what it does not know yet, and whether that was anything.
func (g *gauge) tell() bool {
	if g.broken || g.count == g.told { // true before the first upload, too
		return false
	}
	var err error
	if !g.defined {
		g.id, err = hostDefineGauge(openUploads)
		g.defined = true
	}
	if err == nil {
		err = hostAddTo(g.id, g.count-g.told)
	}
	if g.told = g.count; err != nil {
		g.fail(err)
	}
	return true
}

func (g *gauge) fail(err error) {
	g.broken = true
	hostLog(levelError, "gatehouse: uploads are not counted: "+err.Error())
}
