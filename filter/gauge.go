package main

// openUploads is the gauge of the streams whose body is, or was, inspected and
// that the host has not deleted yet; Envoy shows it as
// wasmcustom.gatehouse_uploads_open. At rest it is 0: anything else is a leak. Only
// such streams pay for it, with two calls to the host.
const openUploads = "gatehouse_uploads_open"

// gauge is defined when it is first used, because a VM may never see an upload.
type gauge struct {
	id      uint32
	defined bool
	broken  bool // what cannot be counted is no reason to refuse anything
}

func (g *gauge) add(delta int64) {
	if g.broken {
		return
	}
	var err error
	if !g.defined {
		g.id, err = hostDefineGauge(openUploads)
		g.defined = true
	}
	if err == nil {
		err = hostAddTo(g.id, delta)
	}
	if err != nil {
		g.broken = true
		hostLog(levelError, "gatehouse: uploads are not counted: "+err.Error())
	}
}
