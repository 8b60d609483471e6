package pipeline

import (
	"gatehouse/filter/scan"
	"gatehouse/filter/upload"
	"gatehouse/filter/verdict"
)

// tap begins the scanning of what the policy has scanned.
func (x *Exchange) tap() upload.Tap {
	settings := x.policy.Uploads.Scan()
	if settings == nil {
		return nil
	}
	x.scanning, x.tapped = true, true
	x.session.Start(*settings, x.scanner)
	return &x.session
}

// Waiting tells whether the host must keep back everything that it has not let
// go yet, the end of the stream too, until Scanned, ScanBroke or Tick has changed
// that. It says so of a file whose verdict is awaited, and of a scanner that
// does not keep up.
func (x *Exchange) Waiting() bool { return x.scanning && x.session.Waiting() }

// Scans tells whether files of this request may be scanned.
func (x *Exchange) Scans() bool { return x.scanning }

// Scanning tells whether a scanner is being spoken to.
func (x *Exchange) Scanning() bool { return x.scanning && x.session.Open() }

// HoldsBody tells whether the policy wants the whole body kept back, whatever
// Body says.
func (x *Exchange) HoldsBody() bool {
	return x.scanning && !x.ended && x.policy.Uploads.Scan().Hold && !x.policy.UploadsReport
}

// Scanned takes what came back from the scanner. Reply is set if that is bad.
func (x *Exchange) Scanned(message []byte) {
	if x.scanning {
		x.session.Receive(message)
		x.scanned()
	}
}

// ScanBroke says that the link to the scanner has ended.
func (x *Exchange) ScanBroke(why string) {
	if x.scanning {
		x.session.Break(scan.Failed, why)
		x.scanned()
	}
}

// Tick is called each scan.TickMillis while Scanning.
func (x *Exchange) Tick() {
	if x.scanning {
		x.session.Tick()
		x.scanned()
	}
}

// scanned draws the consequences of what is known from the scanner by now.
func (x *Exchange) scanned() (hold bool) {
	if !x.scanning {
		return false
	}
	if bad, ok := x.session.Bad(); ok {
		x.refuse(upload.ScanRefusal(bad))
		return false
	}
	if limit := x.policy.Uploads.Scan().MaxHold; x.HoldsBody() && max(x.received, x.head.contentLength) > limit {
		x.refuse(upload.HoldRefusal(limit))
		return false
	}
	if x.ended && !x.session.Waiting() {
		x.unscanned()
		x.stopScanning()
	}
	return x.HoldsBody()
}

// unscanned puts on record that a file passes without the verdict that the
// policy asks for, because the policy says so.
func (x *Exchange) unscanned() {
	noted, ok := x.session.Noted()
	if !ok {
		return
	}
	r := upload.ScanRefusal(noted)
	x.report(verdict.FeatureUploads, r.Rule, r.Reason+"; the policy lets it pass ("+r.ID()+")", r.Problem)
}

func (x *Exchange) stopScanning() {
	if x.scanning {
		x.scanning = false
		x.session.Close()
	}
}
