package control

import (
	"gatehouse/control/policy"
	"gatehouse/control/scan"
)

// useScanner makes the policy's scanner the one that new scans go to.
func (c *control) useScanner(compiled *policy.Compiled) {
	from := compiled.Control.Scanner
	if from == nil {
		_ = c.scans.Use(nil) // never fails
		return
	}
	err := c.scans.Use(&scan.Config{Kind: from.Kind, Address: from.Address, Service: from.Service, MaxScans: from.MaxScans})
	if err != nil { // it was compiled with the policy
		c.o.Log.Error("the scanner stays that of the policy before", "error", err)
	}
}

// useUploads has files of the API judged by the policy.
func (c *control) useUploads(compiled *policy.Compiled) {
	if err := c.uploads.use(compiled); err != nil { // it was compiled with the policy
		c.o.Log.Error("files are judged by the policy before", "error", err)
	}
}
